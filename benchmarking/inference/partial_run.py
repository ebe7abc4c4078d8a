"""What has come back of one job so far; every so often it is put on disk: nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from benchmarking.jobs import Job, Part, Setting
from benchmarking.predictions import TopK, join
from benchmarking.specs import Probabilities
from benchmarking.unfinished import Circumstances, Piece, Unfinished

MOST_LOST = 1000
"""Pictures whose answers a sudden end may cost."""

KEPT_EVERY = MOST_LOST // 2
"""Pictures after which answers are kept; others are on their way meanwhile."""

LONGEST_LOST = timedelta(minutes=1)
"""Work that a sudden end may cost, where it is worth fewer pictures."""


class Answers:
    """Answers to one job's pictures, in order, with what an earlier attempt has left.

    Attributes:
        job: which one.
        setting: what its model runs on; None until that is known.
        incidents: what happened on the way, in words.
    """

    def __init__(
        self,
        job: Job,
        made_with: Mapping[str, Any],
        unfinished: Unfinished,
        clock: Callable[[], datetime],
    ) -> None:
        """Begin; `made_with` is what a piece left behind must have been made with."""
        self.job = job
        self.setting: Setting | None = None
        self.incidents = job.incidents
        self._made_with, self._unfinished, self._clock = made_with, unfinished, clock
        self._kept = unfinished.pieces(made_with) if job.begun else []
        self._new: list[Part] = []
        self._shapes: list[tuple[int, ...]] = []
        self._earlier: Circumstances | None = None
        self._began = self._last_kept = clock()

    def add(self, piece: Setting | Part) -> int:
        """Take the next piece and return how many more pictures are answered now.

        Raises:
            ValueError: the piece is not the next one.
        """
        if isinstance(piece, Setting):
            return self._begin(piece)
        if piece.first != len(self):
            raise ValueError(f"batch of row {piece.first} where row {len(self)} is due")
        if piece.input_shape not in self._shapes:
            self._shapes.append(piece.input_shape)
        self._new.append(piece)
        return len(piece.top)

    def __len__(self) -> int:
        return sum(len(piece.top) for piece in self._kept) + sum(
            len(part.top) for part in self._new
        )

    @property
    def is_due(self) -> bool:
        """Whether there is enough new to be kept."""
        new = sum(len(part.top) for part in self._new)
        return new >= KEPT_EVERY or (new > 0 and self._clock() - self._last_kept >= LONGEST_LOST)

    def keep(self) -> None:
        """Put what is new on disk.

        Raises:
            BenchmarkError: that cannot be written.
        """
        if not self._new:
            return
        first = self._new[0].first
        piece = Piece(first, self._top(self._new), self._all(self._new), self.circumstances)
        self._last_kept = self._clock()
        self._unfinished.keep(piece)
        self._kept.append(piece)
        self._new.clear()

    @property
    def circumstances(self) -> Circumstances:
        """How they came about; to be asked for once the setting is known."""
        assert self.setting  # noqa: S101 - tells mypy
        earlier = self._earlier
        return Circumstances(
            self._made_with,
            self.setting,
            tuple(self._shapes),
            earlier.started if earlier else self._began.isoformat(timespec="seconds"),
            (earlier.seconds if earlier else 0) + (self._clock() - self._began).total_seconds(),
            self.incidents,
        )

    @property
    def top(self) -> TopK:
        """The five most probable classes of every picture; there must be at least one."""
        return self._top([*self._kept, *self._new])

    @property
    def probabilities(self) -> Probabilities | None:
        """The probabilities of all classes, (n, classes), or None where they are not kept."""
        return self._all([*self._kept, *self._new])

    def _begin(self, setting: Setting) -> int:
        """Go on with what is left, or drop it if it was made under another setting."""
        self.setting = setting
        if not (self._kept and setting.goes_on_from(self._kept[-1].circumstances.setting)):
            self._kept = []
            return 0
        self._earlier = self._kept[-1].circumstances
        self._shapes = list(self._earlier.input_shapes)
        self.incidents = (*self.incidents, f"went on at picture {len(self)}")
        return len(self)

    def _top(self, parts: Sequence[Part | Piece]) -> TopK:
        return join([part.top for part in parts])

    def _all(self, parts: Sequence[Part | Piece]) -> Probabilities | None:
        found = [part.probabilities for part in parts if part.probabilities is not None]
        return np.concatenate(found) if len(found) == len(parts) else None
