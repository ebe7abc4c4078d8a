"""Escaping of untrusted text, such as names of pictures, for terminals and spreadsheets."""

from __future__ import annotations

_FORMULA = tuple("=+-@＝＋－＠")  # noqa: RUF001 - full-width forms start a formula too, in some programs


def printable(text: str) -> str:
    r"""Escape each character that could control a terminal or cannot be encoded.

    >>> print(printable("cat\x1b[2J.jpg"))
    cat\x1b[2J.jpg
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_lines(text: str) -> str:
    r"""Escape each line of a text as `printable` does.

    >>> print(printable_lines("cat\x1b[2J.jpg\nis no\rpicture"))
    cat\x1b[2J.jpg
    is no\rpicture
    """
    return "\n".join(map(printable, text.split("\n")))


def csv_cell(text: str) -> str:
    """Prefix a text that spreadsheets would read as a formula with a quote, which they hide.

    Source: OWASP, CSV Injection.

    >>> csv_cell("=1+1"), csv_cell("n01440764/a.jpg")
    ("'=1+1", 'n01440764/a.jpg')
    """
    shown = printable(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
