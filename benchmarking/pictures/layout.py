"""The layout of labelled pictures: which of the things in a place are pictures, and of which class.

A reader of a form, such as a folder or a tar, lists what is there. This module decides what it
means, so that one layout is the same image set in every form.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from benchmarking.errors import PictureError
from benchmarking.io.printable import printable
from benchmarking.labels.imagenet import class_names, wnids
from benchmarking.pictures.findings import Finding, finding
from benchmarking.pictures.image_set import FilePart, Picture, in_order
from benchmarking.pictures.names import (
    NO_CLASS,
    ClassFolders,
    Told,
    class_of_folder,
    is_half_a_picture,
    is_index,
    is_like_a_class,
    is_of_a_system,
    is_of_the_test_set,
    kind_of_file,
    number_within,
    original_of,
    told_by,
    told_by_usual_name,
)

EXPECTED = (
    "expected folders named by WordNet id (n01440764), or files named "
    "ILSVRC2012_val_00000001.JPEG to ILSVRC2012_val_00050000.JPEG"
)

_SHOWN = 10  # kinds of files that are no pictures, in a line
_MANY = 3  # files of a suffix, which are named together
_REPEATED = frozenset({"thumbs.db", "desktop.ini"})  # better known by their whole names


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


@dataclass(frozen=True)
class Reading:
    """What the things in a place mean.

    Attributes:
        pictures: in the order of an image set; () if the place cannot be used.
        files: all that are there to be pictures, if the place cannot be used, by their paths
            within it; with NO_CLASS where nothing tells their class.
        left_out: paths of files and folders that are no pictures of the set.
        refusals: why the place cannot be used, the plainest first; () if it can.
        findings: what is wrong with it all the same.
    """

    pictures: tuple[Picture, ...]
    files: tuple[Picture, ...]
    left_out: tuple[str, ...]
    refusals: tuple[Finding, ...]
    findings: tuple[Finding, ...]


@dataclass
class _Heaps:
    """Things of a place, sorted by what they are; files with what their names tell."""

    in_classes: list[tuple[Entry, int, Told]] = field(default_factory=list)
    told: list[tuple[Entry, Told]] = field(default_factory=list)
    untold: list[Entry] = field(default_factory=list)
    nested: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    class_folders: dict[str, int] = field(default_factory=dict)


def read(entries: Iterable[Entry], naming: ClassFolders = "wnid") -> Reading:
    """What the things in a place mean, in whichever form they came.

    Pictures are in folders of their classes, which lie in one folder, or their own names tell
    their classes. Folders stand for classes by their names, never by their place in a sorted list.

    Args:
        entries: all of the place; of folders that are no classes' it is enough what is in them.
        naming: how folders are named after their classes.
    """
    heaps = _sorted(entries, naming)
    refusals = tuple(_refusals(heaps, naming))
    return Reading(
        () if refusals else _pictures(heaps),
        _files(heaps) if refusals else (),
        tuple(dict.fromkeys(heaps.left_out)),
        refusals,
        tuple(_findings(heaps)),
    )


def usable(where: str, reading: Reading) -> tuple[Picture, ...]:
    """The pictures of a place.

    Raises:
        PictureError: there are none, or names do not tell their classes.
    """
    if reading.refusals:
        first, *more = reading.refusals
        also = " 'imagenet-benchmark doctor' lists the other problems." if more else ""
        raise PictureError(f"{where}: {_plainly(first)}; {first.advice}.{also}")
    if not reading.pictures:
        there = [f"{_plainly(one)}; {one.advice}" for one in reading.findings]
        there += [note(reading.left_out)] if reading.left_out else []
        besides = "".join(f" It has {one}." for one in there)
        raise PictureError(f"{where} holds no pictures; {EXPECTED}.{besides}")
    return reading.pictures


def _plainly(found: Finding) -> str:
    """A finding without the name of its kind."""
    return str(found).partition(": ")[2]


def note(left_out: Sequence[str]) -> str:
    """One line that names what was left out; many of one kind are named together.

    >>> note(["LICENSE", "@eaDir/", "a/._x.JPEG", "a/._y.JPEG", "a/Thumbs.db", "b/Thumbs.db"])
    'files that are no pictures, left out: LICENSE, @eaDir/, ._* (2), Thumbs.db (2)'
    """
    suffixes = Counter(_suffix(path) for path in left_out)
    kinds = Counter(_kind(path, suffixes) for path in left_out)
    named = {_kind(path, suffixes): path for path in left_out}
    told = [f"{kind} ({n:,})" if n > 1 else named[kind] for kind, n in kinds.items()]
    more = f" and {len(told) - _SHOWN} more kinds" if len(told) > _SHOWN else ""
    return printable(f"files that are no pictures, left out: {', '.join(told[:_SHOWN])}{more}")


def repeats(pictures: Iterable[Picture]) -> list[Finding]:
    """Findings about pictures that seem to be there more than once, by their names."""
    by_number, by_name = defaultdict(list), defaultdict(list)
    copies = []
    for picture in pictures:
        folder, slash, name = picture.key.rpartition("/")
        if number := number_within(name):
            by_number[number].append(picture.key)
            continue
        by_name[picture.label, folder, name].append(picture.key)
        original = original_of(name)
        if original != name:
            copies.append((picture, (picture.label, folder, original), f"{folder}{slash}"))
    return [
        *finding(
            "repeated-number",
            "validation pictures that occur more than once, and count each time: {n}",
            [" = ".join(sorted(keys)) for keys in by_number.values() if len(keys) > 1],
            "keep one of each",
        ),
        *finding(
            "copied-file",
            "copies beside their originals, which count as pictures of their own: {n}",
            [
                f"{picture.key} of {prefix}{place[2]}"
                for picture, place, prefix in copies
                if place in by_name
            ],
            "remove the copies",
        ),
    ]


def _sorted(entries: Iterable[Entry], naming: ClassFolders) -> _Heaps:
    heaps = _Heaps()
    folders: dict[str, tuple[str, int | None]] = {}
    for entry in entries:
        if entry.folder not in folders:
            folders[entry.folder] = _role(entry.folder, naming)
        role, label = folders[entry.folder]
        usual = told_by_usual_name(entry.name) if entry.kind == "file" else None
        if usual and role == "class" and label is not None:
            heaps.in_classes.append((entry, label, usual))
            heaps.class_folders.setdefault(entry.folder, label)
        elif usual and role == "plain":
            heaps.told.append((entry, usual))
        elif role == "system":
            heaps.left_out.append(_outermost(entry.folder))
        elif is_of_a_system(entry.name):
            heaps.left_out.append(entry.path + "/" * (entry.kind not in ("file", "odd")))
        elif entry.kind in ("file", "odd"):
            _add_file(heaps, entry, (role, label), naming)
        else:
            _add_folder(heaps, entry, role, naming)
    if heaps.in_classes:  # a link to nowhere beside class folders is no picture of the set
        heaps.left_out += [e.path for e, _ in heaps.told if e.kind == "odd"]
        heaps.told = [(e, told) for e, told in heaps.told if e.kind != "odd"]
    return heaps


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
    heaps: _Heaps, entry: Entry, within: tuple[str, int | None], naming: ClassFolders
) -> None:
    kind, (role, label) = kind_of_file(entry.name), within
    if entry.kind == "odd" and role == "plain" and _names_class(entry.name, naming):
        heaps.odd.append(entry.path)
    elif kind == "partial" and (role == "class" or is_half_a_picture(entry.name)):
        heaps.partial.append(entry.path)
    elif kind in ("partial", "other") or entry.kind == "odd" and kind == "bare":
        heaps.left_out.append(entry.path)
    elif entry.place is None:
        heaps.odd.append(entry.path)
    elif role == "within":
        heaps.nested.append(entry.path)
    else:
        told = told_by(entry.name)
        if label is not None:
            heaps.in_classes.append((entry, label, told))
            heaps.class_folders[entry.folder] = label
        elif told.label != NO_CLASS:
            heaps.told.append((entry, told))
        elif kind == "bare" or entry.kind == "odd":
            heaps.left_out.append(entry.path)
        else:
            heaps.untold.append(entry)


def _add_folder(heaps: _Heaps, entry: Entry, role: str, naming: ClassFolders) -> None:
    label = class_of_folder(entry.name, naming)
    if entry.kind == "closed":
        heaps.closed.append(entry.path)
    elif role == "plain" and label is not None:
        heaps.class_folders[entry.path] = label
    elif entry.kind == "full":
        (heaps.unknown if role == "plain" else heaps.nested).append(entry.path)
    elif entry.kind == "bare":
        heaps.left_out.append(f"{entry.path}/")


def _names_class(name: str, naming: ClassFolders) -> bool:
    return class_of_folder(name, naming) is not None


def _place(entry: Entry) -> FilePart:
    assert entry.place is not None  # noqa: S101 - tells mypy; only files come this far
    return entry.place


def _files(heaps: _Heaps) -> tuple[Picture, ...]:
    return (
        *(Picture(e.path, label, _place(e)) for e, label, _ in heaps.in_classes),
        *(Picture(e.path, told.label, _place(e)) for e, told in heaps.told),
        *(Picture(e.path, NO_CLASS, _place(e)) for e in heaps.untold),
    )


def _pictures(heaps: _Heaps) -> tuple[Picture, ...]:
    """Pictures by their names within an image set; none has another's."""
    found = [(e, label, told.key) for e, label, told in heaps.in_classes]
    found += [(e, told.label, told.key) for e, told in heaps.told]
    taken = Counter((label, key) for _, label, key in found)
    return in_order(
        (
            Picture(key if taken[label, key] == 1 else entry.name, label, _place(entry))
            for entry, label, key in found
        ),
        wnids(),
    )


def _findings(heaps: _Heaps) -> list[Finding]:
    filled = {entry.folder for entry, _, _ in heaps.in_classes}
    return [
        *finding(
            "partial-download",
            "partial downloads, which do not count as pictures: {n}",
            heaps.partial,
            "download or copy them again, and remove these files",
        ),
        *finding(
            "empty-folder",
            "class folders without a picture: {n}",
            [folder for folder in heaps.class_folders if folder not in filled],
            "copy their pictures again, or remove them",
        ),
    ]


def _refusals(heaps: _Heaps, naming: ClassFolders) -> list[Finding]:
    return [
        *_unknown_folders(heaps, naming),
        *_unknown_names(heaps, naming),
        *_misplaced(heaps),
        *_contradictions(heaps, naming),
        *finding(
            "closed-folder",
            "folders that cannot be read: {n}",
            heaps.closed,
            "mend their permissions",
        ),
        *finding(
            "odd-member",
            "links, devices or sparse files in place of pictures or of class folders: {n}",
            heaps.odd,
            "put the files themselves in their place",
        ),
    ]


def _root(folder: str) -> str:
    return folder.rpartition("/")[0]


def _last(folder: str) -> str:
    return folder.rpartition("/")[2]


def _unknown_folders(heaps: _Heaps, naming: ClassFolders) -> list[Finding]:
    """Folders with pictures in them whose names should tell a class and do not."""
    roots = {_root(folder) for folder in heaps.class_folders}
    beside = [e.folder for e in heaps.untold if e.folder and _root(e.folder) in roots]
    numbered = [e for e in heaps.untold if is_index(_last(e.folder))]
    numbered += [e for e, _ in heaps.told if is_index(_last(e.folder))]
    numbers = {e.folder for e in numbered}
    if naming == "index":  # a number within a file's name does not make up for them
        beside += [e.folder for e, _ in heaps.told if _names_class(_last(e.folder), "wnid")]
    others = {name for name in (*heaps.unknown, *beside) if name not in numbers}
    advice = "name folders by WordNet id, such as n01440764, and move what is no class elsewhere"
    if naming == "index":
        advice = "name folders by the index of their class, 0 to 999, or leave --class-folders out"
    elif meant := _by_name(others):
        advice += "; " + meant
    return [
        *finding(
            "numbered-folders",
            "folders that are numbers, which can stand for classes in several orders: {n}",
            numbers,
            _advice_on_numbers(numbered, naming),
        ),
        *finding(
            "unknown-folder",
            "folders with pictures that name no ImageNet class: {n}",
            others,
            advice,
        ),
    ]


def _by_name(folders: Iterable[str]) -> str:
    """What the first folder would be that has the English name of one class; "" if none has."""
    plain = [_plain(name) for name in class_names()]
    for folder in sorted(folders):
        name = _plain(_last(folder))
        if plain.count(name) == 1:
            return f"{folder!r} would be {wnids()[plain.index(name)]}"
    return ""


def _plain(name: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _advice_on_numbers(files: Sequence[Entry], naming: ClassFolders) -> str:
    """What numbers mean as far as the names of the pictures in them tell."""
    rename = "rename each to the WordNet id of its class"
    if naming == "index":
        return f"an index is one of 0 to 999; {rename}"
    told = [(int(_last(e.folder)), told_by(e.name).label) for e in files]
    known = [(number, label) for number, label in told if label != NO_CLASS]
    option = '--class-folders index (in Python class_folders="index")'
    wrong = min(((number, label) for number, label in known if number != label), default=None)
    if wrong:
        offset = {number - label for number, label in known}
        return (
            f"they do not follow the sorted WordNet ids: {wrong[0]} holds pictures of class "
            f"{wrong[1]}, {wnids()[wrong[1]]}{', as they begin at 1' if offset == {1} else ''}; "
            f"{rename}"
        )
    if known:
        return (
            f"add {option}: the names of {len(known):,} pictures in them say the same, that 0 is "
            "n01440764 and 999 is n15075141"
        )
    if max((number for number, _ in told), default=0) > len(wnids()) - 1:
        return f"they do not end at 999, so perhaps they begin at 1; {rename}"
    return (
        f"if they follow the sorted WordNet ids, 0 for n01440764 and 999 for n15075141, add "
        f"{option}; else {rename}"
    )


def _unknown_names(heaps: _Heaps, naming: ClassFolders) -> list[Finding]:
    """Files outside class folders whose names tell no class."""
    roots = {_root(folder) for folder in heaps.class_folders}
    in_classes = any(heaps.in_classes)
    untold = [
        e.path
        for e in heaps.untold
        if not in_classes
        and not is_index(_last(e.folder))
        and not (e.folder and _root(e.folder) in roots)
    ]
    tests = {path for path in untold if is_of_the_test_set(_last(path))}
    others = [path for path in untold if path not in tests]
    by = "the index of their class" if naming == "index" else "WordNet id"
    webdataset = any(path.endswith(".cls") for path in heaps.left_out)
    return [
        *finding(
            "test-set",
            "pictures of the test set, whose labels are not published: {n}",
            tests,
            "give the validation set, whose files are named ILSVRC2012_val_XXXXXXXX.JPEG",
        ),
        *finding(
            "unknown-name",
            "files outside class folders whose names tell no class: {n}",
            others,
            "this seems to be a WebDataset, with classes in .cls files, which are not read; sort "
            "the pictures into folders by WordNet id"
            if webdataset and others
            else f"sort them into folders by {by}, or name them ILSVRC2012_val_XXXXXXXX.JPEG",
        ),
    ]


def _misplaced(heaps: _Heaps) -> list[Finding]:
    """Pictures that are in the right kind of folder, or of none, and at the wrong place."""
    roots = sorted({_root(entry.folder) for entry, _, _ in heaps.in_classes})
    loose = [*(e for e, _ in heaps.told), *heaps.untold] if roots else []
    unknown = {e.folder for e in heaps.untold if e.folder and _root(e.folder) in roots}
    beside = [e for e in loose if e.folder in roots]
    elsewhere = {e.folder for e in loose}.difference(roots, unknown)
    several = {*roots, *elsewhere} if len(roots) > 1 or elsewhere else set()
    twice = defaultdict(list)
    for folder, label in heaps.class_folders.items():
        twice[_root(folder), label].append(folder)
    return [
        *finding(
            "mixed-layout",
            "pictures beside folders, not in them: {n}",
            [e.path for e in beside],
            "put each into the folder of its class, or move it elsewhere",
        ),
        *finding(
            "several-sets",
            "folders that each hold pictures of their own: {n}",
            [folder or "." for folder in several],
            "unpack them, and give one of the folders",
        ),
        *finding(
            "nested-folders",
            "folders within class folders, where nothing is read: {n}",
            {_within(path) for path in heaps.nested},
            "move their pictures up into the class's folder",
        ),
        *finding(
            "same-class",
            "classes that several folders are named after: {n}",
            [" = ".join(sorted(folders)) for folders in twice.values() if len(folders) > 1],
            "keep one folder of each class",
        ),
    ]


def _within(path: str) -> str:
    """The folder within a class's folder that a path leads through, or is."""
    parts = path.split("/")
    at = next((n for n, part in enumerate(parts) if is_like_a_class(part)), 0)
    return "/".join(parts[: at + 2])


def _contradictions(heaps: _Heaps, naming: ClassFolders) -> list[Finding]:
    """Pictures whose number is of another class than their folder, or than their name says.

    In folders named by index the start of a name is as good as a number, since what is wrong then
    is the order of the folders.
    """
    wrong = {
        entry.path: told.label
        for entry, label, told in heaps.in_classes
        if (told.number or naming == "index") and told.label not in (label, NO_CLASS)
    }
    names = [e.path for e, _, told in heaps.in_classes if told.contradicts and told.number]
    names += [e.path for e, told in heaps.told if told.contradicts]
    advice = "put each into the folder of its own class"
    if naming == "index":
        advice = "these folders do not follow the sorted WordNet ids; rename each to its own id"
    for path in sorted(wrong)[:1]:
        advice += f"; {path} is of class {wrong[path]}, {wnids()[wrong[path]]}"
    return [
        *finding(
            "wrong-folder",
            "pictures in the folder of another class than their name tells: {n}",
            wrong,
            advice,
        ),
        *finding(
            "wrong-name",
            "pictures whose number and WordNet id are of two classes: {n}",
            names,
            "get the original pictures: their names were changed",
        ),
    ]


def _kind(path: str, suffixes: Counter[str]) -> str:
    """What paths that are named together have in common."""
    name = path.rstrip("/").rpartition("/")[2]
    if path.endswith("/"):
        return f"{name}/"
    if name.startswith("._"):
        return "._*"
    suffix = _suffix(path)
    return f"*{suffix}" if suffix and suffixes[suffix] >= _MANY else name


def _suffix(path: str) -> str:
    """Of a file, such as ".cls" or ":Zone.Identifier"; "" if it has none or is hidden."""
    name = path.rpartition("/")[2]
    if ":" in name:
        return f":{name.partition(':')[2]}"
    stem, dot, end = name.rpartition(".")
    return f"{dot}{end}" if stem and name.casefold() not in _REPEATED else ""
