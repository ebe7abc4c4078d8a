"""Checks of stored runs against their digests, their list of pictures and the other runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from benchmarking.errors import StoreError
from benchmarking.io import files
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store


@dataclass(frozen=True)
class Checked:
    """The result of checking a run, or an image set's list of pictures.

    Attributes:
        what: the run, or the name of the image set.
        problem: the problem, with the name of the file; empty if there is none.
        has_digests: whether digests were compared; without them, only malformed files are found.
    """

    what: Run | str
    problem: str
    has_digests: bool


def check_runs(store: Store, runs: Sequence[Run]) -> Iterator[Checked]:
    """Check each image set's list of pictures, then its runs; yield each result at once."""
    for images in dict.fromkeys(run.images for run in runs):
        of_set = [run for run in runs if run.images == images]
        usual = _usual_fingerprint(store, of_set)
        n, problem = _checked_list(store, images, usual)
        yield Checked(images, problem, has_digests=True)
        for run in of_set:
            try:
                yield Checked(run, "", _checked(store, run, n, usual))
            except StoreError as error:
                yield Checked(run, str(error), has_digests=True)


def _checked_list(store: Store, images: str, fingerprint: str) -> tuple[int, str]:
    """Check a set's list of pictures, and the digests of a shard's, where they are kept.

    Returns:
        The number of pictures, 0 if it is unknown, and the problem, empty if there is none.
    """
    n = 0
    try:
        n = len(store.rows(images))
        if fingerprint and not files.is_missing(store.digests_path(images)):
            store.digest_lines(images, fingerprint)
    except StoreError as error:
        return n, str(error)
    return n, ""


def _checked(store: Store, run: Run, n: int, fingerprint: str) -> bool:
    """Check a run, and return whether it has digests.

    Args:
        store: the store.
        run: the run.
        n: number of pictures; 0 if it is unknown.
        fingerprint: fingerprint of the pictures of most runs on the set.

    Raises:
        StoreError: the run is broken, or was made on other pictures.
    """
    has_digests = store.check(run)
    predicted, made = store.read(run), store.provenance(run)
    if store.keeps_all_probabilities(run):
        store.read_probabilities(run)
    if store.restricted_classes(run) is not None:
        store.read_restricted(run)
    if n and len(predicted) != n:
        raise StoreError(f"{store.path(run)} has {len(predicted)} rows for {n} pictures.")
    if made.fingerprint != fingerprint:
        raise StoreError(
            f"{store.path(run)} was made on other pictures (fingerprint {made.fingerprint}) than "
            f"most runs beside it ({fingerprint}); move it to another store."
        )
    return has_digests


def _usual_fingerprint(store: Store, runs: Sequence[Run]) -> str:
    found: Counter[str] = Counter()
    for run in runs:
        with suppress(StoreError):
            found[store.provenance(run).fingerprint] += 1
    return found.most_common(1)[0][0] if found else ""
