"""Merging: the runs on the shards of an image set become a run on the whole set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.io.addresses import Address
from benchmarking.io.progress import bar, notice
from benchmarking.labels.class_values import padded
from benchmarking.labels.label_set import NO_CLASS
from benchmarking.models.spec import Probabilities
from benchmarking.pictures.image_set import ImageSet, fingerprint_of_lines, without_pictures
from benchmarking.pictures.picture_list import list_sha256
from benchmarking.predictions.conflicts import refuse_conflicts
from benchmarking.predictions.merge_target import MergeTarget
from benchmarking.predictions.merged_record import merged_provenance, other_batches
from benchmarking.predictions.remote_store import store_at
from benchmarking.predictions.run import Run
from benchmarking.predictions.run_index import folders_in
from benchmarking.predictions.shards import Found, ShardRun, every_row, shard_runs, unreadable
from benchmarking.predictions.store import Store
from benchmarking.predictions.stores import Stores
from benchmarking.predictions.top_k import TopK, join


@dataclass(frozen=True)
class Merged:
    """A run that was merged and stored.

    Attributes:
        run: the run on the whole image set.
        shards: number of shards.
        n: number of pictures.
    """

    run: Run
    shards: int
    n: int


@dataclass(frozen=True)
class MergedBefore:
    """A run that the store has already, made of the same weights, recipe and pictures.

    Attributes:
        run: the run on the whole image set.
        started: when it was started, in UTC, ISO 8601.
    """

    run: Run
    started: str


@dataclass(frozen=True)
class NotMerged:
    """A run that could not be merged.

    Attributes:
        run: the run on the whole image set.
        reason: why, in words.
    """

    run: Run
    reason: str


Outcome = Merged | MergedBefore | NotMerged


def merge(
    stores: Stores | Address | Store | str | Path | Sequence[Address | Store | str | Path],
    store: Store | str | Path,
    *,
    again: bool = False,
) -> list[Run]:
    """Put the runs on the shards of an image set together, so that they are runs on all of it.

    A merged run has the predictions, the list of pictures and the fingerprint of an undivided run.
    Nothing is written into the stores of the shards, unless one of them is the store of the merged
    runs.

    Args:
        stores: the stores of the shards, which `predict` made with `shard`: one, or several.
        store: the store for the merged runs.
        again: whether complete runs of this store are replaced.

    Returns:
        The merged runs, with those that were complete before.

    Raises:
        BenchmarkError: there are no shards, or a run cannot be merged: a shard is missing, is there
            twice with different predictions, or is of other pictures, or conditions differ. Those
            that could be merged are stored.
    """
    target = store_at(store)
    read = _as_stores(stores)
    found = found_in(read)
    merging = merged(found, target, again=again)
    ends = list(bar(merging, title="merge", total=len(found)))
    failed = [f"{one.run}: {one.reason}" for one in ends if isinstance(one, NotMerged)]
    failed += unreadable(read)
    if failed:
        done = len(ends) - sum(isinstance(one, NotMerged) for one in ends)
        raise BenchmarkError("\n".join([*failed, f"Stored in {target.place}: {done}."]))
    return [one.run for one in ends]


def found_in(stores: Stores) -> dict[Run, Found]:
    """What stores have of each run on an image set that was divided.

    Raises:
        StoreError: they have no shards, or one of them does not exist or cannot be read.
    """
    for one in stores.members.values():
        folders_in(one.folder)  # one that cannot be read is an error
        if not one.folder.is_dir():
            raise StoreError(f"{one.place} is not a folder; expected a store with shards.")
    found = shard_runs(stores)
    if not found:
        raise StoreError(
            f"there are no shards in {stores.folders}; 'imagenet-benchmark predict' with --shard "
            "I/N makes them."
        )
    return found


def merged(
    found: Mapping[Run, Found],
    store: Store,
    *,
    again: bool = False,
    tell: Callable[[str], None] = notice,
) -> Iterator[Outcome]:
    """Merge runs and store them; yield the outcome of each at once.

    Args:
        found: what stores have of each run; see `found_in`.
        store: the store for the merged runs.
        again: whether complete runs of this store are replaced.
        tell: called with notes on shards that are not used, each once.
    """
    told: set[str] = set()
    sets: dict[tuple[str, ...], ImageSet] = {}
    target = MergeTarget(store)

    def tell_once(text: str) -> None:
        if text not in told:
            told.add(text)
            tell(text)

    with target.stack:
        for run, parts in found.items():
            try:
                shards = every_row(parts, tell_once)
                refuse_conflicts(shards)
                prints = (one.made.fingerprint for one in shards)
                pictures = (run.images, shards[0].shard.list_sha256, *prints)
                if pictures not in sets:
                    sets[pictures] = _image_set(shards)
                end: Outcome = _stored(run, shards, sets[pictures], target, again, tell_once)
            except BenchmarkError as error:
                end = NotMerged(run, str(error))
            yield end


def _stored(
    run: Run,
    shards: Sequence[ShardRun],
    images: ImageSet,
    target: MergeTarget,
    again: bool,
    tell: Callable[[str], None],
) -> Merged | MergedBefore:
    """Merge the shards of a run and store it, unless the store has it.

    Raises:
        BenchmarkError: the store is for other runs, has other pictures under this name, or cannot
            be written; or a shard is damaged.
    """
    made, arrays = merged_provenance(shards, images), shards[0].arrays
    if not again and (started := target.complete_since(run, made, arrays)):
        target.tidy(run.images)
        return MergedBefore(run, started)
    target.refuse(run, made, arrays)
    if not again and target.store.has_file(run):
        tell(f"note: {run}: the stored run is damaged, or keeps less than the shards; replaced")
    if others := other_batches(shards):
        tell(f"note: {run.images}: {others}")
    if not (made.is_random or made.weights.get("sha256")):
        tell(f"note: {run}: its weights have no digest, so they could differ between the shards")
    # Everything is read before the name of the set is taken, as a shard may be damaged.
    top = join([one.store.read(one.run) for one in shards])
    everything, few = _everything(shards), _restricted(shards)
    rows = target.rows(images)
    target.store.write_admitted(
        run, images, rows, top, made, probabilities=everything, restricted=few
    )
    return Merged(run, len(shards), len(images))


def _image_set(shards: Sequence[ShardRun]) -> ImageSet:
    """The whole image set: names, classes and fingerprint, without the pictures' files.

    Raises:
        StoreError: a list of pictures, or of their digests, is missing or was changed.
    """
    keys: list[str] = []
    classes: list[list[int]] = []
    lines: list[str] = []
    for one in shards:
        rows = one.store.rows(one.run.images)
        keys += rows.keys
        classes += (
            [each for each in row if each != NO_CLASS] for row in rows.right_classes.tolist()
        )
        lines += one.store.digest_lines(one.run.images, one.made.fingerprint)
    whole = without_pictures(shards[0].shard.whole, keys, padded(classes))
    if list_sha256(whole.pictures) != shards[0].shard.list_sha256:
        raise StoreError(
            f"the pictures of the shards are not those of {whole.name} as it was divided; predict "
            "the shards again."
        )
    return replace(whole, fingerprint=fingerprint_of_lines(sorted(lines)))


def _everything(shards: Sequence[ShardRun]) -> Probabilities | None:
    """The probabilities of all classes, (n, classes); None if they were not kept."""
    if "probabilities" not in shards[0].arrays:
        return None
    return np.concatenate([one.store.read_probabilities(one.run) for one in shards])


def _restricted(shards: Sequence[ShardRun]) -> TopK | None:
    """The best of the classes that the image set declares; None if it has all."""
    if "restricted_index" not in shards[0].arrays:
        return None
    return join([one.store.read_restricted(one.run) for one in shards])


def _as_stores(
    stores: Stores | Address | Store | str | Path | Sequence[Address | Store | str | Path],
) -> Stores:
    """What a caller gives as one store or as several."""
    if isinstance(stores, Stores):
        return stores
    return Stores(*([stores] if isinstance(stores, Address | Store | str | Path) else stores))
