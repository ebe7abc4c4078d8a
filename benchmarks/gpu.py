"""Real pictures on a GPU: pictures per second against what the model alone does, and DataLoader.

The model alone sees random tensors that are on the device already. Ours decodes the pictures, or
reads the crops that an earlier model of the sweep has kept. DataLoader is used as well as it can
be: workers for all cores, already started, that send uint8 from pinned memory; scaling and top-5 on
the device. All use the same model, batch, precision and layout, and both say the same. Pictures are
links to a few; weights are random and calibrated, as in pytorch_gpu.py.

Usage: python benchmarks/gpu.py [OUT.md] [--pictures DIR] [--device gpu|cpu] [--models M …]
                                [--count N] [--precision P] [--small]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from _measure import (
    against,
    chosen_pictures,
    cores,
    evenly,
    exhaust,
    in_turn,
    linked,
    machine,
    middle,
    must_hold,
    options,
    publish,
    ratio,
    seconds,
    table,
)
from numpy.typing import NDArray
from pytorch_gpu import calibrated
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import CenterCrop, Compose, PILToTensor, Resize

from benchmarking.inference.predict import predict
from benchmarking.models.frameworks import NO_GPU, Device, pytorch
from benchmarking.models.sources import spec_of
from benchmarking.pictures.crop_cache import CropFile
from benchmarking.pictures.crop_stream import crops
from benchmarking.pictures.image_set import Picture
from benchmarking.pictures.recipe import Preprocessing, Scaling
from benchmarking.predictions.top_k import TopK, join, top_k

MODELS = ("resnet50", "resnet152", "densenet161", "vgg16")
COUNT, REPEATS, GOAL, CALIBRATION = 10_240, 3, 0.95, 16

Crop = NDArray[np.uint8]


@dataclass(frozen=True)
class Bench:
    """The conditions that all models are measured under.

    Attributes:
        pictures: pictures in class folders.
        file: complete file of their crops.
        recipe: recipe of all models.
        loader: DataLoader of batches of uint8 crops, channels first.
        device: device of the model.
        precision: precision of the forward pass.
        repeats: number of repeated measurements.
    """

    pictures: Sequence[Picture]
    file: CropFile
    recipe: Preprocessing
    loader: DataLoader[tuple[torch.Tensor, torch.Tensor]]
    device: Device
    precision: str
    repeats: int

    @property
    def batch(self) -> int:
        """Pictures per forward pass."""
        return pytorch.BATCH_SIZES[self.device.kind]

    @property
    def scaling(self) -> Scaling:
        """Scaling of pixels."""
        return self.recipe.scaling

    def decoded(self) -> AbstractContextManager[Iterator[Crop]]:
        """Crops that the package decodes."""
        return crops(self.pictures, self.recipe, cores())

    def kept(self) -> AbstractContextManager[Iterator[Crop]]:
        """Crops that the package reads from the file of an earlier model."""
        return self.file.crops(self.pictures, self.recipe, cores(), [range(len(self.pictures))])

    def autocast(self) -> torch.autocast:
        """PyTorch's autocast for the precision."""
        shorter = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision)
        return torch.autocast(self.device.address.partition(":")[0], shorter, bool(shorter))

    def wait(self) -> None:
        """Wait until the device has finished its work."""
        if self.device.kind == "gpu":
            torch.cuda.synchronize()

    def rate(self, work: Callable[[], object]) -> float:
        """Pictures per second of a function that processes all of them."""
        return len(self.pictures) / seconds(work)


def alone(bench: Bench, model: torch.nn.Module) -> None:
    """Run the same number of forward passes on data that is already on the device."""
    side = bench.recipe.crop
    pixels = torch.randn(bench.batch, 3, side, side, device=bench.device.address)
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), bench.autocast():
        for start in range(0, len(bench.pictures), bench.batch):
            n = min(bench.batch, len(bench.pictures) - start)
            torch.softmax(model(pixels[:n]).float(), dim=1)
    bench.wait()


def ours(
    bench: Bench, model: torch.nn.Module, seen: AbstractContextManager[Iterator[Crop]]
) -> TopK:
    """Predictions from crops by the package."""
    predictor = pytorch.predictor(model, bench.scaling, bench.device, bench.precision)
    with seen as found:
        batches = predict(predictor, found, bench.batch, classes=1000)
        return join([top_k(batch.probabilities, k=5) for batch in batches])


def loaded(bench: Bench, model: torch.nn.Module) -> TopK:
    """Predictions from DataLoader's batches by plain PyTorch."""
    address, scaling = bench.device.address, bench.scaling
    mean, std = (
        torch.tensor(values, device=address).view(1, 3, 1, 1)
        for values in (scaling.mean, scaling.std)
    )
    found = []
    with torch.inference_mode(), bench.autocast():
        for batch, _ in bench.loader:
            pixels = batch.to(address, non_blocking=True)
            pixels = pixels.float().contiguous(memory_format=torch.channels_last)
            logits = model((pixels / scaling.divisor - mean) / std)
            found.append(torch.softmax(logits.float(), dim=1).topk(5))
    classes = torch.cat([top.indices for top in found]).cpu().numpy()
    return TopK(classes, torch.cat([top.values for top in found]).cpu().numpy())


def row(bench: Bench, name: str, decoders: float) -> list[str]:
    """Measure a model, check that both predict the same, and return a line of the table."""
    with bench.kept() as seen:
        distinct = np.stack(evenly(seen, CALIBRATION, len(bench.pictures)))
    spec = spec_of("torchvision", name)
    model = calibrated(spec, distinct)
    expected = ours(bench, model, bench.kept())  # also moves the model and warms up
    said: list[TopK] = []
    rates = in_turn(
        {
            "alone": lambda: bench.rate(lambda: alone(bench, model)),
            "ours": lambda: bench.rate(lambda: said.append(ours(bench, model, bench.decoded()))),
            "kept": lambda: bench.rate(lambda: said.append(ours(bench, model, bench.kept()))),
            "loader": lambda: bench.rate(lambda: said.append(loaded(bench, model))),
        },
        bench.repeats,
    )
    for one in said:
        same = int((one.classes == expected.classes).all(axis=1).sum())
        must_hold(same == len(expected), f"{name}: the same top-5 for {same} of {len(expected)}")
        apart = float(np.abs(one.probabilities - expected.probabilities).max())
        must_hold(apart < 1e-5, f"{name}: probabilities up to {apart:.1e} apart")
    by_alone = [ratio(rates[way], rates["alone"]) for way in ("ours", "kept")]
    is_slower = median(rates["alone"]) < decoders
    return [
        name,
        *(middle(found) for found in rates.values()),
        against(by_alone[0], GOAL) if is_slower else f"{by_alone[0]:.2f}",
        against(by_alone[1], GOAL),
        f"{ratio(rates['ours'], rates['loader']):.2f}",
    ]


def prepared(args: argparse.Namespace, work: Path) -> Bench:
    """Prepare everything but the models; this decodes every picture into the file of crops."""
    gpu = NO_GPU if args.device == "cpu" else 0
    device = pytorch.prepare(gpu, args.precision)
    batch, folder = pytorch.BATCH_SIZES[device.kind], work / "pictures"
    chosen = chosen_pictures(args)
    pictures = linked(chosen, folder, len(chosen) if args.small else args.count)
    recipe = spec_of("torchvision", MODELS[0]).recipes["published"]
    transform = Compose([Resize(recipe.resize), CenterCrop(recipe.crop), PILToTensor()])
    loader = DataLoader(
        ImageFolder(str(folder), transform),
        batch,
        num_workers=cores(),
        persistent_workers=True,
        pin_memory=device.kind == "gpu",
    )
    next(iter(loader))  # starts its workers
    file = CropFile(work / "crops", len(pictures), recipe.crop)
    repeats = 1 if args.small else REPEATS
    bench = Bench(pictures, file, recipe, loader, device, args.precision, repeats)
    _use(bench.kept())
    must_hold(file.is_complete, "the file of crops could not be written")
    return bench


def _use(seen: AbstractContextManager[Iterator[Crop]]) -> None:
    with seen as found:
        exhaust(found)


def told(bench: Bench, models: Sequence[str]) -> list[str]:
    """Lines of the report: conditions and measurements."""
    rates = in_turn({"decoders": lambda: bench.rate(lambda: _use(bench.decoded()))}, bench.repeats)[
        "decoders"
    ]
    rows = [row(bench, name, median(rates)) for name in models]
    return [
        f"{bench.device.title}, {bench.precision}, batch {bench.batch}, {len(bench.pictures)} "
        f"pictures; pictures/s, median of {bench.repeats} interleaved repeats (least-most), made "
        f"by benchmarks/gpu.py. Decoders alone: {middle(rates)}; the goal of {GOAL} is for models "
        "that are slower than that. Top-5 identical.",
        "",
        *table(
            ["Model", "Alone", "Ours", "Ours, kept crops", "DataLoader", "Ours of alone"]
            + ["Kept of alone", "Ours of DataLoader"],
            rows,
        ),
    ]


def main() -> None:
    """Measure, and publish the results."""
    parser = options(__doc__)
    add = parser.add_argument
    add("--device", choices=("gpu", "cpu"), default="gpu", help="where the model runs (gpu)")
    add("--models", nargs="+", default=MODELS, metavar="M", help="torchvision models of 224 pixels")
    add("--count", type=int, default=COUNT, metavar="N", help=f"pictures ({COUNT})")
    add("--precision", choices=pytorch.PRECISIONS, default="float32", help="of the forward pass")
    args = parser.parse_args()
    heading = machine("torch", "torchvision", "pillow")
    with tempfile.TemporaryDirectory() as name:
        bench = prepared(args, Path(name))
        publish([heading, "", *told(bench, args.models)], args.out)


if __name__ == "__main__":
    main()
