"""The document of `show`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarking.predictions.provenance import Provenance
from benchmarking.reports.documents import RunName


@dataclass(frozen=True)
class ShowDocument:
    """How a run was made, from `imagenet-benchmark show`.

    Attributes:
        run: the run.
        file: path of its file.
        provenance: how it was made, as its file records it.
    """

    NAME: ClassVar[str] = "show"
    VERSION: ClassVar[int] = 1

    run: RunName
    file: str
    provenance: Provenance
