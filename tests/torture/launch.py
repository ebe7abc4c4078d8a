"""The command as a victim: it uses these tests' plug-ins, reports its phase and dies on order.

`python -m torture.launch ARGUMENT…` is one command. Without arguments, each line of standard input
is one, in JSON, which is run in a fork with its own process group. The worker process that a
command starts first imports the plug-ins of these tests; the source `numbered` makes it follow the
orders.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from torture.calls import SYNCS, Moment, watched

ORDERS = "TORTURE_ORDERS"
"""Environment variable with the orders."""

PLUGINS = (
    *sorted((Path(__file__).parent / "plugins").glob("*/*.py")),
    *sorted((Path(__file__).parents[1] / "plugins").glob("*/*.py")),
)

START, READING, LOADING, PREDICTING, WRITING, AFTER = PHASES = (
    *("starting", "reading pictures", "loading"),
    *("predicting", "writing", "after"),
)


@dataclass(frozen=True)
class Orders:
    """The orders of a victim, in addition to its command.

    Attributes:
        marks: file for the phases, written when each begins, with the id of the process.
        trace: file for the calls that change files.
        die_at: number of the call in `fatal` at which to die, counted from 1; 0 for never.
        fatal: names of calls.
        below: only calls on paths in this folder count.
        moment: whether to die before, amid or after that call.
        who: the process that dies.
        alone: whether the rest of its group stays alive.
        linger: seconds that the last call takes.
        errno: error that refuses the call, instead of death.
        for_good: whether all later calls are refused as well.
        most_lost: number of pictures between two checkpoints, instead of the package's own.
        spare: bytes that crops must leave free on a disk, instead of the package's own number.
        clock: file with the seconds by which the clock is wrong, which may change; empty for the
            right time. Python's own functions are replaced, because `time.sleep` fails under
            libfaketime.
        collection: the files of `fetch small`: path, bytes and sha256 of each.
    """

    marks: str = ""
    trace: str = ""
    die_at: int = 0
    fatal: tuple[str, ...] = SYNCS
    below: str = "/"
    moment: Moment = "before"
    who: Literal["parent", "worker"] = "parent"
    alone: bool = False
    linger: float = 0
    errno: int = 0
    for_good: bool = False
    most_lost: int = 0
    spare: int = 0
    clock: str = ""
    collection: tuple[tuple[str, int, str], ...] = ()

    @classmethod
    def given(cls) -> Orders:
        """The orders in the environment."""
        return cls(**json.loads(os.environ.get(ORDERS, "{}")))

    def environment(self) -> dict[str, str]:
        """The environment variables with which to start a victim."""
        return {ORDERS: json.dumps(asdict(self))}


class Teller:
    """Records phases and calls, and kills the process or refuses the call as ordered."""

    def __init__(self, orders: Orders, *, is_worker: bool) -> None:
        self._orders, self._counts, self._lock = orders, 0, Lock()
        self._who = "worker" if is_worker else "parent"

    def mark(self, phase: str) -> None:
        _append(self._orders.marks, f"{phase}:{os.getpid()}:{time.monotonic()}")

    def latest(self) -> str:
        marks = self._orders.marks
        lines = Path(marks).read_text().splitlines() if marks and Path(marks).exists() else []
        return lines[-1].partition(":")[0] if lines else START

    def call(self, name: str, path: str, moment: Moment) -> None:
        _append(self._orders.trace, json.dumps([name, path, moment, self._who]))
        if not self._is_meant(name, path, moment):
            return
        with self._lock:
            self._counts += 1
            is_last = self._counts == self._orders.die_at
            is_later = self._counts > self._orders.die_at
        if is_last:
            time.sleep(self._orders.linger)
            self.mark(f"{WRITING}, {moment} {name} of {Path(path).name}")
        if self._orders.errno and (is_last or (self._orders.for_good and is_later)):
            raise OSError(self._orders.errno, os.strerror(self._orders.errno), path)
        if is_last and not self._orders.errno:
            os.kill(os.getpid() if self._orders.alone else 0, signal.SIGKILL)
            signal.pause()

    def _is_meant(self, name: str, path: str, moment: Moment) -> bool:
        orders = self._orders
        where = (orders.who, orders.moment) == (self._who, moment) and path.startswith(orders.below)
        return bool(orders.die_at) and name in orders.fatal and where

    def watch(self) -> None:
        self._watching = watched(self.call)  # a reference, so that it is not collected
        self._watching.__enter__()

    def within(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function so that it marks a phase; after it, the earlier phase is marked again."""

        def telling(*args: Any, **kwargs: Any) -> Any:
            earlier = self.latest()
            self.mark(phase)
            result = function(*args, **kwargs)
            self.mark(earlier)
            return result

        return telling

    def before(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function so that a phase begins after it."""

        def telling(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            self.mark(phase)
            return result

        return telling


def obey(orders: Orders, *, is_worker: bool) -> None:
    """Change this process permanently, so that it follows the orders."""
    teller = Teller(orders, is_worker=is_worker)
    teller.mark(LOADING if is_worker else START)

    from benchmarking.inference import crop_sharing, partial_run, predict, sweep
    from benchmarking.io import downloads, files
    from benchmarking.pictures import reading

    if orders.most_lost:
        partial_run.KEPT_EVERY = orders.most_lost // 2
    if orders.spare:
        crop_sharing.SPARE = orders.spare
    if orders.collection:
        held = tuple(downloads.RemoteFile(*row) for row in orders.collection)
        small = downloads.Collection("small", held, "", "for tests")
        downloads.collections = lambda: {"small": small}  # type: ignore[assignment]
    if orders.clock:
        shift(Path(orders.clock), sweep)
    if orders.marks:
        reading.read_images = teller.before(LOADING, teller.within(READING, reading.read_images))
        predict.load = teller.before(PREDICTING, predict.load)
        files.write = teller.within(WRITING, files.write)
        sweep.Sweep._stored = teller.before(AFTER, sweep.Sweep._stored)
    teller.watch()


def shift(clock: Path, sweep: Any) -> None:
    """Have the wall clock of this process differ by the seconds in a file."""

    def difference() -> float:
        return float(clock.read_text())

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(seconds=difference())

    seconds, nanoseconds = time.time, time.time_ns
    time.time = lambda: seconds() + difference()
    time.time_ns = lambda: nanoseconds() + int(difference() * 1e9)
    sweep.datetime = Shifted


def extend() -> None:
    """Use the plug-ins of these tests; worker processes find them too, and follow the orders."""
    from benchmarking import plugins

    for file in PLUGINS:
        plugins.use(file)


def serve() -> None:
    """Run commands one at a time, each in a fork of this process, so nothing is imported twice."""
    import tqdm  # noqa: F401

    from benchmarking.models.sources import all_specs

    all_specs()
    for line in sys.stdin:
        print(json.dumps(_forked(json.loads(line))), flush=True)


def _forked(told: dict[str, Any]) -> int:
    """Exit status of a command; a negative status is the signal that ended it."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    status = 70
    try:
        os.setsid()
        os.environ.update(told["environment"])
        for standard, name in enumerate((os.devnull, told["out"], told["err"])):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT, 0o644), standard)
        obey(Orders.given(), is_worker=False)
        status = command(told["arguments"])
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def command(arguments: Sequence[str]) -> int:
    from benchmarking.cli import main

    return main(arguments)


def _append(path: str, line: str) -> None:
    if path:
        handle = _OPEN(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(handle, line.encode() + b"\n")
        os.close(handle)


_OPEN = os.open  # the original, as os.open is watched

if __name__ == "__main__":
    extend()
    if len(sys.argv) == 1:
        serve()
    else:
        obey(Orders.given(), is_worker=False)
        raise SystemExit(command(sys.argv[1:]))
