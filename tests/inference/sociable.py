"""Models whose output depends on the whole batch, so that a batch that is cut shows.

Environment variables let them misbehave; each names a folder:
    SOCIABLE_MEET    loading a model waits until as many processes load one as "wanted" in it says
    SOCIABLE_DEATH   the first process that predicts dies
    SOCIABLE_HANG    a process hangs at its second batch, after it has written its number
And SOCIABLE_ROOM is the largest batch that fits into memory.
"""

import os
import signal
import time
import zlib
from pathlib import Path

import numpy as np

from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.pictures.recipe import SCALINGS, Preprocessing

PLUGIN = "sources"
NAME = "sociable"
MODULES = ()
EXTRA = "dev"
DISTRIBUTIONS = ()

RECIPE = Preprocessing("pillow", "nearest", resize=10, crop=8, scaling=SCALINGS["tf"])


def specs():
    weights = Weights("sociable", "sociable.py")
    names = ("a", "b", "c", "d", "e", "rigid")
    return tuple(
        ModelSpec(NAME, name, "abaci", weights, {"published": RECIPE}, 1) for name in names
    )


def weights_folder(spec):
    return Path(__file__).parent


def build(spec, weights):
    if folder := os.environ.get("SOCIABLE_MEET"):
        _meet(Path(folder))
    batches = [0]

    def predict(crops):
        batches[0] += 1
        _misbehave(len(crops), batches[0])
        random = np.random.default_rng(zlib.crc32(spec.name.encode() + crops.tobytes()))
        scores = random.random((len(crops), 1000), dtype=np.float32)
        return scores / scores.sum(axis=1, keepdims=True)

    if spec.name == "rigid":
        predict.fixed_batch_size = 5
    return predict


def _meet(folder):
    (folder / str(os.getpid())).touch()
    wanted, end = int((folder / "wanted").read_text()), time.monotonic() + 60
    while sum(path.name.isdigit() for path in folder.iterdir()) < wanted:
        assert time.monotonic() < end, "the others did not come"
        time.sleep(0.02)


def _misbehave(n, number):
    if n > int(os.environ.get("SOCIABLE_ROOM", n)):
        raise MemoryError(f"{n} crops")
    if folder := os.environ.get("SOCIABLE_DEATH"):
        try:
            (Path(folder) / "died").touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
    folder = os.environ.get("SOCIABLE_HANG")
    if folder and number == 2:
        (Path(folder) / str(os.getpid())).touch()
        time.sleep(1000)
