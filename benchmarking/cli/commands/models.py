"""List the models that can run: published accuracy, recipes, and whether the weights are available.

Names and conditions choose among the models; a model has to meet all conditions:
  imagenet-benchmark models --min-acc1 80 --max-parameters 30M
  imagenet-benchmark models 'resnet*' --source torchvision --input 224 --weights available

With --files, list the files of weights instead: state, published digest, address and folder of
each. On a machine without network, put these files into their folders.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarking.cli.arguments import amount, percentage, positive
from benchmarking.cli.output import add_output, check_output, deliver
from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    from benchmarking.models.spec import ModelSpec
    from benchmarking.reports.documents.models import Model

NAME = "models"
HELP = "list the models that can run, and their weights"

_SHOWN = 3
"""Number of models that a line names."""
_MOST_GROUPS = 10
"""Number of groups of models with the same weights that are shown one by one."""

_FEW = 20
"""Up to this number of models, all their recipes are written in full."""

_HEADINGS = (
    *("Platform", "Model", "Weights", "MiB", "Parameters", "GMACs", "Acc@1", "Acc@5"),
    *("Recipe published", "Licence"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="names, wildcards, frameworks or sources, as in 'predict --models' (default: all)",
    )
    parser.add_argument(
        "--source",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="only models of these sources, such as torchvision",
    )
    parser.add_argument(
        "--framework",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="only models of these frameworks, such as pytorch or keras",
    )
    parser.add_argument(
        "--weights",
        choices=("available", "missing"),
        help="only models whose file of weights is on this machine, or is not",
    )
    parser.add_argument(
        "--min-acc1",
        type=percentage,
        metavar="PERCENT",
        help="only models with a published acc@1 of at least this",
    )
    parser.add_argument(
        "--max-parameters",
        type=amount,
        metavar="N",
        help="only models with at most this number of parameters, such as 30M",
    )
    parser.add_argument(
        "--input",
        type=positive,
        metavar="PIXELS",
        help="only models with a crop of this side, such as 224",
    )
    parser.add_argument(
        "--files", action="store_true", help="list the files of weights, and check each file"
    )
    parser.add_argument(
        "--weights-dir",
        type=expanded,
        metavar="DIR",
        help="folder with the files of weights, or a cache of the Hugging Face hub (default: where "
        "each framework keeps them)",
    )
    add_output(parser, ".json")


def run(args: argparse.Namespace) -> int:
    """Print a line for each model, then details that do not fit the columns."""
    from benchmarking.models.listing import list_models
    from benchmarking.reports.documents import as_json
    from benchmarking.reports.documents.models import models_document

    check_output(args)
    specs = list_models(
        args.models,
        source=args.source,
        framework=args.framework,
        weights=args.weights,
        min_acc1=args.min_acc1,
        max_parameters=args.max_parameters,
        input=args.input,
        weights_folder=args.weights_dir,
    )
    document = models_document(specs, args.weights_dir, check_weights=args.files)
    text = (_files if args.files else _models)(specs, document.models)
    deliver(args, text, {".json": lambda: as_json(document)})
    return 0


def _models(specs: Sequence[ModelSpec], models: Sequence[Model]) -> str:
    from benchmarking.reports.grid import aligned

    lines = [list(_HEADINGS)]
    notes: dict[str, None] = {}  # in order, without duplicates
    for spec, model in zip(specs, models, strict=True):
        if model.weights.advice and not model.weights.url:
            notes[model.weights.advice] = None
        if model.missing_library:
            notes[model.missing_library] = None
        lines.append(_line(spec, model))
    details = [*_bare_names(specs), *_same_weights(models), *_citations(specs)]
    details += _recipes(specs) if len(specs) <= _FEW else _other_recipes(specs)
    details += [*_without_recipe(specs), *_licences(specs), *notes]
    if any("missing" in line for line in lines):
        details.append(
            "missing weights: 'imagenet-benchmark models --files' says where to get them"
        )
    return aligned(lines, left={0, 1, 2, 8, 9}) + "\n" + "\n".join(details)


def _files(specs: Sequence[ModelSpec], models: Sequence[Model]) -> str:
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

    longer: dict[tuple[str, str], str] = {}  # a name with weights, by its part before them
    for spec in all_specs():
        if "." in spec.name:
            longer.setdefault((spec.source, spec.name.partition(".")[0]), spec.name)
    found: dict[str, str] = {}
    for spec in specs:
        other = longer.get((spec.source, spec.name))
        if other:
            found.setdefault(
                spec.source,
                f"{spec.source}: a name without weights, such as {spec.name}, means "
                f"{spec.weights.name}; other weights are part of the name, as in {other}",
            )
    return list(found.values())


def _line(spec: ModelSpec, model: Model) -> list[str]:
    weights, recipe = model.weights, spec.recipes.get("published")
    return [
        *(model.platform, spec.full_name, weights.state),
        f"{weights.mebibytes:.0f}" if weights.mebibytes else "-",
        f"{spec.parameters:,}",
        f"{spec.gigamacs:.2f}" if spec.gigamacs else "-",
        *_published(spec),
        recipe.short if recipe else "-",
        "see below" if _is_address(weights.licence) else weights.licence or "-",
    ]


def _is_address(licence: str | None) -> bool:
    return (licence or "").startswith(("http://", "https://"))


def _same_weights(models: Sequence[Model]) -> list[str]:
    """A line for each group of models with the same weights; one line if there are many groups."""
    groups: dict[frozenset[str], str] = {}
    for model in models:
        if model.same_weights:
            name, same = f"{model.source}/{model.model}", model.same_weights
            others = [f"{one.model} (known by {one.evidence})" for one in same]
            line = " = ".join([name, *others])
            groups.setdefault(frozenset([name, *(one.model for one in same)]), line)
    lines = list(groups.values())
    if len(lines) > _MOST_GROUPS:
        return [f"{len(lines)} groups of models have the same weights, such as {lines[0]}"]
    return [f"the same weights: {line}" for line in lines]


def _recipes(specs: Sequence[ModelSpec]) -> list[str]:
    """A line for each recipe, with the models that have it where the crop's size leaves it open."""
    users: dict[tuple[str, str, int], dict[str, list[str]]] = {}
    for spec in specs:
        for name, recipe in spec.recipes.items():
            texts = users.setdefault((spec.source, name, recipe.crop), {})
            texts.setdefault(str(recipe), []).append(spec.name)
    lines = []
    for (source, name, side), texts in sorted(users.items()):
        for text, models in sorted(texts.items(), key=lambda one: -len(one[1])):
            which = f" ({_some(models)})" if len(texts) > 1 else ""
            lines.append(f"{source}, {name}, {side}{which}: {text}")
    return lines


def _other_recipes(specs: Sequence[ModelSpec]) -> list[str]:
    """A line for each source and each recipe other than "published", with its models."""
    found: dict[tuple[str, str], list[str]] = {}
    for spec in specs:
        for name in spec.recipes.keys() - {"published"}:
            found.setdefault((spec.source, name), []).append(spec.name)
    return [
        f"{source}: {_some(models)} {'has' if len(models) == 1 else 'have'} the recipe {name} too; "
        f"'imagenet-benchmark models {source}/{models[0]}' shows it in full"
        for (source, name), models in sorted(found.items())
    ]


def _without_recipe(specs: Sequence[ModelSpec]) -> list[str]:
    """A line for each source some of whose models have no recipe of their authors."""
    without: dict[str, list[str]] = {}
    for spec in specs:
        if "published" not in spec.recipes:
            without.setdefault(spec.source, []).append(spec.name)
    return [
        f"{source}: no recipe published, because it is not known how the authors of the weights "
        f"evaluate them, or no recipe can say it: {', '.join(models)}"
        for source, models in without.items()
    ]


def _licences(specs: Sequence[ModelSpec]) -> list[str]:
    """A line for each licence of weights."""
    found: dict[str, list[str]] = {}
    for spec in specs:
        if _is_address(spec.weights.licence):
            found.setdefault(spec.weights.licence, []).append(spec.full_name)
    return [f"licence of the weights of {_some(names)}: {url}" for url, names in found.items()]


def _some(names: Sequence[str]) -> str:
    """The first names, and the number of the others."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _citations(specs: Sequence[ModelSpec]) -> list[str]:
    known = ((spec.source, spec.published) for spec in specs if spec.published)
    found = {(source, one.source, one.caveat) for source, one in known}
    return [
        f"published accuracy, {source}: {text}{f'; {caveat}' if caveat else ''}"
        for source, text, caveat in sorted(found)
    ]
