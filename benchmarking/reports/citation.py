"""Citation of tables: the works to cite, and sentences for the methods section of a paper.

Every fact is recorded with the runs. What was not recorded is said to be so.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Literal

from benchmarking import __version__
from benchmarking.errors import BenchmarkError
from benchmarking.io.names import UNKNOWN
from benchmarking.io.printable import printable
from benchmarking.pictures.recipe import recipe_from
from benchmarking.reports.bibliography import (
    THIS_PACKAGE,
    Work,
    bibtex,
    papers_of,
    papers_of_set,
    plain,
    work,
)
from benchmarking.scoring.table import AccuracyTable, Row

Form = Literal["bibtex", "text"]

NOT_RECORDED = "not recorded"

_WIDTH = 80
_OF_LABELS = {"ReaL": "beyer2020imagenet", "corrected": "northcutt2021pervasive"}
_LIBRARIES = {"timm": "wightman2019pytorch"}  # whose authors ask for a citation, by source
_MOST_NAMED = 6  # models that a sentence names; of more, it gives the number


def cite(tables: Sequence[AccuracyTable], form: Form = "bibtex") -> str:
    """The works that tables are based on, and how they were made.

    Args:
        tables: the tables; without any, only the package and ImageNet are cited.
        form: "bibtex" for entries of BibTeX, after a comment with the methods; "text" for the
            methods, then a list of the works.
    """
    found = list(works(tables))
    methods = [_wrapped(paragraph) for table in tables for paragraph in _methods(table)]
    unknown = _unknown_papers(tables)
    if unknown:
        methods.append(_wrapped(f"No paper is known for the architecture of {unknown}."))
    if form == "text":
        return (
            "\n\n".join([*methods, "References", *(_wrapped(plain(one)) for one in found)]) + "\n"
        )
    # BibTeX takes an @ for the beginning of an entry, also in a comment.
    comment = "\n\n".join(methods).replace("@", "(at)")
    comments = "".join(f"% {line}".rstrip() + "\n" for line in comment.splitlines())
    entries = "\n\n".join(map(bibtex, found))
    return f"{comments}\n{entries}\n" if comments else f"{entries}\n"


def works(tables: Sequence[AccuracyTable]) -> Iterator[Work]:
    """The package, ImageNet, the pictures, the labels, 2019's benchmark and the models; once."""
    found = {THIS_PACKAGE: None, work("russakovsky2015imagenet"): None}
    for table in tables:
        sets = dict.fromkeys(row.provenance.picture_set for row in table.rows)
        found |= {paper: None for name in sets for paper in papers_of_set(name)}
        known = [_OF_LABELS[name] for name in table.label_sets if name in _OF_LABELS]
        found |= dict.fromkeys(map(work, known))
    rows = [row for table in tables for row in table.rows]
    if any(row.run.source.startswith("2019-") for row in rows):
        found[work("northcutt2019benchmarking")] = None
    sources = dict.fromkeys(_architecture(row)[0] for row in rows)
    found |= {work(_LIBRARIES[source]): None for source in sources if source in _LIBRARIES}
    papers = {paper for row in rows for paper in papers_of_row(row)}
    found |= dict.fromkeys(sorted(papers, key=lambda paper: paper.key))
    yield from found


def _methods(table: AccuracyTable) -> Iterator[str]:
    """Paragraphs: what was computed, from what, the recipes, the software, and the statistics."""
    n, runs = len(table.rows), "run" if len(table.rows) == 1 else "runs"
    known = table.fingerprint != UNKNOWN
    fingerprint = f"fingerprint {table.fingerprint[:12]}" if known else "fingerprint not recorded"
    subset = f", {table.subset}" if table.subset else ""
    models = len({(row.run.source, row.run.model) for row in table.rows})
    what = f"{models} model{'s' * (models > 1)}" + (f" ({n} {runs})" if n != models else "")
    with_five = sum(any(name.endswith("Acc@5") for name in row.scores) for row in table.rows)
    yield (
        f"Top-1 {'and top-5 ' * (with_five > 0)}accuracies were computed with "
        f"imagenet-benchmarking {__version__} from the stored {'top-5 ' * (with_five == n)}"
        f"predictions of {what} on the {table.n:,} pictures of {table.images} "
        f"({fingerprint}{subset}). {' '.join(_labels(table))}{_sample(table)}"
    )
    if 0 < with_five < n:
        yield (
            f"{n - with_five} of {n} runs have fewer than five predictions per picture, so that "
            "they have no top-5 accuracy."
        )
    if imported := _grouped(table.rows, [_imported(row) for row in table.rows]):
        yield f"Predictions: {imported}."
    if weights := _grouped(table.rows, [_own_weights(row) for row in table.rows], between="; "):
        yield f"Weights: {weights}."
    recipes = _grouped(table.rows, [_recipe(row) for row in table.rows], between="; ")
    yield f"Preprocessing: {recipes}."
    for platform in dict.fromkeys(row.platform for row in table.rows):
        rows = [row for row in table.rows if row.platform == platform]
        yield f"{platform}: {'; '.join(_environment(rows))}."
    yield _statistics(table)


def _sample(table: AccuracyTable) -> str:
    """How the pictures were drawn, if the accuracies are estimates; else empty."""
    design = table.design
    if design is None:
        return ""
    return (
        f" The accuracies are estimates of those on all {design.of:,} pictures of {design.whole}: "
        f"{design.n:,} pictures were drawn at random from {len(design.sizes)} strata by difficulty "
        f"({design.source}; seed {design.seed})."
    )


def _imported(row: Row) -> str:
    """What outputs a run was imported from; empty if this package computed them, or in 2019."""
    outputs = row.provenance.origin.get("outputs")
    return f"imported from {outputs} that another program computed" if outputs else ""


def _own_weights(row: Row) -> str:
    """The user's own checkpoint with which a run was made; empty if it was made with others."""
    architecture = row.provenance.weights.get("architecture")
    if not architecture:
        return ""
    digest = str(row.provenance.weights.get("sha256", ""))[:12] or NOT_RECORDED
    return f"a checkpoint of our own for the architecture {architecture} (sha256 {digest})"


def _labels(table: AccuracyTable) -> Iterator[str]:
    names = {
        **{"original": "the original labels", "given": "labels that were given"},
        **{"ReaL": "the ReaL labels", "corrected": "the corrected labels"},
    }
    scored = [
        f"{names.get(name, f'the labels of {name}')} of {n:,} pictures"
        for name, n in zip(table.label_sets, table.sizes.values(), strict=False)
    ]
    if scored:
        yield f"The predictions were scored with {' and with '.join(scored)}."


def _recipe(row: Row) -> str:
    """The recipe of a run, with its steps if they were recorded."""
    document = row.provenance.preprocessing
    if not document:
        return f"recipe {row.run.recipe} (steps {NOT_RECORDED})"
    try:
        return f"recipe {row.run.recipe} ({recipe_from(document)})"
    except BenchmarkError:
        steps = ", ".join(f"{name} {value}" for name, value in document.items())
        return f"recipe {row.run.recipe} ({steps})"


def _environment(rows: Sequence[Row]) -> Iterator[str]:
    """Versions, device, precision, batch size and date; each value that differs has its models.

    A library that a run does not name had no part in it.
    """
    made = [row.provenance for row in rows]
    facts: dict[str, list[object]] = {
        "versions": ["" if one.versions else None for one in made],
        "device": [one.device or None for one in made],
        "precision": [one.precision or None for one in made],
        "batch size": [one.batch_size for one in made],
        "date": [one.started.partition("T")[0] or None for one in made],
    }
    for library in dict.fromkeys(name for one in made for name in one.versions):
        found = [one.versions.get(library, "") for one in made]
        yield _grouped(rows, [f"{library} {version}" * bool(version) for version in found])
    missing = [name for name, values in facts.items() if set(values) <= {None, UNKNOWN}]
    for name, values in facts.items():
        texts = [_fact(name, value) for value in values]
        if name not in missing and any(texts):
            yield _grouped(rows, texts)
    if missing:
        yield f"{', '.join(missing)}: {NOT_RECORDED}"


def _fact(name: str, value: object) -> str:
    """A fact in words; nothing if it is told elsewhere, which "" stands for."""
    text = NOT_RECORDED if value in (None, UNKNOWN) else str(value)
    return f"{name} {text}" if text else ""


def _grouped(rows: Sequence[Row], texts: Sequence[str], between: str = " and ") -> str:
    """Each text once, with the models that it is about, unless it is about all; "" is nothing."""
    about: dict[str, list[Row]] = {}
    for row, text in zip(rows, texts, strict=True):
        if text:
            about.setdefault(text, []).append(row)
    return between.join(
        text if len(some) == len(rows) else f"{text} for {_named(some, rows)}"
        for text, some in about.items()
    )


def _named(some: Sequence[Row], rows: Sequence[Row]) -> str:
    """Names of models, with their sources if others have the same names; or how many they are."""
    if len(some) > _MOST_NAMED:
        return f"{len(some)} runs"
    others = {row.run.model for row in rows if row not in some}
    names = (
        f"{row.run.source}/{row.run.model}" if row.run.model in others else row.run.model
        for row in some
    )
    return ", ".join(dict.fromkeys(names))


def _statistics(table: AccuracyTable) -> str:
    if table.design:
        return (
            "Confidence intervals are 95 % design-based intervals of the stratified estimator, "
            "with finite-population correction."
        )
    text = "Confidence intervals are 95 % Wilson score intervals."
    if len(table.rows) > 1 and all(row.place for row in table.rows):
        text += (
            " Models were compared in pairs with exact McNemar tests at the 5 % level, after "
            "Holm's adjustment; a tier contains the models that are not significantly worse than "
            "its best model."
        )
    return text


def _unknown_papers(tables: Sequence[AccuracyTable]) -> str:
    """The models whose architecture has no known paper, each once."""
    rows = [row for table in tables for row in table.rows if not papers_of_row(row)]
    return ", ".join(dict.fromkeys(f"{row.run.source}/{row.run.model}" for row in rows))


def papers_of_row(row: Row) -> tuple[Work, ...]:
    """The papers of a model's architecture; for a checkpoint, of the architecture that it names."""
    return papers_of(*_architecture(row))


def _architecture(row: Row) -> tuple[str, str]:
    """Source and name of the listed model whose architecture a run has."""
    source, _, model = str(row.provenance.weights.get("architecture", "")).partition("/")
    return (source, model) if model else (row.run.source, row.run.model)


def _wrapped(text: str) -> str:
    return textwrap.fill(
        printable(text), _WIDTH - 2, break_long_words=False, break_on_hyphens=False
    )
