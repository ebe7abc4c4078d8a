"""The list of models as text, Markdown and CSV; as JSON it is a document."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from benchmarking.io.printable import csv_cell
from benchmarking.models.backends import has_backends, other_backends
from benchmarking.models.sources import all_specs, framework_of
from benchmarking.models.spec import ModelSpec
from benchmarking.reports.documents.models import Model
from benchmarking.reports.formats.markdown import escaped
from benchmarking.reports.grid import aligned

_SHOWN = 3
"""Number of models that a line names."""
_MOST_GROUPS = 10
"""Number of groups of models with the same weights that are shown one by one."""
_FEW = 20
"""Up to this number of models, all their recipes are written in full."""

_HEADINGS = (
    *("MiB", "Parameters", "GMACs", "Acc@1", "Acc@5"),
    *("Recipe published", "Licence"),
)
_RULES = ("---:", "---:", "---:", "---:", "---:", "---", "---")
_COLUMNS = (
    *("source", "model", "platform", "parameters", "gigamacs", "acc1", "acc5", "published_by"),
    *("recipes", "weights", "mebibytes", "url", "digest", "licence"),
)
_INTRODUCTION = """# All models

{models} models from {sources} sources. Acc@1 and Acc@5 are the published accuracies in percent,
MiB is the size of the file of weights, and GMACs are 10^9 multiply-adds of one forward pass at
the size of the crop. "-" means that the publisher gives no figure.

The recipe "256 bicubic, crop 224, torch scaling" resizes the shorter side to 256 pixels with a
bicubic filter, crops the central 224 x 224 pixels, and scales them as torchvision does. "224 x
224 bicubic" resizes without keeping the aspect ratio. "crop 224/256, 224 bicubic" crops a central
square whose side is 224/256 of the shorter side, then resizes it to 224 pixels.

`imagenet-benchmark models -o all-models.md` writes this page, and `-o all-models.csv` a table
with the recipes in full. Conditions such as `--min-acc1 80` choose among the models.
"""


def as_text(specs: Sequence[ModelSpec], models: Sequence[Model]) -> str:
    """A line for each model, then details that do not fit the columns.

    Args:
        specs: the models.
        models: what the document says of each, in the same order.
    """
    lines = [["Platform", "Model", "Weights", *_HEADINGS]]
    notes: dict[str, None] = {}  # in order, without duplicates
    for spec, model in zip(specs, models, strict=True):
        if model.weights.advice and not model.weights.url:
            notes[model.weights.advice] = None
        if model.missing_library:
            notes[model.missing_library] = None
        lines.append([model.platform, spec.full_name, model.weights.state, *_facts(spec)])
    details = [*_bare_names(specs), *_backends(specs), *_same_weights(models)]
    details += _citations(specs)
    details += _recipes(specs) if len(specs) <= _FEW else _other_recipes(specs)
    details += [*_without_recipe(specs), *_licences(specs), *notes]
    if any("missing" in line for line in lines):
        details.append(
            "missing weights: 'imagenet-benchmark models --files' says where to get them"
        )
    return aligned(lines, left={0, 1, 2, 8, 9}) + "\n" + "\n".join(details)


def as_files(specs: Sequence[ModelSpec], models: Sequence[Model]) -> str:
    """A line for each model's file of weights; the arguments are those of `as_text`."""
    lines = [["Model", "State", "MiB", "Published digest", "File and folder, address"]]
    for spec, model in zip(specs, models, strict=True):
        weights = model.weights
        size = f"{weights.mebibytes:.0f}" if weights.mebibytes else "-"
        place = weights.path or weights.advice or ""
        lines.append([spec.full_name, weights.state, size, spec.weights.published_digest, place])
    return aligned(lines, left=5).rstrip("\n")


def as_markdown(specs: Sequence[ModelSpec]) -> str:
    """A page with a table for each source; it is the same on every machine."""
    by_source: dict[str, list[ModelSpec]] = {}
    for spec in specs:
        by_source.setdefault(spec.source, []).append(spec)
    sections = [
        "\n".join([f"## {source} ({len(found):,})", "", *_table(found), "", *_notes(found)])
        for source, found in by_source.items()
    ]
    intro = _INTRODUCTION.format(models=f"{len(specs):,}", sources=len(by_source))
    return "\n".join([intro, *sections]).rstrip("\n") + "\n"


def _table(specs: Sequence[ModelSpec]) -> list[str]:
    rows = [["Model", "Platform", *_HEADINGS], ["---", "---", *_RULES]]
    rows += [[spec.name, framework_of(spec).TITLE, *_facts(spec)] for spec in specs]
    head, rule, *lines = (f"| {' | '.join(map(escaped, row))} |" for row in rows)
    return [head, rule, *lines]


def _notes(specs: Sequence[ModelSpec]) -> list[str]:
    lines = [*_citations(specs), *_without_recipe(specs), *_licences(specs)]
    return [f"- {escaped(line)}" for line in lines] + [""]


def as_csv(specs: Sequence[ModelSpec]) -> str:
    """A line for each model with its facts, recipes in full, and the file of its weights."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for spec in specs:
        published, weights = spec.published, spec.weights
        row = {
            "source": spec.source,
            "model": spec.name,
            "platform": framework_of(spec).TITLE,
            "parameters": spec.parameters,
            "gigamacs": spec.gigamacs,
            "acc1": published.acc1 if published else None,
            "acc5": published.acc5 if published else None,
            "published_by": published.source if published else None,
            "recipes": "; ".join(f"{name}: {one}" for name, one in spec.recipes.items()),
            "weights": weights.name,
            "mebibytes": weights.megabytes,
            "url": weights.url,
            "digest": weights.published_digest,
            "licence": weights.licence,
        }
        writer.writerow({k: csv_cell(v) if isinstance(v, str) else v for k, v in row.items()})
    return text.getvalue()


def _published(spec: ModelSpec) -> tuple[str, str]:
    if spec.published is None:
        return "-", "-"
    acc5 = spec.published.acc5
    return f"{spec.published.acc1:.3f}", f"{acc5:.3f}" if acc5 else "-"


def _bare_names(specs: Sequence[ModelSpec]) -> list[str]:
    """A line for each source some of whose models have weights in their names."""
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


def _backends(specs: Sequence[ModelSpec]) -> list[str]:
    """A line for the sources whose models also run on other backends of Keras."""
    found = list(dict.fromkeys(spec.source for spec in specs if has_backends(spec.source)))
    if not found:
        return []
    others = other_backends()
    names = " or ".join(f"{found[-1]}-{backend}" for backend in others)
    return [
        f"{' and '.join(found)}: also on other backends of Keras, with 'predict --backend' "
        f"{' or '.join(others)}, or as models of {names}"
    ]


def _facts(spec: ModelSpec) -> list[str]:
    """The cells below _HEADINGS."""
    weights, recipe = spec.weights, spec.recipes.get("published")
    return [
        f"{weights.megabytes:.0f}" if weights.megabytes else "-",
        f"{spec.parameters:,}",
        f"{spec.gigamacs:.2f}" if spec.gigamacs else "-",
        *_published(spec),
        recipe.short if recipe else "-",
        "see below" if _is_address(weights.licence) else weights.licence or "-",
    ]


def _is_address(licence: str) -> bool:
    return licence.startswith(("http://", "https://"))


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
