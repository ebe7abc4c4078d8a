"""The document beside the files of an exported run, with which `import` takes the run back.

It is JSON: the run, its provenance, the names of its pictures, and the sha256 of what was written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.io import files
from benchmarking.models.spec import Probabilities
from benchmarking.pictures.image_set import without_pictures
from benchmarking.predictions.digests import sha256
from benchmarking.predictions.provenance import Provenance
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import TopK


@dataclass(frozen=True)
class Exported:
    """What is known of an exported run, besides its predictions.

    Attributes:
        run: the run.
        provenance: how it was made.
        pictures: names of the pictures of its rows; empty if an earlier version wrote it.
        digests: sha256 of each part that was written, by name.
    """

    run: Run
    provenance: Provenance
    pictures: tuple[str, ...] = ()
    digests: Mapping[str, str] | None = None


def write_document(
    path: Path,
    run: Run,
    provenance: Provenance,
    pictures: tuple[str, ...],
    parts: Mapping[str, NDArray[Any] | bytes],
) -> None:
    """Write the document of an exported run; for `parts` see `Exported.digests`.

    Raises:
        BenchmarkError: the folder cannot be written.
    """
    document = {
        "run": asdict(run),
        "provenance": asdict(provenance),
        "pictures": pictures,
        "digests": {name: sha256(part) for name, part in parts.items()},
    }
    files.write(path, json.dumps(document, indent=1).encode())


def read_document(path: Path) -> Exported | None:
    """The document of an exported run; None if there is none.

    Raises:
        StoreError: it is broken.
    """
    try:
        found: dict[str, Any] = json.loads(files.read_regular(path))
        return Exported(
            Run(**found["run"]),
            Provenance.from_document(found["provenance"]),
            tuple(map(_text, found.get("pictures", ()))),
            {_text(name): _text(one) for name, one in dict(found.get("digests", {})).items()},
        )
    except FileNotFoundError:
        return None
    except (OSError, LookupError, ValueError, TypeError, RecursionError, BenchmarkError) as error:
        raise StoreError(f"{path} is broken: {error}") from error


def take_back(
    exported: Exported,
    top: TopK,
    labels: NDArray[np.int64],
    store: Store,
    *,
    probabilities: Probabilities | None = None,
) -> bool:
    """Store an exported run as it was; False if the store has it already.

    Args:
        exported: its document.
        top: its predictions.
        labels: (n,) true class of each row.
        store: the store.
        probabilities: those of all classes, if they were kept.

    Raises:
        BenchmarkError: the document has no names of pictures, or other ones than the store.
        StoreError: the store has other predictions of this run.
    """
    run = exported.run
    if not exported.pictures:
        raise StoreError(
            f"{run} was exported by an earlier version, without the names of its pictures; export "
            "it again, or copy its .safetensors file."
        )
    if len(exported.pictures) != len(labels):
        raise StoreError(
            f"{run} was exported with {len(exported.pictures)} names of pictures for "
            f"{len(labels)} labels; export it again."
        )
    rows = without_pictures(run.images, exported.pictures, labels)
    made = exported.provenance
    rows = replace(rows, fingerprint=made.fingerprint, design=made.design)
    if not store.has_file(run):
        store.write(run, rows, top, exported.provenance, probabilities=probabilities)
        return True
    is_same = np.array_equal(store.classes(run), top.classes)
    if not is_same or store.provenance(run) != exported.provenance:
        raise StoreError(
            f"{store.path(run)} has other predictions, or was made otherwise; move it away first, "
            "or import into another --store."
        )
    store.admit(rows)
    return False


def check_unchanged(exported: Exported, name: str, part: NDArray[Any] | bytes, where: Path) -> None:
    """Refuse a part of an exported run that was changed since.

    Raises:
        StoreError: its sha256 is another one than that in the document.
    """
    if exported.digests and exported.digests.get(name) != sha256(part):
        raise StoreError(
            f"{where} was changed after the export, so it is not {exported.run} any more; import "
            "it as your own outputs, with --model NAME and --images SET."
        )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value
