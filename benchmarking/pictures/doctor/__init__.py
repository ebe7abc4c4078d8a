"""Checks that find damaged, missing, misplaced or altered pictures before a long run."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from benchmarking.errors import PictureError
from benchmarking.io.prefetch import prefetched
from benchmarking.pictures.decode import PictureFacts, Undecodable, inspect, is_deep
from benchmarking.pictures.doctor._altered_copy import signs, tool
from benchmarking.pictures.doctor._layout import Layout, look
from benchmarking.pictures.findings import Finding, finding
from benchmarking.pictures.image_set import Picture
from benchmarking.pictures.names import FORMATS, NO_CLASS
from benchmarking.pictures.reading import image_set
from benchmarking.pictures.sets import default_name

__all__ = ["Finding", "Report", "checkups", "look", "quick", "report"]

_COPY_AGAIN = "copy or unpack them again"
# Problem and advice for each kind of picture that cannot be decoded.
_TROUBLE = {
    "unreadable-file": ("files that cannot be read: {n}", _COPY_AGAIN),
    "truncated": ("truncated pictures: {n}", _COPY_AGAIN),
    "undecodable": ("damaged pictures, which cannot be decoded: {n}", _COPY_AGAIN),
    "empty-file": ("files without a byte: {n}", "copy them again"),
    "no-picture": (
        "files that are not pictures, although they are named like pictures: {n}",
        "move them elsewhere",
    ),
    "too-many-pixels": (
        "files that claim more pixels than memory may hold: {n}",
        "remove them: no ImageNet picture is so large",
    ),
}
# Colour modes of ImageNet's JPEGs: colour, grey, and colours for print.
_JPEG_MODES = ("RGB", "L", "CMYK")


@dataclass(frozen=True)
class Checkup:
    """The result of reading and decoding one picture.

    Attributes:
        picture: the picture; its key is its name within the place.
        digest: sha256 of its bytes; "" if they cannot be read.
        facts: contents of its header; None if it cannot be decoded.
        trouble: the kind of finding if it cannot be read or decoded in full; else "".
    """

    picture: Picture
    digest: str
    facts: PictureFacts | None
    trouble: str = ""


@dataclass(frozen=True)
class Report:
    """Facts and findings about the pictures of a place.

    Attributes:
        name: name of the image set that `predict` would make of it.
        n: number of files that are pictures or should be.
        classes: number of classes that have pictures.
        per_class: smallest and largest number of pictures among classes that have any.
        facts: numbers of pictures by format, colours, size and so on; empty after a quick check.
        findings: the problems; () if there are none.
        fingerprint: fingerprint of the image set; None after a quick check, or if `predict` would
            refuse the pictures.
        left_out: files and folders of the place that are not pictures of the set.
    """

    name: str
    n: int
    classes: int
    per_class: tuple[int, int]
    facts: Mapping[str, Mapping[str, int]]
    findings: tuple[Finding, ...]
    fingerprint: str | None
    left_out: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The number and kinds of findings in one line, or "no findings"."""
        if not self.findings:
            return "no findings"
        kinds = ", ".join(found.kind for found in self.findings)
        return f"{len(self.findings)} finding{'s' * (len(self.findings) > 1)}: {kinds}"


def quick(where: str, *, pictures: Sequence[Picture] = ()) -> list[Finding]:
    """Findings about names, folders and sizes, without reading a picture.

    Args:
        where: a folder, a tar or the name of a picture set.
        pictures: the pictures from `open_pictures`, so that the place is not listed again; the
            findings about the place itself are in its contents.

    Raises:
        BenchmarkError: the place does not exist, or its contents cannot be listed.
    """
    return list(look(where, pictures).findings)


def checkups(files: Sequence[Picture]) -> Iterator[Checkup]:
    """Read and decode each file with several threads; results are in order."""
    with prefetched(_checkup, files, os.cpu_count() or 1) as checked:
        yield from checked


def report(where: str, layout: Layout, checked: Sequence[Checkup] = ()) -> Report:
    """Make the full report; without checkups, the report of a quick check.

    Args:
        where: the place, which gives the image set its name.
        layout: the files of the place.
        checked: one checkup for each of its files, in order.
    """
    held = Counter(file.label for file in layout.files if file.label != NO_CLASS)
    facts = {c.picture.key: c.facts for c in checked if c.facts}
    in_full = [*_troubles(checked), *_same_content(checked), *_odd_formats(facts), *signs(facts)]
    findings = {found.kind: found for found in (*layout.findings, *in_full)}
    return Report(
        layout.name or default_name(where, layout.pictures),
        len(layout.files),
        len(held),
        (min(held.values(), default=0), max(held.values(), default=0)),
        _counts(facts) if checked else {},
        tuple(findings.values()),
        _fingerprint(layout, checked),
        layout.left_out,
    )


def _checkup(picture: Picture) -> Checkup:
    try:
        data = picture.read()
    except PictureError:
        return Checkup(picture, "", None, "unreadable-file")
    digest = hashlib.sha256(data).hexdigest()
    if not data:
        return Checkup(picture, digest, None, "empty-file")
    try:
        facts = inspect(data)
    except Undecodable as error:
        return Checkup(picture, digest, None, error.kind)
    return Checkup(picture, digest, facts, "" if facts.ended else "truncated")


def _troubles(checked: Sequence[Checkup]) -> list[Finding]:
    found = []
    for kind, (what, advice) in _TROUBLE.items():
        found += finding(kind, what, [c.picture.key for c in checked if c.trouble == kind], advice)
    return found


def _same_content(checked: Sequence[Checkup]) -> list[Finding]:
    groups = defaultdict(list)
    for one in checked:
        if one.trouble not in ("unreadable-file", "empty-file"):
            groups[one.digest].append(one.picture)
    repeated = [group for group in groups.values() if len(group) > 1]
    across = [group for group in repeated if len({picture.label for picture in group}) > 1]
    within = [group for group in repeated if group not in across]
    return [
        *finding(
            "same-content-in-two-classes",
            "identical pictures in different classes: {n}",
            map(_equation, across),
            "find out which class is right: all but one of them count as errors",
        ),
        *finding(
            "same-content",
            "identical pictures in one class: {n}",
            map(_equation, within),
            "keep one of each, or copy the pictures again that the others should be",
        ),
    ]


def _equation(pictures: Sequence[Picture]) -> str:
    return " = ".join(sorted(picture.key for picture in pictures))


def _odd_formats(facts: Mapping[str, PictureFacts]) -> list[Finding]:
    expected = {key: FORMATS.get(PurePosixPath(key).suffix.lower()) for key in facts}
    other = [k for k, formats in expected.items() if formats and facts[k].format not in formats]
    as_jpeg = [key for key, formats in expected.items() if formats and "JPEG" in formats]
    deep = {key for key in facts if is_deep(facts[key].mode)}
    odd = [key for key in as_jpeg if facts[key].mode not in _JPEG_MODES and key not in deep]
    return [
        *finding(
            "other-format",
            "pictures in a different format than their names say: {n}",
            [f"{key} is {facts[key].format}" for key in other],
            "get the original pictures: the pictures or their names were changed",
        ),
        *finding(
            "odd-colours",
            "pictures named as JPEG with colours that no JPEG has: {n}",
            [f"{key} is {facts[key].mode}" for key in odd],
            "get the original pictures: transparency and palettes are lost differently by each "
            "library",
        ),
        *finding(
            "deep-grey",
            "grey pictures of more than 8 bits, most of which become white or black: {n}",
            [f"{key} is {facts[key].mode}" for key in deep],
            "get the original pictures, or convert these to 8 bits",
        ),
    ]


def _counts(facts: Mapping[str, PictureFacts]) -> dict[str, dict[str, int]]:
    """Numbers of pictures by each fact of their headers, most common first."""
    pictures = facts.values()
    by_kind = {
        "formats": Counter(p.format for p in pictures),
        "colours": Counter(p.mode for p in pictures),
        "sizes": Counter("{}x{}".format(*p.size) for p in pictures),
        "shorter sides": Counter(str(min(p.size)) for p in pictures),
        "longer sides": Counter(str(max(p.size)) for p in pictures),
        "quantisation tables": Counter(_short_digest(p.table) for p in pictures if p.table),
        "progressive": Counter("yes" for p in pictures if p.progressive),
        "turned by EXIF": Counter("yes" for p in pictures if p.rotated),
        "written by": Counter(
            name for p in pictures for name in {tool(p.software), tool(p.comment)} if name
        ),
    }
    return {
        kind: dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        for kind, counts in by_kind.items()
    }


def _short_digest(table: tuple[int, ...]) -> str:
    return hashlib.sha256(repr(table).encode()).hexdigest()[:8]


def _fingerprint(layout: Layout, checked: Sequence[Checkup]) -> str | None:
    if not checked or not layout.pictures or not all(one.digest for one in checked):
        return None
    try:
        return image_set("checked", layout.pictures, [one.digest for one in checked]).fingerprint
    except (PictureError, UnicodeEncodeError):  # names repeat or are not text; a finding says so
        return None
