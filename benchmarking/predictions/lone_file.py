"""The file of one run, wherever it is, with the list of its pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarking.errors import StoreError
from benchmarking.io import files
from benchmarking.predictions import image_rows
from benchmarking.predictions.run import Run
from benchmarking.predictions.run_file import opened
from benchmarking.predictions.run_index import ROWS, SUFFIX
from benchmarking.predictions.store import Store


@dataclass(frozen=True, init=False)
class LoneFile(Store):
    """A store with one run, in a file that can have any name and be in any folder.

    The file says itself which run it holds. The list of its pictures is looked for where the file
    would be in a store, beside the file, and in other stores; its digest shows that it is the right
    one.

    Attributes:
        file: the file of the run.
        run: the run that it holds.
        list_of_pictures: the list of its pictures.
    """

    file: Path
    run: Run
    list_of_pictures: Path

    def __init__(self, path: Path, others: Sequence[Store] = ()) -> None:
        """Open a file.

        Args:
            path: the file.
            others: stores that may have the list of its pictures.

        Raises:
            StoreError: it cannot be read, or the list of its pictures is not found.
        """
        super().__init__(path.parent)
        with opened(path) as stored:
            run, digest = stored.run, stored.rows
        object.__setattr__(self, "file", path)
        object.__setattr__(self, "run", run)
        object.__setattr__(self, "list_of_pictures", _list_of(path, run, digest, others))

    def path(self, run: Run) -> Path:
        """The file."""
        return self.file

    def rows_path(self, images: str) -> Path:
        """The list of pictures."""
        return self.list_of_pictures

    def image_sets(self) -> list[str]:
        """The image set of the run."""
        return [self.run.images]

    def found(self, images: str) -> Iterator[Run | StoreError]:
        """Yield the run, if it is on this image set."""
        if images == self.run.images:
            yield self.run


def names_file(text: str) -> bool:
    """Whether a text names the file of a run, and not a model."""
    return text.lower().endswith(SUFFIX)


def _list_of(path: Path, run: Run, digest: str, others: Sequence[Store]) -> Path:
    """The list of a run's pictures.

    Raises:
        StoreError: it is not found.
    """
    own = path.absolute().parent.parent / ROWS
    in_stores = [store.rows_path(images) for store in others for images in store.image_sets()]
    if digest:
        for place in (own, path.parent / ROWS, *in_stores):
            if _digest(place) == digest:
                return place
    elif path.absolute() == Store(own.parent.parent).path(run) and own.is_file():
        return own  # a file of an earlier version, in its place
    raise StoreError(
        f"{path} holds the run {run}, but the list of its pictures is not found. Copy "
        f"{run.images}/{ROWS} from the run's store into the folder of the file, or name that store "
        "with --store."
    )


def _digest(path: Path) -> str:
    """The digest of a list of pictures; empty if it cannot be read."""
    try:
        return image_rows.digest(files.read_regular(path))
    except OSError:
        return ""
