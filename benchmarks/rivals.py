"""Our command against scripts that do the same work: EfficientNet-Lite0 on 500 pictures, the CPU.

Every process is new, and is measured from the start of its interpreter. The plain script is PyTorch
as its documentation shows it: timm's model and transform, ImageFolder, DataLoader with a worker for
each core, inference_mode. With --timm FILE, timm's own validation script joins it; FILE is
validate.py of github.com/huggingface/pytorch-image-models. All have the published weights, float32,
channels_last and the same batch. Ours runs plainly, and compiled by ONNX Runtime after its check of
the first pictures.

The plain script and ours must have the same top-1 and probabilities; timm's accuracy must be ours.

Usage: python benchmarks/rivals.py [OUT.md] [--pictures DIR] [--timm FILE] [--small]
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _measure import (
    IMAGES,
    PLAIN_LOOP,
    Cost,
    against,
    chosen_pictures,
    cores,
    cost,
    in_turn,
    linked,
    machine,
    middle,
    must_hold,
    options,
    publish,
    ratio,
    table,
)

from benchmarking.inference.compiled import NOT_USED
from benchmarking.labels.imagenet import wnids
from benchmarking.labels.label_set import every_image
from benchmarking.models.sources import source_of, the_spec, weights_path
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.scoring.metrics import accuracy

SOURCE, MODEL, OF_TIMM = "efficientnet-lite-pytorch", "efficientnet-lite0", "tf_efficientnet_lite0"
BATCH, COUNT, REPEATS = 8, 500, 5
GOAL = 0.4
"""Of the time of timm's script, compiled."""

PLAIN_NAME, TIMM_NAME = "A plain script", "timm's validate.py"
OURS = {"Ours": (), "Ours, --compile onnxruntime": ("--compile", "onnxruntime")}
COMPILED = list(OURS)[1]

PLAIN = f"""
import sys
import numpy as np, timm, torch, torchvision
from timm.data import create_transform, resolve_data_config
folder, name, weights, workers, batch, out = sys.argv[1:]
model = timm.create_model(name, checkpoint_path=weights)
model = model.eval().to(memory_format=torch.channels_last)
transform = create_transform(**resolve_data_config({{}}, model=model))
pictures = torchvision.datasets.ImageFolder(folder, transform)
{PLAIN_LOOP}"""


@dataclass(frozen=True)
class Place:
    """Files of the measurement.

    Attributes:
        work: folder of all output, with class folders of links to the pictures.
        timm: timm's script; None to leave it out.
    """

    work: Path
    timm: Path | None

    @property
    def pictures(self) -> Path:
        """Class folders of links."""
        return self.work / "pictures"

    @property
    def weights(self) -> Path:
        """The weights, under timm's names."""
        return self.work / "weights.pth"

    @property
    def classes(self) -> Path:
        """The names of the class folders, in order."""
        return self.work / "classes.txt"

    @property
    def plain(self) -> Path:
        """Predictions of the plain script."""
        return self.work / "plain.npz"

    @property
    def result(self) -> Path:
        """The accuracy that timm's script finds."""
        return self.work / "timm.json"

    def store(self, name: str) -> Store:
        """The store of one of our commands."""
        return Store(self.work / f"store-{list(OURS).index(name)}")


def write_weights(file: Path) -> None:
    """Write the published weights under timm's names.

    Both networks define the same layers in the same order; timm checks the shape of each tensor.
    """
    import timm
    import torch

    spec = the_spec(f"{SOURCE}/{MODEL}")
    published = source_of(spec).build(spec, weights_path(spec, None)).state_dict()
    model = timm.create_model(OF_TIMM, pretrained=False)
    named = dict(zip(model.state_dict(), published.values(), strict=True))
    model.load_state_dict(named, strict=True)
    torch.save(named, file)


def commands(place: Place) -> dict[str, Sequence[object]]:
    """The command of each way."""
    predict = [sys.executable, "-m", "benchmarking", "predict", place.pictures, "--again"]
    predict += ["--gpu", "cpu", "--images", IMAGES, "--batch-size", BATCH]
    found: dict[str, Sequence[object]] = {
        name: [
            *predict,
            "--store",
            place.store(name).folder,
            *more,
            "--models",
            f"{SOURCE}/{MODEL}",
        ]
        for name, more in OURS.items()
    }
    arguments = [place.pictures, OF_TIMM, place.weights, cores(), BATCH, place.plain]
    found[PLAIN_NAME] = [sys.executable, "-c", PLAIN, *arguments]
    if place.timm:
        found[TIMM_NAME] = [
            *(sys.executable, place.timm, "--data-dir", place.pictures, "--model", OF_TIMM),
            *("--checkpoint", place.weights, "--class-map", place.classes, "--device", "cpu"),
            *("--channels-last", "--workers", cores(), "--batch-size", BATCH),
            *("--results-file", place.result, "--results-format", "json"),
        ]
    return found


def measured(place: Place, repeats: int) -> dict[str, list[Cost]]:
    """Costs of every way, in turn."""
    cache = {"XDG_CACHE_HOME": str(place.work / "cache")}

    def way(command: Sequence[object]) -> Callable[[], Cost]:
        return lambda: cost(command, cache)

    ways = {name: way(command) for name, command in commands(place).items()}
    return in_turn(ways, repeats)


def check(place: Place, labels: Sequence[int]) -> str:
    """Check that all ways predict the same, and that ours was compiled; their accuracy in words."""
    there, run = np.load(place.plain), Run(IMAGES, SOURCE, MODEL, "published")
    for name in OURS:
        here = place.store(name).read(run)
        same = int((here.classes[:, 0] == there["classes"][:, 0]).sum())
        must_hold(same == len(here), f"{name}: the same top-1 for {same} of {len(here)} pictures")
        apart = float(np.abs(here.probabilities - there["probabilities"]).max())
        must_hold(apart < 1e-4, f"{name}: probabilities up to {apart:.1e} apart")
    made = place.store(COMPILED).provenance(run)
    must_hold(made.versions["compiled"] != NOT_USED, "; ".join(made.incidents))
    ours = 100 * accuracy(place.store("Ours").read(run).classes, every_image(list(labels)), k=1)
    if place.timm:
        theirs = float(json.loads(place.result.read_text())["top1"])
        must_hold(abs(theirs - ours) < 0.01, f"timm's acc@1 is {theirs}, ours {ours:.2f}")
    return f"{ours:.2f}"


def told(found: dict[str, list[Cost]]) -> list[str]:
    """The table."""
    seconds = {name: [one.seconds for one in costs] for name, costs in found.items()}
    rows = []
    for name, costs in found.items():
        of_timm = ""
        if TIMM_NAME in found:
            share = ratio(seconds[name], seconds[TIMM_NAME])
            of_timm = against(share, GOAL, "above") if name == COMPILED else f"{share:.2f}"
        rows.append(
            [
                name,
                middle(seconds[name], 1),
                middle([one.processor for one in costs], 1),
                f"{max(one.mebibytes for one in costs):,.0f}",
                f"{ratio(seconds[name], seconds[PLAIN_NAME]):.2f}",
                of_timm or "not measured",
            ]
        )
    columns = ["Whole process", "Seconds", "CPU seconds", "Largest process, MiB"]
    return table([*columns, "Of the plain script's time", "Of timm's time"], rows)


def main() -> None:
    """Measure, and publish the results."""
    parser = options(__doc__)
    add = parser.add_argument
    add("--timm", type=Path, metavar="FILE", help="timm's validate.py (default: leave it out)")
    add("--repeats", type=int, default=REPEATS, metavar="N", help=f"repeats ({REPEATS})")
    args = parser.parse_args()
    if args.timm and not args.timm.is_file():
        parser.error(f"{args.timm} is not a file; expected timm's validate.py")
    heading = machine("torch", "timm", "onnxruntime", "pillow")
    chosen, repeats = chosen_pictures(args), 1 if args.small else args.repeats
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), args.timm.resolve() if args.timm else None)
        pictures = linked(chosen, place.pictures, len(chosen) if args.small else COUNT)
        place.classes.write_text("\n".join(wnids()) + "\n")
        write_weights(place.weights)
        found = measured(place, repeats)
        acc1 = check(place, [picture.label for picture in pictures])
    about = (
        f"{MODEL}, published weights; {len(pictures)} pictures, float32, channels last, batch "
        f"{BATCH}; median of {repeats} interleaved repeats (least-most), made by "
        f"benchmarks/rivals.py. All have the same top-1, acc@1 {acc1} %."
    )
    publish([heading, "", about, "", *told(found)], args.out)


if __name__ == "__main__":
    main()
