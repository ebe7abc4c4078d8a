"""The option -o of commands that print text: the same results as a file for programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from benchmarking.cli import terminal
from benchmarking.errors import BenchmarkError
from benchmarking.io.user_folders import expanded

Writers = Mapping[str, Callable[[], str | Iterable[str]]]
"""For each suffix, a function that makes the text of the file, at once or in parts; the first is
that of a pipe."""

NO_STYLES: terminal.Rules = {}

_STANDARD_OUTPUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def add_output(parser: argparse.ArgumentParser, *suffixes: str, what: str = "") -> None:
    """Add -o for a command that can write files with these suffixes."""
    known = " or ".join(suffixes) + what
    parser.add_argument(
        "-o",
        "--output",
        type=expanded,
        metavar="FILE",
        help=f"also write the results to a file, whose suffix selects the format: {known}; with "
        f"'-', print {suffixes[0]} in place of the text",
    )
    parser.set_defaults(suffixes=suffixes)


def check_output(args: argparse.Namespace) -> None:
    """Check the suffix of -o before anything is computed.

    Raises:
        BenchmarkError: no format has this suffix.
    """
    if args.output is not None:
        _suffix(args.output, args.suffixes)


def deliver(
    args: argparse.Namespace, text: str, writers: Writers, styles: terminal.Rules = NO_STYLES
) -> None:
    """Print a text, and write the file that -o names, or print it instead of the text.

    Args:
        args: arguments with those of `add_output`.
        text: the text.
        writers: what makes the file.
        styles: colours of the text, on a terminal.

    Raises:
        BenchmarkError: no format has the file's suffix, or it cannot be written.
    """
    from benchmarking.io import files

    if args.output is None:
        terminal.print_styled(text, styles)
        return
    document = writers[_suffix(args.output, args.suffixes)]()
    parts = [document] if isinstance(document, str) else document
    if str(args.output) in _STANDARD_OUTPUT:
        sys.stdout.writelines(parts)
        return
    try:
        files.write_output(args.output, (part.encode() for part in parts))
        print(f"wrote {args.output}", file=sys.stderr)
    finally:
        terminal.print_styled(text, styles)  # last, because the reader of a pipe may have stopped


def _suffix(path: Path, suffixes: tuple[str, ...]) -> str:
    found = path.suffix.lower()
    if found in suffixes:
        return found
    is_pipe = path.exists() and not (path.is_file() or path.is_dir())
    if not found and (str(path) in _STANDARD_OUTPUT or is_pipe):
        return suffixes[0]
    raise BenchmarkError(f"{path} has no known suffix; use {' or '.join(suffixes)}.")
