"""Entries: everything that a folder or a tar contains, grouped by what it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from benchmarking.pictures.image_set import FilePart
from benchmarking.pictures.names import (
    NO_CLASS,
    ClassFolders,
    Told,
    class_of_folder,
    is_half_a_picture,
    is_of_a_system,
    kind_of_file,
    told_by,
    told_by_usual_name,
)


class Entry(NamedTuple):
    """A thing in a place.

    Attributes:
        folder: where in the place, with "/" between the parts of the path; "" for the top.
        name: of the thing.
        kind: a file with its bytes; something odd, such as a link that leads nowhere; a folder;
            or a folder that was not listed: one with pictures in it ("full"), without ("bare"), or
            closed to this user.
        place: of a file.
    """

    folder: str
    name: str
    kind: Literal["file", "odd", "folder", "full", "bare", "closed"]
    place: FilePart | None = None

    @property
    def path(self) -> str:
        """Within the place."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


@dataclass
class Groups:
    """Things of a place, sorted by what they are; files with what their names tell."""

    in_classes: list[tuple[Entry, int, Told]] = field(default_factory=list)
    by_name: list[tuple[Entry, Told]] = field(default_factory=list)
    no_class: list[Entry] = field(default_factory=list)
    nested: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    class_folders: dict[str, int] = field(default_factory=dict)


def grouped(entries: Iterable[Entry], naming: ClassFolders) -> Groups:
    """Group the entries of a place.

    Args:
        entries: all entries; see `Entry` for the folders that need not be listed.
        naming: how folders are named after their classes.
    """
    groups = Groups()
    folders: dict[str, tuple[str, int | None]] = {}
    for entry in entries:
        if entry.folder not in folders:
            folders[entry.folder] = _role(entry.folder, naming)
        role, label = folders[entry.folder]
        usual = told_by_usual_name(entry.name) if entry.kind == "file" else None
        if usual and role == "class" and label is not None:
            groups.in_classes.append((entry, label, usual))
            groups.class_folders.setdefault(entry.folder, label)
        elif usual and role == "plain":
            groups.by_name.append((entry, usual))
        elif role == "system":
            groups.left_out.append(_outermost(entry.folder))
        elif is_of_a_system(entry.name):
            groups.left_out.append(entry.path + "/" * (entry.kind not in ("file", "odd")))
        elif entry.kind in ("file", "odd"):
            _add_file(groups, entry, (role, label), naming)
        else:
            _add_folder(groups, entry, role, naming)
    if groups.in_classes:  # a link to nowhere beside class folders is no picture of the set
        groups.left_out += [e.path for e, _ in groups.by_name if e.kind == "odd"]
        groups.by_name = [(e, told) for e, told in groups.by_name if e.kind != "odd"]
    return groups


def _role(folder: str, naming: ClassFolders) -> tuple[str, int | None]:
    """What a folder is: a system's, "within" one of a class, one of a class, or just a folder."""
    parts = folder.split("/") if folder else []
    if any(is_of_a_system(part) and part != ".." for part in parts):
        return "system", None
    label = class_of_folder(parts[-1], naming) if parts else None
    if any(class_of_folder(part, naming) is not None for part in parts[:-1]):
        return "within", None
    return ("plain", None) if label is None else ("class", label)


def _outermost(folder: str) -> str:
    """The first folder on a path that is a system's."""
    parts = folder.split("/")
    first = next(n for n, part in enumerate(parts, 1) if is_of_a_system(part) and part != "..")
    return "/".join(parts[:first]) + "/"


def _add_file(
    groups: Groups, entry: Entry, within: tuple[str, int | None], naming: ClassFolders
) -> None:
    kind, (role, label) = kind_of_file(entry.name), within
    if entry.kind == "odd" and role == "plain" and class_of_folder(entry.name, naming) is not None:
        groups.odd.append(entry.path)
    elif kind == "partial" and (role == "class" or is_half_a_picture(entry.name)):
        groups.partial.append(entry.path)
    elif kind in ("partial", "other") or entry.kind == "odd" and kind == "bare":
        groups.left_out.append(entry.path)
    elif entry.place is None:
        groups.odd.append(entry.path)
    elif role == "within":
        groups.nested.append(entry.path)
    else:
        told = told_by(entry.name)
        if label is not None:
            groups.in_classes.append((entry, label, told))
            groups.class_folders[entry.folder] = label
        elif told.label != NO_CLASS:
            groups.by_name.append((entry, told))
        elif kind == "bare" or entry.kind == "odd":
            groups.left_out.append(entry.path)
        else:
            groups.no_class.append(entry)


def _add_folder(groups: Groups, entry: Entry, role: str, naming: ClassFolders) -> None:
    label = class_of_folder(entry.name, naming)
    if entry.kind == "closed":
        groups.closed.append(entry.path)
    elif role == "plain" and label is not None:
        groups.class_folders[entry.path] = label
    elif entry.kind == "full":
        (groups.unknown if role == "plain" else groups.nested).append(entry.path)
    elif entry.kind == "bare":
        groups.left_out.append(f"{entry.path}/")
