"""How a run was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

UNKNOWN = "unknown"
"""What provenance says of a thing that nobody wrote down."""

RANDOM = "random"
"""Name of weights that nobody trained."""

_KINDS = {
    "text": ("platform", "device", "precision", "executor", "started"),
    "names and values": ("weights", "preprocessing", "images", "versions", "origin"),
    "a whole number": ("batch_size", "process_id"),
    "a number": ("seconds",),
    "a list of texts": ("arguments", "incidents"),
    "a list of shapes": ("input_shapes",),
}
_LEVELS = 20  # of a document; far more than any has, and few enough for all that walk through it


@dataclass(frozen=True)
class Provenance:
    """How a run was made, stored beside its predictions; what is not known is UNKNOWN or None.

    Attributes:
        platform: title of the framework, the table's Platform column.
        weights: name, file, sha256 and published digest of the weights; or that they are random,
            and the seed.
        preprocessing: the recipe in full.
        images: name, number and fingerprint of the pictures.
        versions: of every library that could change the answer.
        device: "cpu", or the accelerator's name.
        precision: of the forward pass.
        batch_size: pictures per forward pass.
        input_shapes: every distinct shape the model was given, in order of appearance.
        executor: how the job was isolated.
        process_id: the process that ran the model; equal ids shared a process.
        started: date and time in UTC, ISO 8601.
        seconds: wall-clock time, loading included.
        arguments: the command's arguments, absolute paths cut to their last part.
        origin: where an imported run comes from: its files and their sha256.
        incidents: what happened on the way, such as an interruption, in words.
    """

    platform: str
    weights: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    images: Mapping[str, Any]
    versions: Mapping[str, str]
    device: str
    precision: str
    batch_size: int | None
    input_shapes: tuple[tuple[int, ...], ...]
    executor: str
    process_id: int | None
    started: str
    seconds: float | None
    arguments: tuple[str, ...] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)
    incidents: tuple[str, ...] = ()

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Provenance:
        """What `dataclasses.asdict` and JSON made of one.

        Raises:
            TypeError, LookupError, ValueError: the document is another's.
        """
        for kind, names in _KINDS.items():
            for name in names:
                if name in document and not _is_a(document[name], kind):
                    raise ValueError(f"{name} is {ascii(document[name])[:60]}, not {kind}")
        if not _is_shallow(document, _LEVELS):
            raise ValueError(f"it is nested more than {_LEVELS} levels deep")
        if not isinstance(document["images"].get("fingerprint"), str):
            raise ValueError("images has no fingerprint")
        tuples = {
            "input_shapes": tuple(map(tuple, document["input_shapes"])),
            "arguments": tuple(document["arguments"]),
            "incidents": tuple(document.get("incidents", ())),
        }
        return cls(**{**document, **tuples})

    @property
    def is_random(self) -> bool:
        """Whether the weights were random, so that the answers mean nothing."""
        return bool(self.weights.get("name") == RANDOM)

    @property
    def fingerprint(self) -> str:
        """Of the pictures; UNKNOWN if it is not."""
        return str(self.images["fingerprint"])


def _is_a(value: Any, kind: str) -> bool:
    """Whether a value of a document can be what it has to be."""
    if kind.startswith("a list"):
        item = "text" if kind == "a list of texts" else "a shape"
        return isinstance(value, list) and all(_is_a(each, item) for each in value)
    if kind == "a shape":
        return isinstance(value, list) and all(type(side) is int for side in value)
    if kind == "text":
        return isinstance(value, str)
    if kind == "names and values":
        return isinstance(value, dict)
    return value is None or type(value) in ((int,) if kind == "a whole number" else (int, float))


def _is_shallow(part: Any, levels: int) -> bool:
    """Whether a part of a document has no more than so many levels."""
    parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return levels > 0 and all(_is_shallow(each, levels - 1) for each in parts)


def imported(platform: str, images: str, origin: Mapping[str, Any]) -> Provenance:
    """What is known of a run that was made elsewhere: where its files come from, and little more.

    Args:
        platform: title of the framework.
        images: name of the image set.
        origin: see `Provenance`.
    """
    return Provenance(
        platform=platform,
        weights={"name": UNKNOWN},
        preprocessing={},
        images={"name": images, "n": None, "fingerprint": UNKNOWN},
        versions={},
        device=UNKNOWN,
        precision=UNKNOWN,
        batch_size=None,
        input_shapes=(),
        executor="imported",
        process_id=None,
        started=UNKNOWN,
        seconds=None,
        origin=origin,
    )
