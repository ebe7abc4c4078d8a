"""Text from elsewhere, such as names of pictures, made harmless for where it is shown."""

from __future__ import annotations

_FORMULA = tuple("=+-@＝＋－＠")  # noqa: RUF001 - full-width ones, which some spreadsheets read alike


def printable(text: str) -> str:
    r"""Text with each character escaped that could steer a terminal or cannot be encoded.

    >>> print(printable("cat\x1b[2J.jpg"))
    cat\x1b[2J.jpg
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_lines(text: str) -> str:
    r"""The same for text of several lines.

    >>> print(printable_lines("cat\x1b[2J.jpg\nis no\rpicture"))
    cat\x1b[2J.jpg
    is no\rpicture
    """
    return "\n".join(map(printable, text.split("\n")))


def csv_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula, by the quote that spreadsheets do not show.

    Source: OWASP, CSV Injection.

    >>> csv_cell("=1+1"), csv_cell("n01440764/a.jpg")
    ("'=1+1", 'n01440764/a.jpg')
    """
    shown = printable(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
