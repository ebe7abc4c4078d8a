"""List the models that can run: published accuracy, recipes, and whether the weights are available.

With --weights, list the files of weights instead: state, published digest, address and folder of
each. On a machine without network, put these files into their folders.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    from benchmarking.models.spec import ModelSpec

NAME = "models"
HELP = "list the models that can run, and their weights"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="names, wildcards, frameworks or sources, as in 'predict --models' (default: all)",
    )
    parser.add_argument(
        "--weights", action="store_true", help="list the files of weights, and check each file"
    )
    parser.add_argument(
        "--weights-dir",
        type=expanded,
        metavar="DIR",
        help="folder with the files of weights (default: where each framework keeps them)",
    )


def run(args: argparse.Namespace) -> int:
    """Print a line for each model, then details that do not fit the columns."""
    from benchmarking.models.sources import all_specs, select

    specs = select(args.models) if args.models else all_specs()
    if args.weights:
        _list_weights(specs, args.weights_dir)
    else:
        _list_models(specs, args.weights_dir)
    return 0


def _list_models(specs: Sequence[ModelSpec], folder: Path | None) -> None:
    from benchmarking.errors import MissingDependency, WeightsError
    from benchmarking.models.sources import check_installed, framework_of, weights_path
    from benchmarking.reports.grid import aligned

    lines = [["Platform", "Model", "Weights", "Input", "Parameters", "Acc@1", "Acc@5"]]
    notes: dict[str, None] = {}  # in order, without duplicates
    for spec in specs:
        state = "here"
        try:
            weights_path(spec, folder)
        except WeightsError as error:
            state = "missing"
            if not spec.weights.url:
                notes[str(error)] = None
        try:
            check_installed(spec)
        except MissingDependency as error:
            notes[str(error)] = None
        side = "/".join(sorted({str(recipe.crop) for recipe in spec.recipes.values()}))
        lines.append(
            [
                *(framework_of(spec).TITLE, spec.full_name, state, side),
                *(f"{spec.parameters:,}", *_published(spec)),
            ]
        )
    print(aligned(lines, left=3), end="")
    print("\n" + "\n".join([*_citations(specs), *_recipes(specs), *notes]))
    if any("missing" in line for line in lines):
        print("missing weights: 'imagenet-benchmark models --weights' says where to get them")


def _list_weights(specs: Sequence[ModelSpec], folder: Path | None) -> None:
    from benchmarking.reports.grid import aligned

    lines = [["Model", "State", "MiB", "Published digest", "File and folder, address"]]
    for spec in specs:
        weights = spec.weights
        size = f"{weights.megabytes:.0f}" if weights.megabytes else "-"
        state, place = _state(spec, folder)
        name = spec.full_name
        lines.append([name, state, size, weights.published_digest, place])
    print(aligned(lines, left=5), end="")


def _state(spec: ModelSpec, folder: Path | None) -> tuple[str, str]:
    """State of a model's weight file, and its path, or its address and folder if it is missing."""
    from benchmarking.errors import BenchmarkError, WeightsError
    from benchmarking.models.sources import source_of, weights_path
    from benchmarking.models.weights import verified_sha256

    try:
        path = weights_path(spec, folder)
    except WeightsError as error:
        try:
            place = folder or source_of(spec).weights_folder(spec)
        except BenchmarkError:
            return "missing", str(error)
        if not spec.weights.url:
            return "missing", str(error)
        return "missing", f"{place / spec.weights.file} from {spec.weights.url}"
    try:
        verified_sha256(path, spec.weights)
    except WeightsError:
        return "not the published file", str(path)
    known = spec.weights.published_digest != "none"
    return "here, checked" if known else "here, no digest published", str(path)


def _published(spec: ModelSpec) -> tuple[str, str]:
    if spec.published is None:
        return "-", "-"
    acc5 = spec.published.acc5
    return f"{spec.published.acc1:.3f}", f"{acc5:.3f}" if acc5 else "-"


def _recipes(specs: Sequence[ModelSpec]) -> list[str]:
    found = {
        (spec.source, name, recipe.crop, str(recipe))
        for spec in specs
        for name, recipe in spec.recipes.items()
    }
    return [f"{source}, {name}, {side}: {text}" for source, name, side, text in sorted(found)]


def _citations(specs: Sequence[ModelSpec]) -> list[str]:
    found = {(spec.source, spec.published.source) for spec in specs if spec.published}
    return [f"published accuracy, {source}: {text}" for source, text in sorted(found)]
