"""Any framework: its own predictor, which takes crops and scales them itself.

For ONNX files, and for frameworks of plug-ins, of which nothing else is known.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.speed.ready import Pixels, Ready
from benchmarking.models.loaded import Loaded
from benchmarking.models.sources import framework_of
from benchmarking.pictures.recipe import Scaling


def modes(framework: str) -> tuple[str, ...]:
    """The only mode: ONNX Runtime always optimises the graph of a file."""
    return ("compiled",) if framework == "onnx" else ("eager",)


def forward(loaded: Loaded, scaling: Scaling, mode: str) -> Ready:
    """The predictor, whose scaling is timed, too."""
    predictor = framework_of(loaded.spec).predictor(
        loaded.model, scaling, loaded.device, loaded.precision
    )
    return Ready(lambda crops: crops, predictor, "NHWC", {"timed": "scaling too"})


def training(
    loaded: Loaded, mode: str, pixels: Pixels, labels: NDArray[np.int64]
) -> Callable[[], object]:
    """Refuse: a predictor cannot be trained."""
    title = framework_of(loaded.spec).TITLE
    raise BenchmarkError(f"{title} cannot train {loaded.spec.full_name} here.")
