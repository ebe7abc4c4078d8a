"""A plan as a table: for a terminal or a pipe, as Markdown and as CSV; and what it assumes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from benchmarking.experiments.planning.devices import CPU
from benchmarking.experiments.planning.units import Planned, State, Total, Unit
from benchmarking.io.files import in_bytes
from benchmarking.io.printable import csv_cell
from benchmarking.reports.formats.markdown import escaped
from benchmarking.reports.grid import aligned

_HEADINGS = (
    *("Image set", "Model", "State", "Pictures", "Done", "Store", "Download"),
    *("Time [h:m:s]", "Measured in"),
)
_LEFT = {0, 1, 2, 8}

_NOT_MEASURED = "not measured"

_FEW = 10
"""A stored run tells too long a time if a unit has this many times its pictures."""

_NAMED = 3
"""Number of models that a command names."""


def text(found: Planned) -> str:
    """The units in aligned columns, then the totals."""
    return aligned([_HEADINGS, *_lines(found)], _LEFT)


def markdown(found: Planned) -> str:
    """The same table in Markdown, with the notes below."""
    rule = ["---" if place in _LEFT else "---:" for place in range(len(_HEADINGS))]
    rows = [list(_HEADINGS), rule, *_lines(found)]
    table = "".join(f"| {' | '.join(map(escaped, row))} |\n" for row in rows)
    return table + "\n" + "".join(f"- {escaped(note)}\n" for note in notes(found))


def as_csv(found: Planned) -> str:
    """A line for each unit, with bytes and seconds as plain numbers; unknown seconds are empty."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    names = ("Image set", "Model", "State", "Pictures", "Done", "Bytes to store")
    writer.writerow([*names, "Bytes to download", "Seconds", "Measured in"])
    for unit in found.units:
        seconds = "" if unit.seconds is None else round(unit.seconds, 3)
        writer.writerow(
            [
                *map(csv_cell, (unit.images, unit.model, unit.state)),
                *(unit.n, unit.done, unit.size, unit.download, seconds, csv_cell(unit.source)),
            ]
        )
    return output.getvalue()


def notes(found: Planned) -> list[str]:
    """What the numbers assume, and what they leave out, a sentence or two each."""
    return [
        *found.notes,
        *_on_time(found),
        *_on_sharing(found),
        *_on_sizes(found),
        "stored runs are recognised by name, recipe, weights' name and number of pictures; "
        "'predict' also compares the pictures and the files of weights, and resumes a partial run "
        "only in the same environment",
    ]


def _lines(found: Planned) -> Iterator[Sequence[str]]:
    for unit in found.units:
        yield _cells(unit)
    for images, total in found.totals.items():
        yield _summed(images, total)
    if len(found.totals) > 1:
        yield _summed(f"{len(found.totals)} sets", found.total)


def _cells(unit: Unit) -> list[str]:
    if unit.state == "stored":
        time, source = "-", ""
    elif not unit.is_left:
        time, source = "", ""
    elif unit.seconds is None:
        time, source = "", _NOT_MEASURED
    else:
        time, source = clock(unit.seconds), unit.source
    return [
        *(unit.images, unit.model, unit.state, f"{unit.n:,}", f"{unit.done:,}"),
        *(_size(unit.size), _size(unit.download), time, source),
    ]


def _summed(images: str, total: Total) -> list[str]:
    unknown = f"{len(total.unknown):,} {_NOT_MEASURED}" if total.unknown else ""
    at_least = ">= " if unknown else ""
    is_known = any(unit.seconds is not None for unit in total.left) or not unknown
    states = (f"{total.count(state):,} {state}" for state in _states(total))
    return [
        *(images, f"all {len(total.units):,}", ", ".join(states)),
        *(f"{total.pictures:,}", f"{total.done:,}", _size(total.size), _size(total.download)),
        *(at_least + clock(total.seconds) if is_known else "", unknown),
    ]


def _states(total: Total) -> list[State]:
    """The states of some units, in the order of their first appearance."""
    return list(dict.fromkeys(unit.state for unit in total.units))


def _on_time(found: Planned) -> Iterator[str]:
    total, known = found.total, found.durations
    if known.device:
        yield (
            f"time is that of one process on {_named_device(known.device)}, where it was measured; "
            "reading and cropping the pictures once comes on top"
        )
    from_rounds = [u for u in total.left if u.source.startswith("speed")]
    if from_rounds:
        yield f"the time of {_units(from_rounds)} leaves out loading the model"
    few = [u for u in total.left if _is_long_shot(found, u)]
    if few:
        yield (
            f"the time of {_units(few)} comes from stored runs of few pictures, in which loading "
            "counts much: it is too long"
        )
    if total.unknown:
        what = "the total time is a lower bound" if total.seconds else "no time is known"
        yield (f"{what}, as {_models(total.unknown)} not measured; measure with: {_command(found)}")


def _is_long_shot(found: Planned, unit: Unit) -> bool:
    """Whether a unit has far more pictures than the one run that tells its time."""
    known = found.durations.by_model.get(unit.model)
    return bool(known and known.pictures and not known.start and unit.n >= _FEW * known.pictures)


def _on_sharing(found: Planned) -> Iterator[str]:
    if found.wall_seconds is None:
        yield (
            "the time is not divided: how many processes run at the same time is known only when "
            "the sweep begins"
        )
    elif (found.processes or 1) > 1 and found.total.seconds:
        at_least = "at least " if found.total.unknown else ""
        yield (
            f"with {found.processes} processes it takes {at_least}{clock(found.wall_seconds)} if "
            "the work is shared evenly and nothing else, such as decoding, is the limit"
        )


def _on_sizes(found: Planned) -> Iterator[str]:
    crops = sum(found.crops.values())
    if crops:
        yield f"crops are kept meanwhile, up to {in_bytes(crops)}, as far as the disk has room"
    needed = found.total.size
    if needed > found.free:
        yield (
            f"the disk of {found.folder} has {in_bytes(found.free)} free; these runs need up to "
            f"{in_bytes(needed)}, so that 'predict' would refuse to start"
        )


def _command(found: Planned) -> str:
    """The command that measures models whose time nothing tells."""
    models = found.total.unknown
    named = " ".join(models[:_NAMED]) + (" ..." if len(models) > _NAMED else "")
    return f"imagenet-benchmark speed --scenario pipeline --models {named} --store {found.folder}"


def _models(names: Sequence[str]) -> str:
    return f"{len(names):,} models are" if len(names) > 1 else f"{names[0]} is"


def _units(units: Sequence[Unit]) -> str:
    return f"{len(units)} units" if len(units) > 1 else f"{units[0].model} on {units[0].images}"


def _named_device(title: str) -> str:
    return "a CPU (stored runs do not tell which one)" if title == CPU else title


def _size(size: int) -> str:
    return in_bytes(size) if size else "-"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> clock(59.6), clock(3_600_000)
    ('0:01:00', '1000:00:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
