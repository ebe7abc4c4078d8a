"""Findings from the names of pictures in a folder or tar, without reading the pictures.

`pictures.sets` stops at the first problem of a place; this module reports every problem.
"""

from __future__ import annotations

import re
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from benchmarking.errors import PictureError
from benchmarking.io import tar_members
from benchmarking.labels.imagenet import (
    class_names,
    class_of_wnid,
    validation_labels,
    validation_number,
    wnids,
)
from benchmarking.pictures.doctor._file_names import NO_CLASS, wrong
from benchmarking.pictures.doctor._findings import Finding, finding
from benchmarking.pictures.image_set import FilePart, Picture
from benchmarking.pictures.sets import folder, imagenet_tar, open_pictures


@dataclass(frozen=True)
class Layout:
    """The files of a place.

    Attributes:
        files: all files that are pictures or should be, with names relative to the place; labelled
            NO_CLASS where the class is unknown.
        pictures: the same files as `predict` would use them; () if it refuses the place.
        findings: findings about names and sizes.
    """

    files: tuple[Picture, ...]
    pictures: tuple[Picture, ...]
    findings: tuple[Finding, ...]


def look(where: str, pictures: Sequence[Picture] = ()) -> Layout:
    """List the files of a place, whether `predict` accepts it or not, and find their problems.

    Args:
        where: a folder, a tar or the name of a picture set.
        pictures: the pictures from `open_pictures`, if the caller has them already.

    Raises:
        BenchmarkError: the place does not exist, or its contents cannot be listed.
    """
    try:
        usable = tuple(pictures) or open_pictures(where).pictures
    except (PictureError, OSError) as error:
        files, found = _refused(where, error)
        found += wrong(files)
        if not found:
            found = finding("refused", str(error), [where], "see what predict expects")
        return Layout(files, (), tuple(found))
    files = tuple(replace(picture, key=_place(picture)) for picture in usable)
    root = Path(where)
    paths = [file.place.path for file in files if isinstance(file.place, FilePart)]
    if any(path.parent.parent == root for path in paths):
        filled = {path.parent for path in paths}
        empty = [f.name for f in folder.entries(root)[0] if f not in filled]
        return Layout(files, usable, (*_empty_folders(empty), *wrong(files)))
    return Layout(files, usable, tuple(wrong(files)))


def _place(picture: Picture) -> str:
    """A picture's name within its place, with its folder if that is a class folder."""
    place = picture.place
    if not isinstance(place, FilePart) or place.size is not None:
        return picture.key
    parent = place.path.parent.name
    return f"{parent}/{place.path.name}" if parent in class_of_wnid() else picture.key


def _refused(where: str, error: Exception) -> tuple[tuple[Picture, ...], list[Finding]]:
    """Files of a place that `predict` refuses, and findings about its structure."""
    try:
        if folder.match(where):
            files, found = _in_folder(Path(where))
        elif imagenet_tar.match(where):
            files, found = _in_tar(Path(where))
        else:
            raise error
    except OSError as reason:
        raise PictureError(f"{where} cannot be listed: {reason.strerror}.") from reason
    if not files and not found:
        raise error
    return files, found


def _in_folder(root: Path) -> tuple[tuple[Picture, ...], list[Finding]]:
    folders, loose = folder.entries(root)
    classes = class_of_wnid()
    files = [_loose(path) for path in loose]
    nested, closed, empty = [], [], []
    for each in folders:
        try:
            deeper, inside = folder.entries(each)
        except PictureError:
            closed.append(each.name)
            continue
        nested += [f"{each.name}/{inner.name}" for inner in deeper]
        empty += [each.name] if not inside and not deeper and each.name in classes else []
        label = classes.get(each.name, NO_CLASS)
        files += [
            Picture(f"{each.name}/{path.name}", label, FilePart(str(path))) for path in inside
        ]
    unknown = [each.name for each in folders if each.name not in classes]
    unnumbered = [] if folders else [f.key for f in files if f.label == NO_CLASS]
    found = [
        *_unknown_folders(root, unknown),
        *_unknown_names(root, unnumbered),
        *finding(
            "mixed-layout",
            "pictures beside folders, not in them: {n}",
            [path.name for path in loose] if folders else [],
            "put each into the folder of its class",
        ),
        *finding(
            "nested-folders",
            "folders within folders, where predict does not look: {n}",
            nested if not unknown else [],
            "move their pictures up into the class's folder",
        ),
        *finding(
            "closed-folder", "folders that cannot be read: {n}", closed, "correct their permissions"
        ),
        *_empty_folders(empty),
    ]
    return tuple(files), found


def _loose(path: Path) -> Picture:
    number = validation_number(path.name)
    label = int(validation_labels()[number - 1]) if number else NO_CLASS
    return Picture(path.name, label, FilePart(str(path)))


def _in_tar(path: Path) -> tuple[tuple[Picture, ...], list[Finding]]:
    found: list[Finding] = []
    try:
        members = imagenet_tar.members_of(path)
    except PictureError as error:
        members = list(_salvaged(path))
        if not members:
            raise
        advice = "download it again, and compare its md5 with the official one"
        found = [Finding("damaged-tar", str(error).rstrip("."), 1, (path.name,), advice)]
    files, odd = [], []
    for member in members:
        if member.isdir():
            continue
        if not member.isreg() or member.issparse():
            odd.append(member.name)
            continue
        number = validation_number(PurePosixPath(member.name).name)
        label = int(validation_labels()[number - 1]) if number else NO_CLASS
        part = FilePart(str(path), member.offset_data, member.size)
        files.append(Picture(member.name, label, part))
    found += finding(
        "odd-member",
        "members of the tar that are links or devices: {n}",
        odd,
        "get the official tar",
    )
    found += _unknown_names(path, [file.key for file in files if file.label == NO_CLASS])
    return tuple(files), found


def _salvaged(path: Path) -> Iterator[tarfile.TarInfo]:
    """The complete members before the damage."""
    end = path.stat().st_size
    with suppress(tarfile.TarError, OSError, MemoryError):
        for member in tar_members.members(path):
            if member.offset_data + member.size > end:
                return
            yield member


def _unknown_folders(root: Path, names: Sequence[str]) -> list[Finding]:
    numbers = [name for name in names if name.isdecimal()]
    others = [name for name in names if not name.isdecimal()]
    indices = Counter(_plain(name) for name in class_names())
    known = {_plain(name): wnid for name, wnid in zip(class_names(), wnids(), strict=True)}
    meant = next((name for name in others if indices[_plain(name)] == 1), None)
    nested = next((name for name in ("val", "validation") if name in others), None)
    advice = "name folders by WordNet id, such as n01440764"
    if nested:
        advice = f"give the folder in it: {root / nested}"
    elif meant:
        advice = f"{advice}; {meant!r} would be {known[_plain(meant)]}"
    return [
        *finding(
            "numbered-folders",
            "folders that are numbers, of which 10 comes before 2 when sorted as text: {n}",
            numbers,
            "rename each to the WordNet id of its class: 0 is n01440764 where numbers follow the "
            "sorted ids",
        ),
        *finding("unknown-folder", "folders that name no ImageNet class: {n}", others, advice),
    ]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().lower()


def _unknown_names(root: Path, names: Iterable[str]) -> list[Finding]:
    single = root.resolve().name in class_of_wnid()
    return finding(
        "unknown-name",
        "files outside class folders that are not named ILSVRC2012_val_XXXXXXXX.JPEG: {n}",
        names,
        "give the folder above this one" if single else "sort them into folders by WordNet id",
    )


def _empty_folders(names: Iterable[str]) -> list[Finding]:
    what = "class folders without a picture: {n}"
    return finding("empty-folder", what, names, "copy their pictures again, or remove them")
