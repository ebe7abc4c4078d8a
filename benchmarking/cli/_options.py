"""Options that several commands share."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

STORE_VARIABLE = "IMAGENET_BENCHMARK_STORE"


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add --store."""
    parser.add_argument(
        "--store",
        type=Path,
        metavar="DIR",
        help=f"folder of stored predictions (default: ${STORE_VARIABLE}, else ./precomputed if "
        "it exists, else a folder in your user data)",
    )


def add_weights(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --weights, which parts runs of published weights from those of random ones."""
    parser.add_argument(
        "--weights", choices=("published", "random"), default="published", help=what
    )


def store_folder(option: Path | None, environment: Mapping[str, str], here: Path) -> Path:
    """The folder of stored predictions that an option, the environment or the place mean."""
    if option is not None:
        return option
    if environment.get(STORE_VARIABLE):
        return Path(environment[STORE_VARIABLE])
    if (here / "precomputed").is_dir():
        return Path("precomputed")
    return _user_data(environment) / "imagenet-benchmarking" / "precomputed"


def chosen_store(args: argparse.Namespace) -> Path:
    """The store of this call; runs with random weights are kept in a folder apart."""
    folder = store_folder(args.store, os.environ, Path.cwd())
    return folder.with_name(f"{folder.name}-random") if args.weights == "random" else folder


def _user_data(environment: Mapping[str, str]) -> Path:
    if environment.get("XDG_DATA_HOME"):
        return Path(environment["XDG_DATA_HOME"])
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    if sys.platform == "win32" and environment.get("LOCALAPPDATA"):
        return Path(environment["LOCALAPPDATA"])
    return Path.home() / ".local" / "share"
