"""Commands to be killed: starting, watching and ending them, and the files that they leave."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import safe_open

from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from torture.launch import START, Orders

ROOT = Path(__file__).parents[2]
_LAUNCH = [sys.executable, "-m", "torture.launch"]
_PATIENCE = 240
"""Timeout in seconds, longer than any step takes."""

OWN = ("started", "seconds", "process_id", "arguments", "incidents")
"""Fields of provenance that may differ between two equal runs."""


_TOO_MANY = re.compile(r"; ([0-9]+) pictures at a time were too many, now ([0-9]+)")

Reading = Callable[[dict[str, Any]], dict[str, Any]]
"""What is compared of a provenance."""

Batch = dict[str, Any]
"""Numbers of pictures that were predicted together, with the model and the id of the process."""


@dataclass(frozen=True)
class Ended:
    """The result of a command; a negative status is the signal that ended it."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Arena:
    """A folder for victims, with their files for marks, traces and seen pictures."""

    folder: Path
    server: subprocess.Popen[str]

    @property
    def marks(self) -> Path:
        """File with the phases of the latest victim, in order."""
        return self.folder / "marks"

    @property
    def out(self) -> Path:
        """Standard output of the latest victim."""
        return self.folder / "out"

    @property
    def err(self) -> Path:
        """Standard error of the latest victim."""
        return self.folder / "err"

    @property
    def temporary(self) -> Path:
        """Folder for temporary files of victims."""
        return self.folder / "tmp"

    def run(self, arguments: Sequence[str], orders: Orders | None = None, **more: str) -> Ended:
        """Run a command to its end, as a fork of the server."""
        told = {"arguments": list(arguments), "environment": self._environment(orders, more)}
        names = {"out": str(self.out), "err": str(self.err)}
        for name in names.values():
            Path(name).write_text("")
        assert self.server.stdin
        assert self.server.stdout
        print(json.dumps(told | names), file=self.server.stdin, flush=True)
        status = int(self.server.stdout.readline())
        return Ended(status, self.out.read_text(), self.err.read_text())

    def start(self, arguments: Sequence[str], orders: Orders | None = None, **more: str) -> Running:
        """Start a command with its own interpreter and process group."""
        environment = {**os.environ, **self._environment(orders, more)}
        with self.out.open("w") as out, self.err.open("w") as err:
            process = subprocess.Popen(
                [*_LAUNCH, *arguments],
                env=environment,
                cwd=ROOT,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        return Running(process, self)

    def _environment(self, orders: Orders | None, more: Mapping[str, str]) -> dict[str, str]:
        self.temporary.mkdir(parents=True, exist_ok=True)
        self.marks.write_text("")
        told = replace(orders or Orders(), marks=str(self.marks))
        return {
            "PYTHONPATH": str(ROOT / "tests"),
            "TMPDIR": str(self.temporary),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "TORTURE_SEEN": str(self.folder / "seen"),
            "OMP_NUM_THREADS": "1",  # several threads that wait for each other are slow
            "TORTURE_PAUSE": "0",
            "TORTURE_LOADING": "0",
            **told.environment(),
            **more,
        }

    def phase(self) -> str:
        """The last phase of the latest victim, in words."""
        return phases(self.marks)[-1][0]

    def seen(self) -> list[Batch]:
        """Batches that light models have seen since the last call, in order."""
        path = self.folder / "seen"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]


@dataclass(frozen=True)
class Running:
    """A running command and its process group."""

    process: subprocess.Popen[bytes]
    arena: Arena

    def until(self, phase: str, times: int = 1) -> None:
        """Wait until a phase has begun `times` times, or the command has ended."""
        self.until_true(
            lambda: [name for name, *_ in phases(self.arena.marks)].count(phase) >= times
        )

    def until_true(self, happened: Callable[[], object]) -> None:
        """Wait until `happened` is true, or the command has ended."""
        end = time.monotonic() + _PATIENCE
        while self.process.poll() is None and not happened():
            assert time.monotonic() < end, "it never happens"
            time.sleep(0.002)

    @property
    def worker(self) -> int:
        """Process id of its latest worker."""
        return [pid for _, pid, _ in phases(self.arena.marks) if pid != self.process.pid][-1]

    def kill(self, whom: str, sign: int = signal.SIGKILL) -> None:
        """Send a signal to the parent, the worker or both, which must still be running."""
        assert self.process.poll() is None, self.ended()
        if whom == "both":
            os.killpg(self.process.pid, sign)
        else:
            os.kill(self.process.pid if whom == "parent" else self.worker, sign)

    def ended(self) -> Ended:
        """Wait for the end of the command and of all processes that it has started."""
        self.process.wait(_PATIENCE)
        end = time.monotonic() + _PATIENCE
        while _lives(self.process.pid):
            assert time.monotonic() < end, "a process of the group goes on"
            time.sleep(0.005)
        return Ended(
            self.process.returncode, self.arena.out.read_text(), self.arena.err.read_text()
        )


def _lives(group: int) -> bool:
    """Whether any process of a group is still running; zombies do not count."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                return True
    return False


@contextmanager
def an_arena(folder: Path) -> Iterator[Arena]:
    """An arena whose server ends with the block."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "OPENBLAS_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(_LAUNCH, env=environment, cwd=ROOT, text=True, **pipes) as server:
        yield Arena(folder, server)
        assert server.stdin
        server.stdin.close()


def phases(marks: Path) -> list[tuple[str, int, float]]:
    """Each phase with its process and start time; incomplete lines are ignored."""
    lines = marks.read_text().splitlines(keepends=True) if marks.exists() else []
    found = (line.rstrip("\n").rsplit(":", 2) for line in lines if line.endswith("\n"))
    return [(name, int(pid), float(at)) for name, pid, at in found] or [(START, 0, 0)]


@dataclass(frozen=True)
class Call:
    """A call that changes a file: its name, path, moment and process."""

    name: str
    path: str
    moment: str
    who: str


def traced(trace: Path) -> list[Call]:
    """Calls that a victim has recorded; none if there is no such file."""
    lines = trace.read_text().splitlines() if trace.exists() else []
    return [Call(*json.loads(line)) for line in lines]


def contents(folder: Path, read: Reading = dict) -> dict[str, object]:
    """Bytes of every file below a folder, also hidden ones; for runs, the parts to compare.

    Of runs, `read` gives what is compared of the provenance, such as `as_asked`.
    """
    return _contents(folder, [path for path in folder.rglob("*") if path.is_file()], read)


def visible(folder: Path, read: Reading = dict) -> dict[str, object]:
    """The same without hidden files and folders, which can appear and disappear meanwhile."""
    paths = [path for path in folder.rglob("[!.]*") if path.is_file()]
    return _contents(
        folder, [path for path in paths if not _is_hidden(path.relative_to(folder))], read
    )


def _contents(folder: Path, paths: Sequence[Path], read: Reading) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): _run(path, read) if _is_run(path) else path.read_bytes()
        for path in sorted(paths)
    }


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def check_whole(folder: Path, reference: Mapping[str, object], read: Reading = dict) -> None:
    """Check that each file with its final name is complete and final, and stores are readable."""
    for path, data in visible(folder, read).items():
        assert data == reference[path], f"{path}: {difference(data, reference[path])}"
    store = Store(folder)
    for images in store.image_sets():
        for run in store.runs(images):
            assert store.check(run)
            assert len(store.read(run)) == len(store.rows(images))


def difference(found: object, expected: object, name: str = "") -> str:
    """What is not what it has to be in a file, or in the parts of a run."""
    if isinstance(found, dict) and isinstance(expected, dict):
        names = [one for one in found | expected if found.get(one) != expected.get(one)]
        return "; ".join(difference(found.get(one), expected.get(one), one) for one in names)
    return f"{name} has to be {str(expected):.200}, and is {str(found):.200}".lstrip()


def tensors(path: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Every tensor of a run's file."""
    with safe_open(path, framework="numpy") as file:
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return {name: (str(one.dtype), one.shape, one.tobytes()) for name, one in found.items()}


def incidents(path: Path) -> list[str]:
    """The incidents in a run's provenance."""
    return list(_document(path)["incidents"])


def _is_run(path: Path) -> bool:
    return path.suffix == ".safetensors" and not path.name.startswith(".")


def _run(path: Path, read: Reading) -> dict[str, object]:
    made = read(_document(path))
    return {**tensors(path), "provenance": {n: v for n, v in made.items() if n not in OWN}}


def as_asked(made: dict[str, Any]) -> dict[str, Any]:
    """A provenance without the smaller batch that it tells of, as after a kill of the worker."""
    told = [found for found in map(_TOO_MANY.search, made["incidents"]) if found]
    if not told or made["batch_size"] != int(told[-1][2]):
        return made
    asked = int(told[0][1])
    shapes = {(asked, *shape[1:]) for shape in made["input_shapes"]}
    return made | {"batch_size": asked, "input_shapes": tuple(shapes)}


def _document(path: Path) -> dict[str, Any]:
    model, _, recipe = path.stem.rpartition(".")
    run = Run(path.parts[-3], path.parts[-2], model, recipe)
    return asdict(Store(path.parents[2]).provenance(run))
