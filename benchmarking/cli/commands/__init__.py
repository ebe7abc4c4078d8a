"""Subcommands of `imagenet-benchmark`, one module each; `Command` says what one must have."""

from __future__ import annotations

import argparse
import sys
from typing import Protocol

from benchmarking.plugins import discover


class Command(Protocol):
    """A subcommand; the docstring of its module is its help."""

    @property
    def NAME(self) -> str:
        """Of the command."""

    @property
    def HELP(self) -> str:
        """One line about it."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Describe its arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it and return the exit status."""


def commands() -> dict[str, Command]:
    """Every subcommand, by name."""
    return discover(sys.modules[__name__], Command)
