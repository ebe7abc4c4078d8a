"""Small files that claim to be huge: each is refused quickly, without using memory."""

import io
import json
import struct
import tarfile
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarking.errors import BenchmarkError
from benchmarking.io.npy_files import read_array, read_integers
from benchmarking.labels.label_files import labels_from, real_labels, rows_of
from benchmarking.pictures.crop import crop
from benchmarking.pictures.decode import inspect, read_to_end
from benchmarking.pictures.prepare import plan
from benchmarking.pictures.recipe import SCALINGS, Preprocessing
from benchmarking.pictures.sets import open_pictures
from benchmarking.predictions.arrays_2019 import ArrayFolders
from benchmarking.predictions.store import Store
from torture import limits, seeds
from torture.seeds import KEYS, ORIGINAL, RUN

PILLOW = Preprocessing("pillow", "bilinear", resize=256, crop=224, scaling=SCALINGS["torch"])
DRAFT = Preprocessing("pillow-draft", "bilinear", resize=256, crop=224, scaling=SCALINGS["torch"])
OPENCV = Preprocessing("opencv", "bicubic", resize=256, crop=224, scaling=SCALINGS["caffe"])


@pytest.fixture(scope="module", autouse=True)
def _libraries_are_loaded():
    """Load libraries first, because they need more memory than any file."""
    for recipe in (PILLOW, DRAFT, OPENCV):
        crop(jpeg(16, 16), recipe)


def refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(BenchmarkError, match=message), limits.seconds(5), limits.memory():
        call()


def npy(path: Path, shape: str, version: int = 1) -> Path:
    """A file with eighty bytes of numbers and any header."""
    header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    path.write_bytes(b"\x93NUMPY" + bytes([version, 0]) + length + header + bytes(80))
    return path


@pytest.mark.parametrize(
    "shape",
    ["(1000000000000,)", "(268435456,)", f"({10**30},)", "(4294967296, 4294967296)", "(-1,)"],
)
def test_an_npy_header_of_more_rows_than_the_file_has_is_refused(tmp_path, shape):
    path = npy(tmp_path / "rows.npy", shape)
    for read in (
        lambda: read_array(path, "iu"),
        lambda: read_integers(path),
        lambda: labels_from(path, KEYS),
        lambda: rows_of([str(path)], KEYS, ORIGINAL),
    ):
        refused(read, r"rows\.npy is no whole \.npy file")


def test_an_npy_array_of_2019_of_a_trillion_rows_is_refused(tmp_path):
    npy(tmp_path / "vgg16_pytorch_three_top5preds.npy", "(1000000000000, 5)")
    npy(tmp_path / "vgg16_pytorch_three_top5probs.npy", "(1000000000000, 5)")
    refused(lambda: ArrayFolders((tmp_path,)).read(RUN), r"top5preds\.npy is no whole \.npy file")


def test_zero_rows_of_many_columns_take_no_memory(tmp_path):
    path = npy(tmp_path / "rows.npy", "(0, 9223372036854775807, 9223372036854775807)")
    refused(lambda: read_array(path, "iu"), r"rows\.npy is no whole \.npy file")


def test_an_npy_header_that_claims_four_gigabytes_is_refused(tmp_path):
    path = npy(tmp_path / "rows.npy", "(10,)", version=2)
    data = path.read_bytes()
    path.write_bytes(data[:8] + b"\xff\xff\xff\xff" + data[12:])
    refused(lambda: read_array(path, "iu"), r"rows\.npy is no whole \.npy file: EOF")


@pytest.mark.parametrize("length", [100 * 2**30, 2**63, 2**64 - 1])
def test_a_safetensors_header_that_claims_to_be_long_is_refused(tmp_path, length):
    path = seeds.stored(tmp_path)
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    store = Store(tmp_path)
    for read in (store.read, store.classes, store.provenance, store.read_probabilities):
        refused(lambda read=read: read(RUN), r"vgg16\.northcutt2019\.safetensors")
    assert not store.keeps_all_probabilities(RUN)


def test_a_tensor_that_claims_a_petabyte_is_refused(tmp_path):
    path = seeds.stored(tmp_path)
    seed = seeds.run_header(path)
    header = json.loads(seed.inner)
    header["top5_prob"] |= {"shape": [5 * 10**13, 5], "data_offsets": [60, 60 + 10**15]}
    path.write_bytes(seed.wrap(json.dumps(header).encode()))
    refused(lambda: Store(tmp_path).read(RUN), r"vgg16\.northcutt2019\.safetensors")


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    return b"".join([b"\x89PNG\r\n\x1a\n", *parts])


def jpeg(width: int, height: int) -> bytes:
    """A small JPEG with this size; decoders fill missing data with grey."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG")
    data = file.getvalue()
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


@pytest.mark.parametrize(
    "data",
    [png(60_000, 60_000), jpeg(60_000, 60_000), png(13_000, 13_000), jpeg(13_000, 13_000)],
    ids=["png", "jpeg", "smaller png", "smaller jpeg"],
)
@pytest.mark.parametrize("recipe", [PILLOW, DRAFT, OPENCV], ids=lambda recipe: recipe.library)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_picture_of_too_many_pixels_is_refused(data, recipe):
    refused(lambda: crop(data, recipe), "too large|cannot be decoded by")
    refused(lambda: inspect(data), "too large|cannot be decoded by Pillow")


def of_many_scans(times: int) -> bytes:
    """A progressive JPEG whose last scan is repeated many times."""
    file = io.BytesIO()
    Image.new("RGB", (1000, 1000), "teal").save(file, "JPEG", progressive=True)
    data = file.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * times + data[-2:]


def cropped(recipe: Preprocessing) -> Callable[[bytes], object]:
    return lambda data: crop(data, recipe)


@pytest.mark.parametrize("read", [read_to_end, inspect, *map(cropped, (PILLOW, DRAFT, OPENCV))])
def test_a_jpeg_of_too_many_scans_is_refused(read):
    read(of_many_scans(50))
    refused(lambda: read(of_many_scans(10_000)), "has more than 100 scans")
    read(of_many_scans(0) + b"\xff\xda" * 2**22)  # not scans after the end
    many_markers = of_many_scans(10)[:-2] + (b"\xff\x01" * 20 + b"\xff\xda") * 2**20
    refused(lambda: read(many_markers), "has more than 100 scans")


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1)], ids=["high", "wide"])
@pytest.mark.parametrize("recipe", [PILLOW, DRAFT, OPENCV], ids=lambda recipe: recipe.library)
def test_a_picture_so_narrow_that_its_resize_fills_the_memory_is_refused(size, recipe):
    refused(
        lambda: crop(jpeg(*size), recipe), r"too large: resized, it would have \d+ x \d+ pixels"
    )


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, b"L", b"x"], ids=["file", "name", "extended"])
@pytest.mark.parametrize("size", [10**15, 2**62, 2**80])
def test_a_tar_member_that_claims_a_petabyte_is_refused(tmp_path, kind, size):
    member = tarfile.TarInfo(KEYS[0])
    member.size, member.type = size, kind
    path = tmp_path / "val.tar"
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    refused(lambda: open_pictures(str(path)), r"val\.tar")
    refused(lambda: plan(path, tmp_path / "folder", None), r"val\.tar")


def test_many_right_classes_of_one_picture_do_not_widen_all_others(tmp_path):
    keys = [f"{number}.png" for number in range(5000)]
    lists = [[number % 1000 for number in range(100_000)], *([1] for _ in keys[1:])]
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(lists))
    refused(lambda: labels_from(path, keys), "labels.json: 100000 classes for one picture; at most")
    path.write_text(json.dumps([lists[0]] * 6))
    refused(lambda: real_labels(path, KEYS), "labels.json is not real.json: .*100000 classes")


@pytest.mark.parametrize("text", ["[" * 10**6, '{"a":' * 10**6, f"[{'7' * 10**6}]"])
def test_json_that_is_deep_or_has_an_endless_number_is_refused(tmp_path, text):
    path = tmp_path / "labels.json"
    path.write_text(text)
    refused(lambda: labels_from(path, KEYS), "labels.json is no whole .json file")
    refused(lambda: rows_of([str(path)], KEYS, ORIGINAL), "labels.json is no whole .json file")


@pytest.mark.parametrize("levels", [30, 300])
def test_provenance_that_is_nested_too_deep_is_refused(tmp_path, levels):
    deep = {}
    for _ in range(levels):
        deep = {"a": [deep]}
    path = seeds.stored(tmp_path)
    seed = seeds.run_metadata(path, with_digests=True)
    found = json.loads(seed.inner)
    found["weights"]["deep"] = deep
    path.write_bytes(seed.wrap(json.dumps(found).encode()))
    refused(lambda: Store(tmp_path).provenance(RUN), "vgg16.*nested more than 20 levels")
    made = asdict(seeds.made()) | {"weights": found["weights"]}
    document = {"run": asdict(RUN), "provenance": made}
    (tmp_path / "vgg16_pytorch_three_provenance.json").write_text(json.dumps(document))
    np.save(tmp_path / "vgg16_pytorch_three_top5preds.npy", seeds.top_5()[0])
    arrays = ArrayFolders((tmp_path,))
    refused(lambda: arrays.provenance(RUN), "three_provenance.json is broken: .* 20 levels deep")


def test_a_cell_without_an_end_is_refused(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(f'{KEYS[0]},"{"7" * 10**7}')
    refused(lambda: labels_from(path, KEYS), "labels.csv: field larger than field limit")
    refused(lambda: rows_of([str(path)], KEYS, ORIGINAL), "labels.csv: field larger than field")


def test_the_limits_of_these_tests_hold():
    with pytest.raises(MemoryError), limits.memory():
        bytearray(2 * limits.MEMORY)
    with pytest.raises(limits.TooSlow, match=r"more than 0\.01 s"), limits.seconds(0.01):
        time.sleep(1)
    assert len(bytearray(2 * limits.MEMORY)) == 2 * limits.MEMORY
