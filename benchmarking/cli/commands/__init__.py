"""Subcommands of `imagenet-benchmark`, one module each; `Command` is the contract."""

from __future__ import annotations

import argparse
import sys
from typing import Protocol

from benchmarking.plugins import discover


class Command(Protocol):
    """A subcommand; the docstring of its module is its help."""

    @property
    def NAME(self) -> str:
        """Name of the command."""

    @property
    def HELP(self) -> str:
        """Description of the command in one line."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add its arguments to the parser."""

    def run(self, args: argparse.Namespace) -> int:
        """Run the command and return the exit status."""


def commands() -> dict[str, Command]:
    """Every subcommand, by name."""
    return discover(sys.modules[__name__], Command)
