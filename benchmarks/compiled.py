"""Compiled forward passes of PyTorch models against the plain ones, on the CPU.

Each model predicts the same crops plainly, with torch.compile and with ONNX Runtime, in turn. The
table has milliseconds per picture, the ratio of plain to compiled time in the same turn, and the
gate's verdict: the largest difference of a probability, and whether the model would be compiled.
Weights are random and calibrated, as in pytorch_gpu.py. Compilation is not timed.

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

from benchmarking.inference.compiled import COMPARED, NOT_USED, chosen, difference
from benchmarking.models.frameworks import NO_GPU, pytorch
from benchmarking.models.frameworks._compiled import COMPILERS
from benchmarking.models.loaded import Loaded
from benchmarking.models.sources import the_spec
from benchmarking.models.spec import Probabilities
from benchmarking.pictures.crop_stream import crops
from benchmarking.pictures.recipe import Preprocessing

MODELS = (
    *("alexnet", "densenet121", "googlenet", "mnasnet1_0", "mobilenet_v2", "mobilenet_v3_large"),
    *("resnet18", "resnet50", "shufflenet_v2_x1_0", "squeezenet1_1"),
)
BATCH, REPEATS = 8, 9


def measured(name: str, pictures: NDArray[np.uint8], repeats: int) -> list[list[str]]:
    """Lines of the table for one model."""
    spec = the_spec(f"torchvision/{name}")
    recipe: Preprocessing = spec.recipes["published"]
    device = pytorch.prepare(NO_GPU)
    plain = Loaded(spec, calibrated(spec, pictures[:16]), device, "", "float32")

    def probabilities(model: Loaded) -> Probabilities:
        predict = model.predictor(recipe.scaling)
        parts = range(0, len(pictures), BATCH)
        return np.concatenate([predict(pictures[at : at + BATCH]) for at in parts])

    def timed(model: Loaded) -> Callable[[], float]:
        predict = model.predictor(recipe.scaling)
        predict(pictures[:BATCH])
        return lambda: 1000 / BATCH * seconds(lambda: predict(pictures[:BATCH]))

    ways, verdicts = {"plain": timed(plain)}, {}
    for compiler in COMPILERS:
        print(f"{name}: {compiler}", file=sys.stderr)
        found, title = chosen(plain, compiler, recipe.crop, probabilities)
        if title.startswith(NOT_USED):
            verdicts[compiler] = title
            continue
        both = probabilities(plain), probabilities(found)
        largest = float(np.abs(both[0] - both[1]).max())
        verdicts[compiler] = difference(*both) or f"used, differs by {largest:.0e}"
        ways[compiler] = timed(replace(plain, model=found.model))
    times = in_turn(ways, repeats)
    lines = [[name, "plain", middle(times["plain"], 1), "", ""]]
    for compiler in COMPILERS:
        own = times.get(compiler, [])
        speed = [middle(own, 1), f"{ratio(times['plain'], own):.2f}"] if own else ["", ""]
        lines.append([name, compiler, *speed, verdicts[compiler]])
    return lines


def main() -> None:
    """Measure, and publish the table."""
    parser = options(__doc__)
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="M", help="of torchvision")
    args = parser.parse_args()
    names: Sequence[str] = args.models[:1] if args.small else args.models
    lines: list[list[str]] = []
    for name in names:
        recipe = the_spec(f"torchvision/{name}").recipes["published"]
        some = chosen_pictures(args)[: 16 if args.small else COMPARED]
        with crops(some, recipe, 2) as seen:
            pictures = np.stack(list(seen))
        lines += measured(name, pictures, 2 if args.small else REPEATS)
        print(*lines[-len(COMPILERS) - 1 :], sep="\n", file=sys.stderr)  # in case it is stopped
    heading = ["model", "forward pass", "ms a picture", "plain / compiled", "gate"]
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
