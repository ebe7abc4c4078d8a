"""Reading of pictures: each is read once and checked, and the image set gets its fingerprint."""

from __future__ import annotations

import hashlib
import warnings
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from benchmarking.errors import PictureError
from benchmarking.io.prefetch import prefetched
from benchmarking.io.progress import bar, notice
from benchmarking.pictures.crop import cropped, refusals
from benchmarking.pictures.decode import deep_mode, read_to_end, without_border
from benchmarking.pictures.decoded import Decoded
from benchmarking.pictures.design import Design
from benchmarking.pictures.image_set import ALL_CLASSES, ImageSet, Picture, fingerprint
from benchmarking.pictures.kept_crops import KeptCrops
from benchmarking.pictures.recipe import Preprocessing

if TYPE_CHECKING:
    from benchmarking.pictures.read_before import ReadBefore
    from benchmarking.pictures.sets import Contents

OnBadImage = Literal["stop", "skip"]

_SHOWN = 5  # number of pictures that a warning names
_LEAVE_OUT = ", or leave them out with --on-bad-image skip, which makes another image set"


def read_images(
    name: str,
    contents: Contents,
    on_bad_image: OnBadImage,
    workers: int,
    tell: Callable[[str], None] = notice,
    *,
    recipes: Collection[Preprocessing] = (),
    kept: Sequence[KeptCrops] = (),
    before: ReadBefore | None = None,
) -> ImageSet:
    """Read every picture in full, with a progress bar; for the arguments see `open_images`.

    Args:
        name: name of the image set.
        contents: the pictures.
        on_bad_image: see `open_images`.
        workers: see `open_images`.
        tell: called with messages.
        recipes: see `open_images`.
        kept: where to keep the crops by some of the recipes, one for each row of the contents.
        before: pictures that were read before with these recipes; they are not read again. Those
            that are read are added.

    Raises:
        PictureError: some pictures cannot be used and must not be skipped, or none can.
    """
    pictures = contents.pictures
    with warnings.catch_warnings():
        # Warnings about metadata would break the bar.
        warnings.filterwarnings("ignore", module="PIL")
        order = reading_order(pictures)
        read = inspected([pictures[row] for row in order], workers, recipes, kept, order, before)
        shown = bar(read, title="reading", total=len(pictures), unit=" images")
        found = dict(zip(order, shown, strict=True))
        seen = [found[row] for row in range(len(pictures))]
    bad = [
        f"{picture.place} ({picture.key}): {look.problem}"
        for picture, look in zip(pictures, seen, strict=True)
        if look.problem
    ]
    good = [picture for picture, look in zip(pictures, seen, strict=True) if not look.problem]
    part = contents.design or contents.shard
    if bad and (on_bad_image == "stop" or not good or part):
        raise _bad_pictures(bad, len(pictures), "" if part else _LEAVE_OUT)
    if bad:
        name = f"{name}-without-{len(bad)}"
        lines = "\n  ".join(bad)
        tell(
            f"left out, because they cannot be used:\n  {lines}\n"
            f"{len(good)} pictures remain: image set {name}"
        )
    deep = [
        f"{picture.key} is {look.deep}"
        for picture, look in zip(pictures, seen, strict=True)
        if look.deep and not look.problem
    ]
    if deep:
        more = ", …" * (len(deep) > _SHOWN)
        tell(
            f"warning: grey pictures of more than 8 bits: {len(deep):,} "
            f"({', '.join(deep[:_SHOWN])}{more}); Pillow clips their values at 255, so most "
            "become white or black. Convert them to 8 bits first."
        )
    same = _same_bytes(pictures, seen)
    if same:
        more = ", …" * (len(same) > _SHOWN)
        tell(
            f"warning: identical pictures, each of which counts: {len(same):,} "
            f"({', '.join(same[:_SHOWN])}{more})"
        )
    if before:
        before.add([picture.key for picture in pictures], seen)
    digests = [look.sha256 for look in seen if not look.problem]
    images = image_set(name, good, digests, contents.classes, contents.picture_set, contents.design)
    if contents.shard is None:
        return images
    return replace(images, shard=contents.shard, digests=tuple(_with_borders(good, digests)))


@dataclass(frozen=True, slots=True)
class Seen:
    """The result of reading a picture in full.

    Attributes:
        sha256: sha256 of its bytes, in hex; "" if they cannot be read.
        problem: why the picture cannot be used, and by which recipe; "" if it can.
        deep: Pillow's mode of a grey picture of more than 8 bits; "" for all other pictures.
    """

    sha256: str
    problem: str
    deep: str = ""


def inspected(
    pictures: Sequence[Picture],
    workers: int,
    recipes: Collection[Preprocessing] = (),
    kept: Sequence[KeptCrops] = (),
    rows: Sequence[int] = (),
    before: ReadBefore | None = None,
) -> Iterator[Seen]:
    """Read each picture with several threads, and check that every recipe can crop it.

    Each picture is decoded once by each library, for all recipes together. Without recipes, check
    that Pillow can decode it. Results are in order.

    Args:
        pictures: the pictures.
        workers: number of threads.
        recipes: the recipes.
        kept: where to keep the crops by some of the recipes.
        rows: row of each picture in these files.
        before: pictures that were read before with these recipes; they are not read again.
    """
    others = [recipe for recipe in recipes if not any(one.serve(recipe) for one in kept)]

    def look(numbered: tuple[int, Picture]) -> Seen:
        row, picture = numbered
        known = before.seen(picture.key, row, kept) if before else None
        if known:
            return known

        def refused(data: bytes) -> Mapping[Preprocessing, PictureError]:
            """The recipes that cannot crop a picture; crops that are to be kept are made."""
            decoded = Decoded(data)
            for one in kept:
                try:
                    one.keep(row, cropped(decoded, one.recipe))
                except PictureError as error:
                    return refusals(decoded, recipes) or {one.recipe: error}
            return refusals(decoded, others)

        return _look(picture, recipes, refused)

    numbered = zip(rows or range(len(pictures)), pictures, strict=True)
    with prefetched(look, numbered, workers) as seen:
        yield from seen


def image_set(
    name: str,
    pictures: Sequence[Picture],
    digests: Iterable[str],
    classes: Sequence[int] = range(len(ALL_CLASSES)),
    picture_set: str = "",
    design: Design | None = None,
) -> ImageSet:
    """An image set of these pictures, with the fingerprint computed from their digests."""
    digest = fingerprint_of(pictures, digests)
    return ImageSet(name, tuple(pictures), digest, tuple(classes), picture_set, design)


def fingerprint_of(pictures: Iterable[Picture], digests: Iterable[str]) -> str:
    """The fingerprint of pictures from the sha256 of each, in hex."""
    every = list(pictures)
    return fingerprint([one.key for one in every], _with_borders(every, digests))


def _with_borders(pictures: Iterable[Picture], digests: Iterable[str]) -> list[str]:
    """Digest of each picture as the fingerprint has it, with the border that is cut off."""
    return [
        f"{digest} border {picture.border}" if picture.border else digest
        for picture, digest in zip(pictures, digests, strict=True)
    ]


def reading_order(pictures: Sequence[Picture]) -> list[int]:
    """Rows in the order in which their places are read fastest: that of files, if places say it."""
    keys: list[Any] = [getattr(picture.place, "order", None) for picture in pictures]
    rows = range(len(pictures))
    return list(rows) if None in keys else sorted(rows, key=lambda row: keys[row])


def _same_bytes(pictures: Sequence[Picture], seen: Sequence[Seen]) -> list[str]:
    """Names of the pictures that are used and have the same bytes, such as "a.png = b.png"."""
    by_digest = defaultdict(list)
    for picture, look in zip(pictures, seen, strict=True):
        if not look.problem:
            by_digest[look.sha256, picture.border].append(picture.key)
    groups = [keys for keys in by_digest.values() if len(keys) > 1]
    return [" = ".join([*keys[:_SHOWN], *["…"] * (len(keys) > _SHOWN)]) for keys in groups]


def _look(
    picture: Picture,
    recipes: Collection[Preprocessing],
    refused_by: Callable[[bytes], Mapping[Preprocessing, PictureError]],
) -> Seen:
    try:
        data = picture.read()
    except PictureError as error:
        return Seen("", str(error))
    digest = hashlib.sha256(data).hexdigest()
    try:
        data = without_border(data, picture.border)
        if not recipes:
            read_to_end(data)
        refused = refused_by(data)
        return Seen(digest, _problem(refused, len(recipes)), "" if refused else deep_mode(data))
    except PictureError as error:
        return Seen(digest, str(error))


def _problem(refused: Mapping[Preprocessing, PictureError], n: int) -> str:
    """Why a picture cannot be used, and which of the n recipes cannot crop it."""
    if not refused:
        return ""
    first, *more = refused
    others = f" and {len(more)} more" if more else ""
    which = "every recipe" if 1 < n == len(refused) else f"recipe: {first}{others}"
    return f"{str(refused[first]).removesuffix('.')} ({which})."


def _bad_pictures(bad: Sequence[str], n: int, otherwise: str) -> PictureError:
    """The error for pictures that cannot be used; `otherwise` is an alternative to new copies."""
    lines = "\n  ".join(bad)
    return PictureError(
        f"{len(bad)} of {n} pictures cannot be used:\n  {lines}\nReplace them with intact "
        f"copies{otherwise}."
    )
