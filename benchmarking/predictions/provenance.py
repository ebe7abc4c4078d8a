"""Provenance: how a run was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from benchmarking.io.names import UNKNOWN
from benchmarking.pictures.design import Design, design_from
from benchmarking.pictures.shards import Shard, shard_from

RANDOM = "random"
"""Name of random weights."""

IMPORTED = "imported"
"""Executor of runs whose predictions other programs made."""

NOT_GIVEN = "not given"
"""Recorded in place of the probabilities of an imported run that has classes alone."""

_LEVELS = 20  # maximum depth of a document; far more than needed, and safe for recursion


@dataclass(frozen=True)
class Provenance:
    """How a run was made, stored with its predictions; unknown values are UNKNOWN or None.

    Attributes:
        platform: title of the framework, the table's Platform column.
        weights: name, file, sha256 and published digest of the weights; for random weights, their
            name RANDOM and the seed.
        preprocessing: the recipe in full.
        images: name, number and fingerprint of the pictures; of a published set also its name as
            "picture_set", its classes if they are fewer than ImageNet's, of a sample its "design",
            and of a shard its "shard"; see `Design.as_document` and `Shard`.
        versions: versions of every library that could change the predictions.
        device: "cpu", or the accelerator's name.
        precision: precision of the forward pass.
        batch_size: pictures per forward pass.
        input_shapes: every distinct shape the model was given, in order of appearance.
        executor: name of the executor that ran the job, or IMPORTED.
        process_id: the process that ran the model; equal ids shared a process.
        started: date and time in UTC, ISO 8601.
        seconds: wall-clock time, loading included.
        arguments: the command's arguments, with absolute paths shortened to their last part.
        origin: the files that an imported run comes from, with their sha256; of a user's own
            outputs also how they were understood.
        incidents: events during the run, such as an interruption, in words.
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
        """Convert a JSON document to a Provenance; the inverse of `dataclasses.asdict`.

        Raises:
            ValueError: the document is not a valid provenance.
        """
        import msgspec

        if not isinstance(document, dict):
            raise ValueError(f"provenance is {document!r:.60}, no names and values")
        unknown = document.keys() - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"provenance has no {min(unknown)!r}")
        if not _is_shallow(document, _LEVELS):
            raise ValueError(f"it is nested more than {_LEVELS} levels deep")
        found = msgspec.convert(document, cls)
        if not isinstance(found.images.get("fingerprint"), str):
            raise ValueError("images has no fingerprint")
        msgspec.convert(found.images.get("classes", []), list[int])
        if "design" in found.images:
            design_from(found.images["design"])
        if "shard" in found.images:
            shard_from(found.images["shard"])
            msgspec.convert(found.images.get("n"), Annotated[int, msgspec.Meta(ge=1)])
        return found

    @property
    def is_random(self) -> bool:
        """Whether the weights were random, so that the predictions are meaningless."""
        return bool(self.weights.get("name") == RANDOM)

    @property
    def has_probabilities(self) -> bool:
        """Whether the probabilities of its classes are known; if not, zeros are stored."""
        return self.origin.get("probabilities") != NOT_GIVEN

    @property
    def again(self) -> str:
        """How to get the run with predictions among the few classes of its pictures."""
        if self.executor == IMPORTED:
            return "import the scores of all classes."
        return "compute it again with 'imagenet-benchmark predict --again'."

    @property
    def picture_set(self) -> str:
        """Name of the published set of its pictures; "" for ImageNet's own and for others."""
        return str(self.images.get("picture_set", ""))

    @property
    def classes(self) -> tuple[int, ...]:
        """The classes that its image set declares if they are fewer than ImageNet's; else ()."""
        return tuple(self.images.get("classes", ()))

    @property
    def design(self) -> Design | None:
        """How its pictures were drawn, if they are a sample; None if they are all pictures."""
        document = self.images.get("design")
        return design_from(document) if document else None

    @property
    def shard(self) -> Shard | None:
        """Which part of which image set its pictures are, if they are a shard; else None."""
        document = self.images.get("shard")
        return shard_from(document) if document else None

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the pictures, or UNKNOWN."""
        return str(self.images["fingerprint"])


def _is_shallow(part: Any, levels: int) -> bool:
    """Whether a part of a document has at most this many levels."""
    parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return levels > 0 and all(_is_shallow(each, levels - 1) for each in parts)


def imported(platform: str, images: str, origin: Mapping[str, Any]) -> Provenance:
    """Provenance of an imported run, of which little more than its origin is known.

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
        executor=IMPORTED,
        process_id=None,
        started=UNKNOWN,
        seconds=None,
        origin=origin,
    )
