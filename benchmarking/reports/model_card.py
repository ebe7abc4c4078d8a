"""The results of a model as metadata of a model card on the Hugging Face Hub.

Source: huggingface.co/docs/hub/model-cards, and modelcard.md of huggingface/hub-docs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from benchmarking import __version__
from benchmarking.errors import BenchmarkError
from benchmarking.io.printable import printable
from benchmarking.labels.agreement import numbers_of
from benchmarking.labels.imagenet import validation_labels
from benchmarking.reports.figures import Subject
from benchmarking.scoring.table import EstimatedScore, Row, Score

_DIGITS = 4  # of a percentage; one of 50,000 pictures is 0.002 %


def model_card(subjects: Sequence[Subject]) -> str:
    """The results as YAML, `model-index`, without the lines of dashes around it in a model card.

    Accuracies are in percent, and their names say so.

    Args:
        subjects: the runs of one model, one for each image set.

    Raises:
        BenchmarkError: the runs are of several models, or their weights are random.
    """
    model = _the_model([row for subject in subjects for row in subject.rows])
    results = [_result(subject, row) for subject in subjects for row in subject.rows]
    lines = _yaml({"model-index": [{"name": model, "results": results}]})
    return "\n".join([f"# Measured by imagenet-benchmarking {__version__}.", *lines, ""])


def _the_model(rows: Sequence[Row]) -> str:
    """The model that all rows are of; each has other pictures.

    Raises:
        BenchmarkError: they are of several models, or their weights are random.
    """
    runs = [row.run for row in rows]
    models = dict.fromkeys(f"{run.source}/{run.model}:{run.recipe}" for run in runs)
    if len(models) > 1:
        raise BenchmarkError(
            f"a model card is about one model with one recipe, and there are {len(models)} "
            f"({', '.join(models)}); name one."
        )
    if len({run.images for run in runs}) < len(runs):
        raise BenchmarkError(
            f"there are several runs on the same image set: {', '.join(map(str, runs))}; choose a "
            "store with --store."
        )
    if any(row.provenance.is_random for row in rows):
        raise BenchmarkError(f"{runs[0]} has random weights, so it has no results for a card.")
    return runs[0].model


def _result(subject: Subject, row: Row) -> dict[str, object]:
    return {
        "task": {"type": "image-classification", "name": "Image classification"},
        "dataset": _dataset(subject, row),
        "metrics": [_metric(name, score, row) for name, score in row.scores.items()],
    }


def _dataset(subject: Subject, row: Row) -> dict[str, object]:
    """The pictures. They are called ImageNet-1k only if they are its whole validation set.

    Altered pictures, such as those of ImageNet-C, can have the names of the original ones.
    """
    images = subject.table.images
    numbers = numbers_of(subject.stores.rows(images).keys)
    whole = numbers is not None and len(set(numbers.tolist())) == len(validation_labels())
    known = (
        {"type": "imagenet-1k", "name": "ImageNet-1k", "config": images, "split": "validation"}
        if whole and not row.provenance.picture_set
        else {"type": images, "name": images}
    )
    return {**known, "args": {"fingerprint": subject.table.fingerprint}}


def _metric(name: str, score: Score, row: Row) -> dict[str, object]:
    low, high = (round(100 * end, _DIGITS) for end in (score.low, score.high))
    estimated: dict[str, object] = {}
    if isinstance(score, EstimatedScore):
        estimated = {"interval": "95 % design-based", "estimated_for": score.of}
    return {
        "type": "accuracy",
        "value": round(100 * score.share, _DIGITS),
        "name": f"{name} [%]",
        "args": {
            **{"low": low, "high": high, "interval": "95 % Wilson"},
            **{"pictures": score.n, "recipe": row.run.recipe, "platform": row.platform},
            **estimated,
        },
    }


def _yaml(value: Mapping[str, object] | Sequence[object]) -> Iterator[str]:
    r"""Lines of YAML; names are ours, and values are quoted as in JSON, so none can end early.

    >>> print("\n".join(_yaml({"a": [{"b": "- c: #", "d": 1.5}]})))
    a:
    - b: "- c: #"
      d: 1.5
    """
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _entry(f"{name}:", part)
    else:
        for part in value:
            first, *others = _yaml(part) if isinstance(part, Mapping) else [_scalar(part)]
            yield f"- {first}"
            yield from (f"  {line}" for line in others)


def _entry(name: str, part: object) -> Iterator[str]:
    if isinstance(part, Mapping):
        yield name
        yield from (f"  {line}" for line in _yaml(part))
    elif isinstance(part, list):
        yield name
        yield from _yaml(part)
    else:
        yield f"{name} {_scalar(part)}"


def _scalar(value: object) -> str:
    """A number, or a text in quotes; control characters of a text are escaped."""
    return json.dumps(printable(value) if isinstance(value, str) else value, ensure_ascii=False)
