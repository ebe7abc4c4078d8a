"""Readers of labels, lists of rows, tars and pictures."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarking.errors import PictureError
from benchmarking.io.npy_files import read_integers
from benchmarking.labels.label_files import corrected_labels, labels_from, real_labels, rows_of
from benchmarking.pictures import crop, decode
from benchmarking.pictures.decoded import Decoded
from benchmarking.pictures.doctor import look
from benchmarking.pictures.prepare import plan, prepare
from benchmarking.pictures.recipe import SCALINGS, Preprocessing
from benchmarking.pictures.sets import open_pictures
from torture import seeds
from torture.reader import (
    Reader,
    check_integers,
    check_labels,
    check_pictures,
    past_csv,
    past_json,
    past_npy,
    remove,
)
from torture.seeds import KEYS, ORIGINAL, N, Seed
from torture.stored_readers import NPY_WORDS

_PILLOW = Preprocessing("pillow", "bilinear", resize=24, crop=16, scaling=SCALINGS["torch"])
_DRAFT = Preprocessing("pillow-draft", "bilinear", resize=24, crop=16, scaling=SCALINGS["torch"])
_OPENCV = Preprocessing("opencv", "bicubic", resize=24, crop=16, scaling=SCALINGS["torch"])


def _rows(folder: Path) -> Iterable[Seed]:
    rows = np.array([3, 0, 5])
    yield seeds.npy(folder / "rows.npy", ORIGINAL)
    yield seeds.npy(folder / "rows.npy", rows.astype(np.uint8), (2, 0))
    yield seeds.npy(folder / "rows.npy", np.array([[1, 2], [3, -1]] * 3), (3, 0))


def _label_tables(folder: Path) -> Iterable[Seed]:
    lines = "".join(f"val/{key},{label}\n" for key, label in zip(KEYS, ORIGINAL, strict=True))
    yield seeds.text(folder / "l.csv", lines)
    yield seeds.text(folder / "l.csv", f"key,class,more\n{KEYS[0]},n01440764,3\n{KEYS[3]},5,\n")
    yield seeds.text(folder / "l.csv", f'"{KEYS[2]}","4"\r\n"{KEYS[4]}",7,8,9\r\n')


def _label_lists(folder: Path) -> Iterable[Seed]:
    named = {KEYS[0]: 3, f"val/{KEYS[1]}": [4, "n01440764"], KEYS[2]: [], KEYS[3]: None}
    yield seeds.document(folder / "l.json", named)
    yield seeds.document(folder / "l.json", [1, [2, 3], None, [], "7", 2.0])
    yield seeds.document(folder / "l.json", list(KEYS[:3]))


def _read_labels(path: Path) -> None:
    check_labels(labels_from(path, KEYS), N)


def _read_rows(path: Path) -> None:
    rows = rows_of([str(path)], KEYS, ORIGINAL)
    assert rows.dtype == np.int64
    assert ((rows >= 0) & (rows < N)).all()


def _read_integers(path: Path) -> None:
    check_integers(read_integers(path))


def _real(folder: Path) -> Iterable[Seed]:
    yield seeds.document(folder / "real.json", [[0], [0, 5], [], [2], [7], [9, 3, 1]])


def _read_real(path: Path) -> None:
    check_labels(real_labels(path, KEYS), N)


def _votes(folder: Path) -> Iterable[Seed]:
    votes = [
        {
            "id": number,
            "url": "https://example.org",
            "given_original_label": 0,
            "our_guessed_label": number + 3,
            "mturk": {"given": number, "guessed": 5 - number, "neither": 0, "both": 0},
        }
        for number in (1, 2, 4)
    ]
    yield seeds.document(folder / "imagenet_mturk.json", votes)


def _read_votes(path: Path) -> None:
    check_labels(corrected_labels(path, KEYS, ORIGINAL), N)


def _tars(folder: Path) -> Iterable[Seed]:
    directory = tarfile.TarInfo("val")
    directory.type = tarfile.DIRTYPE
    sparse = tarfile.TarInfo("x.JPEG")
    sparse.type = tarfile.GNUTYPE_SPARSE
    extended = tarfile.TarInfo("val/" + "é" * 200)
    extended.type, extended.pax_headers = tarfile.DIRTYPE, {"size": "0", "GNU.sparse.major": "1"}
    yield seeds.tar(folder / "v.tar", tarfile.USTAR_FORMAT, directory)
    yield seeds.tar(folder / "v.tar", tarfile.GNU_FORMAT, directory)
    yield seeds.tar(folder / "v.tar", tarfile.PAX_FORMAT, extended)
    yield seeds.tar(folder / "v.tar", tarfile.GNU_FORMAT, sparse)


def _read_tar(path: Path) -> None:
    check_pictures(open_pictures(str(path)).pictures, path)


def _look_at_tar(path: Path) -> None:
    check_pictures(look(str(path)).files, path)


def _unpack_tar(path: Path) -> None:
    folder = path.with_name("unpacked")
    try:
        members = list(prepare(plan(path, folder, None)))
        sizes = {member.path: member.size for member in members}
        files = {p.relative_to(folder): p.stat().st_size for p in folder.rglob("*.JPEG")}
        assert files == sizes
    finally:
        remove(folder)
        remove(folder.with_name(".unpacked.part"))


def _past_tar(data: bytes) -> bool:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as file:
        return file.next() is not None


def _pictures(folder: Path) -> Iterable[Seed]:
    exif = Image.Exif()
    exif[0x0112], exif[0x0131] = 6, "a program"
    path = folder / "p"
    for _ in range(3):  # most are JPEG pictures
        yield seeds.picture(path, "JPEG", quality=90, exif=exif, comment=b"a comment")
        yield seeds.picture(path, "JPEG", progressive=True, mode="L")
        yield seeds.picture(path, "JPEG", mode="CMYK", icc_profile=bytes(range(200)))
    yield seeds.picture(path, "PNG")
    yield seeds.picture(path, "PNG", mode="P", transparency=3)
    yield seeds.picture(path, "GIF")
    yield seeds.picture(path, "BMP")
    yield seeds.picture(path, "TIFF", compression="tiff_lzw")
    yield seeds.picture(path, "WEBP", exif=exif)


def _crop(recipe: Preprocessing) -> Callable[[Path], object]:
    def call(path: Path) -> None:
        found = crop.crop(path.read_bytes(), recipe)
        assert found.shape == (16, 16, 3)
        assert found.dtype == np.uint8

    return call


def _check(path: Path) -> None:
    """The check before a sweep refuses a picture exactly if it cannot be cropped."""
    data, refused = path.read_bytes(), {}
    for recipe in (_PILLOW, _DRAFT, _OPENCV):
        try:
            crop.crop(data, recipe)
        except PictureError as error:
            refused[recipe] = error
        alone = crop.refusals(Decoded(data), [recipe])
        assert alone.keys() == refused.keys() & {recipe}
    assert crop.refusals(Decoded(data), [_PILLOW, _DRAFT, _OPENCV]).keys() == refused.keys()
    if refused:
        raise next(iter(refused.values()))
    decode.read_to_end(data)


def _inspect(path: Path) -> None:
    facts = decode.inspect(path.read_bytes())
    assert min(facts.size) > 0
    assert facts.format
    assert isinstance(facts.comment + facts.software, str)


def _past_picture(data: bytes) -> bool:
    Image.open(io.BytesIO(data)).close()
    return True


_NAMES = (
    *(b"n01440764", b"n99999999", b"val", b"../" + KEYS[0].encode(), b"key", b"[[1]]"),
    *("²".encode(), b"-1", b"1.0", b"3,4,5", b'"3"', b"[3, 4]", b"{}"),
    *(key.encode() for key in KEYS),
)
_TAR_WORDS = (
    *(b"00000000000", b"77777777777", b"-0000000001", b"\x80\0\0\0\0\0\0\0\0\0\2\0"),
    *(b"\xff" * 12, b"size=-512", b"size=9e9", b"20 size=-1536", b"GNU.sparse.size=5", b"ustar"),
    *(key.encode() for key in KEYS),
)

INPUTS = (
    Reader(
        "npy labels and rows",
        _rows,
        (_read_integers, _read_labels, _read_rows),
        past_npy,
        NPY_WORDS,
    ),
    Reader("labels csv", _label_tables, (_read_labels, _read_rows), past_csv, _NAMES),
    Reader("labels json", _label_lists, (_read_labels, _read_rows), past_json, _NAMES),
    Reader("ReaL json", _real, (_read_real,), past_json, _NAMES),
    Reader("label errors json", _votes, (_read_votes,), past_json),
    Reader("tar", _tars, (_read_tar, _look_at_tar, _unpack_tar), _past_tar, _TAR_WORDS),
    Reader(
        "pictures",
        _pictures,
        (_crop(_PILLOW), _crop(_DRAFT), _crop(_OPENCV), _inspect, _check),
        _past_picture,
        named=lambda path: "",
    ),
)
