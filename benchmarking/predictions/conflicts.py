"""Conditions that runs on the shards of an image set must share to be merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarking.errors import StoreError
from benchmarking.predictions.shards import ShardRun

_RECORDED = (
    "platform",
    "weights",
    "preprocessing",
    "versions",
    "device",
    "precision",
    "batch_size",
)
"""Parts of the provenance that could change predictions. A seed is part of the weights, and a
compiler of the versions."""

_ABSENT = "not recorded"
_LONGEST = 70  # characters of a value


def refuse_conflicts(shards: Sequence[ShardRun]) -> None:
    """Refuse runs whose conditions differ.

    Raises:
        StoreError: some differ; it names both values of each condition, and their shards.
    """
    first, *others = shards
    known = _conditions(first)
    lines = [
        f"{name}: {_short(ours)} of {first}, and {_short(theirs)} of {other}"
        for other in others
        for name, ours, theirs in differences(known, _conditions(other))
    ]
    if lines:
        raise StoreError(
            "\n".join(["the conditions of its shards differ, so they are no single run:", *lines])
        )


def differences(one: Any, other: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Names and both values of the entries in which two documents differ.

    >>> list(differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}))
    [('a c', 2, 3)]
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in {**one, **other}:
            below = f"{name} {key}".strip()
            yield from differences(one.get(key, _ABSENT), other.get(key, _ABSENT), below)
    elif one != other:
        yield name, one, other


def _conditions(shard: ShardRun) -> dict[str, Any]:
    found = {name.replace("_", " "): getattr(shard.made, name) for name in _RECORDED}
    return {
        **found,
        "picture set": shard.made.picture_set,
        "classes": shard.made.classes,
        "kept": " and ".join(sorted(shard.arrays)),
    }


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
