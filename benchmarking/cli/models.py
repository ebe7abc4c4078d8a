"""List the models that can be run: published accuracy, recipes, and whether weights are here."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarking.specs import ModelSpec

NAME = "models"
HELP = "list the models that can be run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="names, wildcards, frameworks or sources, as in 'predict --models' (default: all)",
    )


def run(args: argparse.Namespace) -> int:
    """Print a line for each model and recipe, then what the columns leave out."""
    from benchmarking.errors import BenchmarkError
    from benchmarking.reports import aligned
    from benchmarking.sources import all_specs, check_ready, framework_of, select

    specs = select(args.models) if args.models else all_specs()
    lines = [["Platform", "Model", "Weights", "Recipe", "Input", "Parameters", "Published Acc@1"]]
    notes: dict[str, None] = {}  # ordered, each once
    for spec in specs:
        try:
            check_ready(spec)
            weights = "here"
        except BenchmarkError as error:
            weights = "missing"
            notes[str(error)] = None
        for recipe, preprocessing in spec.recipes.items():
            title, name = framework_of(spec).TITLE, f"{spec.source}/{spec.name}"
            side, published = str(preprocessing.crop), _published(spec)
            lines.append([title, name, weights, recipe, side, f"{spec.parameters:,}", published])
    print(aligned(lines, left=4), end="")
    print("\n" + "\n".join([*_recipes(specs), *_citations(specs), *notes]))
    return 0


def _published(spec: ModelSpec) -> str:
    return f"{spec.published.acc1:.2f} %" if spec.published else "-"


def _recipes(specs: Sequence[ModelSpec]) -> list[str]:
    found = {(name, p.crop, str(p)) for spec in specs for name, p in spec.recipes.items()}
    return [f"recipe {name}, input {side}: {text}" for name, side, text in sorted(found)]


def _citations(specs: Sequence[ModelSpec]) -> list[str]:
    found = {(spec.source, spec.published.source) for spec in specs if spec.published}
    return [f"published accuracy of {source}: {text}" for source, text in sorted(found)]
