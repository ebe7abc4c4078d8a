"""Outputs in .parquet files: a column for each class, or one column of lists."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, requires
from benchmarking.io.files import open_regular
from benchmarking.labels.class_values import classes_in
from benchmarking.predictions.output_files.columns import Columns, columns_of
from benchmarking.predictions.output_files.outputs import CLASSES, MOST_BYTES, Outputs, Wanted
from benchmarking.predictions.output_files.plain_arrays import checked_classes, outputs_among

_ROWS = 1000  # that are read at once


def read(path: Path, wanted: Wanted) -> Outputs:
    """Read outputs, some rows at a time.

    Raises:
        MissingDependency: pyarrow is not installed.
        BenchmarkError, OSError: the file is broken, or has something else.
    """
    with requires("parquet"):
        import pyarrow
        from pyarrow.parquet import ParquetFile
    with open_regular(path) as file:
        try:
            table = ParquetFile(file)
            _check_size(table.metadata, wanted.most)
            return _read(table, wanted)
        except pyarrow.ArrowException as error:
            raise BenchmarkError(f"it is no whole .parquet file: {error}") from error


def _check_size(about: Any, most: int) -> None:
    size = sum(about.row_group(at).total_byte_size for at in range(about.num_row_groups))
    if size > MOST_BYTES:
        raise BenchmarkError(f"unpacked it has {size:,} bytes; at most {MOST_BYTES:,}")
    if not about.num_rows:
        raise BenchmarkError("it is empty")
    if about.num_rows > most:
        raise BenchmarkError(f"it has {about.num_rows:,} rows, far more than pictures")


def _read(table: Any, wanted: Wanted) -> Outputs:
    schema = table.schema_arrow
    if any(_is_list(field.type) for field in schema):
        return outputs_among(_arrays(table), wanted)
    # pandas stores an index of names in a column of this name.
    headings = ["filename" if one == "__index_level_0__" else one for one in schema.names]
    columns = columns_of(headings)
    if not columns.scores:
        return _few(table, columns)
    scores = np.empty((table.metadata.num_rows, CLASSES))
    start = 0
    for batch in table.iter_batches(_ROWS, columns=[schema.names[at] for at in columns.scores]):
        for place, column in enumerate(batch.columns):
            scores[start : start + len(batch), place] = _numbers(column)
        start += len(batch)
    return _with_names(table, columns, Outputs(scores=scores))


def _few(table: Any, columns: Columns) -> Outputs:
    """Outputs of a table with the most probable classes."""
    cells = [_classes(_column(table, at)) for at in columns.classes]
    sure = [_numbers(_column(table, at)) for at in columns.probabilities]
    found = Outputs(
        classes=checked_classes(np.stack(cells, axis=1)),
        probabilities=np.stack(sure, axis=1) if sure else None,
    )
    return _with_names(table, columns, found)


def _with_names(table: Any, columns: Columns, found: Outputs) -> Outputs:
    names, labels = columns.names, columns.labels
    unused = ", ".join(map(repr, columns.unused))
    return replace(
        found,
        names=None if names is None else tuple(map(str, _column(table, names).to_pylist())),
        labels=None if labels is None else _classes(_column(table, labels)),
        notes=(f"note: columns that were not read: {unused}",) if unused else (),
    )


def _column(table: Any, at: int) -> Any:
    """One whole column."""
    return table.read([table.schema_arrow.names[at]]).column(0).combine_chunks()


def _classes(column: Any) -> NDArray[np.int64]:
    """A column of classes, as numbers or WordNet ids."""
    cells = [classes_in(cell) for cell in column.to_pylist()]
    wrong = next((row for row, cell in enumerate(cells) if len(cell) != 1), None)
    if wrong is not None:
        raise BenchmarkError(f"a cell in row {wrong} is not one class")
    return np.array(cells, dtype=np.int64)[:, 0]


def _arrays(table: Any) -> dict[str, NDArray[Any]]:
    """Columns as arrays: lists of numbers as one with two axes, and text."""
    found: dict[str, NDArray[Any]] = {}
    for name, column in zip(table.schema_arrow.names, table.read().columns, strict=True):
        joined = column.combine_chunks()
        if _is_list(column.type):
            flat = _numbers(joined.flatten())
            if len(flat) % len(joined) or {*joined.value_lengths().to_pylist()} != {
                len(flat) // len(joined)
            }:
                raise BenchmarkError(f"the lists of its column {name!r} differ in length")
            found[name] = flat.reshape(len(joined), -1)
        else:
            values = joined.to_pylist()
            is_text = all(isinstance(one, str) for one in values)
            heading = "filename" if name == "__index_level_0__" else name
            found[heading] = np.array(values, np.str_) if is_text else _numbers(joined)
    return found


def _numbers(column: Any) -> NDArray[Any]:
    """A column of numbers as an array; a missing value is NaN."""
    array: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    if array.dtype.kind not in "iuf":
        raise BenchmarkError(f"a column holds {column.type}, and outputs are numbers")
    return array


def _is_list(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))
