"""Eight commands at a time over one store, for half an hour, while everything goes wrong.

`make soak` runs this, `make soak MINUTES=2` a short form. The commands run in two pid namespaces,
two of them as another user who shares the store by its group. They are killed or interrupted at
random, a namespace is killed as a whole, clocks jump and disks fill up. At the end the same
commands run undisturbed; then every file has to be what a store has that nobody disturbed, and no
other file, folder or process may be left. It needs root, in a container for example.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from torture import containers, scenes
from torture.containers import NOBODY, Container, Member
from torture.launch import Orders
from torture.soak_findings import (
    AT_THE_END,
    CLOCK,
    CONTAINER,
    FULL,
    KILLS,
    NONE,
    TOLD,
    Findings,
    report,
    wrong_end,
)
from torture.soak_tasks import MODELS, Place, Task, below, made, odd_times, tree
from torture.tally import place_section
from torture.verdicts import differences
from torture.victims import ROOT, Arena, an_arena, as_asked, check_whole, phases

PLAYERS = 8
OTHERS = (3, 4)
"""Players that are another user; one in each container."""

_WORK = "--work-in-a-namespace-of-mounts"
_PATIENCE = 600
"""Seconds that no command takes, however busy the machine is."""
_SOON = 120
"""Seconds in which all processes of a killed command end."""
_PICTURES = 120
_DISK = 24 * 2**20
_DISK_PER_SET = 3 * 2**20
_SCRATCH = 16 * 2**20


@dataclass
class Soak:
    """The soak itself."""

    work: Path
    place: Place
    sets: list[str]
    reference: dict[str, object]
    minutes: float
    seed: int

    def __post_init__(self) -> None:
        self.findings = Findings()
        self.scratch = containers.a_disk(self.work / "scratch", _SCRATCH)
        self.temporary = (self.scratch / "tmp", self.work / "tmp")  # Python takes the first it can
        for place in self.temporary:
            place.mkdir()
            place.chmod(0o1777)
        self.containers = [Container(self.work / f"clock-{number}") for number in range(2)]
        self.started = time.monotonic()
        self.stored: set[tuple[str, str]] = set()
        self.faulty: list[tuple[str, int | None, float]] = []
        """Faults of disks, clocks and containers: what, in which container, and until when."""

    @property
    def done(self) -> float:
        """Which part of the time has passed."""
        return (time.monotonic() - self.started) / (60 * self.minutes)

    @property
    def complete(self) -> list[str]:
        """Image sets with the predictions of all models."""
        counts = Counter(images for images, _ in list(self.stored))
        return sorted(images for images, n in counts.items() if n == len(MODELS))

    # The players

    def play(self, number: int) -> None:
        """Run commands until the time is over."""
        chance = random.Random(f"{self.seed}, {number}")
        while self.done < 1:
            latest = min(int(self.done * len(self.sets)), len(self.sets) - 1)
            images = self.sets[latest if chance.random() < 0.7 else chance.randint(0, latest)]
            task = self.place.any(chance, images, self.complete)
            try:
                self.run(task, number, chance)
            except Exception as error:  # the others go on
                self.findings.tell(f"the soak itself: {error!r}")

    def run(self, task: Task, number: int, chance: random.Random | None = None) -> None:
        """Run a command, disturbed if there is chance in it."""
        folder = self.work / f"player-{number}"
        user = NOBODY if number in OTHERS else 0
        marks = folder / "marks"
        if not folder.exists():
            folder.mkdir()
            os.chown(folder, user, user)
        marks.unlink(missing_ok=True)
        pause = chance.choice(("0", "0.02", "0.1")) if chance else "0"
        command = self.containers[number % 2].command(
            user, [sys.executable, "-m", "torture.launch", *task.arguments]
        )
        environment = self.environment(user, marks, pause, self.containers[number % 2].clock)
        began = time.monotonic()
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                umask=0o002,
            )
        member = Member(process)
        fault = self.disturb(member, marks, chance) if chance else NONE
        try:
            status = process.wait(_PATIENCE)
            problem = "" if member.has_ended(_SOON) else "a process of it goes on"
        except subprocess.TimeoutExpired:
            status, problem = 0, f"it has not ended within {_PATIENCE} s"
        if problem:
            member.send("both", signal.SIGABRT)
            member.send("both", signal.SIGKILL)
        said = (folder / "err").read_text(errors="replace")
        told = f"{said}{(folder / 'out').read_text(errors='replace')}"
        met = self.met(number % 2, began) if chance else set()
        problem = problem or wrong_end(status, said, told, fault, met)
        if problem:
            problem += f": {' '.join(task.arguments)}: status {status}: {told[-TOLD:]}"
        main_fault = next((one for one in (CONTAINER, FULL, CLOCK) if one in met), NONE)
        name = KILLS[fault][0] if fault in KILLS else main_fault if chance else AT_THE_END
        self.findings.add(task.name, name, problem)
        if not problem and status == 0:
            self.stored.update(task.makes)

    def environment(self, user: int, marks: Path, pause: str, clock: Path) -> dict[str, str]:
        """In which a command runs."""
        home = self.work / f"home-{user}"
        orders = Orders(marks=str(marks), most_lost=40, spare=-(2**40), clock=str(clock))
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(home),
            "XDG_CACHE_HOME": str(self.scratch / f"cache-{user}"),
            "TMPDIR": str(self.temporary[0]),
            "TEMP": str(self.temporary[1]),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "TORTURE_PAUSE": pause,
            **orders.environment(),
        }

    def disturb(self, member: Member, marks: Path, chance: random.Random) -> str:
        """Perhaps kill or interrupt a command that runs; what was done to it."""
        if chance.random() < 0.45:
            return NONE
        fault = chance.choice([*KILLS])
        with suppress(subprocess.TimeoutExpired):
            member.process.wait(chance.expovariate(1 / 4))
        while fault == "interrupt" and member.process.poll() is None and phase(marks) == "":
            time.sleep(0.05)  # until Python has started
        sign = signal.SIGINT if fault == "interrupt" else signal.SIGKILL
        return fault if member.send(KILLS[fault][1], sign) else NONE

    def met(self, container: int, began: float) -> set[str]:
        """Faults that were since a time."""
        return {
            what
            for what, where, until in self.faulty
            if until >= began and where in (None, container)
        }

    # What goes wrong

    def make_trouble(self) -> None:
        """Fill disks, have clocks jump and kill containers until the time is over."""
        chance = random.Random(f"{self.seed}, trouble")
        latest, seen = 0.0, 0.0
        while self.done < 1:
            time.sleep(chance.uniform(0.5, 4))
            event = chance.choice([FULL] * 2 + [CLOCK] * 2 + [CONTAINER])
            number = chance.randrange(2)
            if event == FULL:
                self.fill(chance)
            elif event == CLOCK:
                self.containers[number].set_clock(chance.choice((0, 1, -1)) * chance.uniform(0, 99))
                self.note(CLOCK, number)
            elif event == CONTAINER and time.monotonic() - latest > 20:
                latest = time.monotonic()
                self.note(CONTAINER, number, 10)
                self.containers[number].kill()
                self.containers[number].start()
            if time.monotonic() - seen > 10:
                self.check_store()
                self.print_progress()
                seen = time.monotonic()

    def note(self, what: str, where: int | None, more: float = 0) -> None:
        """A fault, which may show for some seconds more."""
        self.findings.events[what] += 1
        self.faulty.append((what, where, time.monotonic() + more))

    def fill(self, chance: random.Random) -> None:
        """Fill a disk for some seconds."""
        self.note(FULL, None, 10**9)
        with containers.full(chance.choice((self.place.folder, self.scratch))):
            time.sleep(chance.uniform(0.2, 3))
        self.faulty[:] = [one for one in self.faulty if one[0] != FULL or one[2] < 10**8]
        self.faulty.append((FULL, None, time.monotonic() + 1))

    def check_store(self) -> None:
        """Whatever has its name is what it has to be in the end."""
        for _ in range(5):
            try:
                for store in self.place.stores:
                    if store.exists():
                        check_whole(store, below(self.reference, store.name), as_asked)
            except AssertionError as error:
                self.findings.tell(f"the store at work: {error}")
            except FileNotFoundError:  # of a hidden folder that has gone meanwhile
                continue
            except Exception as error:
                self.findings.tell(f"the store at work: {error!r}")
            self.findings.events["looks at the store"] += 1
            return

    def print_progress(self) -> None:
        """A line."""
        counts = self.findings.faults
        n, lost = (
            sum(v for (_, what), v in counts.items() if what == each) for each in ("tried", "lost")
        )
        print(f"{100 * min(self.done, 1):3.0f} %: {n} commands, {lost} lost", flush=True)

    # The end

    def soak(self) -> None:
        """Everything, to the end."""
        self.place.store.mkdir()
        with ThreadPoolExecutor(PLAYERS + 1) as pool:
            jobs = [pool.submit(self.play, number) for number in range(PLAYERS)]
            jobs.append(pool.submit(self.make_trouble))
            for job in jobs:
                job.result()
        self.findings.events["commands"] = sum(
            v for (_, what), v in self.findings.faults.items() if what == "tried"
        )
        print("the same commands, undisturbed", flush=True)
        for container in self.containers:
            container.set_clock(0)
        with ThreadPoolExecutor(PLAYERS) as pool:
            list(pool.map(self.finish, range(PLAYERS)))
        self.run(self.place.merge(), 0)
        self.check_end()

    def finish(self, number: int) -> None:
        """A player's part of all that is to be done, undisturbed."""
        for images in self.sets[number::PLAYERS] or self.sets[:1]:
            for task in self.place.all_of(images):
                self.run(task, number)
        self.run(self.place.imports(), number)
        self.run(self.place.check(), number)

    def check_end(self) -> None:
        """All is there that has to be, and nothing else."""
        found = made(self.place.folder)
        runs = [path for path in self.reference if path.endswith(".safetensors")]
        wrong = [path for path in runs if found.get(path) != self.reference[path]]
        kept = set(self.place.crops.glob("[!.]*.crops"))
        left = [
            *(path for place in self.temporary for path in place.iterdir()),
            *(path for path in self.scratch.rglob("*") if path.is_file() and path not in kept),
            *(tree(self.place.folder) ^ tree(Path(f"{self.place.folder}-0"))),
        ]
        processes = [line for container in self.containers for line in container.left()]
        ends = self.findings.events
        ends["runs"], ends["other runs"] = len(runs), len(wrong)
        ends["files"], ends["left"] = len(self.reference), len(set(left))
        ends["processes"] = len(processes)
        if problem := differences(found, self.reference):
            self.findings.tell(f"at the end: {problem}")
        if left:
            self.findings.tell(f"left over: {', '.join(sorted(map(str, set(left))))}")
        if processes:
            self.findings.tell(f"processes go on: {processes}")
        if odd := odd_times(self.place.store, time.monotonic() - self.started):
            self.findings.tell(f"at the end: {'; '.join(odd)}")
        for container in self.containers:
            container.kill()


def phase(marks: Path) -> str:
    """The latest phase of a command; empty if it has not started."""
    return phases(marks)[-1][0] if marks.exists() else ""


def undisturbed(work: Path, place: Place, sets: Sequence[str]) -> dict[str, object]:
    """What the commands make that nobody disturbs, by a process that runs them one by one."""
    calm = replace(place, folder=Path(f"{place.folder}-0"), crops=work / "crops-0")
    (work / "arena").mkdir()
    with an_arena(work / "arena") as arena:
        for images in sets:
            for task in calm.all_of(images):
                run_calmly(arena, task)
        run_calmly(arena, calm.imports())
        run_calmly(arena, calm.merge())
    return made(calm.folder)


def run_calmly(arena: Arena, task: Task) -> None:
    """Run a command that has to end well."""
    ended = arena.run(task.arguments)
    assert ended.status == 0, ended.err


def main(arguments: Sequence[str]) -> int:
    """Run the soak and write its tables; 1 if anything was lost, 2 if it cannot run here."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--out", type=Path, help="a Markdown file whose section is replaced")
    parser.add_argument(_WORK, type=Path, dest="work", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if lacks := containers.missing():
        print(f"make soak needs {lacks}; nothing was tried.", file=sys.stderr)
        return 2
    if not args.work:  # the folder is removed where nothing is mounted, all processes with theirs
        with tempfile.TemporaryDirectory(prefix="soak-") as work:
            again = [sys.executable, "-m", "torture.soak", _WORK, work, *arguments]
            inside = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *again]
            return subprocess.run(inside, check=False).returncode
    os.umask(0o002)
    soak = soaked(args.work, args.minutes, args.seed)
    text = report(soak.findings, f"{soak.minutes:g}", PLAYERS, len(OTHERS))
    print(text)
    if args.out:
        place_section(args.out, text)
    return 1 if soak.findings.problems else 0


def soaked(work: Path, minutes: float, seed: int) -> Soak:
    """The soak, when it has ended."""
    print(f"seed {seed}, in {work}", flush=True)
    work.chmod(0o755)
    containers.let_others_in([Path(sys.base_prefix), Path(sys.prefix), ROOT], work / "stash")
    sets = [f"set-{number}" for number in range(max(3, round(minutes / 5)))]
    disk = work / "disk"
    pictures = scenes.numbered_pictures(work / "tiny", _PICTURES)
    scenes.imports(work / "arrays")
    place = Place(disk, pictures, work / "arrays", work / "scratch" / "crops")
    reference = undisturbed(work, place, sets)
    print(f"{len(reference)} files of a store that nobody disturbs", flush=True)
    containers.a_disk(disk, _DISK + _DISK_PER_SET * len(sets))
    soak = Soak(work, place, sets, reference, minutes, seed)
    soak.soak()
    return soak


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
