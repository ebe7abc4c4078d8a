"""Compare two stored runs, or every pair of runs, picture by picture.

The test is paired: it uses the pictures that exactly one of the two models gets right. McNemar's
exact test gives the p-value of the difference in accuracy, and the interval gives its size.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

from benchmarking.cli.options import (
    add_labels,
    add_stores,
    chosen_stores,
    label_sets,
    print_notes,
    runs_meant,
    subset,
    warn_of_left_out,
)
from benchmarking.cli.output import Writers, add_output, check_output, deliver

if TYPE_CHECKING:
    from benchmarking.predictions.run import Run
    from benchmarking.predictions.stores import Stores
    from benchmarking.scoring.compare import ClassChange, Pair

NAME = "compare"
HELP = "compare stored runs picture by picture"
_LEVEL = 0.05
_MOST_LINES = 10_000  # pairs in the text
_SHOWN = 5  # classes with the largest gains, and with the largest losses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add(
        "models",
        nargs="*",
        metavar="RUN",
        help="two runs: MODEL, SOURCE/MODEL, SOURCE/MODEL:RECIPE or a run's file; one run, to "
        "compare it in two stores; with --all, any number of runs (default: all)",
    )
    add(
        "--all",
        action="store_true",
        help="compare every pair, with p-values adjusted for the number of pairs (Holm)",
    )
    add("--images", metavar="NAME", help="the image set of the runs")
    add("--recipe", metavar="NAME", help="with --all, only runs with this recipe")
    add(
        "--labels",
        default="original",
        metavar="NAME|FILE",
        help="labels to score with: original (the default), real, corrected, or a file, as in "
        "'table'",
    )
    add_labels(parser)
    add(
        "--mix-pictures",
        action="store_true",
        help="also compare runs on pictures with different fingerprints; pictures are matched by "
        "name",
    )
    add_output(parser, ".json", ".csv", what=", a line for each pair")
    add_stores(parser)


def run(args: argparse.Namespace) -> int:
    """Print the comparison; 1 if damaged runs had to be left out, or others cannot be seen."""
    from benchmarking.predictions.selection import problems, whole_runs

    check_output(args)
    store = chosen_stores(args)
    left_out: list[str] = []
    if args.all:
        runs, damaged = whole_runs(store, runs_meant(args, store))
        left_out = [*damaged, *problems(store, args.images)]
        found = _all(args, store, runs)
    else:
        found = _two(args, store)
        # A name without its source can mean a run that cannot be seen.
        left_out = problems(store, found.runs[0].images)
    print_notes(found.notes)
    writers: Writers = {
        ".json": lambda: _as_json(args, store, found, left_out),
        ".csv": lambda: _as_csv(found.pairs),
    }
    deliver(args, found.text, writers)
    return warn_of_left_out([], left_out)


@dataclass(frozen=True)
class _Compared:
    """Pairs of runs, as text and as numbers; the classes only for two runs."""

    text: str
    runs: Sequence[Run]
    pairs: Iterable[Pair]
    classes: Sequence[ClassChange] | None
    notes: Sequence[str]


def _as_json(
    args: argparse.Namespace, store: Stores, found: _Compared, left_out: Sequence[str]
) -> str:
    from benchmarking.reports.documents import as_json
    from benchmarking.reports.documents.compare import CompareDocument, compared, compared_classes

    document = CompareDocument(
        images=found.runs[0].images,
        fingerprints=tuple(sorted({store.provenance(run).fingerprint for run in found.runs})),
        labels=args.labels,
        subset=subset(args),
        pairs=tuple(map(compared, found.pairs)),
        classes=None if found.classes is None else compared_classes(found.classes),
        left_out=tuple(left_out),
        notes=tuple(found.notes),
    )
    return as_json(document)


def _as_csv(pairs: Iterable[Pair]) -> Iterator[str]:
    """The lines of a file with a line for each pair, whose values are those of the JSON."""
    import csv
    import io
    from dataclasses import asdict

    from benchmarking.reports.documents.compare import compared

    for number, pair in enumerate(pairs):
        line: dict[str, object] = {}
        for name, value in asdict(compared(pair)).items():
            if name == "interval":
                line |= {"low": value[0], "high": value[1]}
            elif isinstance(value, dict):
                line |= {f"{name}_{part}": known for part, known in value.items()}
            else:
                line[name] = value
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if not number:
            writer.writerow(line)
        writer.writerow(line.values())
        yield text.getvalue()


def _two(args: argparse.Namespace, store: Stores) -> _Compared:
    from benchmarking.errors import BenchmarkError
    from benchmarking.predictions.selection import in_both, two_runs
    from benchmarking.scoring.compare import compare

    if len(args.models) == 1 and len(store.members) == 2:
        first, second = in_both(store, args.models[0], args.images)
    elif len(args.models) == 2:
        first, second = two_runs(store, tuple(args.models), args.images)
    else:
        raise BenchmarkError(
            f"compare takes two runs, not {len(args.models)}; or --all, or one run that is in each "
            "of two stores."
        )
    (right,) = label_sets(args, [args.labels], store.rows_of(first)).values()
    pictures: Literal["any", "same"] = "any" if args.mix_pictures else "same"
    found = compare(store, first, second, labels=right, pictures=pictures)
    parts = [
        *_heading(args, store, [first, second], found.pair.n),
        *_numbers(found.pair),
        *(_classes(found.classes) if not found.pair.estimated else []),
    ]
    notes = [*found.notes, *store.legend]
    return _Compared("\n".join(parts), (first, second), [found.pair], found.classes, notes)


def _all(args: argparse.Namespace, store: Stores, runs: Sequence[Run]) -> _Compared:
    from benchmarking.errors import BenchmarkError
    from benchmarking.reports.grid import aligned
    from benchmarking.scoring.compare import (
        check_same_pictures,
        every_pair,
        first_guesses,
        in_rows_of,
        on_few_classes,
        other_classes,
    )

    sets = sorted({run.images for run in runs})
    if len(sets) > 1:
        raise BenchmarkError(f"there are runs on {', '.join(sets)}; choose one with --images.")
    if len(runs) < 2:
        raise BenchmarkError(f"there is one run on {sets[0]}; a comparison needs two.")
    if not args.mix_pictures:
        check_same_pictures(store, runs)
    rows = store.rows_by_run(runs)
    first = rows[runs[0]]
    (right,) = label_sets(args, [args.labels], first).values()
    found = [first_guesses(store, run, in_rows_of(right, first, rows[run])) for run in runs]
    guesses = sorted(found, key=lambda one: -one.share)
    pairs = every_pair(guesses)
    heading = _heading(args, store, [], len(right), sets[0])
    unsure = int((pairs.adjusted >= _LEVEL).sum())
    summary = f"{len(pairs)} pairs, {unsure} not significant at 5 % after Holm's adjustment"
    lines = [
        *(["A", "B", "A - B [95 % interval]", "A only", "B only", "p", "Holm", "kappa", "same"],),
        *(_line(pair) for pair in islice(pairs, _MOST_LINES)),
    ]
    if len(pairs) > _MOST_LINES:
        summary += f"; the first {_MOST_LINES} are shown, and -o pairs.csv writes all"
    text = "\n".join([*heading, aligned(lines, left=2), summary])
    others = [note for run in runs for note in other_classes(right, first, rows[run])]
    few = on_few_classes(store, runs)
    design = guesses[0].design
    drawn = [f"note: differences are {design.in_words}"] if design else []
    notes = [*right.notes, *few, *drawn, *dict.fromkeys(others), *store.notes(sets[0])]
    return _Compared(text, runs, pairs, None, notes)


def _heading(
    args: argparse.Namespace, store: Stores, runs: Sequence[Run], n: int, images: str = ""
) -> list[str]:
    from benchmarking.io.printable import printable

    what = ", ".join(
        filter(None, [f"labels {args.labels}" * (args.labels != "original"), subset(args)])
    )
    about = f"{images or runs[0].images}, {n} pictures" + (f", {what}" if what else "")
    prints = {printable(store.provenance(run).fingerprint[:12]) for run in runs}
    lines = [about + (f", fingerprint {' and '.join(sorted(prints))}" if prints else "")]
    return [*lines, *(f"{letter}  {run}" for letter, run in zip("AB", runs, strict=False)), ""]


def _numbers(pair: Pair) -> list[str]:
    from benchmarking.reports.grid import aligned

    low, high = pair.interval
    counts = [
        ["", "B right", "B wrong"],
        ["A right", f"{pair.both}", f"{pair.first_only}"],
        ["A wrong", f"{pair.second_only}", f"{pair.neither}"],
    ]
    told = "" if pair.p_value < _LEVEL else "not "
    first, second = pair.shares
    test = "test" if pair.estimated else "McNemar's test"
    return [
        *_sample(pair),
        aligned(counts, left=1),
        f"acc@1            A {100 * first:.2f} %, B {100 * second:.2f} %",
        f"difference       {100 * pair.difference:+.2f} points, "
        f"95 % interval [{100 * low:+.2f}, {100 * high:+.2f}]",
        f"{test:<15}  p = {pair.p_value:.2g}, {told}significant at 5 %",
        f"same answer      {100 * pair.same_answer:.1f} % of the pictures",
        f"Cohen's kappa    {pair.kappa:.3f}, of which pictures are right (error consistency)",
    ]


def _sample(pair: Pair) -> list[str]:
    if pair.estimated is None:
        return []
    n, of = pair.n, pair.estimated.of
    return [f"accuracies are estimated from {n:,} of {of:,} pictures; of those drawn:"]


def _classes(changes: Sequence[ClassChange]) -> list[str]:
    from benchmarking.labels.imagenet import class_names, wnids

    def line(change: ClassChange) -> str:
        known = change.label < len(wnids())
        name = f"{wnids()[change.label]} {class_names()[change.label]}" if known else change.label
        gain = change.first - change.second
        return f"  {gain:+4d}  {name}: A {change.first}, B {change.second} of {change.n}"

    gains = [line(change) for change in changes[:_SHOWN] if change.first > change.second]
    losses = [line(change) for change in changes[::-1][:_SHOWN] if change.first < change.second]
    return ["", "classes with most for A", *gains, "classes with most for B", *losses]


def _line(pair: Pair) -> list[str]:
    low, high = pair.interval
    return [
        *(run.full_name for run in (pair.first, pair.second)),
        f"{100 * pair.difference:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]",
        *(f"{pair.first_only}", f"{pair.second_only}"),
        *(f"{pair.p_value:.2g}", f"{pair.adjusted:.2g}"),
        *(f"{pair.kappa:.3f}", f"{100 * pair.same_answer:.1f} %"),
    ]
