"""Arguments that several experiments share."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def add_models(parser: argparse.ArgumentParser) -> None:
    """Add --models."""
    parser.add_argument(
        "--models",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="as in 'predict' (default: all available models)",
    )


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Add --weights."""
    parser.add_argument(
        "--weights",
        choices=("published", "random"),
        default="published",
        help="'random' needs no files of weights; it only tests the pipeline",
    )


def whole_number(least: int) -> Callable[[str], int]:
    """A function that parses an argument as a whole number of at least this."""

    def parsed(text: str) -> int:
        if not (text.isascii() and text.isdigit() and int(text) >= least):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} up")
        return int(text)

    return parsed
