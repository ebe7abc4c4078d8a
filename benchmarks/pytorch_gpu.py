"""The 21 torchvision models of 2019 on a GPU: do they predict the same as on the CPU, and how fast?

The weights are random and calibrated, so that no file is needed. Speed is measured from crops in
memory to probabilities in memory, batch by batch, without decoding.

Usage: python benchmarks/pytorch_gpu.py [TABLE.md]
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarking.models.frameworks import Device, pytorch
from benchmarking.models.sources import select, source_of
from benchmarking.models.spec import ModelSpec, Predictor
from benchmarking.pictures.crop import crop
from benchmarking.pictures.recipe import Preprocessing
from benchmarking.pictures.sets import open_pictures
from benchmarking.predictions.top_k import top_k

BATCH, REPEATS = 256, 7
# Classes whose probabilities differ by less may swap places between two devices.
APART = 1e-4


def a_batch(recipe: Preprocessing) -> NDArray[np.uint8]:
    """A batch of distinct crops: the demo pictures, rolled by different numbers of pixels."""
    crops = [crop(picture.read(), recipe) for picture in open_pictures("demo").pictures]
    return np.stack([np.roll(crops[n % len(crops)], n, axis=(0, 1)) for n in range(BATCH)])


def calibrated(spec: ModelSpec, crops: NDArray[np.uint8]) -> torch.nn.Module:
    """A random network whose predictions depend on the picture, as those of a trained one do.

    The weights of every layer are scaled so that its outputs have mean 0 and standard deviation 1
    over the pictures. A plain random network predicts nearly the same for every picture.
    """
    pytorch.seed(0)
    model = source_of(spec).build(spec, None).eval()
    pixels = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    hooks = [m.register_forward_hook(_standardise) for m in (norms or layers[:-1])]
    hooks.append(layers[-1].register_forward_hook(_standardise))
    with torch.no_grad():
        model(pixels)
    for hook in hooks:
        hook.remove()
    return model


def _standardise(layer: torch.nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
    others = [axis for axis in range(output.dim()) if axis != 1]
    mean, deviation = output.mean(others), output.std(others) + 1e-6
    layer.weight /= deviation.view(-1, *[1] * (layer.weight.dim() - 1))
    layer.bias -= mean
    layer.bias /= deviation
    shape = [1, -1] + [1] * (output.dim() - 2)
    return (output - mean.view(shape)) / deviation.view(shape)


def seconds(predict: Predictor, crops: NDArray[np.uint8]) -> float:
    """Median time of a batch after two warm-up batches, until its probabilities arrive."""
    times = []
    for _ in range(REPEATS + 2):
        start = perf_counter()
        predict(crops)
        times.append(perf_counter() - start)
    return median(times[2:])


def row(spec: ModelSpec, gpu: Device, cpu: Device) -> tuple[str, bool]:
    """A line of the table, and whether the devices agree."""
    recipe = spec.recipes["published"]
    crops, scaling = a_batch(recipe), recipe.scaling
    model = calibrated(spec, crops[:16])
    there = pytorch.predictor(model, scaling, cpu)(crops)
    on_gpu = pytorch.predictor(model, scaling, gpu)
    here = on_gpu(crops)
    places = [np.take_along_axis(there, top_k(said).classes, axis=1) for said in (here, there)]
    differ = (np.abs(places[0] - places[1]) > APART).any(axis=1)
    spread = float(there.std(axis=0).max())
    worst = float(np.abs(here - there).max())
    speed = BATCH / seconds(on_gpu, crops)
    counts = f"{int(differ.sum())} of {len(crops)}"
    return f"| {spec.name} | {spread:.1e} | {worst:.1e} | {counts} | {speed:,.0f} |\n", (
        not differ.any() and worst < spread / 100
    )


def main() -> int:
    """Print the table, and write it to a file if one is given; 1 if any model disagrees."""
    gpu = pytorch.prepare(0)
    versions = ", ".join(f"{name} {version}" for name, version in pytorch.versions().items())
    text = (
        f"# 21 torchvision models on {gpu.title}\n\n"
        f"Random weights, calibrated to tell pictures apart; float32 without TF32, batch {BATCH}, "
        f"{versions}, Python {platform.python_version()}; median of {REPEATS} batches, no "
        "decoding.\n\n"
        "Spread is the largest standard deviation of a class's probability over the pictures. "
        "Top-5 differs where the CPU gives classes in the same place probabilities more than "
        f"{APART:g} apart.\n\n"
        "| Model | Spread | Largest difference from the CPU | Top-5 differs | Images/s |\n"
        "| --- | ---: | ---: | ---: | ---: |\n"
    )
    everything = True
    of_2019 = [one for one in select(["torchvision/*"]) if "northcutt2019" in one.recipes]
    for spec in of_2019:
        line, agree = row(spec, gpu, Device("cpu", "cpu", "cpu"))
        print(line, end="", flush=True)
        text, everything = text + line, everything and agree
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text)
    print("all agree" if everything else "NOT ALL AGREE")
    return 0 if everything else 1


if __name__ == "__main__":
    raise SystemExit(main())
