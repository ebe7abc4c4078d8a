"""Text for LaTeX."""

from __future__ import annotations

from benchmarking.io.printable import printable

_ESCAPES = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
    **{"\N{MINUS SIGN}": "$-$", "±": r"$\pm$"},
}


def escaped(text: str) -> str:
    r"""Escape every character that LaTeX would read as a command, or print as another one.

    >>> print(escaped("50 % of a_b --all"))
    50 \% of a\_b -{}-all
    """
    found = "".join(_ESCAPES.get(character, character) for character in printable(text))
    return found.replace("--", "-{}-")
