"""How a merged run was made, from how the runs on its shards were made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from benchmarking.pictures.image_set import ImageSet
from benchmarking.predictions.provenance import Provenance
from benchmarking.predictions.shards import ShardRun

_OF_A_SHARD = ("--shard",)
_OF_A_TASK = ("--shard", "--store")
"""Options whose values differ between tasks that predict the shards of one set."""


def merged_provenance(shards: Sequence[ShardRun], images: ImageSet) -> Provenance:
    """The provenance of a merged run: weights, recipe and pictures are those of an undivided run.

    Seconds are the sum of all shards; the date is that of the first one.

    Args:
        shards: the shards, in order, under the same conditions.
        images: the whole image set.
    """
    made = [one.made for one in shards]
    first = made[0]
    pictures = {name: value for name, value in first.images.items() if name != "shard"}
    seconds = [one.seconds for one in made if one.seconds is not None]
    return replace(
        first,
        images={
            **pictures,
            "name": images.name,
            "n": len(images),
            "fingerprint": images.fingerprint,
        },
        input_shapes=tuple(dict.fromkeys(shape for one in made for shape in one.input_shapes)),
        executor=" and ".join(dict.fromkeys(one.executor for one in made)),
        process_id=_only(one.process_id for one in made),
        started=min(one.started for one in made),
        seconds=round(sum(seconds), 3) if len(seconds) == len(made) else None,
        arguments=_without(first.arguments, _OF_A_SHARD),
        incidents=tuple(_incidents(shards)),
    )


def other_batches(shards: Sequence[ShardRun]) -> str:
    """How batches differ from those of an undivided run; empty if they do not."""
    size = shards[0].made.batch_size
    rows = [one.shard.first for one in shards if size and one.shard.first % size]
    if not rows:
        return ""
    return (
        f"batches of {size} begin at rows {', '.join(map(str, rows))}, where an undivided run has "
        "none; other batches can change the last digits of probabilities"
    )


def _incidents(shards: Sequence[ShardRun]) -> Iterator[str]:
    yield f"merged of {len(shards)} shard{'s' * (len(shards) > 1)}"
    if others := other_batches(shards):
        yield others
    usual = _without(shards[0].made.arguments, _OF_A_TASK)
    for one in shards:
        if _without(one.made.arguments, _OF_A_TASK) != usual:
            yield f"{one.shard}: made with {' '.join(one.made.arguments) or 'no arguments'}"
        yield from (f"{one.shard}: {incident}" for incident in one.made.incidents)


def _without(arguments: Sequence[str], options: Sequence[str]) -> tuple[str, ...]:
    """Arguments of a command without some options and their values.

    >>> _without(["predict", "val", "--shard", "1/3", "--gpu", "0"], ["--shard"])
    ('predict', 'val', '--gpu', '0')
    """
    found = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument in options:
            next(remaining, None)
        elif argument.partition("=")[0] not in options:
            found.append(argument)
    return tuple(found)


def _only(values: Iterable[Any]) -> Any:
    """The value that all have; None if they differ."""
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else None
