"""WebDataset shards: tars with a picture and its class, as KEY.jpg and KEY.cls.

Two layouts are common. That of timm has names such as NAME-validation-00.tar, a list of the shards
in _info.json, and the name of each picture in KEY.json. That of CLIP benchmark has 0.tar and so on,
the number of shards in nshards.txt, and no names of pictures.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from benchmarking.errors import PictureError
from benchmarking.io import tar_members
from benchmarking.io.files import read_regular
from benchmarking.io.printable import printable
from benchmarking.labels.imagenet import validation_key, wnids
from benchmarking.pictures.image_set import FilePart, Picture, in_order
from benchmarking.pictures.names import NO_CLASS, info_from_name, kind_of_file
from benchmarking.pictures.sets import Contents, Match
from benchmarking.pictures.sets._numbered_files import SHOWN, missing_numbers
from benchmarking.pictures.sets.imagenet_tar import members_of

NAME = "webdataset"
DESCRIPTION = "WebDataset shards, a tar or a folder of tars with KEY.jpg and KEY.cls"

_FIRST = 10  # members of a tar that show whether it is a shard
_MOST_LABEL, _MOST_JSON = 32, 2**16  # bytes
_NUMBER = re.compile(r"(?:.*?)(\d+)\.tar", re.IGNORECASE)
_LISTS = ("_info.json", "info.json")
_CLASSES = "classnames.txt"
_BROKEN = (OSError, ValueError, RecursionError)
"""What reading a JSON document raises."""


@dataclass
class _Sample:
    """The members of a shard that have one key."""

    pictures: list[tarfile.TarInfo] = field(default_factory=list)
    label: tarfile.TarInfo | None = None
    json: tarfile.TarInfo | None = None


def match(where: str) -> Match:
    """Match a tar that begins with a picture and its .cls file, and a folder of such tars."""
    path = Path(where)
    tars = _tars(path) if path.is_dir() else [path] if path.suffix.lower() == ".tar" else []
    return Match.LAYOUT if tars and tars[0].is_file() and _is_shard(tars[0]) else Match.NONE


def open_pictures(where: str) -> Contents:
    """List the labelled pictures of a shard, or of all shards in a folder.

    A picture is named as its KEY.json says, or else after its key. Validation pictures get their
    original names, so that they are the same image set as in a folder.

    Raises:
        PictureError: a shard is missing or damaged, a picture lacks a class or has a wrong one, or
            the classes may be numbered otherwise than ImageNet's.
    """
    path = Path(where)
    shards = _tars(path) if path.is_dir() else [path]
    if not shards:
        raise PictureError(f"{where} holds no shards; expected files that end in .tar.")
    pictures, lengths = [], {}
    for shard in shards:
        found = list(_pictures(shard))
        if not found:
            raise PictureError(f"{shard} holds no pictures with a class; download it again.")
        lengths[shard.name] = len(found)
        pictures += found
    if path.is_dir():
        _check_shards(path, lengths)
    if all(info_from_name(picture.key).label == NO_CLASS for picture in pictures):
        _refuse_other_classes(path, {picture.label for picture in pictures}, len(pictures))
    return Contents(in_order(pictures, wnids()))


def _refuse_other_classes(path: Path, labels: Set[int], n: int) -> None:
    """Refuse pictures without telling names whose classes may be those of a subset.

    CLIP benchmark lists the names of classes in classnames.txt, in the folder above the shards, and
    numbers the classes of each data set from 0.
    """
    folders = [path, *path.parents[:1]] if path.is_dir() else path.parents[:2]
    listed = next((one / _CLASSES for one in folders if (one / _CLASSES).is_file()), None)
    known = len(_text(listed).splitlines()) if listed else None
    few = len(labels)
    is_prefix = max(labels) + 1 == few < len(wnids()) and n >= 2 * few
    if known == len(wnids()) or (known is None and not is_prefix):
        return
    reason = (
        f"{listed} lists {known} classes"
        if listed
        else f"all {n:,} pictures of {path} have the classes 0 to {few - 1}, and no names"
    )
    raise PictureError(
        f"{reason}, so the classes may be numbered within a subset, not as ImageNet's "
        f"{len(wnids()):,}. Write the pictures into folders named by WordNet id."
    )


def _tars(folder: Path) -> list[Path]:
    """The tars in a folder, in the order of their numbers."""
    with suppress(OSError):
        found = [path for path in folder.iterdir() if path.suffix.lower() == ".tar"]
        return sorted(found, key=lambda path: (_number(path.name), path.name))
    return []


def _number(name: str) -> int:
    found = _NUMBER.fullmatch(name)
    return int(found[1][-9:]) if found else -1


def _is_shard(path: Path) -> bool:
    with suppress(Exception):  # a damaged tar; opening it explains it
        names = [member.name for member in islice(tar_members.members(path), _FIRST)]
        return any(name.endswith(".cls") for name in names)
    return False


def _pictures(shard: Path) -> Iterator[Picture]:
    """The pictures of a shard, with their classes."""
    samples: dict[str, _Sample] = defaultdict(_Sample)
    for member in members_of(shard):
        path = PurePosixPath(member.name)
        stem, _, suffix = path.name.partition(".")
        if not stem:  # a hidden file, which belongs to no sample
            continue
        sample = samples[str(path.with_name(stem))]
        if suffix == "cls":
            sample.label = member
        elif suffix == "json":
            sample.json = member
        elif member.isreg() and kind_of_file(path.name) == "picture":
            sample.pictures.append(member)
    with shard.open("rb") as file:
        for key, sample in samples.items():
            if sample.pictures or sample.label:
                yield _picture(shard, file, key, sample)


def _picture(shard: Path, file: Any, key: str, sample: _Sample) -> Picture:
    what = f"{shard}, {printable(key)!r}"
    if len(sample.pictures) != 1:
        raise PictureError(f"{what} has {len(sample.pictures)} pictures; expected one.")
    if sample.label is None:
        raise PictureError(f"{what} has no class: {printable(key)}.cls is missing.")
    text = _read(file, sample.label, _MOST_LABEL)
    (picture,) = sample.pictures
    label = int(text) if text.strip().isdigit() else NO_CLASS
    if not 0 <= label < len(wnids()):
        raise PictureError(
            f"{what} has class {text[:20].decode(errors='replace')!r}; expected a number from 0 to "
            f"{len(wnids()) - 1}. Classes that are counted from 1 cannot be used."
        )
    info = info_from_name(_name(file, sample, PurePosixPath(picture.name).name))
    if info.label not in (NO_CLASS, label):
        raise PictureError(
            f"{what} has class {label}, but its name {printable(info.key)!r} is that of a picture "
            f"of class {info.label}. Are the classes counted from 1, or in another order?"
        )
    name = validation_key(info.number) if info.number else info.key
    return Picture(name, label, FilePart(str(shard), picture.offset_data, picture.size))


def _name(file: Any, sample: _Sample, name: str) -> str:
    """The name of a picture: that in its JSON, or else that of its member."""
    if sample.json is None:
        return name
    with suppress(ValueError, RecursionError):  # no JSON
        found = json.loads(_read(file, sample.json, _MOST_JSON))
        if isinstance(found, dict) and isinstance(found.get("filename"), str):
            return PurePosixPath(found["filename"]).name or name
    return name


def _read(file: Any, member: tarfile.TarInfo, most: int) -> bytes:
    file.seek(member.offset_data)
    data: bytes = file.read(min(member.size, most))
    return data


def _check_shards(folder: Path, lengths: Mapping[str, int]) -> None:
    """Refuse a folder that lacks a shard, or has one with another number of pictures.

    Raises:
        PictureError: it does, or its list of shards cannot be read.
    """
    listed = _listed(folder, lengths)
    if listed is None:
        numbers = {_number(name) for name in lengths}
        count = _count(folder) or max(numbers) + 1
        n, missing = missing_numbers(numbers, count)
        if len(lengths) > 1 and n:
            raise _missing(folder, n, [f"number {number}" for number in missing], count)
        return
    absent = [name for name in listed if name not in lengths]
    if absent:
        raise _missing(folder, len(absent), absent[:SHOWN], len(listed))
    for name, n in lengths.items():
        if listed.get(name) != n:
            raise PictureError(
                f"{folder / name} has {n} pictures, and the list of shards says "
                f"{listed.get(name, 'nothing of it')}; download it again."
            )


def _listed(folder: Path, present: Iterable[str]) -> dict[str, int] | None:
    """Number of pictures of each shard of the split that these are of; None without a list."""
    path = next((folder / name for name in _LISTS if (folder / name).is_file()), None)
    if path is None:
        return None
    try:
        splits = json.loads(read_regular(path))["splits"].values()
        lists = [
            dict(zip(one["filenames"], map(int, one["shard_lengths"]), strict=True))
            for one in splits
        ]
    except (*_BROKEN, LookupError, TypeError, AttributeError) as error:
        raise PictureError(f"{path} is no list of shards: {error}.") from error
    chosen = [one for one in lists if not set(one).isdisjoint(present)]
    if len(chosen) > 1:
        raise PictureError(f"{folder} has shards of several splits; move each to its own folder.")
    return chosen[0] if chosen else None


def _count(folder: Path) -> int | None:
    """The number of shards in nshards.txt; None without this file."""
    path = folder / "nshards.txt"
    if not path.is_file():
        return None
    text = _text(path)[:_MOST_LABEL].strip()
    if not text.isdigit():
        raise PictureError(f"{path} is not the number of shards.")
    return int(text)


def _text(path: Path) -> bytes:
    try:
        return read_regular(path, _MOST_JSON)
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror}.") from error


def _missing(folder: Path, n: int, first: Sequence[str], of: int) -> PictureError:
    more = ", …" * (n > len(first))
    return PictureError(
        f"{folder} lacks {n} of {of} shards: {', '.join(map(printable, first))}{more}; download "
        "them, or give one shard to use it alone."
    )
