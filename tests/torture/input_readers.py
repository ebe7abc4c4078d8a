"""Readers of labels, lists of rows, tars and pictures."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarking.errors import PictureError
from benchmarking.io.npy_files import read_integers
from benchmarking.labels.imagenet import validation_labels, wnids
from benchmarking.labels.label_files import corrected_labels, labels_from, real_labels, rows_of
from benchmarking.pictures import crop, decode
from benchmarking.pictures.crop_stream import crop_of
from benchmarking.pictures.decoded import Decoded
from benchmarking.pictures.doctor import look
from benchmarking.pictures.image_set import FilePart, Picture
from benchmarking.pictures.prepare import plan, prepare
from benchmarking.pictures.reading import inspected
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
_RECIPES = (
    *(_PILLOW, _DRAFT, _OPENCV),
    replace(_PILLOW, interpolation="bicubic", first="crop", crop_rounding="ceil"),
    replace(_DRAFT, resize=(20, 30)),
    replace(_OPENCV, first="crop"),
    replace(_OPENCV, interpolation="area", resize=(8, 12)),
)
"""As torchvision, timm, Keras, TensorFlow's EfficientNet and the code of 2019 do it."""


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


def _zips(folder: Path) -> Iterable[Seed]:
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", compression) as archive:
            for name in (f"val/{KEYS[2]}", KEYS[0], f"{'x' * 90}/{KEYS[1]}", "notes.txt"):
                archive.writestr(name, bytes(range(256)) * 3)
        yield Seed(folder / "v.zip", file.getvalue())


def _read_each(path: Path) -> None:
    pictures = open_pictures(str(path)).pictures
    assert pictures
    for picture in pictures:
        assert isinstance(picture.read(), bytes)


def _past_zip(data: bytes) -> bool:
    return bool(zipfile.ZipFile(io.BytesIO(data)).namelist())


def _shards(folder: Path) -> Iterable[Seed]:
    labels = validation_labels()

    def named(number: int) -> bytes:
        return json.dumps({"filename": KEYS[number].rpartition("/")[2]}).encode()

    for has_names in (True, False):
        members: dict[str, bytes] = {}
        for number in range(3):
            members |= {f"{number}.jpg": bytes(range(256)), f"{number}.cls": b"%d" % labels[number]}
            members |= {f"{number}.json": named(number)} if has_names else {}
        yield seeds.plain_tar(folder / "v-00.tar", members)


def _read_shard(path: Path) -> None:
    _read_each(Path(f"webdataset:{path}"))


def _tables(folder: Path) -> Iterable[Seed]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    labels = validation_labels()[:3].tolist()
    names = [f"{Path(KEYS[n]).stem}_{wnids()[label]}.JPEG" for n, label in enumerate(labels)]
    images = [{"bytes": bytes(range(64)), "path": name} for name in names]
    table = pa.table({"image": pa.array(images, kind), "label": pa.array(labels)})
    for compression in ("none", "snappy", "zstd"):
        file = io.BytesIO()
        pq.write_table(table, file, compression=compression, row_group_size=2)
        yield Seed(folder / "v.parquet", file.getvalue())


def _past_table(data: bytes) -> bool:
    import pyarrow.parquet as pq

    return bool(pq.ParquetFile(io.BytesIO(data)).metadata.num_rows)


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
    shared = Decoded(data)
    for recipe in _RECIPES:
        try:
            expected = crop.crop(data, recipe)
        except PictureError as error:
            refused[recipe] = error
        alone = crop.refusals(Decoded(data), [recipe])
        assert alone.keys() == refused.keys() & {recipe}
        try:
            assert (crop.cropped(shared, recipe) == expected).all()
        except PictureError:
            assert recipe in refused
    assert crop.refusals(Decoded(data), _RECIPES).keys() == refused.keys()
    assert crop.refusals(shared, _RECIPES).keys() == refused.keys()
    if refused:
        raise next(iter(refused.values()))
    decode.read_to_end(data)


def _check_without_border(path: Path) -> None:
    """The same for a set whose pictures have a border that is cut off, as ObjectNet's have."""
    picture, refused = Picture("p", 0, FilePart(str(path)), border=2), []
    for recipe in _RECIPES:
        try:
            crop_of(picture, recipe)
        except PictureError as error:
            refused.append(error)
    (seen,) = inspected([picture], 1, _RECIPES)
    assert bool(seen.problem) == bool(refused)
    if refused:
        raise refused[0]


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
    Reader("zip", _zips, (_read_each,), _past_zip, (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6")),
    Reader("WebDataset", _shards, (_read_shard,), _past_tar, _TAR_WORDS),
    Reader(
        "parquet pictures",
        _tables,
        (_read_each,),
        _past_table,
        (b"PAR1", b"image", b"bytes", b"path", b"label", b"\xff" * 5, b"\x80\x80\x80\x80\x04"),
    ),
    Reader(
        "pictures",
        _pictures,
        (_crop(_PILLOW), _crop(_DRAFT), _crop(_OPENCV), _inspect, _check, _check_without_border),
        _past_picture,
        named=lambda path: "",
    ),
)
