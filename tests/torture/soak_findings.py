"""What a soak has found: how each command has ended, and the tables of it."""

from __future__ import annotations

import re
import signal
from collections import Counter
from dataclasses import dataclass, field
from threading import Lock

TITLE = "What `make soak` found"
KILLS = {
    "kill": ("kill -9 of the command", "parent"),
    "kill worker": ("kill -9 of its worker", "worker"),
    "kill both": ("kill -9 of both", "both"),
    "interrupt": ("Ctrl-C", "both"),
}
"""How each is called, and which processes it meets."""

NONE, CONTAINER, FULL, CLOCK = (
    *("nothing", "kill -9 of all in a namespace"),
    *("disk full", "a clock that jumps"),
)
AT_THE_END = "nothing, at the end"
TOLD = 2000
"""Letters of what a command has written."""

_NO_ROOM = re.compile(r"No space left on device|Make room")
_NO_SHARDS = re.compile(
    r"shards? [0-9, ]+ of 2 (is|are) missing|there are no shards|/shards is not a"
)
"""What `merge` says before another command has stored all shards."""


@dataclass
class Findings:
    """What has come of all commands and of the end."""

    commands: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def add(self, name: str, fault: str, problem: str) -> None:
        """A command that met a fault."""
        with self.lock:
            for counts, key in ((self.commands, name), (self.faults, fault)):
                counts[key, "tried"] += 1
                counts[key, "lost" if problem else "survived"] += 1
        if problem:
            self.tell(f"{name}, {fault}: {problem}")

    def tell(self, problem: str) -> None:
        """Remember and print what is wrong."""
        with self.lock:
            self.problems.append(problem)
        print(f"LOST: {problem[:TOLD]}", flush=True)


def wrong_end(status: int, said: str, told: str, fault: str, met: set[str]) -> str:
    """What is wrong with the end of a command; empty if it may end so.

    Args:
        status: its exit status, or less than 0 for a signal.
        said: what it has written to standard error.
        told: that, and what it has written to standard output.
        fault: what was done to it.
        met: what has happened beside it.
    """
    is_interrupted = fault == "interrupt" and status in (130, -signal.SIGINT)
    is_killed = status in (-signal.SIGKILL, 128 + signal.SIGKILL)
    is_unfinished = said.rpartition("\n")[2].startswith(" ")
    is_cut = fault == "interrupt" and is_killed and CONTAINER in met and is_unfinished
    is_of_ctrl_c = is_interrupted and said.endswith("KeyboardInterrupt\n")
    if "Traceback" in said and not (is_of_ctrl_c or is_cut):
        return "a traceback"
    if (
        status == 0
        or (is_killed and (fault in ("kill", "kill both") or CONTAINER in met))
        or is_interrupted
        or (status in (1, 2) and _NO_SHARDS.search(told))
        or (FULL in met and status in (1, 2) and _NO_ROOM.search(told))
        or (CONTAINER in met and status == 1 and "nsenter" in said)
    ):
        return ""
    return "a wrong end"


def report(found: Findings, minutes: str, players: int, others: int) -> str:
    """The tables in Markdown, under their title."""
    events = found.events
    head = "| {} | Tried | Survived | Lost |\n|---|---:|---:|---:|"
    lost = (events["other runs"], events["left"], events["processes"])
    lines = [
        f"# {TITLE}",
        "",
        f"{minutes} minutes: {events['commands']:,} commands, {players} at a time, {others} of "
        f"them as another user, over one store, in two pid namespaces. {events[FULL]} times a disk "
        f"was full, {events[CLOCK]} times a clock jumped, {events[CONTAINER]} times a namespace "
        f"was killed as a whole. {events['looks at the store']} times meanwhile, all that the "
        "store held was compared with what it has to be in the end.",
        "",
        head.format("What a command met"),
        *rows(found.faults),
        "",
        head.format("Command"),
        *rows(found.commands),
        "",
        "| At the end | Found | Wrong |",
        "|---|---:|---:|",
        f"| runs, compared with a store that nobody disturbed | {events['runs']:,} | {lost[0]} |",
        f"| files and folders, the same; leftovers | {events['files']:,} | {lost[1]} |",
        f"| processes that go on | {lost[2]} | {lost[2]} |",
    ]
    return "\n".join(lines) + "\n"


def rows(counts: Counter[tuple[str, str]]) -> list[str]:
    """A line for each name."""
    names = sorted({name for name, _ in counts}, key=str.lower)
    numbers = ("tried", "survived", "lost")
    return [
        f"| {name} | {' | '.join(f'{counts[name, each]:,}' for each in numbers)} |"
        for name in names
    ]
