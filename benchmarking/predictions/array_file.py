"""Arrays and a document in one safetensors file, of which every read is verified.

The document says what the arrays are and from what they were made. The name of a file proves
nothing: a reader states the document's facts that it expects, and gets no array of another file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors.numpy import save

from benchmarking.errors import StoreError
from benchmarking.io import files, tensor_files
from benchmarking.predictions.digests import Damaged, check_tensor, digests_of, sealed, unsealed

_KEY = "imagenet-benchmark"


@dataclass(frozen=True, eq=False)
class ArrayFile:
    """The contents of a file.

    Attributes:
        document: what the arrays are, as names, numbers, lists and objects.
        arrays: the arrays by name.
    """

    document: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]

    def write(self, path: Path) -> None:
        """Write the file atomically.

        Raises:
            BenchmarkError: it cannot be written; an earlier file is unchanged.
        """
        digests = {name: digests_of(array) for name, array in self.arrays.items()}
        data: bytes = save(dict(self.arrays), metadata={_KEY: sealed(self.document, digests)})
        files.write(path, data)


def read(path: Path, expected: Mapping[str, Any]) -> ArrayFile:
    """Read a file that was made from what is expected.

    Args:
        path: the file.
        expected: items that its document must have.

    Raises:
        StoreError: it does not exist, is damaged, or was made from something else; the message
            names the file and the first item that differs.
    """
    try:
        with tensor_files.opened(path) as file:
            document = unsealed(file.metadata.get(_KEY, "{}"))
            _refuse_other(path, document, json.loads(json.dumps(expected)))
            recorded = document.pop("digests", {})
            if file.names != recorded.keys():
                raise Damaged(f"it holds {' and '.join(sorted(file.names)) or 'nothing'}")
            arrays = {name: file.tensor(name) for name in recorded}
            for name, array in arrays.items():
                check_tensor(name, array, recorded[name], "crc32")
            return ArrayFile(document, arrays)
    except FileNotFoundError as error:
        raise StoreError(f"{path} does not exist.") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (Damaged, LookupError, ValueError, TypeError, RecursionError) as error:
        raise _damaged(path, error) from error


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Within the block, an item that a file lacks, or that is of another kind, is damage.

    Raises:
        StoreError: there is such an item; the message names the file.
    """
    try:
        yield
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> StoreError:
    return StoreError(f"{path} is damaged: {error}. Remove it; it is computed again.")


def _refuse_other(path: Path, document: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for name, found, wanted in _differences(document, expected):
        raise StoreError(
            f"{path} was made with {name} {_short(found)}, and not {_short(wanted)}; it is not "
            "used. Remove it, or name another store."
        )


def _differences(
    found: Mapping[str, Any], expected: Mapping[str, Any], within: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name and both values of each expected item that differs, also within items."""
    for name, wanted in expected.items():
        value = found.get(name)
        if value == wanted:
            continue
        if isinstance(value, Mapping) and isinstance(wanted, Mapping):
            yield from _differences(
                {**dict.fromkeys(wanted), **value},
                {**dict.fromkeys(value), **wanted},
                f"{within}{name} ",
            )
        else:
            yield f"{within}{name}", value, wanted


def _short(value: object) -> str:
    return f"{value}" if len(f"{value}") <= 80 else f"{value}"[:77] + "..."
