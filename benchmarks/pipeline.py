"""Pictures per second from files to crops, against DataLoader and against what the cores can do.

The ideal is one thread of plain Pillow (decode, resize, cut) times the number of cores; beside it,
as many processes of it at a time, which shows what the cores share. DataLoader has a worker for
each core, already started, and torchvision's transform up to uint8. All crops must be the same.

Usage: python benchmarks/pipeline.py [OUT.md] [--pictures DIR] [--small]
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _measure import (
    against,
    chosen_pictures,
    cores,
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
from PIL import Image

from benchmarking.pictures.crop_cache import CropFile
from benchmarking.pictures.crop_stream import crops
from benchmarking.pictures.image_set import Picture
from benchmarking.pictures.recipe import SCALINGS, Preprocessing

if TYPE_CHECKING:
    import torch
    from torch.utils.data import DataLoader

RESIZE, CROP = 256, 224
RECIPE = Preprocessing("pillow", "bilinear", RESIZE, CROP, SCALINGS["torch"])
BATCH, REPEATS, GOAL = 8, 7, 0.9


def plain(path: Path) -> NDArray[np.uint8]:
    """The crop of one picture, by Pillow only."""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    width, height = picture.size
    shorter = min(width, height)
    width, height = RESIZE * width // shorter, RESIZE * height // shorter
    picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - CROP) / 2), round((height - CROP) / 2)
    return np.asarray(picture.crop((left, top, left + CROP, top + CROP)))


def plain_rate(paths: Sequence[Path]) -> float:
    """Pictures per second of one thread."""
    return len(paths) / seconds(lambda: exhaust(map(plain, paths)))


def loader_of(folder: Path) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
    """The fastest DataLoader of batches of uint8 crops; its workers are persistent."""
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import CenterCrop, Compose, PILToTensor, Resize

    transform = Compose([Resize(RESIZE), CenterCrop(CROP), PILToTensor()])
    return DataLoader(
        ImageFolder(str(folder), transform), BATCH, num_workers=cores(), persistent_workers=True
    )


def crop_by_crop(
    loader: DataLoader[tuple[torch.Tensor, torch.Tensor]],
) -> Iterator[NDArray[np.uint8]]:
    """The crops of a DataLoader one by one, channels last like ours."""
    for batch, _ in loader:
        yield from batch.permute(0, 2, 3, 1).contiguous().numpy()


def decoded(pictures: Sequence[Picture]) -> Iterator[NDArray[np.uint8]]:
    """Crops that the package decodes."""
    with crops(pictures, RECIPE, cores()) as seen:
        yield from seen


def kept(file: CropFile, pictures: Sequence[Picture]) -> Iterator[NDArray[np.uint8]]:
    """Crops that the package reads from the file of crops."""
    with file.crops(pictures, RECIPE, cores(), [range(len(pictures))]) as seen:
        yield from seen


def digest(found: Iterable[NDArray[np.uint8]]) -> str:
    """Digest of crops, which depends on their order."""
    total = sha256()
    for one in found:
        total.update(np.ascontiguousarray(one).data)
    return total.hexdigest()


def rates(
    pictures: Sequence[Picture], folder: Path, file: CropFile, pool: Pool, repeats: int
) -> dict[str, list[float]]:
    """Pictures per second of every method, after a check that their crops are equal."""
    paths = [Path(str(picture.place)) for picture in pictures]
    loader = loader_of(folder)
    expected = digest(map(plain, paths))
    for name, found in (
        ("decoded", decoded(pictures)),
        ("written to a file", kept(file, pictures)),
        ("read from a file", kept(file, pictures)),
        ("DataLoader's", crop_by_crop(loader)),
    ):
        must_hold(digest(found) == expected, f"crops {name} are not Pillow's")

    def rate(way: Callable[[], Iterable[object]]) -> float:
        return len(paths) / seconds(lambda: exhaust(way()))

    ways: dict[str, Callable[[], float]] = {
        "one thread": lambda: pool.map(plain_rate, [paths])[0],
        "all cores": lambda: sum(pool.map(plain_rate, [paths] * cores(), chunksize=1)),
        "ours": lambda: rate(lambda: decoded(pictures)),
        "kept": lambda: rate(lambda: kept(file, pictures)),
        "DataLoader": lambda: rate(lambda: loader),
    }
    return in_turn(ways, repeats)


def told(found: dict[str, list[float]]) -> list[str]:
    """The table of the rates."""
    ideal = [cores() * rate for rate in found["one thread"]]
    ways = {
        "Ours, decoding": found["ours"],
        "Ours, from a file of crops": found["kept"],
        f"DataLoader, {cores()} workers": found["DataLoader"],
        f"Pillow, {cores()} processes at a time": found["all cores"],
        f"Ideal: {cores()} x Pillow in one thread": ideal,
    }
    rows = [
        [
            name,
            middle(rates),
            f"{ratio(rates, found['DataLoader']):.2f}",
            f"{ratio(rates, ideal):.2f}",
        ]
        for name, rates in ways.items()
    ]
    rows[0][-1] = against(ratio(found["ours"], ideal), GOAL)
    return table(["Crops", "Pictures/s", "Of DataLoader's", "Of the ideal"], rows)


def main() -> None:
    """Measure, and publish the results."""
    args = options(__doc__).parse_args()
    repeats = 1 if args.small else REPEATS
    heading = machine("pillow", "torch", "torchvision")
    chosen = chosen_pictures(args)
    with get_context("spawn").Pool(cores()) as pool, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = linked(chosen, folder / "pictures", len(chosen))
        file = CropFile(folder / "crops", len(pictures), CROP)
        pool.map(plain_rate, [[Path(str(pictures[0].place))]] * cores(), chunksize=1)  # starts them
        found = rates(pictures, folder / "pictures", file, pool, repeats)
    about = (
        f"{len(pictures)} pictures; median of {repeats} interleaved repeats (least-most), made by "
        "benchmarks/pipeline.py; crops byte-identical."
    )
    publish([heading, "", about, "", *told(found)], args.out)


if __name__ == "__main__":
    main()
