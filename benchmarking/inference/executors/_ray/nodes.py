"""The nodes of a cluster: each is checked once, and refused if it would compute something else."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError
from typing import Any

from benchmarking.errors import needed_by
from benchmarking.inference.executors._ray.remote import (
    DIGEST_SIZE,
    UNREADABLE,
    Report,
    Setting,
    report,
    versions,
)
from benchmarking.inference.job import Job
from benchmarking.models.sources import framework_of, sources
from benchmarking.pictures.image_set import Picture

_SHOWN = 5
"""Largest number of differences that a message names."""


@dataclass(frozen=True)
class Node:
    """A node of a cluster.

    Attributes:
        key: Ray's identity of it, in hex.
        name: its host, and the first digits of its identity, since a host can have several.
        cpus: cores that Ray may use.
        gpus: GPUs that Ray may use.
        memory: bytes of memory that Ray may use.
    """

    key: str
    name: str
    cpus: int
    gpus: int
    memory: int


@dataclass(frozen=True)
class Expected:
    """What every node has to have.

    Attributes:
        needed: distributions that have to be installed, in the driver's version.
        compared: distributions that have to be of the driver's version where they are installed.
        versions: the versions of the driver.
        pictures: the pictures of the image set; None if nodes are not asked for pictures.
        fingerprint: fingerprint of the image set.
    """

    needed: Sequence[str]
    compared: Sequence[str]
    versions: Mapping[str, str]
    pictures: tuple[Picture, ...] | None
    fingerprint: str

    def differences(self, found: Report) -> str:
        """The versions of a node that differ from those of the driver; empty if none does."""
        optional = set(self.compared).difference(self.needed)
        wrong = [
            f"{name} {found.versions.get(name, 'is not installed')}, here {ours}"
            for name, ours in self.versions.items()
            if found.versions.get(name, ours if name in optional else None) != ours
        ]
        return "; ".join(wrong[:_SHOWN])


def expected_for(job: Any, *, with_pictures: bool) -> Expected:
    """What nodes need for jobs like this one, whose framework and image set the others have."""
    if not isinstance(job, Job):
        return Expected((), (), versions(()), None, "")
    needed = {"numpy"}
    with suppress(PackageNotFoundError):  # this package is on the path only
        needed |= set(needed_by(framework_of(job.spec).EXTRA).values())
    compared = {name for source in sources().values() for name in source.DISTRIBUTIONS}
    compared |= {*needed, *job.spec.distributions}
    pictures = job.pictures if with_pictures and job.fingerprint else None
    names = sorted(compared)
    return Expected(sorted(needed), names, versions(names), pictures, job.fingerprint)


@dataclass
class Verdicts:
    """Why nodes are refused, for the whole sweep; "" for those that are not.

    Attributes:
        reasons: the reason of each node that was checked, by its key and what was expected.
        read: nodes whose pictures are right, with the fingerprint; they are not read again for
            another framework.
        told: messages that the user has seen.
    """

    reasons: dict[tuple[str, str], str] = field(default_factory=dict)
    read: set[tuple[str, str]] = field(default_factory=set)
    told: set[str] = field(default_factory=set)


class Nodes:
    """The nodes that can compute, as far as they are known.

    Attributes:
        good: those that have been checked, by key.
        refused: why others are not used, by name.
    """

    def __init__(
        self,
        expected: Expected,
        setting: Setting,
        verdicts: Verdicts,
        tell: Callable[[str], None],
    ) -> None:
        """Know no node yet; `refresh` finds them.

        Args:
            expected: what they have to have.
            setting: what they take over from the driver.
            verdicts: earlier verdicts, to which new ones are added.
            tell: called with a message for each node that is refused.
        """
        self.good: dict[str, Node] = {}
        self.refused: dict[str, str] = {}
        self._expected, self._setting, self._tell = expected, setting, tell
        self._verdicts = verdicts
        self._checks: dict[str, tuple[Node, Any]] = {}
        self._differing: list[tuple[Node, Report]] = []
        self._right: bytes | None = None
        self._listed: tuple[Any, Any] = None, None

    @property
    def possible(self) -> list[Node]:
        """The nodes that can compute, and those that are still being checked."""
        return [*self.good.values(), *(node for node, _ in self._checks.values())]

    @property
    def is_checking(self) -> bool:
        """Whether the verdict on a node is still to come."""
        return bool(self._checks)

    def refresh(self) -> None:
        """Find nodes that came or went, and take in the verdicts on new ones."""
        import ray

        alive = {node.key: node for node in map(_node, ray.nodes()) if node}
        self.good = {key: node for key, node in self.good.items() if key in alive}
        for key, (node, check) in list(self._checks.items()):
            if key not in alive or ray.wait([check], timeout=0)[0]:
                del self._checks[key]
                if key in alive:
                    self._take(node, check)
        for node in alive.values():
            if not (node.key in self.good or node.key in self._checks):
                self._begin(node)
        if not self._checks:
            self._tell_of_pictures()

    def listed(self, pictures: tuple[Picture, ...]) -> Any:
        """Ray's reference to the pickled list of pictures, of which each node gets one copy."""
        import ray

        known, reference = self._listed
        if known is not pictures:
            reference = ray.put(pickle.dumps(pictures))
            self._listed = pictures, reference
        return reference

    def close(self) -> None:
        """Cancel the checks that run."""
        import ray

        for _, check in self._checks.values():
            with suppress(ray.exceptions.RayError, ValueError):  # its node is lost
                ray.cancel(check)
        self._checks.clear()

    def _begin(self, node: Node) -> None:
        """Begin to check a node, unless it was checked before."""
        reason = self._verdicts.reasons.get((node.key, self._about))
        if reason is None and not any(node.key == other.key for other, _ in self._differing):
            self._checks[node.key] = node, self._check(node)
        elif reason == "":
            self.good[node.key] = node
        elif reason:
            self.refused[node.name] = reason

    def _check(self, node: Node) -> Any:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        wanted = None if self._has_read(node) else self._expected.pictures
        there = NodeAffinitySchedulingStrategy(node.key, soft=False)
        checked = ray.remote(report).options(
            num_cpus=0, max_retries=1, scheduling_strategy=there, name="check of a node"
        )
        return checked.remote(
            self._setting, self._expected.compared, None if wanted is None else self.listed(wanted)
        )

    def _take(self, node: Node, check: Any) -> None:
        """Take in the report of a node."""
        import ray

        try:
            found: Report = ray.get(check)
        except ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            self._decide(node, f"its check failed: {_last_line(cause)}")
            return
        if differences := self._expected.differences(found):
            self._decide(node, differences)
        elif self._expected.pictures is None or self._has_read(node):
            self._decide(node, "")
        elif found.fingerprint == self._expected.fingerprint:
            self._right = self._right or found.digests
            self._verdicts.read.add((node.key, found.fingerprint))
            self._decide(node, "")
        else:
            self._differing.append((node, found))

    def _has_read(self, node: Node) -> bool:
        """Whether the pictures of a node were found to be the right ones."""
        return (node.key, self._expected.fingerprint) in self._verdicts.read

    @property
    def _about(self) -> str:
        """What a verdict is about."""
        wanted = [f"{name} {version}" for name, version in self._expected.versions.items()]
        return "\n".join([self._expected.fingerprint, *wanted])

    def _decide(self, node: Node, reason: str) -> None:
        self._verdicts.reasons[node.key, self._about] = reason
        if not reason:
            self.good[node.key] = node
            return
        self.refused[node.name] = reason
        message = f"node {node.name} is not used: {reason}"
        if message not in self._verdicts.told:
            self._verdicts.told.add(message)
            self._tell(message)

    def _tell_of_pictures(self) -> None:
        """Decide on the nodes whose pictures differ, when a node with the right ones is known."""
        for node, found in self._differing:
            self._decide(node, self._wrong_pictures(found))
        self._differing.clear()

    def _wrong_pictures(self, found: Report) -> str:
        """How the pictures of a node differ from those of the image set."""
        pictures = self._expected.pictures or ()
        theirs = _split(found.digests)
        missing = theirs.count(UNREADABLE)
        if missing:
            return (
                f"{missing} of {len(pictures)} pictures cannot be read there, such as "
                f"{found.problem}"
            )
        wrong = [
            picture.key
            for picture, one, right in zip(
                pictures, theirs, _split(self._right or b""), strict=False
            )
            if one != right
        ]
        which = f"; {len(wrong)} differ, such as {wrong[0]}" if wrong else ""
        return (
            f"its {len(pictures)} pictures are other ones, of fingerprint "
            f"{found.fingerprint[:12]}, here {self._expected.fingerprint[:12]}{which}"
        )


def _node(row: Mapping[str, Any]) -> Node | None:
    """A node that is alive, from Ray's table."""
    if not row["Alive"]:
        return None
    host = row.get("NodeManagerHostname") or row.get("NodeManagerAddress", "")
    has = row.get("Resources", {})
    numbers = (int(has.get(name, 0)) for name in ("CPU", "GPU", "memory"))
    return Node(row["NodeID"], f"{host} ({row['NodeID'][:8]})", *numbers)


def _split(digests: bytes) -> list[bytes]:
    return [digests[at : at + DIGEST_SIZE] for at in range(0, len(digests), DIGEST_SIZE)]


def _last_line(error: BaseException) -> str:
    """The last line of an error, which names the exception if it holds a traceback."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
