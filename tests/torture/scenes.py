"""Scenes: commands for victims, with all their input and a folder for their output."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarking.labels.imagenet import validation_key, wnids
from torture.launch import Orders
from torture.victims import Arena

PER_CLASS = 50
TAR_NUMBERS = (2138, 293, 3014, 7, 50_000, 1, 1079)


@dataclass(frozen=True)
class Scene:
    """A command that writes files into a folder.

    Attributes:
        name: name of the command.
        arguments: returns its arguments, given the folder.
        orders: orders of every victim.
        when_done: message of the command if everything is done already; empty if it exits with 0.
    """

    name: str
    arguments: Callable[[Path], Sequence[str]]
    orders: Orders = field(default_factory=Orders)
    when_done: str = ""


def numbered_pictures(folder: Path, n: int) -> Path:
    """Tiny pictures whose colours encode their numbers, which are also their rows."""
    for number in range(n):
        path = folder / wnids()[number // PER_CLASS] / f"{number:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = (number % 256, number // 256 % 256, number // 65536)
        Image.new("RGB", (10, 10), colour).save(path)
    return folder


def predict(pictures: Path, *models: str, **options: object) -> Scene:
    """Predictions of light models; options are those of the command, without dashes."""
    more = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    names = [f"numbered/{model}" for model in models]

    def arguments(store: Path) -> list[str]:
        crops = ["--crop-cache", str(store.with_name(f"{store.name}-crops"))]
        return ["predict", str(pictures), "--store", str(store), "--models", *names, *crops, *more]

    return Scene("predict", arguments, Orders(most_lost=100))


def imports(folder: Path) -> Scene:
    """Two runs of arrays."""
    folder.mkdir()
    random = np.random.default_rng(2019)
    for model in ("alpha", "beta"):
        stem = f"{model}_pytorch_small"
        classes = np.array([random.permutation(1000)[:5] for _ in range(20)])
        sure = np.sort(random.random((20, 5), np.float32) / 5)[:, ::-1]
        np.save(folder / f"{stem}_top5preds.npy", classes)
        np.save(folder / f"{stem}_top5probs.npy", sure)
        np.save(folder / f"{stem}_labels.npy", np.arange(20))
    return Scene("import", lambda store: ["import", str(folder), "--store", str(store)])


def fetch(folder: Path) -> Scene:
    """Three files from another folder."""
    rows = []
    for number in range(3):
        data = bytes([number]) * (1000 + number)
        path = folder / f"part-{number % 2}" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        rows.append((str(path.relative_to(folder)), len(data), hashlib.sha256(data).hexdigest()))
    source = ["--from", str(folder)]
    return Scene(
        "fetch",
        lambda out: ["fetch", "small", *source, "--to", str(out)],
        Orders(collection=tuple(rows)),
    )


def prepare(folder: Path) -> Scene:
    """Seven pictures in a tar."""
    folder.mkdir()
    with tarfile.open(folder / "val.tar", "w") as file:
        for number in TAR_NUMBERS:
            buffer = io.BytesIO()
            side = 1 + number % 23
            Image.new("RGB", (side, 8), (number % 251, 7, 9)).save(buffer, "JPEG")
            info = tarfile.TarInfo(validation_key(number))
            info.size = len(buffer.getvalue())
            file.addfile(info, io.BytesIO(buffer.getvalue()))

    def arguments(out: Path) -> list[str]:
        return ["prepare", str(folder / "val.tar"), str(out / "val"), "--no-verify"]

    return Scene("prepare", arguments, when_done="If it is prepared already, continue with")


def export(arena: Arena, pictures: Path, kind: str) -> Scene:
    """A run with all probabilities, for other tools."""
    store = arena.folder / f"to-export-as-{kind}"
    made = predict(pictures, "one", limit=20)
    ended = arena.run([*made.arguments(store), "--save-all-probs"])
    assert ended.status == 0, ended.err
    arguments = ["--to", kind, "--store", str(store)]
    return Scene(f"export --to {kind}", lambda out: ["export", str(out), *arguments])
