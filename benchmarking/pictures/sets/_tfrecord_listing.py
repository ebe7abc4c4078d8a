"""Lists the records of TFRecord files with TensorFlow, in a process of its own.

TensorFlow would take the memory of a GPU in the user's process, and print messages.
`python -m benchmarking.pictures.sets._tfrecord_listing END FILE…` writes a line of JSON for each
file.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from benchmarking.errors import MissingDependency, PictureError
from benchmarking.io import lifeline
from benchmarking.io.files import open_regular
from benchmarking.pictures.image_set import MOST_BYTES

EXTRA = "keras"
_LENGTH, _BEFORE, _AFTER = 8, 12, 4
"""Bytes of a record's length; bytes before a record, its length and the CRC of that; and bytes
after it, its own CRC.

Source: the documentation of TensorFlow, "TFRecords format details".
"""
_MOST_BYTES = MOST_BYTES + 2**20
"""Bytes of a record: those of the largest picture, and its other features."""
_NODE = re.compile(r"^\{\{.*?\}\} | \[Op:.*")  # the operation that TensorFlow names in its errors


@dataclass(frozen=True)
class Record:
    """A record of a file.

    Attributes:
        features: names of its features, sorted.
        offset: position of its picture in the file, in bytes; -1 without one.
        size: size of the picture in bytes.
        label: its label, as the file counts it; None if it has not exactly one number.
        name: name of the picture; "" if there is none.
        synset: WordNet id of its class; "" if there is none.
    """

    features: tuple[str, ...]
    offset: int
    size: int
    label: int | None
    name: str
    synset: str

    @property
    def of_scripts(self) -> bool:
        """Whether it has the features of the TPU scripts, not those of TensorFlow Datasets."""
        return "image/encoded" in self.features


def listed(files: Sequence[Path]) -> Iterator[list[Record]]:
    """The records of each file, in order.

    What shows without TensorFlow is refused before it is started, which takes seconds.

    Raises:
        PictureError: a file cannot be read, is damaged or has no records.
        MissingDependency: TensorFlow is not installed.
    """
    for file in files:
        _check(file)
    package = str(Path(__file__).parents[3])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    with ExitStack() as stack:
        end, passed = lifeline.opened(stack, stack)
        process = stack.enter_context(
            subprocess.Popen(  # noqa: S603 - this package's own module
                [sys.executable, "-P", "-m", __name__, end, *map(str, files)],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **quiet, "PYTHONPATH": path},
                pass_fds=passed,
            )
        )
        assert process.stdout  # noqa: S101 - tells mypy
        try:
            for file in files:
                yield _records(file, process.stdout.readline())
        finally:
            process.kill()


def _check(file: Path) -> None:
    """Refuse a file that is a pipe, that is empty or cut, or whose records are too long.

    TensorFlow waits for a pipe, ends without a word where fewer than 12 bytes are left, and takes
    memory of the size of a record before it reads it.

    Raises:
        PictureError: the file cannot be read, is no regular file, has no records, ends within one,
            or has one that is empty or claims to be longer than a picture can be.
    """
    try:
        with open_regular(file) as opened:
            at, size = 0, os.fstat(opened.fileno()).st_size
            if not size:
                raise PictureError(f"{file} holds no records; download it again.")
            while at < size:
                opened.seek(at)
                length = int.from_bytes(opened.read(_LENGTH), "little")
                if not length:
                    raise _unreadable(file, f"its record at byte {at} is empty")
                if length > _MOST_BYTES:
                    raise _unreadable(
                        file,
                        f"its record at byte {at} says that it has {length:,} bytes; one with a "
                        f"picture may have at most {_MOST_BYTES:,}",
                    )
                end = at + _BEFORE + length + _AFTER
                if end > size:
                    raise _unreadable(file, f"it ends within its record at byte {at}")
                at = end
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error)) from error


def _unreadable(file: Path, why: str) -> PictureError:
    return PictureError(f"{file} cannot be read as TFRecords: {why}.")


def _records(file: Path, line: bytes) -> list[Record]:
    found: dict[str, Any] = {"error": "its reader ended too soon"}
    if line.endswith(b"\n"):
        found = json.loads(line)
    if found.get("missing"):
        raise MissingDependency(
            f"{found['missing']} is not installed, and {file} needs it; run: pip install "
            f"'imagenet-benchmarking[{EXTRA}]'"
        )
    if "error" in found:
        raise _unreadable(file, found["error"])
    if not found["records"]:  # another program has emptied it meanwhile
        raise PictureError(f"{file} holds no records; download it again.")
    return [Record(tuple(features), *values) for features, *values in found["records"]]


def main() -> None:
    """List the files that the arguments name."""
    lifeline.depend_on(sys.argv[1])
    try:
        import tensorflow as tf
    except ImportError:
        _say({"missing": "tensorflow"})
        return
    for file in sys.argv[2:]:
        _say(_answer(Path(file), tf))


def _answer(file: Path, tf: Any) -> dict[str, Any]:
    """The line of a file: its records, or what is wrong with it."""
    try:
        return {"records": [astuple(record) for record in _read(file, tf)]}
    except tf.errors.OpError as error:
        return {"error": _NODE.sub("", str(error.message))[:200].rstrip(".")}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:200].rstrip(".")}


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _read(file: Path, tf: Any) -> Iterator[Record]:
    start = 0
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        yield _record(record, start + _BEFORE, features)
        start += _BEFORE + len(record) + _AFTER


def _record(record: bytes, start: int, features: Any) -> Record:
    scripts = "image/encoded" in features
    picture = _only_bytes(features, "image/encoded" if scripts else "image")
    label = "image/class/label" if scripts else "label"
    numbers = list(features[label].int64_list.value) if label in features else []
    name, synset = (
        _only_bytes(features, one).decode("utf-8", "surrogateescape")
        for one in ("image/filename" if scripts else "file_name", "image/class/synset")
    )
    return Record(
        tuple(sorted(features)),
        start + record.index(picture) if picture else -1,
        len(picture),
        int(numbers[0]) if len(numbers) == 1 else None,
        name,
        synset,
    )


def _only_bytes(features: Any, name: str) -> bytes:
    """The value of a feature of bytes; empty if it has none or several."""
    values = features[name].bytes_list.value if name in features else []
    return bytes(values[0]) if len(values) == 1 else b""


if __name__ == "__main__":
    main()
