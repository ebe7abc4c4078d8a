"""Published sets with a folder for each class: one reader for a folder and for its archive."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from benchmarking.errors import BenchmarkError, PictureError
from benchmarking.io import tar_members
from benchmarking.io.downloads import cache_folder
from benchmarking.io.printable import printable
from benchmarking.labels.imagenet import wnids
from benchmarking.pictures.findings import Finding
from benchmarking.pictures.image_set import Picture
from benchmarking.pictures.layout import Reading, usable
from benchmarking.pictures.names import ClassFolders, may_be_class_folder, number_within
from benchmarking.pictures.set_facts import SetFacts
from benchmarking.pictures.sets import Contents, Match, folder, imagenet_tar, picture_sets, zip_file

_SAMPLE = 20  # pictures of a place whose names are compared with those of the known sets
_MOST = 2000  # entries of a folder among which class folders are looked for
_SUFFIXES = (".tar.gz", ".tar", ".tgz", ".zip")


@dataclass(frozen=True)
class ClassFolderSet:
    """A published set with a folder for each class.

    Attributes:
        name: name of the set.
        facts: what is published about it.
        roots: for each image set of it, the names of its folder and of its archive without suffix,
            in lower case; the first one is for messages.
        naming: how its class folders are named.
        file_name: regular expression of the names of its pictures; "" if others share them.
        inside: folder below the root that has the class folders; "" for the root itself.
        has_validation_pictures: whether it shares pictures with ImageNet's validation set.
    """

    name: str
    facts: SetFacts
    roots: dict[str, tuple[str, ...]]
    naming: ClassFolders = "wnid"
    file_name: str = ""
    inside: str = ""
    has_validation_pictures: bool = False

    def match(self, where: str) -> Match:
        """Match the published names of its folder and archive, and of its pictures.

        The name of an image set stands for its archive in the cache, where 'fetch' puts it.
        """
        if self._fetched(where):
            return Match.NAME
        path = Path(where)
        is_tar = where.lower().endswith(_SUFFIXES) and path.is_file()
        if not (is_tar or path.is_dir()):
            return Match.NONE
        if self._image_set(where) or self._owns(_sample(path)):
            return Match.LAYOUT
        return Match.NONE

    def open_pictures(self, where: str) -> Contents:
        """List the labelled pictures of a folder or tar.

        Raises:
            PictureError: they are of another set, or of classes that this set does not have; or it
                is unknown which of its image sets they are.
        """
        where = self._fetched(where) or where
        name = self._image_set(where) or self._only_image_set(where)
        found = reading(where, self.naming, self._inside(where))
        pictures = usable(where, found)
        self._refuse_others(where, pictures)
        archive = next(one for one in self.facts.archives if name in (one.name, self.name))
        return Contents(
            pictures,
            tuple(self.facts.classes),
            found.left_out,
            (*found.findings, *incomplete(name, archive.n, pictures), *self._note(pictures)),
            name=name,
            picture_set=self.name,
        )

    def _fetched(self, where: str) -> str:
        """Path of the archive in the cache, if `where` is the name of an image set; else ""."""
        if where not in self.roots:
            return ""
        archive = next(one for one in self.facts.archives if where in (one.name, self.name))
        with suppress(BenchmarkError):  # no home
            path = cache_folder("pictures") / archive.file
            return str(path) if path.is_file() else ""
        return ""

    def _image_set(self, where: str) -> str:
        """The image set that the place is named after; "" if it is named otherwise."""
        path = Path(where).absolute()
        root = path.parent if self.inside and path.name == self.inside else path
        own = _without_suffix(root.name).casefold()
        return next((name for name, roots in self.roots.items() if own in roots), "")

    def _only_image_set(self, where: str) -> str:
        """The image set of a place with another name.

        Raises:
            PictureError: the set has several, whose pictures cannot be told apart.
        """
        if len(self.roots) == 1:
            return next(iter(self.roots))
        known = " or ".join(roots[0] for roots in self.roots.values())
        raise PictureError(
            f"{where} may be any of {', '.join(self.roots)}, which differ in accuracy but not in "
            f"layout; name the folder or archive as its authors do: {known}."
        )

    def _inside(self, where: str) -> str:
        """The folder below the place that has the class folders."""
        return "" if Path(where).is_dir() and not Path(where, self.inside).is_dir() else self.inside

    def _owns(self, names: Sequence[str]) -> bool:
        """Whether most of these names are as those of its pictures."""
        own = re.compile(self.file_name, re.ASCII)
        fitting = sum(own.fullmatch(name) is not None for name in names) if self.file_name else 0
        return 2 * fitting > len(names)

    def _refuse_others(self, where: str, pictures: Sequence[Picture]) -> None:
        names = [picture.key.rpartition("/")[2] for picture in pictures]
        for other in _class_folder_sets():
            if other.name != self.name and other._owns(names):
                raise PictureError(
                    f"{where} holds pictures of {other.name}, such as {printable(names[0])!r}, not "
                    f"of {self.name}; give {other.name}:{where}."
                )
        numbered = sum(number_within(name) > 0 for name in names)
        if 2 * numbered > len(names) and not self.has_validation_pictures:
            raise PictureError(
                f"{where} holds pictures of ImageNet's validation set, not of {self.name}; give "
                f"folder:{where}, or tar:{where} for a tar."
            )
        others = {p.label for p in pictures}.difference(self.facts.classes)
        if others:
            raise PictureError(
                f"{where} has pictures of class {wnids()[min(others)]}, and {len(others)} classes "
                f"in all, that are none of the {len(self.facts.classes)} of {self.name}."
            )

    def _note(self, pictures: Sequence[Picture]) -> list[Finding]:
        return (
            [
                Finding(
                    "read-with-care",
                    self.facts.note,
                    len(pictures),
                    (),
                    "say so with every accuracy",
                )
            ]
            if self.facts.note
            else []
        )


def reading(where: str, naming: ClassFolders = "wnid", inside: str = "") -> Reading:
    """Interpret the entries of a folder, a tar or a zip file.

    Args:
        where: the folder or file.
        naming: how class folders are named.
        inside: last part of the path of the folder in it that has the class folders.

    Raises:
        PictureError: it cannot be read.
    """
    if Path(where).is_dir():
        return folder.reading(str(Path(where, inside)), naming)
    if zipfile.is_zipfile(where):
        return zip_file.reading(where, naming, inside)
    members = imagenet_tar.members_of(Path(where))
    if inside:
        members = [m for m in members if f"/{inside}/" in f"/{m.name}/"]
    return imagenet_tar.reading(where, members, naming)


def incomplete(name: str, expected: int, pictures: Sequence[Picture]) -> list[Finding]:
    """A finding if fewer pictures are there than a set has; PictureError if there are more."""
    n = len(pictures)
    if n > expected:
        raise PictureError(
            f"{n:,} pictures are too many: {name} has {expected:,}. Remove those that are not of "
            "it."
        )
    if n == expected:
        return []
    what = f"{name} has {expected:,} pictures, and {n:,} are here"
    advice = "accuracies are those of a part of the set; unpack the archive again"
    return [Finding("incomplete-set", what, expected - n, (), advice)]


def _without_suffix(name: str) -> str:
    suffix = next((end for end in _SUFFIXES if name.lower().endswith(end)), "")
    return name.removesuffix(name[len(name) - len(suffix) :])


def _class_folder_sets() -> Iterator[ClassFolderSet]:
    for module in picture_sets().values():
        found = getattr(module, "SET", None)
        if isinstance(found, ClassFolderSet):
            yield found


def _sample(path: Path) -> tuple[str, ...]:
    """File names of some pictures of a place; () if it cannot be read."""
    with suppress(Exception):  # a damaged archive; opening it explains it
        if path.is_file():
            status = path.stat()
            return _names_in_archive(path, (status.st_size, status.st_mtime_ns))
        with os.scandir(path) as entries:
            some = islice(entries, _MOST)
            folders = sorted(entry.path for entry in some if may_be_class_folder(entry.name))
        with os.scandir(folders[0]) as entries:
            return tuple(entry.name for entry in islice(entries, _SAMPLE))
    return ()


@lru_cache(maxsize=1)  # each set asks for them, and a large zip takes a second
def _names_in_archive(path: Path, changed: tuple[int, int]) -> tuple[str, ...]:
    """Names of the first files in an archive; cached while its size and time are the same."""
    if zipfile.is_zipfile(path):
        names = (one.filename for one in zip_file.members_of(path) if one.file_size)
    else:
        members = islice(tar_members.members(path), 10 * _SAMPLE)
        names = (member.name for member in members if member.isreg())
    files = (Path(name).name for name in names)
    return tuple(islice((name for name in files if name != "README.txt"), _SAMPLE))
