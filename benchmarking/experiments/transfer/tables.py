"""Results as tables: for a terminal, in Markdown, as comma-separated values and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarking.errors import BenchmarkError
from benchmarking.experiments import Grid
from benchmarking.experiments.transfer.networks import HEADS
from benchmarking.experiments.transfer.protocols import Options
from benchmarking.experiments.transfer.results import averages, pairs, rows
from benchmarking.experiments.transfer.sweep import Sweep
from benchmarking.experiments.transfer.task import Task
from benchmarking.io import files
from benchmarking.io.printable import csv_cell
from benchmarking.reports.documents import as_json
from benchmarking.reports.documents.transfer import Average, Compared, Heads, TransferDocument
from benchmarking.reports.formats.markdown import escaped

AGREE = {"float32": 1e-6, "float64": 1e-12}
"""Largest difference of two losses near one that rounding explains, by precision. Larger losses,
and a hidden unit that rounding switches on or off, can give more."""

_SHOWN = 8
"""Number of tensors that a message names."""


@dataclass(frozen=True)
class Tables:
    """The results of a sweep, ready to be shown or written.

    Attributes:
        options: how heads were trained.
        tasks: what was learned.
        rows: scores of heads.
        pairs: comparisons of two rows.
        averages: rows over all tasks; () if there is one task.
    """

    options: Options
    tasks: tuple[Task, ...]
    rows: tuple[Heads, ...]
    pairs: tuple[Compared, ...]
    averages: tuple[Average, ...] = ()

    def __str__(self) -> str:
        return "\n".join([*map(str, self.grids), *self.notes])

    @property
    def grids(self) -> tuple[Grid, ...]:
        """The tables for readers: scores of each task, and comparisons if there are any."""
        found = []
        for task in self.tasks:
            some = [row for row in self.rows if row.task == task.name]
            found.append(Grid(_about(task, self.options), [_HEADINGS, *map(_line, some)], left=2))
        if self.averages:
            names = [f"Rank in {task.name}" for task in self.tasks]
            head = ["Model", "Head", "Mean rank", "Mean acc@1", *names]
            lines = [_average(one) for one in self.averages]
            found.append(Grid(f"over {len(self.tasks)} tasks", [head, *lines], left=2))
        if self.pairs:
            lines = [_compared(pair, self.tasks) for pair in self.pairs]
            found.append(Grid("compared", [_COMPARED, *lines], left=3))
        return tuple(found)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know: what moved, and which curves part."""
        found = [*map(self._parted, self.pairs)]
        for row in self.rows:
            if row.changed:
                some = ", ".join(row.changed[:_SHOWN])
                more = f" and {len(row.changed) - _SHOWN} more" * (len(row.changed) > _SHOWN)
                found.append(
                    f"not frozen: training the head on {row.model} in {title(row.head)} changed "
                    f"{len(row.changed)} of the backbone's {row.tensors} tensors: {some}{more}"
                )
        return tuple(dict.fromkeys(filter(None, found)))

    def _parted(self, pair: Compared) -> str:
        """A note on curves that differ by more than rounding; "" if they do not."""
        at = pair.parting
        precision = "float32" if pair.features else self.options.training.precision
        if at is None or at.difference <= AGREE[precision]:
            return ""
        first, second = (f"{model} in {title(head)}" for model, head in (pair.first, pair.second))
        return (
            f"the losses of {first} and of {second} part by {at.difference:.1e} at step {at.step} "
            f"of seed {at.seed}, more than {AGREE[precision]:g}"
        )

    def write(self, path: Path) -> None:
        """Write a file in the format of its suffix: .md, .csv, .json or .txt.

        Raises:
            BenchmarkError: the suffix is none of these, or the file cannot be written.
        """
        files.write_output(path, writer_of(path)(self).encode())


def tables_of(sweep: Sweep, tasks: Sequence[Task], options: Options) -> Tables:
    """The tables of a sweep."""
    found = rows(sweep.results)
    return Tables(
        options, tuple(tasks), tuple(found), tuple(pairs(sweep.results)), tuple(averages(found))
    )


def writer_of(path: Path) -> Callable[[Tables], str]:
    """The function that writes a format.

    Raises:
        BenchmarkError: no format has the path's suffix.
    """
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        raise BenchmarkError(f"{path} has no known suffix; use one of {', '.join(_WRITERS)}.")
    return _WRITERS[suffix]


def title(head: str) -> str:
    """Name of a framework or library for readers."""
    return HEADS[head].TITLE if head in HEADS else head


_HEADINGS = (
    *("Model", "Head", "Acc@1 [95 %]", "SD", "Balanced", "Loss", "Seeds", "n", "Leaks", "Moved"),
    *("Features s", "Fit s", "Notes"),
)
_COMPARED = (
    *("Compared", "First", "Second", "Features apart", "Max |Δloss|", "At step", "Max |Δp|"),
    *("Δ Acc@1", "Only one right", "McNemar p", "Welch p"),
)


def _about(task: Task, options: Options) -> str:
    classes = ", ".join(task.classes[:5]) + (" …" if len(task.classes) > 5 else "")
    training = options.training
    how = f"{training.epochs} epochs, batch {training.batch_size}, {training.optimizer}"
    if options.protocol == "probe":
        how = "L-BFGS, C chosen on folds of the training pictures"
    elif training.head:
        how = f"head {training.head}, {how}"
    return (
        f"{task.name}: {len(task.classes)} classes ({classes}), {len(task.train)} training and "
        f"{len(task.validation)} validation pictures, {len(task.leaks)} in both; protocol "
        f"{options.protocol}: {how}"
    )


def _line(row: Heads) -> list[str]:
    return [
        row.model,
        title(row.head),
        f"{100 * row.accuracy:.2f} [{100 * row.low:.1f}, {100 * row.high:.1f}]",
        "" if row.deviation is None else f"{100 * row.deviation:.2f}",
        f"{100 * row.balanced:.2f}",
        f"{row.loss:.4f}",
        f"{len(row.accuracies)}",
        f"{row.n}",
        f"{row.leaks}",
        f"{len(row.changed)} of {row.tensors}",
        f"{row.features_seconds:.1f}",
        f"{row.fit_seconds:.2f}",
        row.notes,
    ]


def _average(one: Average) -> list[str]:
    ranks = (f"{rank:g}" for rank in one.ranks)
    return [one.model, title(one.head), f"{one.rank:.2f}", f"{100 * one.accuracy:.2f}", *ranks]


def _compared(pair: Compared, tasks: Sequence[Task]) -> list[str]:
    at = pair.parting
    return [
        f"{pair.what}, {pair.task}" if len(tasks) > 1 else pair.what,
        *(f"{model}, {title(head)}" for model, head in (pair.first, pair.second)),
        "" if pair.features is None else f"{pair.features:.1e}",
        f"{at.difference:.1e}" if at else "",
        f"{at.step} of {at.steps}, seed {at.seed}" if at else "",
        f"{pair.probability:.1e}",
        f"{100 * pair.difference:+.2f}",
        f"{pair.first_only}, {pair.second_only}",
        f"{pair.mcnemar:.3f}",
        "" if pair.welch is None else f"{pair.welch:.3f}",
    ]


def _text(tables: Tables) -> str:
    return f"{tables}\n"


def _markdown(tables: Tables) -> str:
    parts = []
    for grid in tables.grids:
        head, *lines = grid.lines
        rule = ["---" if place < grid.left else "---:" for place in range(len(head))]
        shown = [[escaped(cell) for cell in line] for line in (head, rule, *lines)]
        table = "".join(f"| {' | '.join(line)} |\n" for line in shown)
        parts.append(f"## {escaped(grid.about)}\n\n{table}")
    parts += [f"{escaped(note)}\n" for note in tables.notes]
    return "\n".join(parts)


def _csv(tables: Tables) -> str:
    text = io.StringIO()
    fields = [vars(row) for row in tables.rows]
    writer = csv.DictWriter(text, list(fields[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in one.items()} for one in fields)
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, tuple):
        return csv_cell(" ".join(map(str, value)))
    return csv_cell(value) if isinstance(value, str) else value


def _json(tables: Tables) -> str:
    return as_json(_document(tables))


def _document(tables: Tables) -> TransferDocument:
    return TransferDocument(tables.options.protocol, tables.rows, tables.pairs, tables.averages)


_WRITERS: Mapping[str, Callable[[Tables], str]] = {
    ".md": _markdown,
    ".csv": _csv,
    ".json": _json,
    ".txt": _text,
}
