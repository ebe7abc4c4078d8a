"""Pictures per second from each form in which a set is published, against its folder.

The same pictures are written as class folders, tar, zip, WebDataset shards, parquet files and
TFRecord files, and cropped with a thread per core. All crops must be the same.

Usage: python benchmarks/readers.py [OUT.md] [--pictures DIR] [--small]
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from _measure import (
    against,
    chosen_pictures,
    cores,
    exhaust,
    in_turn,
    machine,
    middle,
    must_hold,
    options,
    publish,
    ratio,
    seconds,
    table,
)
from numpy.typing import NDArray

from benchmarking.labels.imagenet import validation_key, validation_labels, wnids
from benchmarking.pictures.crop_stream import crops
from benchmarking.pictures.image_set import Picture
from benchmarking.pictures.recipe import SCALINGS, Preprocessing
from benchmarking.pictures.sets import open_pictures

RECIPE = Preprocessing("pillow", "bilinear", 256, 224, SCALINGS["torch"])
REPEATS, GOAL = 7, 0.9
SHARD = 100  # pictures in a shard, a row group or a file of records

Named = Sequence[tuple[str, int, bytes]]
"""Name, class and bytes of each picture."""

# TensorFlow and PyTorch are not loaded into one process.
_RECORDS = """
import pickle, sys
import tensorflow as tf
named, root, size = pickle.load(sys.stdin.buffer)
def of(value):
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
count = -(-len(named) // size)
for number in range(count):
    path = f"{root}/imagenet2012-validation.tfrecord-{number:05d}-of-{count:05d}"
    with tf.io.TFRecordWriter(path) as file:
        for name, label, data in named[number * size : (number + 1) * size]:
            feature = {"image": of(data), "label": of(label), "file_name": of(name.encode())}
            file.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
"""


def named(pictures: Sequence[Picture]) -> Named:
    """The pictures in a mixed order, each named as a validation picture of its class."""
    numbers = {
        label: iter((validation_labels() == label).nonzero()[0] + 1) for label in range(1000)
    }
    found = [
        (validation_key(int(next(numbers[one.label]))), one.label, one.read()) for one in pictures
    ]
    return sorted(found, key=lambda one: sha256(one[2]).digest())


def folder(root: Path, some: Named) -> Path:
    """Class folders."""
    for name, label, data in some:
        path = root / wnids()[label] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def members(path: Path, files: Mapping[str, bytes]) -> Path:
    """A tar of files."""
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def zipped(path: Path, some: Named) -> Path:
    """A zip of class folders, compressed as zip programs do."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, label, data in some:
            file.writestr(f"val/{wnids()[label]}/{name}", data)
    return path


def shards(root: Path, some: Named) -> Path:
    """WebDataset shards."""
    root.mkdir()
    for number, first in enumerate(range(0, len(some), SHARD)):
        files = {}
        for name, label, data in some[first : first + SHARD]:
            files |= {f"{Path(name).stem}.jpg": data, f"{Path(name).stem}.cls": b"%d" % label}
        members(root / f"{number}.tar", files)
    return root


def parquet(path: Path, some: Named) -> Path:
    """A parquet file as Hugging Face has it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = [{"bytes": data, "path": name} for name, _, data in some]
    columns = {"image": pa.array(images, kind), "label": pa.array([label for _, label, _ in some])}
    pq.write_table(pa.table(columns), path, row_group_size=SHARD)
    return path


def records(root: Path, some: Named) -> Path:
    """TFRecord files of TensorFlow Datasets."""
    import pickle

    root.mkdir()
    task = pickle.dumps((list(some), str(root), SHARD))
    subprocess.run([sys.executable, "-c", _RECORDS], input=task, check=True, capture_output=True)
    return root


def cropped(pictures: Sequence[Picture]) -> Iterator[NDArray[np.uint8]]:
    """The crops of pictures, which are read and decoded by a thread per core."""
    with crops(pictures, RECIPE, cores()) as seen:
        yield from seen


def digest(pictures: Sequence[Picture]) -> str:
    """Digest of crops, which depends on their order."""
    total = sha256()
    for one in cropped(pictures):
        total.update(one.data)
    return total.hexdigest()


def rates(forms: Mapping[str, Sequence[Picture]], repeats: int) -> dict[str, list[float]]:
    """Pictures per second of each form, after a check that their crops are equal."""
    expected = digest(forms["Folder"])
    for name, pictures in forms.items():
        must_hold(digest(pictures) == expected, f"crops of {name} are not those of the folder")

    def rate(pictures: Sequence[Picture]) -> Callable[[], float]:
        return lambda: len(pictures) / seconds(lambda: exhaust(cropped(pictures)))

    return in_turn({name: rate(pictures) for name, pictures in forms.items()}, repeats)


def main() -> None:
    """Measure, and publish the results."""
    args = options(__doc__).parse_args()
    repeats = 1 if args.small else REPEATS
    heading = machine("pillow", "pyarrow", "tensorflow")
    some = named(chosen_pictures(args))
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        tar = {f"val/{wnids()[label]}/{name}": data for name, label, data in some}
        places = {
            "Folder": folder(root / "val", some),
            "Tar": members(root / "val.tar", tar),
            "Zip": zipped(root / "val.zip", some),
            "WebDataset shards": shards(root / "shards", some),
            "Parquet": parquet(root / "validation-00000-of-00001.parquet", some),
            "TFRecord": records(root / "records", some),
        }
        forms = {form: open_pictures(str(place)).pictures for form, place in places.items()}
        found = rates(forms, repeats)
    about = (
        f"{len(some)} pictures; median of {repeats} interleaved repeats (least-most), made by "
        "benchmarks/readers.py; crops byte-identical."
    )
    rows = [
        [form, middle(rates), against(ratio(rates, found["Folder"]), GOAL)]
        for form, rates in found.items()
    ]
    lines = table(["Form", "Pictures/s", "Of the folder's"], rows)
    publish([heading, "", about, "", *lines], args.out)


if __name__ == "__main__":
    main()
