"""Pictures in parquet files, as Hugging Face publishes them: columns image and label."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from benchmarking.errors import PictureError, requires
from benchmarking.io.files import open_regular
from benchmarking.io.printable import printable
from benchmarking.labels.imagenet import class_names, validation_key, wnids
from benchmarking.pictures.image_set import MOST_BYTES, Picture, in_order
from benchmarking.pictures.names import NO_CLASS, info_from_name, kind_of_file, may_be_class_folder
from benchmarking.pictures.sets import Contents, Match
from benchmarking.pictures.sets._numbered_files import of_one_split

NAME = "parquet"
DESCRIPTION = "parquet files of Hugging Face with the columns image and label"

EXTRA = "parquet"
_PART = re.compile(r"(?P<split>.+)-(?P<number>\d+)-of-(?P<count>\d+)\.parquet", re.IGNORECASE)
_MAGIC = b"PAR1"
_GROUPS = 8
"""Number of row groups in memory; those of ImageNet have 100 pictures, or about 11 MB."""
_MOST_ENTRIES = 2000  # entries of a folder among which pictures are looked for
_SAME_NAMES = 0.9  # share of class names that identify ImageNet's order of classes


LabelColumn = Literal["one", "several"]
"""Whether the labels in a file are one class each, or lists of classes."""


@dataclass(frozen=True, slots=True)
class ParquetRow:
    """A picture in a parquet file.

    Attributes:
        file: path of the file.
        group: number of its row group.
        row: number of its row within the group.
        column: name of the column with the bytes, such as "image.bytes".
    """

    file: str
    group: int
    row: int
    column: str

    def __str__(self) -> str:
        return self.file

    @property
    def order(self) -> tuple[str, int, int]:
        """Position among all places; places in this order need each row group only once."""
        return self.file, self.group, self.row

    def read(self) -> bytes:
        """The picture's bytes.

        Raises:
            PictureError: the file cannot be read or is damaged, the row has no picture, or one of
                more than MOST_BYTES.
        """
        with _named_errors(self.file):
            status = Path(self.file).stat()
            changed = (status.st_size, status.st_mtime_ns)
            data = _group(self.file, self.group, self.column, changed)[self.row].as_py()
        if data is None:
            raise PictureError(
                f"{self.file} has no picture in row {self.row} of row group {self.group}."
            )
        if len(data) > MOST_BYTES:
            raise PictureError(
                f"{self.file} has a picture of {len(data):,} bytes; a picture may have at most "
                f"{MOST_BYTES:,}."
            )
        return bytes(data)


def match(where: str) -> Match:
    """Match a file whose name ends in .parquet, and a folder of such files or with them in data."""
    path = Path(where)
    if path.is_file():
        return Match.FORM if path.suffix.lower() == ".parquet" else Match.NONE
    is_own = path.is_dir() and bool(_files_in(path)) and not _has_pictures(path)
    return Match.LAYOUT if is_own else Match.NONE


def open_pictures(where: str) -> Contents:
    """List the labelled pictures of a parquet file, or of the files of a split in a folder.

    Raises:
        PictureError: a file is missing, damaged or lacks a column, or its labels may not be
            ImageNet's classes.
        MissingDependency: pyarrow is not installed.
    """
    files, left_out = files_of(where)
    pictures = [picture for file in files for picture in _pictures(file)]
    if not pictures:
        raise PictureError(f"{where} holds no pictures: its tables have no rows.")
    return Contents(in_order(pictures, wnids()), left_out=left_out)


def files_of(where: str) -> tuple[list[Path], tuple[str, ...]]:
    """The parquet files of a split, and the names of the files in the folder that are left out.

    Raises:
        PictureError: a file is missing or is no parquet file, or there are several splits.
    """
    path = Path(where)
    files = [path] if path.is_file() else of_one_split(path, _files_in(path), _PART)
    for file in files:
        _refuse_other_format(file)
    others = [] if path.is_file() else [file.name for file in _files_in(path) if file not in files]
    return files, tuple(others)


def schema_of(where: str) -> Any:
    """The schema of the first parquet file of a place; None if it has none, or pyarrow is missing.

    A damaged file has no schema either; opening it explains it.
    """
    with suppress(ImportError, OSError, ValueError):
        import pyarrow.parquet as pq

        path = Path(where)
        files = _files_in(path) if path.is_dir() else [path] * (path.suffix.lower() == ".parquet")
        if files:
            open_regular(files[0]).close()  # pyarrow would wait for the end of a pipe
            return pq.read_schema(files[0], memory_map=True)
    return None


def rows_of(file: Path, label: LabelColumn) -> Iterator[tuple[ParquetRow, str, Any]]:
    """Place, name and label of each picture of a file; the bytes of pictures are not read.

    Pictures without a name are named after their file and row.

    Args:
        file: path of the file.
        label: whether its labels are one class each, or lists.

    Raises:
        PictureError: the file is damaged, or lacks a column.
        MissingDependency: pyarrow is not installed.
    """
    with requires(EXTRA):
        import pyarrow.parquet as pq
    with _named_errors(str(file)), pq.ParquetFile(file, memory_map=True) as opened:
        data, name = _columns(file, opened.schema_arrow, label)
        for group in range(opened.num_row_groups):
            table = opened.read_row_group(group, columns=["label", *([name] if name else [])])
            labels = table.column("label").to_pylist()
            names = table.column("image").to_pylist() if name else [{}] * len(labels)
            for row, (found, image) in enumerate(zip(labels, names, strict=True)):
                path = (image or {}).get("path") or f"{file.stem}-{group:05d}-{row:05d}"
                yield ParquetRow(str(file), group, row, data), path, found


def _files_in(folder: Path) -> list[Path]:
    """The parquet files in a folder, or else those in its folder data; sorted."""
    if not folder.is_dir():
        return []
    return sorted(folder.glob("*.parquet")) or sorted(folder.glob("data/*.parquet"))


def _has_pictures(folder: Path) -> bool:
    """Whether a folder has class folders or pictures, beside which tables are notes."""
    with os.scandir(folder) as entries:
        some = [entry.name for entry in islice(entries, _MOST_ENTRIES)]
    return any(may_be_class_folder(name) or kind_of_file(name) == "picture" for name in some)


def _refuse_other_format(file: Path) -> None:
    """Refuse what is no parquet file, such as the pointer that Git LFS leaves in its place."""
    with _named_errors(str(file)), open_regular(file) as opened:
        start = opened.read(len(_MAGIC))
    if start != _MAGIC:
        raise PictureError(
            f"{file} is no parquet file: it begins with {start!r}. Did git leave a pointer in "
            "its place? Download it again."
        )


def _pictures(file: Path) -> Iterator[Picture]:
    """The pictures of a file; their bytes are not read."""
    rows = rows_of(file, "one")
    is_in_order = _has_imagenets_names(schema_of(str(file)))
    for place, path, label in rows:
        yield _picture(file, place, path, label, is_in_order)


def _picture(file: Path, place: ParquetRow, path: str, label: object, in_order: bool) -> Picture:
    what = f"{file}, row {place.row} of row group {place.group}"
    if not isinstance(label, int) or not 0 <= label < len(wnids()):
        raise PictureError(
            f"{what} has label {label!r}; expected a class from 0 to {len(wnids()) - 1}."
        )
    info = info_from_name(PurePosixPath(path).name)
    if info.label == NO_CLASS and not in_order:
        raise PictureError(
            f"{what} is named {printable(path)!r}, which has no class, and the file does not name "
            "its labels as ImageNet's 1,000 classes; they could be in any order, as those of a "
            "subset are."
        )
    if info.label not in (NO_CLASS, label):
        raise PictureError(
            f"{what} has label {label}, but its name {printable(path)!r} is that of a picture of "
            f"class {info.label}. Are the labels counted from 1, or those of a subset?"
        )
    return Picture(validation_key(info.number) if info.number else info.key, label, place)


def _columns(file: Path, schema: Any, label: LabelColumn) -> tuple[str, str]:
    """The columns of the bytes and of the names of pictures; "" if there are no names.

    Raises:
        PictureError: a column is missing or has another type.
    """
    import pyarrow as pa

    there = ", ".join(schema.names)
    for name in ("image", "label"):
        if name not in schema.names:
            raise PictureError(
                f"{file} has no column {name!r}; there are {printable(there) or 'none'}. Expected "
                "image, with bytes and path, and label."
            )
    image, found = schema.field("image").type, schema.field("label").type
    if label == "several" and pa.types.is_list(found):
        found = found.value_type
    if not pa.types.is_integer(found):
        raise PictureError(f"{file} has labels of type {found}; expected whole numbers.")
    fields = [image.field(i).name for i in range(image.num_fields)]
    if not pa.types.is_struct(image) or "bytes" not in fields:
        raise PictureError(f"{file} has images of type {image}; expected a struct with bytes.")
    return "image.bytes", "image.path" if "path" in fields else ""


def _has_imagenets_names(schema: Any) -> bool:
    """Whether the file names its labels, and these are ImageNet's classes in their order."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = [str(name).casefold().replace("_", " ") for name in features["label"]["names"]]
    except (AttributeError, LookupError, TypeError, ValueError):
        return False
    ours = [name.casefold().replace("_", " ") for name in class_names()]
    if len(names) != len(ours):
        return False
    same = sum(own in name.split(", ") for own, name in zip(ours, names, strict=True))
    return same >= _SAME_NAMES * len(ours)


@lru_cache(maxsize=_GROUPS)
def _group(file: str, group: int, column: str, changed: tuple[int, int]) -> Any:
    """The bytes of all pictures of a row group; cached while size and time are the same."""
    with requires(EXTRA):
        import pyarrow.parquet as pq
    with pq.ParquetFile(file, memory_map=True) as opened:
        table = opened.read_row_group(group, columns=[column], use_threads=False)
    return table.column("image").combine_chunks().field("bytes")


@contextmanager
def _named_errors(file: str) -> Iterator[None]:
    """Name the file in errors of reading it."""
    try:
        yield
    except OSError as error:  # also those of pyarrow
        raise PictureError(f"{file} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:  # such as ArrowInvalid
        raise PictureError(f"{file} is damaged: {error}; download it again.") from error
