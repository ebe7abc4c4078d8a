"""The store of predictions: reading and writing of its files.

`run_index` knows the names of the files, `run_file` their format. A file appears only when it is
complete: it is written under another name, synced to disk and renamed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import StoreError
from benchmarking.io import files
from benchmarking.io.locks import Disagreement, agreed, claim, remove_if_unlocked
from benchmarking.io.printable import printable
from benchmarking.models.spec import Probabilities
from benchmarking.pictures.design import Design
from benchmarking.pictures.image_set import ImageSet
from benchmarking.predictions import image_rows, picture_digests
from benchmarking.predictions.digests import sha256
from benchmarking.predictions.image_rows import ImageRows
from benchmarking.predictions.provenance import Provenance
from benchmarking.predictions.run import Run
from benchmarking.predictions.run_file import (
    OtherRun,
    RunFile,
    has_same_predictions,
    opened,
    packed,
)
from benchmarking.predictions.run_index import (
    ROWS,
    Misnamed,
    RunIndex,
    folders_in,
    refuse_links,
)
from benchmarking.predictions.top_k import Classes, TopK, check_probabilities

_LARGEST_CLASS = 2**16 - 1
_HELD = ".pictures"
"""Lock file with the pictures that running processes store under the name of an image set."""
_IN_ANOTHER_ORDER = "the same pictures in another order"
_DRAWN_OTHERWISE = "the same pictures, drawn in another way and so with other weights"


@dataclass(frozen=True, init=False)
class Store(RunIndex):
    """Stored predictions in one folder; a reader sees a complete run or none."""

    def refresh(self, images: str | None = None) -> None:
        """Copy what is new in a store on object storage; a folder has everything already.

        Args:
            images: the image set whose runs are wanted; None for all.
        """

    def claim(self, run: Run, stack: ExitStack) -> bool:
        """Lock a run until the stack closes; False if another process works on it.

        Partly written files of killed processes are removed.

        Raises:
            StoreError: its path within the store has a link, or permissions hide the stored run.
            BenchmarkError: the folder cannot be written.
        """
        unfinished = self.unfinished(run)
        refuse_links(unfinished, self.folder)
        self.refuse_hidden(run)
        if not claim(unfinished / "lock", stack):
            return False
        files.sweep_up(self.path(run))
        return True

    def rows(self, images: str) -> ImageRows:
        """The pictures of an image set and their classes.

        Raises:
            StoreError: the set's list of pictures is missing or broken, or none of its runs was
                stored with it.
        """
        path = self.rows_path(images)
        try:
            data = files.read_regular(path)
            rows = image_rows.parsed(data)
        except FileNotFoundError as error:
            raise StoreError(f"{path} is missing; without it no run can be scored.") from error
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise StoreError(f"{path} is broken: {error}; each line must be key,class.") from error
        if not self._are_recorded(image_rows.digest(data), images):
            raise StoreError(
                f"{path} is damaged: no run was stored with these rows. Restore a copy; 'predict' "
                "on the same pictures writes it again as well."
            )
        return rows

    def rows_of(self, run: Run) -> ImageRows:
        """The pictures of a run and their classes.

        Raises:
            StoreError: as `rows`.
        """
        return self.rows(run.images)

    def digest_lines(self, images: str, fingerprint: str) -> list[str]:
        """The sorted lines "key sha256" of a shard's pictures, which its fingerprint is made of.

        Args:
            images: name of the shard's image set.
            fingerprint: its fingerprint, as its runs record it.

        Raises:
            StoreError: they are missing, cannot be read, or do not give this fingerprint.
        """
        return picture_digests.read(self.digests_path(images), fingerprint)

    def digest_of_rows(self, images: str) -> str:
        """Digest of an image set's list of pictures; empty if the list does not exist."""
        return _digest_of_rows(self.rows_path(images))

    def problems(self, images: str) -> list[str]:
        """Why an image set may have other runs: unreadable folders, and names that are invalid."""
        errors = (found for found in self.found(images) if isinstance(found, StoreError))
        return sorted(map(self._problem, errors))

    def _problem(self, error: StoreError) -> str:
        if isinstance(error, Misnamed) and (held := self.misplaced(error.path)):
            return f"{printable(str(error.path))} {held}."
        return str(error)

    def misplaced(self, path: Path) -> str:
        """What to do with a file that is not named like a run; empty if it holds none.

        The first word is a verb whose subject is the file.
        """
        try:
            with opened(path) as stored:
                return self._misplaced(path, stored.run)
        except StoreError:
            return ""

    def labels(self, images: str) -> NDArray[np.int64]:
        """True class of each picture of an image set, (n,); the first one if several are right.

        Raises:
            StoreError: the set's list of pictures is missing or broken.
        """
        return self.rows(images).labels

    def right_classes(self, images: str) -> NDArray[np.int64]:
        """All right classes of each picture of an image set, (n, w), padded with NO_CLASS.

        Raises:
            StoreError: the set's list of pictures is missing or broken.
        """
        return self.rows(images).right_classes

    def classes(self, run: Run) -> Classes:
        """The five most probable classes of every picture, (n, 5), best first.

        Raises:
            StoreError: there is no such run, or its file is broken.
        """
        with self._opened(run) as stored:
            return stored.array("top5_index")

    def classes_and_provenance(self, run: Run) -> tuple[Classes, Provenance]:
        """The results of `classes` and `provenance`, with the file opened only once.

        Raises:
            StoreError: there is no such run, or its file is broken or of another format.
        """
        with self._opened(run) as stored:
            return stored.array("top5_index"), stored.provenance

    def read(self, run: Run) -> TopK:
        """The five most probable classes of every picture.

        Raises:
            StoreError: there is no such run, or its file is broken.
        """
        with self._opened(run) as stored:
            return TopK(stored.array("top5_index"), stored.array("top5_prob"))

    def read_probabilities(self, run: Run) -> Probabilities:
        """The probabilities of all classes, (n, classes).

        Raises:
            StoreError: there is no such run, its file is broken, or only its top-5 was kept.
        """
        with self._opened(run) as stored:
            probabilities: Probabilities = stored.array("probabilities")
            check_probabilities(probabilities)
            return probabilities

    def read_restricted(self, run: Run) -> TopK:
        """The most probable of the classes that the image set declares, if they are few.

        Raises:
            StoreError: there is no such run, its file is broken, or it does not keep them.
        """
        with self._opened(run) as stored:
            return TopK(stored.array("restricted_index"), stored.array("restricted_prob"))

    def restricted_classes(self, run: Run) -> Classes | None:
        """The most probable of the classes that the image set declares, (n, 5), best first.

        None if they are not kept: the set has all of ImageNet's classes, or the run was imported.

        Raises:
            StoreError: there is no such run, or its file is broken.
        """
        with self._opened(run) as stored:
            if "restricted_index" not in stored.names:
                return None
            return stored.array("restricted_index")

    def keeps_all_probabilities(self, run: Run) -> bool:
        """Whether a run is stored, readable, and keeps the probabilities of all classes."""
        try:
            with self._opened(run) as stored:
                return "probabilities" in stored.names
        except StoreError:
            return False

    def provenance(self, run: Run) -> Provenance:
        """How a run was made.

        Raises:
            StoreError: there is no such run, or its file is broken or of another format.
        """
        with self._opened(run) as stored:
            return stored.provenance

    def check(self, run: Run) -> bool:
        """Compare the contents of a run's file with its digests; False if it has none.

        Raises:
            StoreError: there is no such run, its file is damaged, or it was stored with another
                list of pictures.
        """
        with self._opened(run) as stored:
            return stored.check()

    def admit(self, images: ImageSet) -> None:
        """Check that runs on an image set may be stored, before any is computed.

        Raises:
            StoreError: other pictures are stored under this name, or the same, drawn otherwise.
            BenchmarkError: the folder cannot be written.
        """
        if self.runs(images.name):
            self._admit(images, image_rows.written(images))
            self.tidy(images.name)

    def tidy(self, images: str) -> None:
        """Remove what killed processes have left of writing runs on an image set."""
        self._sweep_up(images)
        remove_if_unlocked(self.folder / images / _HELD)

    @contextmanager
    def admitted(self, images: ImageSet) -> Iterator[str]:
        """Reserve the name of an image set for these pictures during the block.

        Yields the digest of the list of pictures.

        During the block, processes that store other pictures under the name, or a sample that was
        drawn otherwise, are refused. Runs that cannot be read are ignored, because their pictures
        are unknown; they can be computed again.

        Raises:
            StoreError: other pictures are stored, or being stored, under this name.
            BenchmarkError: the folder cannot be written.
        """
        rows = image_rows.written(images)
        digest = image_rows.digest(rows)
        held = self.folder / images.name / _HELD
        refuse_links(held, self.folder)
        with ExitStack() as stack:
            try:
                stack.enter_context(agreed(held, _held_text(images, digest)))
            except Disagreement as error:
                raise _other_pictures(images, _difference(images, digest, error.text)) from error
            self._admit(images, rows)
            yield digest

    def write(
        self,
        run: Run,
        images: ImageSet,
        top: TopK,
        provenance: Provenance,
        *,
        probabilities: Probabilities | None = None,
        restricted: TopK | None = None,
    ) -> Path:
        """Store a complete run, replacing an earlier one, and return its path.

        Args:
            run: the run.
            images: its pictures.
            top: the five most probable classes of each picture.
            provenance: how it was made.
            probabilities: the probabilities of all classes; None if they are not kept.
            restricted: the most probable of the classes that the set declares, if they are few.

        Raises:
            StoreError: predictions and pictures differ in number, or other pictures are stored
                under the set's name.
            BenchmarkError: the folder cannot be written.
        """
        self._refuse_unfit(run, images, top)
        with self.admitted(images) as rows:
            self.write_admitted(
                run,
                images,
                rows,
                top,
                provenance,
                probabilities=probabilities,
                restricted=restricted,
            )
        return self.path(run)

    def write_admitted(
        self,
        run: Run,
        images: ImageSet,
        rows: str,
        top: TopK,
        provenance: Provenance,
        *,
        probabilities: Probabilities | None = None,
        restricted: TopK | None = None,
    ) -> None:
        """As `write`, within a block of `admitted`, which has yielded `rows`.

        Many runs on one set are written faster so, because its other runs are read only once.
        """
        self._refuse_unfit(run, images, top)
        tensors: dict[str, NDArray[Any]] = {
            "top5_index": top.classes.astype(np.uint16),
            "top5_prob": top.probabilities.astype(np.float32),
        }
        if probabilities is not None:
            tensors["probabilities"] = probabilities.astype(np.float32, copy=False)
        if restricted is not None:
            tensors["restricted_index"] = restricted.classes.astype(np.uint16)
            tensors["restricted_prob"] = restricted.probabilities.astype(np.float32)
        self._replace(self.path(run), packed(run, tensors, provenance, rows))
        self._confirm(run, images)

    def _confirm(self, run: Run, images: ImageSet) -> None:
        """Check a run that was written; in a folder, the lock of `admitted` has seen to it.

        Raises:
            StoreError: another process has stored other pictures under the set's name meanwhile.
        """

    def _refuse_unfit(self, run: Run, images: ImageSet, top: TopK) -> None:
        """Refuse predictions that are not of these pictures, or that a store cannot hold.

        Raises:
            StoreError: they are not, or the path of the run has a link.
        """
        if len(top) != len(images) or run.images != images.name:
            raise StoreError(
                f"{run}: {len(top)} predictions for the {len(images)} pictures of {images.name}."
            )
        if top.classes.max() > _LARGEST_CLASS:
            raise StoreError(
                f"{run}: class {top.classes.max()} is above {_LARGEST_CLASS:,}, the largest that "
                "a store can hold."
            )
        refuse_links(self.path(run), self.folder)
        self.refuse_hidden(run)

    def refuse_hidden(self, run: Run) -> None:
        """Refuse to replace a run that this user may not read: it may hold more than the new one.

        Raises:
            StoreError: permissions hide it.
        """
        try:
            files.open_regular(self.path(run)).close()
        except PermissionError as error:
            raise StoreError(
                f"{self.path(run)} cannot be read: {error.strerror}, so it is not replaced. Have "
                "its owner make it readable, or name another folder with --store."
            ) from error
        except OSError:  # there is none, or it is damaged
            return

    def _admit(self, images: ImageSet, rows: bytes) -> None:
        stored = set(self._pictures(images.name))
        for other in {fingerprint for fingerprint, _ in stored} - {images.fingerprint}:
            raise _other_pictures(images, f"fingerprint {other}")
        if stored - {(images.fingerprint, images.design)}:
            raise _other_pictures(images, _DRAWN_OTHERWISE)
        if stored and self._has_other_classes(images, rows):
            raise _other_pictures(images, "other classes")
        path = self.rows_path(images.name)
        refuse_links(path.parent, self.folder)
        self._sweep_up(images.name)
        there = _digest_of_rows(path)
        recorded = {each for each in self._recorded_rows(images.name) if each}
        if there != image_rows.digest(rows) and there in recorded:
            raise _other_pictures(images, _IN_ANOTHER_ORDER)
        if not _holds(path, rows):
            self._replace(path, rows)
        digests, place = picture_digests.written(images), self.digests_path(images.name)
        if digests and not _holds(place, digests):
            self._replace(place, digests)

    def _replace(self, path: Path, data: bytes) -> None:
        """Write a complete file of the store, in place of an earlier one."""
        files.write(path, data)

    def _sweep_up(self, images: str) -> None:
        """Remove what killed processes have left half-written of any run on an image set."""
        with suppress(StoreError):  # a folder that cannot be read
            for folder in (self.folder / images, *folders_in(self.folder / images)):
                if not folder.is_symlink():
                    files.sweep_up_folder(folder)

    def _pictures(self, images: str) -> Iterator[tuple[str, Design | None]]:
        """The fingerprint and the design of the pictures of each run that can be read."""
        for run in self.runs(images):
            with suppress(StoreError), opened(self.path(run), run) as stored:
                made = stored.provenance
                yield made.fingerprint, made.design

    def _has_other_classes(self, images: ImageSet, rows: bytes) -> bool:
        """Whether the stored classes differ; digests in the runs replace an unreadable list."""
        try:
            there = self.right_classes(images.name)
            return not np.array_equal(there, images.right_classes)
        except StoreError:
            return not self._are_recorded(image_rows.digest(rows), images.name)

    def _are_recorded(self, rows: str, images: str) -> bool:
        """Whether a run was stored with this list of pictures, or no run records its list."""
        is_known = False
        for recorded in self._recorded_rows(images):
            if recorded == rows:
                return True
            is_known |= bool(recorded)
        return not is_known

    @contextmanager
    def _opened(self, run: Run) -> Iterator[RunFile]:
        """Open the file of a run, which must have been stored with the current list of pictures.

        Raises:
            StoreError: there is no such run, its file is broken, or it was stored with another list
                of pictures.
        """
        rows = self.digest_of_rows(run.images)
        try:
            with opened(self.path(run), run) as stored:
                if rows and stored.rows not in ("", rows):
                    raise StoreError(
                        f"was stored with another {ROWS} than is there now, so that its rows are "
                        "other pictures. Were two stores merged? Keep each in a folder of its own."
                    )
                yield stored
        except OtherRun as error:
            advice = self._misplaced(self.path(run), error.held)
            raise StoreError(f"{self.path(run)} {advice}.") from error

    def _misplaced(self, place: Path, held: Run) -> str:
        """What to do with a file that holds a run, but is not named after it."""
        path = self.path(held)
        if not _is_there(path):
            return f"holds the run {held}, which this store lacks; move it to {path}"
        if has_same_predictions(place, path):
            return f"is a copy of the run {held}, which has the file {path}; remove the copy"
        return f"holds the run {held}, but with other predictions than {path}; keep one of them"

    def _recorded_rows(self, images: str) -> Iterator[str]:
        """Digest of the list of pictures, or "", in each run that can be read."""
        for run in self.found(images):
            if isinstance(run, Run):
                with suppress(StoreError), opened(self.path(run), run) as stored:
                    yield stored.rows


def _is_there(path: Path) -> bool:
    """Whether something is at a path; False if it is too long, as a name in a file can make it."""
    try:
        return path.exists()
    except OSError:
        return False


def _holds(path: Path, rows: bytes) -> bool:
    """Whether a file has exactly these contents."""
    try:
        return files.read_regular(path) == rows
    except OSError:
        return False


def _digest_of_rows(path: Path) -> str:
    """Digest of a list of pictures; empty if the file does not exist."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return _digest_of_file(path, status.st_size, (status.st_mtime_ns, status.st_ino))


@lru_cache(maxsize=64)
def _digest_of_file(path: Path, size: int, changed: tuple[int, int]) -> str:
    """The digest, cached while size, time and inode are the same; every run of a set needs it."""
    try:
        return image_rows.digest(files.read_regular(path))
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}.") from error


def bytes_needed(pictures: int, *, classes: int = 0) -> int:
    """Size of a run's file in bytes, to a few kB; `classes` is 0 if only the top-5 is kept."""
    return 4096 + pictures * (5 * (2 + 4) + 4 * classes)


def _held_text(images: ImageSet, rows: str) -> str:
    """What the lock of a set's name says: its pictures, their list, and how they were drawn."""
    text = f"{images.fingerprint} {rows}"
    if images.design is None:
        return text
    design = images.design.as_document() | {"source": ""}  # by which no design differs
    return f"{text} {sha256(json.dumps(design, sort_keys=True).encode())}"


def _difference(images: ImageSet, rows: str, text: str) -> str:
    """How pictures differ from those that another process stores under the same name."""
    fingerprint, *others = text.split(" ")
    if fingerprint != images.fingerprint:
        found = f"fingerprint {fingerprint:.64}"
    else:
        found = _DRAWN_OTHERWISE if rows in others else _IN_ANOTHER_ORDER
    return f"{found}, by another process that is at work"


def _other_pictures(images: ImageSet, found: str) -> StoreError:
    return StoreError(
        f"image set {images.name!r} is stored with {found}; these are {len(images)} pictures with "
        f"fingerprint {images.fingerprint}. Name them otherwise with --images."
    )
