"""List the models that can run: published accuracy, recipes, and whether the weights are available.

With --weights, list the files of weights instead: state, published digest, address and folder of
each. On a machine without network, put these files into their folders.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarking.cli.output import add_output, check_output, deliver
from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    from benchmarking.models.spec import ModelSpec
    from benchmarking.reports.documents.models import Model

NAME = "models"
HELP = "list the models that can run, and their weights"

_SHOWN = 3
"""Number of models that a line names."""


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
    add_output(parser, ".json")


def run(args: argparse.Namespace) -> int:
    """Print a line for each model, then details that do not fit the columns."""
    from benchmarking.models.sources import all_specs, select
    from benchmarking.reports.documents import as_json
    from benchmarking.reports.documents.models import models_document

    check_output(args)
    specs = select(args.models) if args.models else all_specs()
    document = models_document(specs, args.weights_dir, check_weights=args.weights)
    text = (_weights if args.weights else _models)(specs, document.models)
    deliver(args, text, {".json": lambda: as_json(document)})
    return 0


def _models(specs: Sequence[ModelSpec], models: Sequence[Model]) -> str:
    from benchmarking.reports.grid import aligned

    lines = [["Platform", "Model", "Weights", "Input", "Parameters", "Acc@1", "Acc@5"]]
    notes: dict[str, None] = {}  # in order, without duplicates
    for spec, model in zip(specs, models, strict=True):
        if model.weights.advice and not model.weights.url:
            notes[model.weights.advice] = None
        if model.missing_library:
            notes[model.missing_library] = None
        side = "/".join(sorted({str(recipe.crop) for recipe in spec.recipes.values()})) or "-"
        lines.append(
            [
                *(model.platform, spec.full_name, model.weights.state, side),
                *(f"{spec.parameters:,}", *_published(spec)),
            ]
        )
    details = [
        *_bare_names(specs),
        *_backends(specs),
        *_citations(specs),
        *_recipes(specs),
        *_licences(specs),
        *notes,
    ]
    if any("missing" in line for line in lines):
        details.append(
            "missing weights: 'imagenet-benchmark models --weights' says where to get them"
        )
    return aligned(lines, left=3) + "\n" + "\n".join(details)


def _weights(specs: Sequence[ModelSpec], models: Sequence[Model]) -> str:
    from benchmarking.reports.grid import aligned

    lines = [["Model", "State", "MiB", "Published digest", "File and folder, address"]]
    for spec, model in zip(specs, models, strict=True):
        weights = model.weights
        size = f"{weights.mebibytes:.0f}" if weights.mebibytes else "-"
        place = weights.path or weights.advice or ""
        lines.append([spec.full_name, weights.state, size, spec.weights.published_digest, place])
    return aligned(lines, left=5).rstrip("\n")


def _published(spec: ModelSpec) -> tuple[str, str]:
    if spec.published is None:
        return "-", "-"
    acc5 = spec.published.acc5
    return f"{spec.published.acc1:.3f}", f"{acc5:.3f}" if acc5 else "-"


def _bare_names(specs: Sequence[ModelSpec]) -> list[str]:
    """A line for each source some of whose models have weights in their names."""
    from benchmarking.models.sources import all_specs

    known = all_specs()
    found: dict[str, str] = {}
    for spec in specs:
        others = (one.name for one in known if one.source == spec.source)
        other = next((name for name in others if name.startswith(f"{spec.name}.")), None)
        if other:
            found.setdefault(
                spec.source,
                f"{spec.source}: a name without weights, such as {spec.name}, means "
                f"{spec.weights.name}; other weights are part of the name, as in {other}",
            )
    return list(found.values())


def _backends(specs: Sequence[ModelSpec]) -> list[str]:
    """A line for the sources whose models also run on other backends of Keras."""
    from benchmarking.models.backends import has_backends, other_backends

    found = list(dict.fromkeys(spec.source for spec in specs if has_backends(spec.source)))
    if not found:
        return []
    others = other_backends()
    names = " or ".join(f"{found[-1]}-{backend}" for backend in others)
    return [
        f"{' and '.join(found)}: also on other backends of Keras, with 'predict --backend' "
        f"{' or '.join(others)}, or as models of {names}"
    ]


def _recipes(specs: Sequence[ModelSpec]) -> list[str]:
    """A line for each recipe, with the models that have it where the crop's size leaves it open."""
    users: dict[tuple[str, str, int], dict[str, list[str]]] = {}
    without: dict[str, list[str]] = {}
    for spec in specs:
        for name, recipe in spec.recipes.items():
            texts = users.setdefault((spec.source, name, recipe.crop), {})
            texts.setdefault(str(recipe), []).append(spec.name)
        if "published" not in spec.recipes:
            without.setdefault(spec.source, []).append(spec.name)
    lines = []
    for (source, name, side), texts in sorted(users.items()):
        for text, models in sorted(texts.items(), key=lambda one: -len(one[1])):
            which = f" ({_some(models)})" if len(texts) > 1 else ""
            lines.append(f"{source}, {name}, {side}{which}: {text}")
    return lines + [
        f"{source}: no recipe published, because it is not known how the authors of the weights "
        f"evaluate them: {', '.join(models)}"
        for source, models in without.items()
    ]


def _licences(specs: Sequence[ModelSpec]) -> list[str]:
    """A line for each licence of weights."""
    found: dict[str, list[str]] = {}
    for spec in specs:
        if spec.weights.licence:
            found.setdefault(spec.weights.licence, []).append(spec.full_name)
    return [f"licence of the weights of {_some(names)}: {url}" for url, names in found.items()]


def _some(names: Sequence[str]) -> str:
    """The first names, and the number of the others."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _citations(specs: Sequence[ModelSpec]) -> list[str]:
    found = {(spec.source, spec.published.source) for spec in specs if spec.published}
    return [f"published accuracy, {source}: {text}" for source, text in sorted(found)]
