"""Arguments that several experiments share."""

from __future__ import annotations

import argparse


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
