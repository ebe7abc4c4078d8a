"""Peak memory of our command over 500, 5,000 and 50,000 pictures: together, it should be flat.

The pictures are links to a few. Two models that hardly compute run on PyTorch, in a worker process
as ever, and share the crops of pictures of the usual size: the first decodes them and writes a file
(150 kB each: 7.5 GB for 50,000), the other reads it. Peaks are those of resident memory, of the
command's own process and of its worker, as Linux counts them for each (VmHWM).

Usage: python benchmarks/memory.py [OUT.md] [--pictures DIR] [--most N] [--small]
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from _measure import (
    IMAGES,
    against,
    chosen_pictures,
    linked,
    machine,
    must_hold,
    options,
    our_answers,
    our_command,
    publish,
    table,
)

import benchmarking
from benchmarking.pictures.image_set import Picture

COUNTS = (500, 5_000, 50_000)
MODELS = ("one", "two")
GOAL = 1.1
TICK = 0.02


@dataclass(frozen=True)
class Peaks:
    """Seconds of a command, and the peak memory of it and of its largest descendant, in MiB."""

    seconds: float
    parent: float
    worker: float

    @property
    def together(self) -> float:
        """Upper bound of what both held at the same time."""
        return self.parent + self.worker


def peaks(command: Sequence[object], folder: Path, cache: Path) -> Peaks:
    """Measure a command, which runs in a folder and must succeed."""
    start, most = time.perf_counter(), dict[int, float]()
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    with subprocess.Popen(
        list(map(str, command)), cwd=folder, stdout=subprocess.DEVNULL, env=environment
    ) as process:
        while process.poll() is None:
            most |= {pid: peak for pid in _family(process.pid) if (peak := _peak(pid))}
            time.sleep(TICK)
    if process.returncode:
        raise SystemExit(f"the command ended with status {process.returncode}")
    parent = most.pop(process.pid)
    return Peaks(time.perf_counter() - start, parent, max(most.values()))


def _family(pid: int) -> Iterator[int]:
    """A process and its descendants, without those that end meanwhile."""
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _peak(pid: int) -> float:
    """Peak resident memory of a process, in MiB; 0 once it has ended."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0
    return 0


def package_with_light_models(folder: Path) -> None:
    """A copy of our package with one more source."""
    ours = Path(benchmarking.__file__).parent
    shutil.copytree(ours, folder / ours.name, ignore=shutil.ignore_patterns("__pycache__"))
    light = Path(__file__).parent / "plugins" / "light.py"
    shutil.copy(light, folder / ours.name / "models" / "sources")


def measured(pictures: Sequence[Picture], n: int) -> Peaks:
    """Peaks for n links to some pictures; the predictions of both models must be stored."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        package_with_light_models(work)
        linked(pictures, work / "pictures", n)
        models = [f"light/{model}" for model in MODELS]
        command = our_command(work / "pictures", work / "store", models)
        found = peaks(command, work, work / "cache")
        for model in MODELS:
            said = len(our_answers(work / "store", "light", model))
            must_hold(said == n, f"{said} answers of {model} for {n} pictures of {IMAGES}")
    return found


def told(found: dict[int, Peaks]) -> list[str]:
    """The table of the peaks; the goal is for both processes together."""
    few = next(iter(found.values()))
    rows = [
        [
            f"{n:,}",
            *(f"{one:.0f}" for one in (peaks.parent, peaks.worker, peaks.together)),
            against(peaks.together / few.together, GOAL, "above"),
            f"{peaks.seconds:.0f}",
        ]
        for n, peaks in found.items()
    ]
    first = f"Of that of {min(found):,}"
    columns = ["Pictures", "Command, MiB", "Worker, MiB", "Together, MiB", first, "Seconds"]
    return table(columns, rows)


def main() -> None:
    """Measure, and publish the results."""
    parser = options(__doc__)
    parser.add_argument(
        "--most", type=int, default=max(COUNTS), metavar="N", help="leave more pictures away"
    )
    args = parser.parse_args()
    if not Path("/proc/self/status").exists():
        raise SystemExit("this benchmark reads /proc, which only Linux has")
    heading = machine("numpy", "torch", "pillow")
    chosen = chosen_pictures(args)
    counts = [20] if args.small else [n for n in COUNTS if n <= args.most]
    found = {n: measured(chosen, n) for n in counts}
    about = f"Two models that hardly compute, on PyTorch; links to {len(chosen)} pictures; "
    about += "made by benchmarks/memory.py."
    publish([heading, "", about, "", *told(found)], args.out)


if __name__ == "__main__":
    main()
