"""Picture sets, one module each; `PictureSet` is the contract of a module."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol

from benchmarking.errors import BenchmarkError, PictureError
from benchmarking.io.addresses import is_address
from benchmarking.io.names import UNKNOWN
from benchmarking.io.prefetch import cores
from benchmarking.io.progress import notice
from benchmarking.io.user_folders import check_possible, expanded
from benchmarking.labels.imagenet import validation_labels, validation_number
from benchmarking.pictures.design import Design
from benchmarking.pictures.findings import Finding
from benchmarking.pictures.image_set import ALL_CLASSES, ImageSet, Picture, spread
from benchmarking.pictures.layout import misfiled, note, repeats
from benchmarking.pictures.names import ClassFolders
from benchmarking.pictures.picture_list import list_sha256
from benchmarking.pictures.reading import OnBadImage, read_images
from benchmarking.pictures.recipe import Preprocessing
from benchmarking.pictures.sampling import Sample, designed
from benchmarking.pictures.set_facts import SetFacts
from benchmarking.pictures.sets._forms import refusal
from benchmarking.pictures.shards import GivenShard, Shard, shard_number
from benchmarking.plugins import discover

_ARCHIVE = re.compile(r"\.(?:tar|zip)$", re.IGNORECASE)  # not a part of an image set's name


class Match(IntEnum):
    """How well a picture set fits a place; the set with the best match opens it."""

    NONE = 0
    FORM = 1
    """The place has a form that many sets share: a folder or a tar."""
    LAYOUT = 2
    """The place has names, folders or files that only this set has."""
    NAME = 3
    """The name of the set itself."""


@dataclass(frozen=True)
class Contents:
    """The labelled pictures of a place, before any of them is read.

    Attributes:
        pictures: the pictures, ordered by class, then key.
        classes: the classes that its pictures can have; every label must be one of them.
        left_out: paths of all other files and folders in the place, such as notes.
        findings: problems of the place; its pictures can be used nevertheless.
        name: default name of the image set; "" for that of the place.
        picture_set: see `ImageSet`.
        design: see `ImageSet`.
        shard: see `ImageSet`.
    """

    pictures: tuple[Picture, ...]
    classes: tuple[int, ...] = field(default_factory=lambda: ALL_CLASSES)
    left_out: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    name: str = ""
    picture_set: str = ""
    design: Design | None = None
    shard: Shard | None = None

    @property
    def note(self) -> str:
        """One line that names what was left out; "" if nothing was."""
        return note(self.left_out) if self.left_out else ""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Messages for the user: what was left out, and names that contradict a class or repeat."""
        found = (*self.findings, *misfiled(self.pictures), *repeats(self.pictures))
        notes = [f"note: {self.note}"] if self.note else []
        return (*notes, *(f"warning: {one}" for one in found))


class PictureSet(Protocol):
    """A kind of place with labelled pictures.

    A published set has its `SetFacts` in `FACTS`.

    A set that supports several kinds of names of class folders lists them in `CLASS_FOLDERS`, such
    as ("wnid", "index"). Its `open_pictures` then has an argument `class_folders`.
    """

    @property
    def NAME(self) -> str:
        """Name of the set; NAME:PLACE opens a place with this set, even if it does not match."""

    @property
    def DESCRIPTION(self) -> str:
        """What a place must contain, in one line."""

    def match(self, where: str) -> Match:
        """How well the set fits a place or a name."""

    def open_pictures(self, where: str) -> Contents:
        """The labelled pictures of a place; PictureError if the set cannot use them."""


def picture_sets() -> dict[str, PictureSet]:
    """Every picture set, by name."""
    return discover(sys.modules[__name__], PictureSet)


def published_sets() -> dict[str, SetFacts]:
    """What is published about each picture set that states it, by name."""
    found = {name: getattr(one, "FACTS", None) for name, one in picture_sets().items()}
    return {name: facts for name, facts in found.items() if isinstance(facts, SetFacts)}


def open_pictures(where: str, class_folders: ClassFolders = "wnid") -> Contents:
    """List the labelled pictures of a place, with the given set or the one that fits best.

    Args:
        where: a path, the name of a set, or NAME:PATH to choose the set.
        class_folders: how folders are named after their classes: by WordNet id, or by "index",
            0 to 999.

    Raises:
        PictureError: no set fits, two fit equally well, or the set cannot use the pictures.
    """
    check_possible(Path(where))
    chosen, place = _chosen(where)
    found = chosen.open_pictures(place, **_naming(chosen, class_folders))
    if not isinstance(found, Contents):
        raise PictureError(
            f"picture set {chosen.NAME} returned a {type(found).__name__} for {place!r}; expected "
            "Contents of a tuple of pictures."
        )
    return found


def open_images(
    where: str | Path,
    *,
    name: str | None = None,
    limit: int | None = None,
    class_folders: ClassFolders = "wnid",
    on_bad_image: OnBadImage = "stop",
    workers: int | None = None,
    recipes: Collection[Preprocessing] = (),
    estimate: int | Sample | None = None,
    shard: GivenShard | None = None,
) -> ImageSet:
    """Open labelled pictures as an image set; each picture is read once, with a progress bar.

    Standard error names the files that are left out because they are not pictures, and warns of
    pictures that occur more than once.

    Args:
        where: a folder, a tar, the name of a picture set such as "demo", or NAME:PATH.
        name: name of the image set; by default the name of its place, or imagenet-val for the
            whole validation set.
        limit: maximum number of pictures, evenly spaced; they form a different image set.
        class_folders: "index" if folders are named 0 to 999, by sorted WordNet id; "wnid" if they
            are named by WordNet id.
        on_bad_image: what to do if pictures cannot be used: "stop", or "skip", which makes an
            image set without them.
        workers: number of threads that read pictures; by default one per core.
        recipes: recipes that must be able to crop every picture, such as `load_model(NAME).recipe`;
            without recipes, Pillow must be able to decode every picture.
        estimate: number of pictures to draw at random, to estimate accuracies on all; only these
            are read, and they form a different image set. A `Sample` also has a seed and the
            difficulty of the pictures.
        shard: one of several consecutive parts of the pictures, such as "2/8" or (2, 8) for the
            second of eight; only these are read, and they form a different image set, whose runs
            `merge` puts together with those of the other shards.

    Raises:
        PictureError: there are no labelled pictures, or some cannot be decoded or cropped.
        BenchmarkError: the name is not valid, or a shard is combined with a limit or an estimate.

    >>> from benchmarking import open_images
    >>> open_images("demo")
    <ImageSet demo: 20 pictures, fingerprint ec8fe97936a1>
    """
    if shard is not None and (limit is not None or estimate is not None):
        raise BenchmarkError(
            "a shard is a part of all pictures; leave out limit and estimate, or shard."
        )
    contents, set_name = listed(where, name, limit, class_folders, estimate)
    contents, set_name = sharded(contents, set_name, shard)
    return read_images(set_name, contents, on_bad_image, workers or cores(), recipes=recipes)


def listed(
    where: str | Path,
    name: str | None = None,
    limit: int | None = None,
    class_folders: ClassFolders = "wnid",
    estimate: int | Sample | None = None,
) -> tuple[Contents, str]:
    """The pictures that `open_images` would read, with its remarks, and their image set's name."""
    contents = open_pictures(str(where), class_folders)
    for remark in contents.remarks:
        notice(remark)
    set_name = name_of(str(where), contents, name)
    contents, set_name = limited(contents, set_name, limit)
    return sampled(contents, set_name, estimate)


def limited(contents: Contents, name: str, limit: int | None) -> tuple[Contents, str]:
    """At most `limit` of the pictures, evenly spaced, and the name of the resulting image set."""
    if limit is None or limit >= len(contents.pictures):
        return contents, name
    pictures = spread(contents.pictures, limit)
    return replace(contents, pictures=pictures), f"{name}-limit-{limit}"


def sampled(
    contents: Contents,
    name: str,
    estimate: int | Sample | None,
    tell: Callable[[str], None] = notice,
) -> tuple[Contents, str]:
    """A random sample of the pictures, and the name of its image set; all if there are no more.

    Args:
        contents: all pictures.
        name: name of the image set of all pictures.
        estimate: the sample, or its number of pictures; None for all pictures.
        tell: called with a message if nothing is known about the pictures.

    Raises:
        BenchmarkError: the sample is too small, or its difficulty lacks a picture.
    """
    if estimate is None:
        return contents, name
    sample = estimate if isinstance(estimate, Sample) else Sample(estimate)
    if sample.n >= len(contents.pictures):
        return contents, name
    keys = [picture.key for picture in contents.pictures]
    difficulty = sample.difficulty_for(keys)
    if difficulty is None:
        tell(
            "note: the estimate is from a simple random sample, because it is not known how "
            "difficult these pictures are; with --strata STORE, runs on them make intervals smaller"
        )
    rows, design = designed(keys, sample.n, name, seed=sample.seed, difficulty=difficulty)
    pictures = tuple(contents.pictures[row] for row in rows)
    return replace(contents, pictures=pictures, design=design), sample.name(name)


def sharded(contents: Contents, name: str, shard: GivenShard | None) -> tuple[Contents, str]:
    """The pictures of a shard, and the name of its image set; all pictures if no shard is given.

    Args:
        contents: all pictures.
        name: name of the image set of all pictures.
        shard: which shard; see `open_images`.

    Raises:
        BenchmarkError: there is no such shard.
        PictureError: there are too few pictures, or all of them cannot form an image set.
    """
    if shard is None:
        return contents, name
    chosen, every = shard_number(shard), contents.pictures
    ImageSet(name, every, UNKNOWN, contents.classes)  # what is wrong with all is told before work
    rows = chosen.rows(len(every))
    part = Shard(name, len(every), chosen.number, chosen.of, rows.start, list_sha256(every))
    pictures = every[rows.start : rows.stop]
    return replace(contents, pictures=pictures, shard=part), chosen.name(name)


def name_of(where: str, contents: Contents, chosen: str | None = None) -> str:
    """The name of an image set: the chosen one, that of a published set, or `default_name`.

    Raises:
        PictureError: the chosen name can be that of another image set of the same picture set, such
            as another variant of ImageNet-V2, as which its runs would be scored.
    """
    if chosen is None:
        return contents.name or default_name(where, contents.pictures)
    facts = published_sets().get(contents.picture_set) if contents.picture_set else None
    has_several = facts is not None and len(facts.archives) > 1
    if has_several and chosen != contents.name and chosen.startswith(f"{contents.picture_set}-"):
        raise PictureError(
            f"{where} is {contents.name}, and {chosen!r} is the name of another image set of "
            f"{contents.picture_set}, as which it would be scored; choose a name that does not "
            f"begin with {contents.picture_set}-, or none."
        )
    return chosen


def default_name(where: str, pictures: Sequence[Picture]) -> str:
    """The default name of an image set: the name of its place, or imagenet-val."""
    if _is_validation_set(pictures):
        return "imagenet-val"
    _, place = _named(where)
    return (
        re.sub(r"[^A-Za-z0-9_-]+", "-", _ARCHIVE.sub("", Path(place).resolve().name)).strip("-_")
        or "pictures"
    )


def _named(where: str) -> tuple[PictureSet | None, str]:
    """The picture set that NAME:PLACE names, or None, and the place without the name."""
    name, colon, place = where.partition(":")
    if colon and not Path(where).exists() and name in (known := picture_sets()):
        return known[name], _expanded(place)
    return None, _expanded(where)


def _expanded(place: str) -> str:
    """A place with the home folder in place of "~"; an address, which a plug-in may open, as is."""
    return str(expanded(place)) if place and not is_address(place) else place


def _chosen(where: str) -> tuple[PictureSet, str]:
    """The picture set that opens a place, and the place without the name of the set."""
    named, where = _named(where)
    if named:
        if where and not os.path.lexists(where):
            raise PictureError(f"{where!r} does not exist; {named.NAME} is read from there.")
        return named, where
    known = picture_sets()
    try:
        matches = {one: one.match(where) if where else Match.NONE for one in known.values()}
    except PermissionError as error:
        raise PictureError(f"{error.filename} cannot be read: {error.strerror}.") from error
    best = max(matches.values())
    fitting = [one for one, match in matches.items() if match == best]
    if best == Match.NONE:
        published = published_sets()
        general = [one for name, one in known.items() if name not in published]
        all_of_them = "; ".join(f"{one.NAME}: {one.DESCRIPTION}" for one in general)
        all_of_them += f"; published sets: {', '.join(published)}, see 'imagenet-benchmark sets'"
        raise PictureError(refusal(where, all_of_them))
    if len(fitting) > 1:
        names = " and ".join(one.NAME for one in fitting)
        raise PictureError(
            f"{where!r} can be {names}; choose one, for example {fitting[0].NAME}:{where}."
        )
    return fitting[0], where


def _naming(chosen: PictureSet, class_folders: ClassFolders) -> dict[str, Any]:
    """The argument `class_folders`, for sets that support the given kind of names."""
    if class_folders == "wnid":
        return {}
    known = getattr(chosen, "CLASS_FOLDERS", ())
    if class_folders not in known:
        raise PictureError(
            f"picture set {chosen.NAME} does not support class folders named by "
            f"{class_folders!r}; "
            + (f"expected {' or '.join(known)}." if known else "omit class_folders.")
        )
    return {"class_folders": class_folders}


def _is_validation_set(pictures: Sequence[Picture]) -> bool:
    labels = validation_labels()
    return len(pictures) == len(labels) and all(
        (number := validation_number(picture.key)) is not None
        and labels[number - 1] == picture.label
        for picture in pictures
    )
