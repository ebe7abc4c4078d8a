"""The rounds of speed in a store, in JSON files; see `speed_runs` for their names.

The sizes of models are in a file of their own beside them.

A file is replaced atomically after each round, so an interruption loses the round that ran. Each
document has a digest of itself. Programs that add rounds to one store at the same time take turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

from benchmarking.errors import StoreError
from benchmarking.io import files
from benchmarking.io.locks import claimed
from benchmarking.io.printable import printable
from benchmarking.predictions.digests import sealed, unsealed
from benchmarking.predictions.run_index import folders_in, names_in, refuse_links
from benchmarking.predictions.speed_runs import (
    COUNTS,
    FOLDER,
    FORMAT,
    SUFFIX,
    Round,
    Series,
    Setting,
)

_LOCK = ".lock"


@dataclass(frozen=True)
class Recorded:
    """The rounds of a series in one setting, by their numbers.

    Attributes:
        series: the side and its work.
        setting: what is the same for all rounds.
        rounds: the rounds, by number.
    """

    series: Series
    setting: Setting
    rounds: tuple[Round, ...]

    def round(self, number: int) -> Round | None:
        """The round of this number; None if it was not measured."""
        return next((one for one in self.rounds if one.number == number), None)


@dataclass(frozen=True)
class SpeedStore:
    """The measured rounds in the folder of a store.

    Attributes:
        folder: folder of the store, which also has the predictions.
    """

    folder: Path

    def path(self, series: Series, setting: Setting) -> Path:
        """Path of a series, which need not exist."""
        again = "-again" * series.replica
        name = f"{series.model}.{series.mode}{again}.{series.batch_size}.{setting.key}{SUFFIX}"
        return self.folder / FOLDER / series.scenario / series.source / name

    def read(self, series: Series, setting: Setting) -> Recorded:
        """The rounds of a series; none if it was not measured.

        Raises:
            StoreError: its file is broken, or holds another series.
        """
        path = self.path(series, setting)
        if files.is_missing(path):
            return Recorded(series, setting, ())
        found = read_file(path)
        if (found.series, found.setting) != (series, setting):
            raise StoreError(f"{path} holds {found.series}; was it renamed or moved?")
        return found

    def admit(self, places: Iterable[tuple[Series, Setting]]) -> None:
        """Check that rounds of these series may be stored, before any is measured.

        Raises:
            StoreError: the file of counts is broken, or a place is behind a link.
            BenchmarkError: a folder cannot be written, or the lock cannot be taken.
        """
        self.counts()
        paths = [self.counts_path, *(self.path(*place) for place in places)]
        for path in paths:
            refuse_links(path, self.folder)
        for folder in {path.parent for path in paths}:
            files.check_writable(folder)
        with self._changing(self.counts_path):
            pass

    def add(self, series: Series, setting: Setting, one: Round) -> None:
        """Add a round to its series; a round of the same number is replaced.

        Raises:
            StoreError: the file of the series is broken, or its place is behind a link.
            BenchmarkError: it cannot be written.
        """
        path = self.path(series, setting)
        with self._changing(path):
            known = self.read(series, setting).rounds
            rounds = [*(other for other in known if other.number != one.number), one]
            rounds.sort(key=lambda each: each.number)
            document = {
                "format": FORMAT,
                "series": asdict(series),
                "setting": asdict(setting),
                "rounds": [asdict(each) for each in rounds],
            }
            files.write(path, sealed(document, {}).encode())

    def counts(self) -> dict[str, dict[str, int]]:
        """Size and work of the models that were counted, by full name; {} for what has no counts.

        Raises:
            StoreError: their file is broken.
        """
        import msgspec

        path = self.counts_path
        if files.is_missing(path):
            return {}
        with _told(path, "Remove it; models are counted again"):
            document = unsealed(files.read_regular(path).decode())
            return msgspec.convert(document.get("counts"), dict[str, dict[str, int]])

    def add_counts(self, model: str, counts: Mapping[str, int]) -> None:
        """Add the counts of a model, by its full name.

        Raises:
            StoreError: their file is broken, or its place is behind a link.
            BenchmarkError: it cannot be written.
        """
        with self._changing(self.counts_path):
            document = {"format": FORMAT, "counts": {**self.counts(), model: dict(counts)}}
            files.write(self.counts_path, sealed(document, {}).encode())

    @property
    def counts_path(self) -> Path:
        """Path of the sizes of models, which need not exist."""
        return self.folder / FOLDER / COUNTS

    def found(self) -> Iterator[Recorded | StoreError]:
        """Yield every series by its path, and an error for each file or folder that is unreadable.

        A glob would leave out a folder that cannot be read without a word.
        """
        folders = [self.folder / FOLDER]
        for _ in range(2):  # those of scenarios, then those of sources
            below: list[Path] = []
            for folder in folders:
                try:
                    below += folders_in(folder)
                except StoreError as error:
                    yield error
            folders = below
        for folder in folders:
            try:
                for name in names_in(folder, SUFFIX):
                    yield _read_or_error(folder / name)
            except StoreError as error:
                yield error

    @contextmanager
    def _changing(self, path: Path) -> Iterator[None]:
        """Read and replace a file within the block, while no other process does so.

        Raises:
            StoreError: the file is behind a link.
            BenchmarkError: the folder of rounds cannot be written.
        """
        refuse_links(path, self.folder)
        with claimed(self.folder / FOLDER / _LOCK):
            yield


def read_file(path: Path) -> Recorded:
    """The rounds in a file.

    Raises:
        StoreError: it cannot be read, or is not as it was written.
    """
    import msgspec

    with _told(path, "Remove it, and measure its rounds again"):
        document: Any = unsealed(files.read_regular(path).decode())
        if document.get("format") != FORMAT:
            raise ValueError(f"its format is {document.get('format')!r}, expected {FORMAT}")
        parts = {name: document.get(name) for name in ("series", "setting", "rounds")}
        found = msgspec.convert(parts, Recorded)
        _check(found.rounds)
        return found


def _check(rounds: Sequence[Round]) -> None:
    """Check that the rounds of a file can be compared with each other.

    Raises:
        ValueError: they cannot.
    """
    for one in rounds:
        measured, answers = one.measured, one.measured.answers
        times = measured.times
        if not (times and measured.pictures > 0 and all(0 < time < inf for time in times)):
            raise ValueError(f"its round {one.number} has times that no call takes")
        if measured.parts.keys() != rounds[0].measured.parts.keys():
            raise ValueError(f"its round {one.number} has other parts than its first one")
        if answers is None:
            continue
        rows = zip(answers.classes, answers.probabilities, strict=False)
        if not (len(answers.classes) == len(answers.probabilities) == len(answers.pictures)) or any(
            not classes or len(classes) != len(sure) for classes, sure in rows
        ):
            raise ValueError(f"its round {one.number} has answers of different lengths")


def _read_or_error(path: Path) -> Recorded | StoreError:
    try:
        return read_file(path)
    except StoreError as error:
        return error


@contextmanager
def _told(path: Path, remedy: str) -> Iterator[None]:
    """Errors of reading a file as StoreErrors."""
    where = printable(str(path))
    try:
        yield
    except OSError as error:
        raise StoreError(f"{where} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError, StoreError) as error:  # msgspec's errors are ValueErrors
        raise StoreError(f"{where} is broken: {error}. {remedy}.") from error
