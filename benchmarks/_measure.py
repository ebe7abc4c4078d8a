"""Code that benchmarks share: options, machine, pictures, repeated measurements and output."""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TypeVar

from benchmarking.labels.imagenet import wnids
from benchmarking.pictures.image_set import Picture
from benchmarking.pictures.sets import open_pictures
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import TopK

T = TypeVar("T")

SAMPLE = Path(__file__).parents[2] / "shared" / "data" / "sample_images"
"""500 labelled ImageNet pictures, where they are available."""

IMAGES = "measured"
"""Name of the image set in our command."""

PLAIN_LOOP = """
loader = torch.utils.data.DataLoader(pictures, int(batch), num_workers=int(workers))
found = []
with torch.inference_mode():
    for pixels, _ in loader:
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        found.append(torch.softmax(model(pixels), dim=1).topk(5))
np.savez(
    out,
    probabilities=torch.cat([top.values for top in found]).numpy(),
    classes=torch.cat([top.indices for top in found]).numpy(),
)
"""
"""End of a plain script, which has `model`, `pictures`, `batch`, `workers` and `out`."""

# A small parent process: on Linux a process inherits the peak memory of the process that forks it.
_WATCH = """
import resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
seconds = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(seconds, used.ru_maxrss, used.ru_utime + used.ru_stime)
"""


@dataclass(frozen=True)
class Cost:
    """What a process and its children cost.

    Attributes:
        seconds: wall-clock time from the start of its interpreter.
        mebibytes: peak memory of the largest of them, in MiB.
        processor: seconds of processors, of the user and the system; a busy machine changes them
            less than the wall-clock time.
    """

    seconds: float
    mebibytes: float
    processor: float


def cost(command: Sequence[object], environment: Mapping[str, str] | None = None) -> Cost:
    """Measure a command, which must succeed; `environment` is added to that of this process."""
    watched = list(map(str, [sys.executable, "-S", "-c", _WATCH, *command]))
    done = subprocess.run(
        watched, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | (environment or {})
    )
    seconds, kibibytes, processor = map(float, done.stdout.split())
    return Cost(seconds, kibibytes / 1024, processor)


def costs(
    commands: Iterable[Sequence[object]], environment: Mapping[str, str] | None = None
) -> Cost:
    """Measure commands one after the other: total seconds and the highest peak."""
    each = [cost(command, environment) for command in commands]
    return Cost(
        sum(one.seconds for one in each),
        max(one.mebibytes for one in each),
        sum(one.processor for one in each),
    )


def our_command(
    pictures: Path, store: Path, models: Sequence[str], *more: object
) -> Sequence[object]:
    """The command that predicts on the CPU, with random weights of a fixed seed."""
    how = ["--weights", "random", "--again", "--gpu", "none", "--images", IMAGES]
    run = [sys.executable, "-m", "benchmarking", "predict"]
    return [*run, pictures, "--store", store, *how, *more, "--models", *models]


def our_answers(store: Path, source: str, model: str, recipe: str = "published") -> TopK:
    """The predictions that this command has stored."""
    random = Store(store.with_name(f"{store.name}-random"))
    return random.read(Run(IMAGES, source, model, recipe))


def options(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options of every benchmark."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("out", nargs="?", type=Path, metavar="OUT.md", help="write the results to this file too")
    where = "500 samples if they are available, else the demo"
    add(
        "--pictures", metavar="DIR", help=f"pictures in class folders, or 'demo' (default: {where})"
    )
    add("--small", action="store_true", help="a trial of seconds: the demo pictures, once")
    return parser


def chosen_pictures(args: argparse.Namespace) -> tuple[Picture, ...]:
    """The pictures that the options select."""
    found = str(SAMPLE) if SAMPLE.is_dir() else "demo"
    return open_pictures("demo" if args.small else args.pictures or found).pictures


def linked(pictures: Sequence[Picture], folder: Path, n: int) -> tuple[Picture, ...]:
    """Class folders with n links that repeat the pictures, each under a unique name."""
    for number in range(n):
        picture = pictures[number % len(pictures)]
        link = folder / wnids()[picture.label] / f"{number:06}-{Path(str(picture.place)).name}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path(str(picture.place)).resolve())
    return open_pictures(str(folder)).pictures


def evenly(found: Iterable[T], n: int, total: int) -> list[T]:
    """As many as n of the items, at even distances, as neighbours may be links to one picture.

    >>> evenly("aaaabbbbcccc", 3, 12), evenly("abcd", 3, 4)
    (['a', 'b', 'c'], ['a', 'b', 'c'])
    """
    return list(islice(found, 0, None, max(1, total // n)))[:n]


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def machine(*distributions: str) -> str:
    """One line about the processor, its load and versions."""
    info = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.is_file() else None
    processor = named[1] if named else platform.processor() or platform.machine()
    versions = [f"{name} {version(name)}" for name in distributions]
    load = f"load {os.getloadavg()[0]:.1f} before"
    return ", ".join(
        [processor, f"{cores()} cores", load, f"Python {platform.python_version()}", *versions]
    )


def seconds(function: Callable[[], object]) -> float:
    """Seconds that a function takes."""
    start = perf_counter()
    function()
    return perf_counter() - start


def exhaust(items: Iterable[object]) -> None:
    """Consume every item, and keep none."""
    deque(items, maxlen=0)


def in_turn(ways: Mapping[str, Callable[[], T]], repeats: int) -> dict[str, list[T]]:
    """Call several functions in turn, `repeats` times; return the results of each."""
    results: dict[str, list[T]] = {name: [] for name in ways}
    for repeat in range(repeats):
        for name, way in ways.items():
            print(f"{repeat + 1} of {repeats}: {name}", file=sys.stderr)
            results[name].append(way())
    return results


def ratio(over: Iterable[float], under: Iterable[float]) -> float:
    """Median of the ratios of measurements from the same turn."""
    return median(a / b for a, b in zip(over, under, strict=True))


def middle(values: Sequence[float], digits: int = 0) -> str:
    """The median, with the smallest and the largest value in parentheses.

    >>> middle([3.0, 1.0, 2.0], 1)
    '2.0 (1.0-3.0)'
    """
    low, mid, high = (f"{f(values):,.{digits}f}" for f in (min, median, max))
    return mid if low == high else f"{mid} ({low}-{high})"


def against(value: float, goal: float, worse: str = "below") -> str:
    """A value, and a note if it is on the wrong side of its goal: `below` or `above`.

    >>> against(0.95, 0.9), against(0.5, 0.9), against(0.2, 0.1, "above")
    ('0.95', '0.50, below the goal of 0.9', '0.20, above the goal of 0.1')
    """
    missed = value < goal if worse == "below" else value > goal
    return f"{value:.2f}" + (f", {worse} the goal of {goal:g}" if missed else "")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table; all columns but the first are right-aligned."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def must_hold(fact: bool, otherwise: str) -> None:
    """Exit with status 1 if predictions differ, because the measurements are invalid then."""
    if not fact:
        raise SystemExit(f"ANSWERS DIFFER: {otherwise}")


def publish(lines: Sequence[str], out: Path | None) -> None:
    """Print the results, and write them to a file if there is one."""
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if out:
        out.write_text(text)
