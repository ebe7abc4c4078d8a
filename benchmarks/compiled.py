"""Compiled forward passes of PyTorch models against the plain ones, on the CPU.

Each model predicts the same crops plainly, with torch.compile and with ONNX Runtime, in turn. The
table has milliseconds per picture, the ratio of plain to compiled time in the same turn, and the
gate's verdict: the largest difference of a probability, and whether the model would be compiled.
Weights are the published ones if their file is there, which is so for those that a package ships;
else they are random and calibrated, as in pytorch_gpu.py. Such networks amplify rounding more than
trained ones. Compilation is not timed.

Usage: python benchmarks/compiled.py [OUT.md] [--pictures DIR] [--models M …] [--small]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from _measure import (
    chosen_pictures,
    in_turn,
    machine,
    middle,
    options,
    publish,
    ratio,
    seconds,
    table,
)
from numpy.typing import NDArray
from pytorch_gpu import calibrated

from benchmarking.errors import WeightsError
from benchmarking.inference.compiled import COMPARED, NOT_USED, difference
from benchmarking.models.frameworks import NO_GPU, pytorch
from benchmarking.models.frameworks._compiled import COMPILERS
from benchmarking.models.loaded import Loaded, load
from benchmarking.models.sources import the_spec, weights_path
from benchmarking.models.spec import ModelSpec, Probabilities
from benchmarking.pictures.crop_stream import crops
from benchmarking.pictures.recipe import Preprocessing

MODELS = (
    *(
        "efficientnet-lite-pytorch/efficientnet-lite0",
        "efficientnet-lite-pytorch/efficientnet-lite2",
    ),
    *("alexnet", "densenet121", "googlenet", "mnasnet1_0", "mobilenet_v2", "mobilenet_v3_large"),
    *("resnet18", "resnet50", "shufflenet_v2_x1_0", "squeezenet1_1"),
)
BATCH, REPEATS = 8, 9


def spec_of(name: str) -> ModelSpec:
    """The model of a name, which is one of torchvision without a source."""
    return the_spec(name if "/" in name else f"torchvision/{name}")


def plain_of(spec: ModelSpec, pictures: NDArray[np.uint8]) -> tuple[Loaded, str]:
    """The model as it is, and which weights it has."""
    try:
        weights_path(spec, None)
    except WeightsError:
        device = pytorch.prepare(NO_GPU)
        return Loaded(spec, calibrated(spec, pictures[:16]), device, "", "float32"), "random"
    return load(spec, NO_GPU), "published"


def measured(name: str, pictures: NDArray[np.uint8], repeats: int) -> list[list[str]]:
    """Lines of the table for one model."""
    spec = spec_of(name)
    recipe: Preprocessing = spec.recipes["published"]
    plain, weights = plain_of(spec, pictures)

    def probabilities(model: Loaded) -> Probabilities:
        predict = model.predictor(recipe.scaling)
        parts = range(0, len(pictures), BATCH)
        return np.concatenate([predict(pictures[at : at + BATCH]) for at in parts])

    def timed(model: Loaded) -> Callable[[], float]:
        predict = model.predictor(recipe.scaling)
        predict(pictures[:BATCH])
        return lambda: 1000 / BATCH * seconds(lambda: predict(pictures[:BATCH]))

    models, verdicts = {"plain": plain}, {}
    for compiler in COMPILERS:
        print(f"{name}: {compiler}", file=sys.stderr)
        model, _ = pytorch.compiled(plain.model, compiler, recipe.crop, plain.device, BATCH)
        fast = replace(plain, model=model)
        both = probabilities(plain), probabilities(fast)
        largest = float(np.abs(both[0] - both[1]).max())
        problem = difference(*both)
        verdicts[compiler] = f"{NOT_USED}: {problem}" if problem else f"used, {largest:.0e}"
        models[compiler] = fast
    # An export to ONNX makes torch.compile forget its work: each model warms up after the last one.
    times = in_turn({way: timed(model) for way, model in models.items()}, repeats)
    lines = [[spec.name, weights, "plain", middle(times["plain"], 1), "", ""]]
    for compiler in COMPILERS:
        own = times[compiler]
        faster = f"{ratio(times['plain'], own):.2f}"
        lines.append([spec.name, weights, compiler, middle(own, 1), faster, verdicts[compiler]])
    return lines


def main() -> None:
    """Measure, and publish the table."""
    parser = options(__doc__)
    parser.add_argument(
        "--models", nargs="+", default=MODELS, metavar="M", help="of torchvision, or SOURCE/NAME"
    )
    args = parser.parse_args()
    names: Sequence[str] = args.models[:1] if args.small else args.models
    lines: list[list[str]] = []
    for name in names:
        recipe = spec_of(name).recipes["published"]
        some = chosen_pictures(args)[: 16 if args.small else COMPARED]
        with crops(some, recipe, 2) as seen:
            pictures = np.stack(list(seen))
        lines += measured(name, pictures, 2 if args.small else REPEATS)
        print(*lines[-len(COMPILERS) - 1 :], sep="\n", file=sys.stderr)  # in case it is stopped
    heading = ["model", "weights", "forward pass", "ms a picture", "plain / compiled", "gate"]
    publish(
        [
            *("# Compiled forward passes", ""),
            f"Batches of {BATCH}. {machine('torch', 'onnxruntime')}.",
            *("", *table(heading, lines)),
        ],
        args.out,
    )


if __name__ == "__main__":
    main()
