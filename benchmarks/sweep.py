"""Three light models over the same pictures: our command against a plain process for each.

Every process is new and measured from the start of its interpreter. The plain ones are PyTorch as
its documentation shows it, and as fast as that goes: ImageFolder, torchvision's transform,
DataLoader with a worker for each core, channels_last, inference_mode, the same batch. Random
weights of the same seed, so that answers can be compared: the top-5 of all pictures, the logits of
some. Apart from the models, what the pictures cost: the first model, which decodes them and writes
a file of crops, and the others, which read it.

Usage: python benchmarks/sweep.py [OUT.md] [--pictures DIR] [--small]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _measure import (
    PLAIN_LOOP,
    Cost,
    against,
    chosen_pictures,
    cores,
    cost,
    costs,
    exhaust,
    in_turn,
    linked,
    machine,
    middle,
    must_hold,
    options,
    our_answers,
    our_command,
    publish,
    ratio,
    seconds,
    table,
)
from numpy.typing import NDArray

from benchmarking.models.frameworks import NO_GPU, pytorch
from benchmarking.models.sources import source_of, spec_of
from benchmarking.pictures.crop_cache import CropFile
from benchmarking.pictures.crop_stream import crops
from benchmarking.pictures.image_set import Picture

MODELS = ("squeezenet1_1", "resnet18", "alexnet")
BATCH, REPEATS, GOAL, SAMPLE = 8, 3, 0.1, 16
# Largest allowed difference of logits, relative to their differences between pictures.
CLOSE = 1e-3

PLAIN = f"""
import sys
import numpy as np, torch, torchvision
folder, name, workers, batch, out = sys.argv[1:]
torch.manual_seed(0)
weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
model = torchvision.models.get_model(name).eval().to(memory_format=torch.channels_last)
pictures = torchvision.datasets.ImageFolder(folder, weights.transforms())
{PLAIN_LOOP}"""


@dataclass(frozen=True)
class Place:
    """Folders of the links to the pictures and of all output."""

    pictures: Path
    work: Path

    def plain(self, model: str) -> Path:
        """The file with the predictions of a plain process."""
        return self.work / f"{model}.npz"


def sweeps(place: Place, models: Sequence[str], repeats: int) -> dict[str, list[Cost]]:
    """Measure both, and check that they predict the same."""
    store, cache = place.work / "store", {"XDG_CACHE_HOME": str(place.work / "cache")}
    ours = our_command(place.pictures, store, [f"torchvision/{model}" for model in models])
    plain = [
        [sys.executable, "-c", PLAIN, place.pictures, model, cores(), BATCH, place.plain(model)]
        for model in models
    ]
    found = in_turn({"ours": lambda: cost(ours, cache), "plain": lambda: costs(plain)}, repeats)
    for model in models:
        here, there = our_answers(store, "torchvision", model), np.load(place.plain(model))
        same = int((here.classes == there["classes"]).all(axis=1).sum())
        must_hold(same == len(here), f"{model}: the same top-5 for {same} of {len(here)} pictures")
        apart = float(np.abs(here.probabilities - there["probabilities"]).max())
        must_hold(apart < 1e-5, f"{model}: probabilities up to {apart:.1e} apart")
    return found


def difference(model: str, pictures: Sequence[Picture]) -> float:
    """Difference of our logits from the plain ones, relative to that between pictures."""
    import torch
    import torchvision
    from PIL import Image

    spec = spec_of("torchvision", model)
    recipe = spec.recipes["published"]
    cpu = pytorch.prepare(NO_GPU)
    pytorch.seed(0)
    found: list[NDArray[np.float32]] = []
    ours = source_of(spec).build(spec, None)
    ours.register_forward_hook(lambda _, __, logits: found.append(logits.numpy().copy()))
    with crops(pictures, recipe, cores()) as seen:
        pytorch.predictor(ours, recipe.scaling, cpu)(np.stack(list(seen)))

    torch.manual_seed(0)
    transform = torchvision.models.get_model_weights(model).IMAGENET1K_V1.transforms()
    plain = torchvision.models.get_model(model).eval()
    pixels = [transform(Image.open(str(picture.place)).convert("RGB")) for picture in pictures]
    with torch.inference_mode():
        expected = plain(torch.stack(pixels)).numpy()
    return float(np.abs(found[0] - expected).max() / expected.std(axis=0).max())


def picture_costs(place: Place, pictures: Sequence[Picture], n: int) -> dict[str, list[float]]:
    """Seconds to get the crops of all pictures, for the first model and for the others."""
    recipe = spec_of("torchvision", MODELS[0]).recipes["published"]
    file = CropFile(place.work / "crops", len(pictures), recipe.crop)

    def all_crops() -> float:
        def use() -> None:
            with file.crops(pictures, recipe, cores(), [range(len(pictures))]) as seen:
                exhaust(seen)

        return seconds(use)

    def first() -> float:
        file.remove()
        return all_crops()

    return in_turn({"first": first, "others": all_crops}, n)


def told(sweep: dict[str, list[Cost]], pictures: dict[str, list[float]], n: int) -> list[str]:
    """Both tables."""
    ours, plain = ([one.seconds for one in sweep[name]] for name in ("ours", "plain"))
    peak = {name: f"{max(one.mebibytes for one in sweep[name]):,.0f}" for name in sweep}
    first, others = pictures["first"], pictures["others"]
    share = against(ratio(others, first), GOAL, "above")
    each = [[1000 * one / n for one in times] for times in (first, others)]
    return [
        *table(
            ["Sweep", "Seconds", "Largest process, MiB", "Times as fast"],
            [
                ["Our command", middle(ours, 1), peak["ours"], f"{ratio(plain, ours):.2f}"],
                ["A plain process per model", middle(plain, 1), peak["plain"], "1.00"],
            ],
        ),
        "",
        *table(
            ["Pictures of", "ms per picture", "Of the first model's"],
            [
                ["The first model: decoded and written", middle(each[0], 2), "1.00"],
                ["Every other: read", middle(each[1], 2), share],
            ],
        ),
    ]


def main() -> None:
    """Measure, and publish the results."""
    args = options(__doc__).parse_args()
    repeats, models = (1, MODELS[:1]) if args.small else (REPEATS, MODELS)
    heading = machine("torch", "torchvision", "pillow")
    chosen = chosen_pictures(args)
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name) / "pictures", Path(name))
        pictures = linked(chosen, place.pictures, len(chosen))
        sweep = sweeps(place, models, repeats)
        costly = picture_costs(place, pictures, repeats)
    apart = max(difference(model, chosen[:SAMPLE]) for model in models)
    must_hold(apart < CLOSE, f"logits differ by {apart:.1e} of their spread")
    about = (
        f"{', '.join(models)}; {len(pictures)} pictures, batch {BATCH}; median of {repeats} "
        "interleaved repeats (least-most), made by benchmarks/sweep.py. Top-5 identical; logits of "
        f"{min(SAMPLE, len(pictures))} pictures within {apart:.0e} of their spread."
    )
    publish([heading, "", about, "", *told(sweep, costly, len(pictures))], args.out)


if __name__ == "__main__":
    main()
