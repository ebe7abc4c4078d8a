"""TFRecord files in both layouts: the same pictures as in a folder."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from conftest import digests

from benchmarking.errors import PictureError
from benchmarking.labels.imagenet import class_of_wnid, validation_key, validation_labels, wnids
from benchmarking.pictures.reading import image_set
from benchmarking.pictures.sets import _tfrecord_listing as listing
from benchmarking.pictures.sets import open_pictures, tfrecord
from benchmarking.pictures.sets._tfrecord_listing import Record, listed
from benchmarking.pictures.sets.tfrecord import confirmed

Real = list[tuple[str, int, bytes]]
N = 6


@pytest.fixture(scope="module")
def real(sample_images) -> Real:
    """Name, class and bytes of real pictures, each named as a validation picture of its class."""
    found = []
    for file in sorted(sample_images.glob("n*/*.JPEG"))[:: 500 // N][:N]:
        label = class_of_wnid()[file.parent.name]
        number = int((validation_labels() == label).nonzero()[0][0]) + 1
        found.append((validation_key(number), label, file.read_bytes()))
    return found


def of_datasets(name: str, label: int, data: bytes) -> Mapping[str, object]:
    """The features of TensorFlow Datasets."""
    return {"image": data, "label": label, "file_name": name.encode()}


def of_scripts(name: str, label: int, data: bytes) -> Mapping[str, object]:
    """The features of the TPU scripts."""
    return {
        "image/encoded": data,
        "image/class/label": label + 1,
        "image/class/synset": wnids()[label].encode(),
        "image/filename": name.encode(),
        "image/height": 10,
    }


LAYOUTS: dict[str, tuple[str, Callable[..., Mapping[str, object]]]] = {
    "datasets": ("imagenet2012-validation.tfrecord-{:05d}-of-{:05d}", of_datasets),
    "scripts": ("validation-{:05d}-of-{:05d}", of_scripts),
}


def a_record(features: Mapping[str, object]) -> bytes:
    import tensorflow as tf

    def feature(value: object) -> object:
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    known = {name: feature(value) for name, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=known)).SerializeToString()


def a_file(path: Path, records: list[bytes]) -> Path:
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as file:
        for record in records:
            file.write(record)
    return path


def written(root: Path, real: Real, layout: str, files: int = 2) -> Path:
    """The pictures in an order of their own, in several files."""
    template, features = LAYOUTS[layout]
    order = sorted(real, key=lambda one: one[2][-50:])
    for number in range(files):
        some = [a_record(features(*one)) for one in order[number::files]]
        a_file(root / template.format(number, files), some)
    return root


@pytest.fixture(scope="module")
def folder(real, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("forms") / "val"
    for name, label, data in real:
        path = root / wnids()[label] / name
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    return root


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_pictures_are_the_same_image_set_as_in_a_folder(layout, real, folder, tmp_path):
    where = written(tmp_path / layout, real, layout)
    (where / "train-00000-of-01024").write_bytes(b"")
    found, other = open_pictures(str(where)), open_pictures(str(folder))
    prints = {
        image_set("set", one.pictures, digests(one.pictures)).fingerprint for one in (found, other)
    }
    assert len(prints) == 1
    assert [p.label for p in found.pictures] == [p.label for p in other.pictures]
    assert found.left_out == ("train-00000-of-01024",)


def refused(where: object) -> str:
    with pytest.raises(PictureError) as error:
        open_pictures(str(where))
    return str(error.value)


@pytest.fixture
def here(monkeypatch) -> None:
    """Files are listed in this process, which has TensorFlow already; its start takes seconds."""
    import tensorflow as tf

    def listed_here(files):
        for file in files:
            listing._check(file)
            line = json.dumps(listing._answer(file, tf)) + "\n"
            yield listing._records(file, line.encode())

    monkeypatch.setattr(tfrecord, "listed", listed_here)


@pytest.fixture
def without_process(monkeypatch) -> None:
    """No process can be started: what shows without TensorFlow is refused at once."""
    monkeypatch.setattr(listing, "subprocess", None)


def test_a_missing_file_is_named(real, tmp_path):
    where = written(tmp_path, real, "scripts")
    (where / "validation-00001-of-00002").unlink()
    assert "lacks 1 of 2 files: validation-00001-of-00002; download" in refused(where)


ODD = {
    "from one": {"label": 8},
    "beyond": {"label": 1000},
    "text": {"label": b"7"},
    "empty": {"image": b""},
    "nameless": {"file_name": b"x.jpg"},
    "from zero": {"image/class/label": 7},
}
"""Changes of a record of class 7."""


@pytest.fixture(scope="module")
def odd(real, tmp_path_factory) -> Mapping[str, tuple[Path, Record]]:
    """A file with one changed record for each change; one process lists them all."""
    root = tmp_path_factory.mktemp("odd")
    number = int((validation_labels() == 7).nonzero()[0][0]) + 1
    one = (validation_key(number), 7, real[0][2])
    files = []
    for name, change in ODD.items():
        features = of_scripts if "image/class/label" in change else of_datasets
        path = root / f"{name.replace(' ', '-')}-00000-of-00001"
        files.append(a_file(path, [a_record({**features(*one), **change})]))
    found = dict(zip(files, listed(files), strict=True))
    return {
        name: (file, records[0]) for name, (file, records) in zip(ODD, found.items(), strict=True)
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("from one", "has class 8, counted from 0, but its name"),
        ("from one", "Are its labels counted from 1, or in another order?"),
        ("from zero", "has class 6, counted from 0, but its synset n01514668 is that of class 7"),
        ("from zero", "Are its labels counted from 0, or in another order?"),
        ("beyond", "record 0 has 1000 as its label; expected 0 to 999"),
        ("text", "record 0 has no single number as its label"),
        ("empty", "no picture in its feature 'image'; its features are file_name, image, label"),
    ],
)
def test_a_feature_that_is_missing_or_wrong_is_named(name, message, odd):
    file, record = odd[name]
    with pytest.raises(PictureError) as error:
        confirmed(file, 0, record)
    assert message in str(error.value)


@pytest.mark.usefixtures("here")
def test_labels_that_nothing_confirms_are_refused(odd):
    file, record = odd["nameless"]
    assert not confirmed(file, 0, record).is_confirmed
    assert "may be counted from 0 or from 1, in any order" in refused(file)


@pytest.mark.usefixtures("here")
def test_a_damaged_file_is_named(real, tmp_path):
    where = written(tmp_path, real, "datasets", files=1) / LAYOUTS["datasets"][0].format(0, 1)
    data = where.read_bytes()
    where.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    assert "cannot be read as TFRecords: corrupted record at 12." in refused(where)


@pytest.mark.usefixtures("here")
def test_a_record_of_another_kind_is_named(tmp_path):
    where = a_file(tmp_path / "validation-00000-of-00001", [b"\xff\xff\xff"])
    assert "cannot be read as TFRecords: DecodeError" in refused(where)


@pytest.mark.parametrize("length", [2**27, 2**40, 2**63, 2**64 - 1])
@pytest.mark.usefixtures("without_process")
def test_a_record_that_claims_any_length_takes_no_memory(real, tmp_path, length):
    """Its CRC is correct, so TensorFlow would take memory of this size."""
    where = written(tmp_path, real, "datasets", files=1) / LAYOUTS["datasets"][0].format(0, 1)
    at = where.stat().st_size
    with where.open("ab") as file:
        head = length.to_bytes(8, "little")
        file.write(head + masked_crc32c(head).to_bytes(4, "little") + b"x")
        file.truncate(at + 16 + 2**28 if length < 2**30 else None)
    assert (
        f"cannot be read as TFRecords: its record at byte {at} says that it has {length:,} bytes; "
        "one with a picture may have at most" in refused(where)
    )


def masked_crc32c(data: bytes) -> int:
    """The CRC of TFRecord files: CRC-32C, turned by 15 bits, plus a constant."""
    crc = 2**32 - 1
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 2**32 - 1
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


@pytest.mark.usefixtures("without_process")
def test_a_pipe_in_the_place_of_a_file_is_refused_without_waiting(real, tmp_path):
    where = written(tmp_path, real, "datasets")
    last = sorted(where.iterdir())[1]
    last.unlink()
    os.mkfifo(last)
    assert f"{last} cannot be read as TFRecords: it is no regular file" in refused(where)


@pytest.mark.parametrize("kept", [1, 11, -1, "a record and 5"])
@pytest.mark.usefixtures("without_process")
def test_a_file_that_ends_within_a_record_is_named(real, tmp_path, kept):
    """TensorFlow says nothing if fewer than 12 bytes of the record are left."""
    root = written(tmp_path, real, "datasets")
    cut = sorted(root.iterdir())[1]
    whole = cut.read_bytes()
    first = int.from_bytes(whole[:8], "little") + 16
    cut.write_bytes(whole[: first + 5 if kept == "a record and 5" else kept])
    assert f"{cut} cannot be read as TFRecords: it ends within its record at byte " in refused(root)


@pytest.mark.usefixtures("without_process")
def test_an_empty_record_is_refused_at_once(tmp_path):
    """A sparse file of 1 TB has many."""
    where = tmp_path / "validation-00000-of-00001"
    where.touch()
    os.truncate(where, 2**40)
    assert f"{where} cannot be read as TFRecords: its record at byte 0 is empty" in refused(where)


@pytest.mark.usefixtures("without_process")
def test_a_file_without_records_is_named(real, tmp_path):
    """A download that failed at its start leaves one, and the other files are a smaller set."""
    root = written(tmp_path / "set", real, next(iter(LAYOUTS)))
    empty = sorted(root.iterdir())[1]
    empty.write_bytes(b"")
    assert refused(root) == f"{empty} holds no records; download it again."
