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
from benchmarking.experiments.transfer.results import pairs, rows
from benchmarking.experiments.transfer.sweep import Sweep
from benchmarking.experiments.transfer.task import Task
from benchmarking.io import files
from benchmarking.io.printable import csv_cell
from benchmarking.reports.documents import as_json
from benchmarking.reports.documents.transfer import Compared, Heads, TransferDocument
from benchmarking.reports.formats.markdown import escaped

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
    """

    options: Options
    tasks: tuple[Task, ...]
    rows: tuple[Heads, ...]
    pairs: tuple[Compared, ...]

    def __str__(self) -> str:
        return "\n".join([*map(str, self.grids), *self.notes])

    @property
    def grids(self) -> tuple[Grid, ...]:
        """The tables for readers: scores of each task, and comparisons if there are any."""
        found = []
        for task in self.tasks:
            some = [row for row in self.rows if row.task == task.name]
            found.append(Grid(_about(task, self.options), [_HEADINGS, *map(_line, some)], left=2))
        if self.pairs:
            lines = [_compared(pair) for pair in self.pairs]
            found.append(Grid("compared", [_COMPARED, *lines], left=3))
        return tuple(found)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know: what moved, and what is in both parts."""
        found = []
        for row in self.rows:
            if row.changed:
                some = ", ".join(row.changed[:_SHOWN])
                more = f" and {len(row.changed) - _SHOWN} more" * (len(row.changed) > _SHOWN)
                found.append(
                    f"not frozen: training the head on {row.model} in {title(row.head)} changed "
                    f"{len(row.changed)} of the backbone's {row.tensors} tensors: {some}{more}"
                )
        return tuple(dict.fromkeys(found))

    def write(self, path: Path) -> None:
        """Write a file in the format of its suffix: .md, .csv, .json or .txt.

        Raises:
            BenchmarkError: the suffix is none of these, or the file cannot be written.
        """
        files.write_output(path, writer_of(path)(self).encode())


def tables_of(sweep: Sweep, tasks: Sequence[Task], options: Options) -> Tables:
    """The tables of a sweep."""
    return Tables(options, tuple(tasks), tuple(rows(sweep.results)), tuple(pairs(sweep.results)))


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


def _compared(pair: Compared) -> list[str]:
    at = pair.parting
    return [
        pair.what,
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
    return TransferDocument(tables.options.protocol, tables.rows, tables.pairs)


_WRITERS: Mapping[str, Callable[[Tables], str]] = {
    ".md": _markdown,
    ".csv": _csv,
    ".json": _json,
    ".txt": _text,
}
