"""The parser of the commands, and the kinds of values that it accepts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Literal, NoReturn

from benchmarking.io.user_folders import expanded

_MOST_DIGITS = 19
_UNITS = {"K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}


class Parser(argparse.ArgumentParser):
    """A parser that refuses abbreviations, and names an unknown option beside a similar one."""

    def __init__(self, **options: Any) -> None:
        """Take the options of `argparse.ArgumentParser`."""
        super().__init__(
            **{"formatter_class": argparse.RawDescriptionHelpFormatter, **options},
            allow_abbrev=False,
        )

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse arguments; a subcommand's parser ends with an error if some are unknown.

        Otherwise the main parser would refuse them, and show a usage without the subcommand.
        """
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self._refuse(unknown)
        return found, unknown

    def _refuse(self, unknown: list[str]) -> NoReturn:
        option = next((one for one in unknown if one.startswith("-")), "")
        name = option.partition("=")[0]
        known = [flag for action in self._actions for flag in action.option_strings]
        close = get_close_matches(name, known, n=1) or [k for k in known if k.startswith(name)]
        if not option:
            self.error(f"unexpected: {' '.join(unknown)}")
        self.error(f"unknown option {name}" + (f"; did you mean {close[0]}?" if close else ""))


def place(text: str) -> str:
    """Parse an argument as a place of pictures, with "~" for the home folder, or as a name."""
    return str(expanded(text)) if text.startswith("~") else text


def positive(text: str) -> int:
    """Parse an argument as a whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return number


def natural(text: str) -> int:
    """Parse an argument as a whole number of at least 0."""
    if not _is_whole(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 up")
    return int(text)


def above_zero(text: str) -> float:
    """Parse an argument as a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def points(text: str) -> float:
    """Parse an argument as a number of percentage points above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 50:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of points, such as 0.5")
    return number


def percentage(text: str) -> float:
    """Parse an argument as a percentage above 1, so that 0.8 is not taken for 80.

    >>> percentage("80"), percentage("76.5%")
    (80.0, 76.5)
    """
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = 0.0
    if not 1 < number <= 100:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a percentage above 1, such as 80 for four in five"
        )
    return number


def amount(text: str) -> int:
    """Parse an argument as a whole number, with K, M or G for thousands, millions or billions.

    >>> amount("30M"), amount("25,557,032"), amount("1.5k")
    (30000000, 25557032, 1500)
    """
    plain = text.replace(",", "").replace("_", "").upper()
    unit = _UNITS.get(plain[-1:], 1)
    try:
        number = float(plain if unit == 1 else plain[:-1]) * unit
    except ValueError:
        number = 0.0
    if not 1 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 up, such as 30M")
    return round(number)


def gpu_number(text: str) -> int:
    """Parse an argument as the number of a GPU, or as the CPU."""
    from benchmarking.models.frameworks import NO_GPU

    if text.lower() in ("cpu", "none"):
        return NO_GPU
    if not _is_whole(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a GPU; give its number, 0 for the first one, or 'cpu'"
        )
    return int(text)


def gpu_numbers(text: str) -> int | tuple[int, ...] | Literal["all"]:
    """Parse an argument as a GPU, or as several GPUs that share models.

    >>> gpu_numbers("2"), gpu_numbers("0,1,3"), gpu_numbers("all"), gpu_numbers("cpu,cpu")
    (2, (0, 1, 3), 'all', (-1, -1))
    """
    if text.lower() == "all":
        return "all"
    numbers = tuple(gpu_number(one.strip()) for one in text.split(","))
    return numbers[0] if len(numbers) == 1 else numbers


def _is_whole(text: str) -> bool:
    """Whether a text is a whole number in digits, and not longer than any that makes sense."""
    return text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS
