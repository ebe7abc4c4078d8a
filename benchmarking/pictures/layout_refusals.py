"""Reasons to refuse a layout, as findings with advice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from benchmarking.labels.imagenet import class_names, wnids
from benchmarking.pictures.entries import Entry, Groups
from benchmarking.pictures.findings import Finding, finding
from benchmarking.pictures.names import (
    NO_CLASS,
    ClassFolders,
    class_of_folder,
    info_from_name,
    is_index,
    is_test_picture,
    may_be_class_folder,
)


def refusals(groups: Groups, naming: ClassFolders) -> list[Finding]:
    """The reasons why a place is refused, the clearest first; [] if it is not."""
    return [
        *_unknown_folders(groups, naming),
        *_unknown_names(groups, naming),
        *_misplaced(groups),
        *_contradictions(groups, naming),
        *finding(
            "closed-folder",
            "folders that cannot be read: {n}",
            groups.unreadable,
            "correct their permissions",
        ),
        *finding(
            "odd-member",
            "links, devices or sparse files in place of pictures or of class folders: {n}",
            groups.odd,
            "replace them with the files themselves",
        ),
    ]


def _root(folder: str) -> str:
    return folder.rpartition("/")[0]


def _last(folder: str) -> str:
    return folder.rpartition("/")[2]


def _unknown_folders(groups: Groups, naming: ClassFolders) -> list[Finding]:
    """Folders with pictures that are not named after a class."""
    roots = {_root(folder) for folder in groups.class_folders}
    beside = [e.folder for e in groups.no_class if e.folder and _root(e.folder) in roots]
    numbered = [e for e in groups.no_class if is_index(_last(e.folder))]
    numbered += [e for e, _ in groups.by_name if is_index(_last(e.folder))]
    numbers = {e.folder for e in numbered}
    if naming == "wnid" and _is_no_class(groups, numbers):
        numbers = set()
    if naming == "index":  # a class in the file names is not enough here
        beside += [
            e.folder
            for e, _ in groups.by_name
            if class_of_folder(_last(e.folder), "wnid") is not None
        ]
    others = {name for name in (*groups.unknown, *beside) if name not in numbers}
    advice = "name folders by WordNet id, such as n01440764, and move all other folders elsewhere"
    if naming == "index":
        advice = "name folders by the index of their class, 0 to 999, or omit --class-folders"
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
    """The WordNet id for the first folder with the English name of a class, as advice, or ""."""
    plain = [_plain(name) for name in class_names()]
    for folder in sorted(folders):
        name = _plain(_last(folder))
        if plain.count(name) == 1:
            return f"{folder!r} would be {wnids()[plain.index(name)]}"
    return ""


def _plain(name: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _advice_on_numbers(files: Sequence[Entry], naming: ClassFolders) -> str:
    """Advice on folders named by numbers, based on the classes in their pictures' names."""
    rename = "rename each to the WordNet id of its class"
    if naming == "index":
        return f"an index is one of 0 to 999; {rename}"
    labels = [(int(_last(e.folder)), info_from_name(e.name).label) for e in files]
    known = [(number, label) for number, label in labels if label != NO_CLASS]
    agreeing = sum(number == label for number, label in known)
    if 2 * agreeing < len(known) and (mixed := _of_several_classes(known)):
        return (
            f"{mixed[0]} holds pictures of several classes, so it is no class folder; move all "
            "pictures into one folder"
        )
    option = '--class-folders index (in Python class_folders="index")'
    wrong = min(((number, label) for number, label in known if number != label), default=None)
    if wrong:
        from_1 = {number - label for number, label in known} == {1}
        return (
            f"they do not follow the sorted WordNet ids: {wrong[0]} holds pictures of class "
            f"{wrong[1]}, {wnids()[wrong[1]]}{'; they are counted from 1' if from_1 else ''}; "
            f"{rename}"
        )
    if known:
        return (
            f"add {option}: the names of {len(known):,} pictures in them confirm that 0 is "
            "n01440764 and 999 is n15075141"
        )
    if max((number for number, _ in labels), default=0) > len(wnids()) - 1:
        return f"they go beyond 999, so they are perhaps counted from 1; {rename}"
    return (
        f"if they follow the sorted WordNet ids, 0 for n01440764 and 999 for n15075141, add "
        f"{option}; else {rename}"
    )


def _of_several_classes(known: Iterable[tuple[int, int]]) -> list[int]:
    """The numbers that have more than one label, sorted."""
    labels = defaultdict(set)
    for number, label in known:
        labels[number].add(label)
    return sorted(number for number, found in labels.items() if len(found) > 1)


def _is_no_class(groups: Groups, folders: Collection[str]) -> bool:
    """Whether these are one folder of pictures of several classes, all told by their file names.

    Programs that expect class folders get such a folder, often named 0, for unsorted pictures.
    """
    if len(folders) != 1 or any(e.folder in folders for e in groups.no_class):
        return False
    return len({info.label for e, info in groups.by_name if e.folder in folders}) > 1


def _unknown_names(groups: Groups, naming: ClassFolders) -> list[Finding]:
    """Files outside class folders whose names contain no class."""
    roots = {_root(folder) for folder in groups.class_folders}
    in_classes = any(groups.in_classes)
    unknown = [
        e.path
        for e in groups.no_class
        if not in_classes
        and not is_index(_last(e.folder))
        and not (e.folder and _root(e.folder) in roots)
    ]
    tests = {path for path in unknown if is_test_picture(_last(path))}
    others = [path for path in unknown if path not in tests]
    by = "the index of their class" if naming == "index" else "WordNet id"
    webdataset = any(path.endswith(".cls") for path in groups.left_out)
    return [
        *finding(
            "test-set",
            "pictures of the test set, whose labels are not published: {n}",
            tests,
            f"unpack them, and give {_validation_folder({e.folder for e, _ in groups.by_name})}"
            if groups.by_name
            else "give the validation set, whose files are named ILSVRC2012_val_XXXXXXXX.JPEG",
        ),
        *finding(
            "unknown-name",
            "files outside class folders whose names contain no class: {n}",
            others,
            "this seems to be a WebDataset, with classes in .cls files, which are not read; sort "
            "the pictures into folders by WordNet id"
            if webdataset and others
            else f"sort them into folders by {by}, or name them ILSVRC2012_val_XXXXXXXX.JPEG",
        ),
    ]


def _misplaced(groups: Groups) -> list[Finding]:
    """Pictures and class folders in the wrong place: beside or within class folders, or twice."""
    roots = sorted({_root(entry.folder) for entry, _, _ in groups.in_classes})
    loose = [*(e for e, _ in groups.by_name), *groups.no_class] if roots else []
    unknown = {e.folder for e in groups.no_class if e.folder and _root(e.folder) in roots}
    beside = [e for e in loose if e.folder in roots]
    elsewhere = {e.folder for e in loose}.difference(roots, unknown)
    several = {*roots, *elsewhere} if len(roots) > 1 or elsewhere else set()
    if not roots:  # pictures side by side, in more than one folder
        flat = {entry.folder for entry, _ in groups.by_name}
        are_classes = all(may_be_class_folder(_last(folder)) for folder in flat)
        numbers = [info.number for _, info in groups.by_name]
        is_one_set = all(numbers) and len(set(numbers)) == len(numbers)
        several = flat if len(flat) > 1 and not (are_classes or is_one_set) else set()
    twice = defaultdict(list)
    for folder, label in groups.class_folders.items():
        twice[_root(folder), label].append(folder)
    return [
        *finding(
            "mixed-layout",
            "pictures beside class folders instead of in them: {n}",
            [e.path for e in beside],
            "put each into the folder of its class, or move it elsewhere",
        ),
        *finding(
            "several-sets",
            "several folders with pictures of their own: {n}",
            [folder or "." for folder in several],
            f"unpack them, and give {_validation_folder(several)}",
        ),
        *finding(
            "nested-folders",
            "folders within class folders, where nothing is read: {n}",
            {_within(path) for path in groups.nested},
            "move their pictures up into the class folder",
        ),
        *finding(
            "same-class",
            "classes with more than one folder: {n}",
            [" = ".join(sorted(folders)) for folders in twice.values() if len(folders) > 1],
            "keep one folder of each class",
        ),
    ]


def _validation_folder(folders: Collection[str]) -> str:
    """The only one of these folders, or the only one with the name of a validation set."""
    named = [folder for folder in folders if _last(folder) in ("val", "validation")]
    found = named or [*folders]
    return found[0] if len(found) == 1 and found[0] else "one of the folders"


def _within(path: str) -> str:
    """The part of a path down to the first folder within a class folder."""
    parts = path.split("/")
    at = next((n for n, part in enumerate(parts) if may_be_class_folder(part)), 0)
    return "/".join(parts[: at + 2])


def _contradictions(groups: Groups, naming: ClassFolders) -> list[Finding]:
    """Pictures whose file number contradicts their folder, or the WordNet id in their name.

    In folders named by index, a WordNet id at the start of a file name counts like a number: if it
    contradicts the folder, the order of the folders is wrong.
    """
    wrong = {
        entry.path: info.label
        for entry, label, info in groups.in_classes
        if (info.number or naming == "index") and info.label not in (label, NO_CLASS)
    }
    names = [e.path for e, _, info in groups.in_classes if info.contradicts and info.number]
    names += [e.path for e, info in groups.by_name if info.contradicts]
    advice = "put each into the folder of its own class"
    if naming == "index":
        advice = "these folders do not follow the sorted WordNet ids; rename each to its own id"
    for path in sorted(wrong)[:1]:
        advice += f"; {path} is of class {wrong[path]}, {wnids()[wrong[path]]}"
    return [
        *finding(
            "wrong-folder",
            "pictures whose name belongs to a different class than their folder: {n}",
            wrong,
            advice,
        ),
        *finding(
            "wrong-name",
            "pictures whose name contains two different classes: {n}",
            names,
            "get the original pictures: their names were changed",
        ),
    ]
