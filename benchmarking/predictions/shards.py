"""Runs on shards in stores, and which of them make up a run on the whole image set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from benchmarking.errors import StoreError
from benchmarking.pictures.shards import Shard, whole_of
from benchmarking.predictions.provenance import Provenance
from benchmarking.predictions.run import Run
from benchmarking.predictions.run_file import has_same_predictions, opened
from benchmarking.predictions.store import Store
from benchmarking.predictions.stores import Stores

_SHOWN = 8
"""Largest number of missing shards that a message names."""


@dataclass(frozen=True)
class ShardRun:
    """A stored run on a shard.

    Attributes:
        run: the run, as its store names it.
        store: its store.
        made: how it was made.
        shard: which part of which image set its pictures are.
        arrays: names of its arrays.
    """

    run: Run
    store: Store
    made: Provenance
    shard: Shard
    arrays: frozenset[str]

    def __str__(self) -> str:
        return f"{self.shard} in {self.store.place}"

    @property
    def rows(self) -> range:
        """Rows of its pictures in the whole image set."""
        return range(self.shard.first, self.shard.first + int(self.made.images["n"]))


@dataclass(frozen=True)
class Found:
    """What stores have of a run on a whole image set.

    Attributes:
        shards: its shards, in any order; the same one may be there several times.
        problems: why runs on other shards cannot be used.
    """

    shards: tuple[ShardRun, ...]
    problems: tuple[str, ...]


def shard_runs(stores: Stores) -> dict[Run, Found]:
    """What stores have of each run on an image set that was divided, by that run, sorted.

    Raises:
        StoreError: a store cannot be read.
    """
    shards: dict[Run, list[ShardRun]] = defaultdict(list)
    problems: dict[Run, list[str]] = defaultdict(list)
    for store in stores.members.values():
        for images in filter(whole_of, store.image_sets()):
            for run in store.runs(images):
                whole = Run(whole_of(images), run.source, run.model, run.recipe)
                try:
                    found = _shard_run(store, run)
                except StoreError as error:
                    problems[whole].append(str(error))
                    continue
                if found is not None:
                    shards[whole].append(found)
    return {
        run: Found(tuple(shards[run]), tuple(problems[run])) for run in sorted({*shards, *problems})
    }


def unreadable(stores: Stores) -> list[str]:
    """Why stores may have other runs on shards: unreadable folders, and names that are invalid."""
    return [
        problem
        for store in stores.members.values()
        for images in filter(whole_of, store.image_sets())
        for problem in store.problems(images)
    ]


def _shard_run(store: Store, run: Run) -> ShardRun | None:
    """A run on a shard; None if only the name of its image set looks like that of a shard.

    Raises:
        StoreError: its file cannot be read.
    """
    with opened(store.path(run), run) as stored:
        made, arrays = stored.provenance, frozenset(stored.names)
    shard = made.shard
    return None if shard is None else ShardRun(run, store, made, shard, arrays)


def every_row(found: Found, tell: Callable[[str], None]) -> list[ShardRun]:
    """The shards that have every row of the whole image set once, in order.

    Args:
        found: what stores have of a run.
        tell: called with a note on shards that are not used.

    Raises:
        StoreError: a shard is missing, is there twice with different predictions, is of other
            pictures, or was divided otherwise.
    """
    _refuse_foreign(found.shards)
    chosen = [
        _one_of(versions, tell)
        for _, versions in sorted(_by_number(_one_division(found, tell)).items())
    ]
    before = 0
    for one in chosen:
        if one.rows.start != before:
            raise StoreError(
                f"{one} begins at row {one.rows.start:,}, and the shards before it end at row "
                f"{before:,}; they were divided for different batch sizes. Predict all of them "
                "with the same --batch-size."
            )
        before = one.rows.stop
    if before != chosen[-1].shard.n:
        raise StoreError(
            f"{chosen[-1]} ends at row {before:,} of {chosen[-1].shard.n:,} pictures; they were "
            "divided for different batch sizes. Predict all of them with the same --batch-size."
        )
    return chosen


def _refuse_foreign(shards: Sequence[ShardRun]) -> None:
    """Refuse shards of different lists of pictures.

    Raises:
        StoreError: there are such shards.
    """
    by_list: dict[tuple[int, str], list[ShardRun]] = defaultdict(list)
    for one in shards:
        by_list[one.shard.n, one.shard.list_sha256].append(one)
    if len(by_list) > 1:
        most, *others = sorted(by_list.values(), key=len, reverse=True)
        foreign = ", ".join(str(one) for group in others for one in group)
        raise StoreError(
            f"{foreign}: of another list of pictures or classes than {_listed(most)}, so that rows "
            "do not fit together. Leave out the store of the foreign ones, or predict them again "
            "on the same pictures."
        )


def _one_division(found: Found, tell: Callable[[str], None]) -> list[ShardRun]:
    """The shards of the only complete division; others are told.

    Raises:
        StoreError: none is complete, or several are.
    """
    by_count: dict[int, list[ShardRun]] = defaultdict(list)
    for one in found.shards:
        by_count[one.shard.of].append(one)
    complete = [of for of, shards in by_count.items() if len(_by_number(shards)) == of]
    if len(complete) == 1:
        for problem in found.problems:
            tell(f"note: not used: {problem}")
        for of in by_count.keys() - set(complete):
            whole = found.shards[0].shard.whole
            tell(
                f"note: not used, because all {complete[0]} shards of {whole} are there: "
                f"{_listed(by_count[of])}"
            )
        return by_count[complete[0]]
    if complete:
        numbers = " and ".join(map(str, sorted(complete)))
        raise StoreError(
            f"it is there in {numbers} shards, each complete; name only the stores of one division."
        )
    reasons = [_missing(of, set(_by_number(shards))) for of, shards in sorted(by_count.items())]
    raise StoreError("\n".join(["; ".join(reasons) or "no shard can be read", *found.problems]))


def _missing(of: int, there: Collection[int]) -> str:
    """Which shards are missing, and how to get the first of them.

    The number of shards is from a file, and may be any.
    """
    n = of - len(there)
    shown = list(islice((number for number in range(1, of + 1) if number not in there), _SHOWN))
    numbers = ", ".join(map(str, shown)) + f" and {n - len(shown):,} more" * (n > len(shown))
    verb, plural = ("are", "s") if n > 1 else ("is", "")
    return (
        f"shard{plural} {numbers} of {of} {verb} missing; 'predict' with --shard "
        f"{shown[0]}/{of} makes {'the first of them' if plural else 'it'}"
    )


def _by_number(shards: Iterable[ShardRun]) -> Mapping[int, list[ShardRun]]:
    found: dict[int, list[ShardRun]] = defaultdict(list)
    for one in shards:
        found[one.shard.number].append(one)
    return found


def _one_of(versions: Sequence[ShardRun], tell: Callable[[str], None]) -> ShardRun:
    """The shard, if several stores have it with the same predictions.

    Raises:
        StoreError: the predictions or the pictures differ.
    """
    paths = [one.store.path(one.run) for one in versions]
    for (first, other), (path, another) in zip(pairwise(versions), pairwise(paths), strict=True):
        if not has_same_predictions(path, another):
            raise StoreError(
                f"{first} and {other} differ in their predictions or pictures; name only the "
                "store of one of them."
            )
    first, *others = versions
    if others:
        places = " and ".join(one.store.place for one in versions)
        tell(
            f"note: {first.shard} of {first.shard.whole} is in {places}, with the same "
            f"predictions; that in {first.store.place} is used"
        )
    return first


def _listed(shards: Sequence[ShardRun]) -> str:
    """Shards in words, by store."""
    by_store: dict[str, list[str]] = defaultdict(list)
    for one in shards:
        by_store[one.store.place].append(f"{one.shard.number}/{one.shard.of}")
    return ", ".join(f"{' '.join(names)} in {place}" for place, names in by_store.items())


def merge_hint(stores: Stores, images: str) -> str:
    """How to get runs on an image set of which stores have only shards; "" if they have none."""
    if images not in map(whole_of, stores.image_sets()):
        return ""
    folders = " ".join(store.place for store in stores.members.values())
    return f" 'imagenet-benchmark merge {folders} --store NEW' makes {images} of its shards."
