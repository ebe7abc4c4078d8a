"""Entries: the files and folders of a picture set, grouped by what they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from benchmarking.pictures.image_set import Place
from benchmarking.pictures.names import (
    NO_CLASS,
    ClassFolders,
    NameInfo,
    class_of_folder,
    info_from_name,
    info_from_usual_name,
    is_partial_picture,
    is_system_name,
    kind_of_file,
)


class Entry(NamedTuple):
    """A file or folder within a place, such as a folder or a tar.

    Attributes:
        folder: path of the parent folder within the place, with "/"; "" for the top.
        name: name of the file or folder.
        kind: "file"; "odd" for anything that is neither a file nor a folder, such as a broken link;
            "folder" if its contents are listed as entries too. Folders that are not listed are
            "with-pictures", "without-pictures" or "unreadable".
        place: where the bytes of a file are.
    """

    folder: str
    name: str
    kind: Literal["file", "odd", "folder", "with-pictures", "without-pictures", "unreadable"]
    place: Place | None = None

    @property
    def path(self) -> str:
        """Path within the place."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


def folder_and_name(path: str) -> tuple[str, str]:
    r"""Folder and name from the path of a file or folder, which programs write in different ways.

    The path is never used to write a file.

    >>> folder_and_name("./val/n01440764/a.JPEG"), folder_and_name("n01440764\\a.JPEG")
    (('val/n01440764', 'a.JPEG'), ('n01440764', 'a.JPEG'))
    """
    if "\\" in path:
        path = path.replace("\\", "/")
    folder, _, name = path.rstrip("/").rpartition("/")
    if folder.startswith(("/", ".")) or "//" in folder or "/." in folder:
        folder = "/".join(part for part in folder.split("/") if part not in ("", "."))
    return folder, name if name != "." else ""


@dataclass
class Groups:
    """The files and folders of a place, grouped by what they are.

    Attributes:
        in_classes: files in class folders; the class of the folder; what the file name says.
        by_name: files outside class folders whose names contain a class; what the name says.
        no_class: files outside class folders whose names contain no class.
        nested: paths of files and folders below a subfolder of a class folder.
        odd: paths of links, devices and sparse files in the place of pictures or class folders.
        unreadable: paths of folders that this user cannot read.
        unknown: paths of folders with pictures that are not named after a class.
        partial: paths of unfinished downloads of pictures.
        left_out: paths of other files and folders that are not pictures.
        class_folders: the class of each class folder, by its path.
    """

    in_classes: list[tuple[Entry, int, NameInfo]] = field(default_factory=list)
    by_name: list[tuple[Entry, NameInfo]] = field(default_factory=list)
    no_class: list[Entry] = field(default_factory=list)
    nested: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    class_folders: dict[str, int] = field(default_factory=dict)


def grouped(entries: Iterable[Entry], naming: ClassFolders) -> Groups:
    """Group the entries of a place.

    Args:
        entries: all entries of the place. Folders that are not class folders need not be listed.
        naming: how folders are named after their classes.
    """
    groups = Groups()
    folders: dict[str, tuple[str, int | None]] = {}
    for entry in entries:
        if entry.folder not in folders:
            folders[entry.folder] = _role(entry.folder, naming)
        role, label = folders[entry.folder]
        usual = info_from_usual_name(entry.name) if entry.kind == "file" else None
        if usual and role == "class" and label is not None:
            groups.in_classes.append((entry, label, usual))
            groups.class_folders.setdefault(entry.folder, label)
        elif usual and role == "plain":
            groups.by_name.append((entry, usual))
        elif role == "system":
            groups.left_out.append(_outermost(entry.folder))
        elif is_system_name(entry.name):
            groups.left_out.append(entry.path + "/" * (entry.kind not in ("file", "odd")))
        elif entry.kind in ("file", "odd"):
            _add_file(groups, entry, (role, label), naming)
        else:
            _add_folder(groups, entry, role, naming)
    if groups.in_classes:  # a broken link beside class folders is not a picture of the set
        groups.left_out += [e.path for e, _ in groups.by_name if e.kind == "odd"]
        groups.by_name = [(e, info) for e, info in groups.by_name if e.kind != "odd"]
    return groups


def _role(folder: str, naming: ClassFolders) -> tuple[str, int | None]:
    """Role of a folder ("system", "within" a class folder, "class" or "plain"), and its class."""
    parts = folder.split("/") if folder else []
    if any(is_system_name(part) and part != ".." for part in parts):
        return "system", None
    label = class_of_folder(parts[-1], naming) if parts else None
    if any(class_of_folder(part, naming) is not None for part in parts[:-1]):
        return "within", None
    return ("plain", None) if label is None else ("class", label)


def _outermost(folder: str) -> str:
    """The path up to its first folder that belongs to the operating system."""
    parts = folder.split("/")
    first = next(n for n, part in enumerate(parts, 1) if is_system_name(part) and part != "..")
    return "/".join(parts[:first]) + "/"


def _add_file(
    groups: Groups, entry: Entry, within: tuple[str, int | None], naming: ClassFolders
) -> None:
    kind, (role, label) = kind_of_file(entry.name), within
    if entry.kind == "odd" and role == "plain" and class_of_folder(entry.name, naming) is not None:
        groups.odd.append(entry.path)
    elif kind == "partial" and (role == "class" or is_partial_picture(entry.name)):
        groups.partial.append(entry.path)
    elif kind in ("partial", "other") or entry.kind == "odd" and kind == "no-suffix":
        groups.left_out.append(entry.path)
    elif entry.place is None:
        groups.odd.append(entry.path)
    elif role == "within":
        groups.nested.append(entry.path)
    else:
        info = info_from_name(entry.name)
        if label is not None:
            groups.in_classes.append((entry, label, info))
            groups.class_folders[entry.folder] = label
        elif info.label != NO_CLASS:
            groups.by_name.append((entry, info))
        elif kind == "no-suffix" or entry.kind == "odd":
            groups.left_out.append(entry.path)
        else:
            groups.no_class.append(entry)


def _add_folder(groups: Groups, entry: Entry, role: str, naming: ClassFolders) -> None:
    label = class_of_folder(entry.name, naming)
    if entry.kind == "unreadable":
        groups.unreadable.append(entry.path)
    elif role == "plain" and label is not None:
        groups.class_folders[entry.path] = label
    elif entry.kind == "with-pictures":
        (groups.unknown if role == "plain" else groups.nested).append(entry.path)
    elif entry.kind == "without-pictures":
        groups.left_out.append(f"{entry.path}/")
