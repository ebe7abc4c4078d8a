"""Which models a command is about, and whether they can run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarking.errors import BenchmarkError
    from benchmarking.specs import ModelSpec


def chosen(args: argparse.Namespace) -> tuple[list[ModelSpec], dict[str, BenchmarkError]]:
    """The models that can run, and why each of the others cannot, by name.

    Models that are asked for by name have their weights downloaded where they are missing.

    Raises:
        BenchmarkError: a name is unknown, or no model can run.
    """
    from benchmarking.errors import BenchmarkError
    from benchmarking.sources import all_specs, check_installed, select

    ready: list[ModelSpec] = []
    obstacles: dict[str, BenchmarkError] = {}
    for spec in select(args.models) if args.models else all_specs():
        try:
            if args.recipe not in spec.recipes:
                known = ", ".join(spec.recipes)
                raise BenchmarkError(f"no recipe {args.recipe!r}; it has {known}.")
            check_installed(spec)
            if args.weights == "published":
                _find_weights(spec, args.weights_dir, fetch=bool(args.models))
            ready.append(spec)
        except BenchmarkError as error:
            obstacles[f"{spec.source}/{spec.name}"] = error
    if not ready:
        reasons = [f"{name}: {error}" for name, error in obstacles.items()]
        raise BenchmarkError("\n".join(["no model can run.", *reasons]))
    _explain(args.models or ())
    return ready, obstacles


def _find_weights(spec: ModelSpec, folder: Path | None, *, fetch: bool) -> Path:
    from benchmarking.errors import WeightsError
    from benchmarking.sources import source_of, weights_path
    from benchmarking.weights import download

    try:
        return weights_path(spec, folder)
    except WeightsError:
        if not (fetch and spec.weights.url):
            raise
    place = folder or source_of(spec).weights_folder(spec)
    print(f"downloading {spec.weights.url} into {place}", file=sys.stderr)
    return download(spec.weights, place)


def _explain(patterns: Sequence[str]) -> None:
    """Say so where a bare name means models of several sources."""
    from benchmarking.sources import select

    for pattern in patterns:
        same = [spec for spec in select([pattern]) if spec.name.lower() == pattern.lower()]
        if len(same) > 1:
            names = " and ".join(f"{spec.source}/{spec.name}" for spec in same)
            print(f"{pattern} means {names}")
