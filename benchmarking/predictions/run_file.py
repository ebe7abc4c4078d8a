"""The file of a run; only this module knows its format.

It is a safetensors file: `top5_index` uint16 (n, 5), `top5_prob` float32 (n, 5), `probabilities`
float32 (n, classes) if all were kept, and in its metadata one JSON document with the format
version, the run, its provenance, and digests of all these and of the set's list of pictures. If
the image set declares fewer classes than ImageNet's, `restricted_index` uint16 (n, 5) has the best
of these, and `restricted_prob` float32 (n, 5) their softmax among these alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.io import tensor_files
from benchmarking.io.tensor_files import TensorFile
from benchmarking.predictions.digests import Damaged, check_tensor, digests_of, sealed, unsealed
from benchmarking.predictions.provenance import Provenance
from benchmarking.predictions.run import Run

FORMAT = 1
_KEY = "imagenet-benchmark"
_DTYPES = {
    "top5_index": np.uint16,
    "top5_prob": np.float32,
    "probabilities": np.float32,
    "restricted_index": np.uint16,
    "restricted_prob": np.float32,
}
_ROWS = "images.csv"
_MEND = (
    "Restore a copy, or compute the run again: 'imagenet-benchmark predict --again', or 'import' "
    "if it was imported."
)


class OtherRun(StoreError):
    """A file holds another run than the one of its name.

    Attributes:
        held: the run that it holds.
    """

    def __init__(self, path: Path, held: Run) -> None:
        """Name the file and the run that it holds."""
        super().__init__(f"{path} holds the run {held}; was it renamed or moved?")
        self.held = held


@dataclass(frozen=True, eq=False)
class RunFile:
    """An open file of a run; everything that is read from it is verified.

    Attributes:
        file: the open safetensors file.
        document: its verified metadata.
    """

    file: TensorFile
    document: Mapping[str, Any]

    @property
    def names(self) -> set[str]:
        """Names of its arrays."""
        return self.file.names

    @property
    def run(self) -> Run:
        """The run that it holds, whatever the name of the file."""
        import msgspec

        return msgspec.convert(self.document.get("run"), Run)

    @property
    def contents(self) -> tuple[Mapping[str, object], str]:
        """What its predictions are and on which pictures, to be compared with another file's."""
        arrays = self._digests or {name: digests_of(self.file.tensor(name)) for name in self.names}
        return arrays, self.provenance.fingerprint

    @property
    def rows(self) -> str:
        """Digest of the list of pictures that the run was stored with; empty if not recorded."""
        return str(self._digests.get(_ROWS, {}).get("sha256", ""))

    @property
    def provenance(self) -> Provenance:
        """How the run was made."""
        others = ("format", "run", "digests")
        return Provenance.from_document(
            {name: value for name, value in self.document.items() if name not in others}
        )

    def check_names(self) -> None:
        """Check that it has the arrays that were written, if they are recorded."""
        if self._digests and self.names != self._digests.keys() - {_ROWS}:
            raise Damaged(f"it holds {' and '.join(sorted(self.names)) or 'nothing'}")

    def array(self, name: str) -> NDArray[Any]:
        """Read one of its arrays, (n, classes)."""
        return self._array(name, "crc32")

    def check(self) -> bool:
        """Compare all its arrays with their digests; False if it has none."""
        for name in self.names:
            self._array(name, "sha256")
        return bool(self._digests)

    def _rows_of(self, name: str) -> int:
        shape = self.file.shape(name)
        return shape[0] if shape else 0

    @property
    def _digests(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.document.get("digests", {})
        return found

    def _array(self, name: str, kind: str) -> NDArray[Any]:
        array = self.file.tensor(name)
        if self._digests:
            check_tensor(name, array, self._digests.get(name, {}), kind)
        if array.ndim != 2 or not array.shape[1] or array.dtype != _DTYPES.get(name):
            raise StoreError(
                f"{name} is {array.dtype} of shape {array.shape}; it has to be "
                f"{np.dtype(_DTYPES.get(name)).name} (pictures, classes)."
            )
        if name != "top5_index" and len(array) != (n := self._rows_of("top5_index")):
            raise StoreError(f"{name} has {len(array)} rows, and top5_index {n}.")
        return array


def packed(
    run: Run, arrays: Mapping[str, NDArray[Any]], provenance: Provenance, rows: str
) -> bytes:
    """The contents of a run's file.

    Args:
        run: the run.
        arrays: its arrays by name.
        provenance: how it was made.
        rows: digest of the list of pictures.
    """
    digests = {name: digests_of(array) for name, array in arrays.items()}
    digests[_ROWS] = {"sha256": rows}
    document = {"format": FORMAT, "run": asdict(run), **asdict(provenance)}
    data: bytes = save(dict(arrays), metadata={_KEY: sealed(document, digests)})
    return data


@contextmanager
def opened(path: Path, run: Run | None = None) -> Iterator[RunFile]:
    """Open the file of a run for reading within the block.

    Args:
        path: the file.
        run: the run that it must hold; None for any.

    Raises:
        OtherRun: it holds another run.
        StoreError: it does not exist, is damaged, or has another format; or data that the block
            reads are damaged.
    """
    try:
        with tensor_files.opened(path) as file:
            stored = RunFile(file, _document(file))
            if run is not None and stored.document.get("run") != vars(run):
                raise OtherRun(path, stored.run)
            stored.check_names()
            yield stored
    except FileNotFoundError as error:
        raise StoreError(f"{path} does not exist.") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (Damaged, LookupError, ValueError, TypeError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: {error}. {_MEND}") from error
    except OtherRun:
        raise
    except BenchmarkError as error:
        raise StoreError(f"{path}: {error}") from error


def has_same_predictions(first: Path, second: Path, *, exactly: bool = True) -> bool:
    """Whether two files hold the same predictions on the same pictures.

    How they were made, such as the date, can differ. False if a file cannot be read.

    Args:
        first: a file.
        second: another file.
        exactly: whether both have to hold the same arrays; if not, only one of them may hold the
            probabilities of all classes.
    """
    try:
        with opened(first) as one, opened(second) as other:
            (arrays, pictures), (others, other_pictures) = one.contents, other.contents
            if one.run != other.run or pictures != other_pictures:
                return False
            names = arrays.keys() | others.keys() if exactly else arrays.keys() & others.keys()
            return all(arrays.get(name) == others.get(name) for name in names)
    except StoreError:
        return False


def _document(file: TensorFile) -> Mapping[str, Any]:
    """The metadata of an open file."""
    document = unsealed(file.metadata.get(_KEY, "{}"))
    if document.get("format") != FORMAT:
        raise StoreError(
            f"not of format {FORMAT}, the one this version reads; it is another program's file, "
            "or a newer version's."
        )
    return document
