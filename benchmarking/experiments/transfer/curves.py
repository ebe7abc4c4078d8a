"""Learning curves of stored heads: loss of each step, accuracy of each epoch, differences."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, StoreError, requires
from benchmarking.experiments.transfer.features import digest_of
from benchmarking.experiments.transfer.runs import Request
from benchmarking.experiments.transfer.tables import title
from benchmarking.io.printable import printable
from benchmarking.predictions import array_file
from benchmarking.reports.figures import Drawing

NAME = "learning-curves"
TITLE = "Learning curves of heads on frozen models"

MOST = 12
"""Largest number of models in a figure."""

_PROTOCOLS = ("same", "defaults", "article")  # a probe has no steps, an audit has too many lines
_WIDTH, _HEIGHT = 230, 150
_TICKS = 10  # more steps than these are not all named below an axis


@dataclass(frozen=True, eq=False)
class Curve:
    """The curve of one training.

    Attributes:
        task: name of the task.
        protocol: name of the protocol.
        model: full name of the model.
        head: name of the framework that trained the head.
        seed: the seed.
        made_from: digest of everything else that the result depends on, but the library's version.
        losses: mean cross-entropy of each step's pictures, (steps,).
        epochs: validation accuracy in [0, 1] and loss after each epoch, (epochs, 2).
        written: time of the file, in seconds.
    """

    task: str
    protocol: str
    model: str
    head: str
    seed: int
    made_from: str
    losses: NDArray[np.float64]
    epochs: NDArray[np.float64]
    written: float


def drawing(folder: Path, patterns: Sequence[str] = ()) -> Drawing:
    """The learning curves of the heads in a folder of features and heads.

    Of heads that were trained with other options, the latest are shown.

    Args:
        folder: the folder, as `verbs.folder_of` names it.
        patterns: MODEL or SOURCE/MODEL, with wildcards; empty for all.

    Raises:
        BenchmarkError: there are no such heads, or those of more than MOST models.
        StoreError: a file is damaged.
        MissingDependency: Altair is not installed.
    """
    found = [one for one in curves_in(folder) if _is_meant(one, patterns)]
    if not found:
        what = f" of {' or '.join(patterns)}" if patterns else ""
        raise BenchmarkError(
            f"there are no trained heads{what} in {folder}; train some with 'imagenet-benchmark "
            "transfer'."
        )
    groups, older = _latest(found)
    if len(groups) > MOST:
        raise BenchmarkError(
            f"there are heads of {len(groups)} models and tasks; a figure shows at most {MOST}, so "
            "name some."
        )
    notes = [
        "Loss: cross-entropy of the pictures of a step, before it; mean over seeds, and their "
        "range. Difference: of the losses of both frameworks for the same seed, the largest.",
    ]
    if older:
        notes.append(f"{older} heads that were trained with other options before are not shown.")
    return Drawing(NAME, TITLE, tuple(notes), _chart(groups).to_dict())


def curves_in(folder: Path) -> Iterator[Curve]:
    """Yield the curve of every head in a folder that has one, in the order of their paths.

    Raises:
        StoreError: a file is damaged, or a folder cannot be read.
    """
    for path in _heads_in(folder / "heads"):
        held = array_file.read(path, {})
        with array_file.whole(path):
            found = _curve(held, path.stat().st_mtime)
        if found.protocol in _PROTOCOLS:
            yield found


def _curve(held: array_file.ArrayFile, written: float) -> Curve:
    """The curve in a file.

    Raises:
        LookupError, ValueError: the file lacks a part of it.
    """
    import msgspec

    request = msgspec.convert(held.document["request"], Request)
    losses, epochs = held.arrays["losses"], held.arrays["epochs"]
    has_steps = request.protocol in _PROTOCOLS
    if has_steps and (losses.ndim != 1 or epochs.ndim != 2 or epochs.shape[1:] != (2,)):
        raise ValueError(f"it has losses {losses.shape} and epochs {epochs.shape}")
    if has_steps and not (losses.size and epochs.size):
        raise ValueError("it has no steps")
    return Curve(
        request.task,
        request.protocol,
        f"{request.source}/{request.model}",
        request.framework,
        request.seed,
        digest_of({k: v for k, v in request.made_from.items() if k != "versions"}),
        losses,
        epochs,
        written,
    )


def _heads_in(folder: Path) -> list[Path]:
    """The files of heads at any level of a folder, sorted; a glob would ignore errors."""

    def unreadable(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            where = printable(str(error.filename))
            raise StoreError(f"{where} cannot be read: {error.strerror}.") from error

    every = os.walk(folder, onerror=unreadable)
    paths = (Path(place, name) for place, _, names in every for name in names)
    return sorted(path for path in paths if path.suffix == ".safetensors")


def final_scores(folder: Path) -> list[list[str]]:
    """Headings, then a line for the heads of each task, protocol, model and framework.

    Scores are those after the last epoch, means over seeds; see `drawing` for the arguments.
    """
    headings = ["Model", "Task", "Protocol", "Head", "Seeds", "Acc@1 [%]", "Loss"]
    found = [headings]
    groups, _ = _latest(list(curves_in(folder)))
    for (task, protocol, model), some in groups.items():
        for head in dict.fromkeys(one.head for one in some):
            own = [one.epochs[-1] for one in some if one.head == head]
            accuracy, loss = np.mean(own, axis=0)
            scores = [f"{len(own)}", f"{100 * accuracy:.2f}", f"{loss:.4f}"]
            found.append([model, task, protocol, title(head), *scores])
    return found


def differences(first: Sequence[Curve], second: Sequence[Curve]) -> NDArray[np.float64]:
    """Largest difference of the loss at each step over the seeds that both have; () if none."""
    by_seed = {one.seed: one.losses for one in second}
    apart = [
        np.abs(one.losses - by_seed[one.seed])
        for one in first
        if one.seed in by_seed and len(by_seed[one.seed]) == len(one.losses)
    ]
    return np.max(apart, axis=0) if apart else np.empty(0)


Group = tuple[str, str, str]
"""Task, protocol and model of some curves."""


def _is_meant(curve: Curve, patterns: Sequence[str]) -> bool:
    names = (curve.model, curve.model.partition("/")[2])
    return not patterns or any(fnmatchcase(n, p) for n in names for p in patterns)


def _latest(found: Sequence[Curve]) -> tuple[dict[Group, list[Curve]], int]:
    """The curves of each task, protocol and model that were trained alike; how many are left.

    Raises:
        StoreError: some have another number of steps than others.
    """
    groups: dict[Group, list[Curve]] = defaultdict(list)
    for one in found:
        groups[one.task, one.protocol, one.model].append(one)
    kept = {}
    for group, some in groups.items():
        last = max(some, key=lambda one: one.written).made_from
        kept[group] = [one for one in some if one.made_from == last]
        if len({(one.head, one.losses.shape, one.epochs.shape) for one in kept[group]}) > len(
            {one.head for one in kept[group]}
        ):
            task, protocol, model = map(printable, group)
            raise StoreError(
                f"heads of {model} on {task} ({protocol}) have different numbers of steps, though "
                "they were trained alike; remove their files, and train them again."
            )
    return kept, len(found) - sum(map(len, kept.values()))


def _chart(groups: Mapping[Group, Sequence[Curve]]) -> Any:
    with requires("report"):
        import altair as alt

    rows = []
    for (task, protocol, model), some in groups.items():
        by_head: dict[str, list[Curve]] = defaultdict(list)
        for one in some:
            by_head[one.head].append(one)
        charts = [_losses(by_head), _accuracies(by_head)]
        if len(by_head) == 2 and protocol == "same":
            apart = differences(*by_head.values())
            charts += [_apart(apart)] if apart.any() else []
        seeds = len({one.seed for one in some})
        about = f"{model} on {task}: {protocol}, {seeds} seed{'s' * (seeds != 1)}"
        heading = alt.TitleParams(about, fontSize=12, fontWeight="normal", offset=6)
        rows.append(alt.hconcat(*charts, spacing=34, title=heading))
    return alt.vconcat(*rows, spacing=26)


def _losses(by_head: Mapping[str, Sequence[Curve]]) -> Any:
    records = [
        {"step": step + 1, "loss": mean, "low": low, "high": high, "platform": title(head)}
        for head, some in by_head.items()
        for step, (mean, low, high) in enumerate(_spread([one.losses for one in some]))
    ]
    return _lines(records, "step", "loss", "step", "training loss")


def _accuracies(by_head: Mapping[str, Sequence[Curve]]) -> Any:
    records = [
        {"epoch": epoch + 1, "accuracy": mean, "low": low, "high": high, "platform": title(head)}
        for head, some in by_head.items()
        for epoch, (mean, low, high) in enumerate(_spread([100 * e.epochs[:, 0] for e in some]))
    ]
    return _lines(records, "epoch", "accuracy", "epoch", "validation accuracy [%]")


def _spread(curves: Sequence[NDArray[np.float64]]) -> list[tuple[float, float, float]]:
    """Mean, least and largest value at each step of curves of the same length."""
    values = np.stack(curves)
    found = np.stack([values.mean(axis=0), values.min(axis=0), values.max(axis=0)], axis=1)
    return [tuple(round(one, 9) for one in row) for row in found.tolist()]


def _lines(records: Sequence[Mapping[str, Any]], x: str, y: str, across: str, up: str) -> Any:
    import altair as alt

    chart = alt.Chart(alt.InlineData(values=list(records)))
    values = sorted({one[x] for one in records})
    shown = {"values": values} if len(values) <= _TICKS else {"tickMinStep": 1}
    axis = alt.Axis(format="d", **shown)
    at = alt.X(f"{x}:Q", title=across, axis=axis, scale=alt.Scale(zero=False, nice=False))
    legend = alt.Legend(title=None, orient="top", direction="horizontal", symbolOpacity=1)
    colour = alt.Color("platform:N", legend=legend)
    how = alt.Scale(zero=False)
    high = alt.Y(f"{y}:Q", title=up, scale=how)
    layers = [
        chart.mark_area(opacity=0.2).encode(
            x=at, y=alt.Y("low:Q", scale=how, title=up), y2="high:Q", color=colour
        ),
        chart.mark_line(strokeWidth=1.5).encode(
            x=at, y=high, color=colour, strokeDash=alt.StrokeDash("platform:N", legend=None)
        ),
    ]
    if x == "epoch":
        layers.append(
            chart.mark_point(style="small").encode(
                x=at, y=high, color=colour, tooltip=["platform:N", f"{x}:Q", f"{y}:Q"]
            )
        )
    return alt.layer(*layers).properties(width=_WIDTH, height=_HEIGHT)


def _apart(apart: NDArray[np.float64]) -> Any:
    import altair as alt

    records = [{"step": n + 1, "difference": one} for n, one in enumerate(apart.tolist()) if one]
    chart = alt.Chart(alt.InlineData(values=records))
    return (
        chart.mark_point(style="small")
        .encode(
            x=alt.X(
                "step:Q",
                title="step",
                axis=alt.Axis(tickMinStep=1, format="d"),
                scale=alt.Scale(domain=[0, len(apart) + 1], nice=False),
            ),
            y=alt.Y(
                "difference:Q",
                title="difference of the losses",
                scale=alt.Scale(type="log"),
                axis=alt.Axis(format=".0e", tickCount=4),
            ),
            tooltip=["step:Q", "difference:Q"],
        )
        .properties(width=_WIDTH, height=_HEIGHT)
    )
