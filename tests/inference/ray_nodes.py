"""Nodes of Ray on this machine: each is started by `ray start`, and killed by its ids."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

ROOT = Path(__file__).parents[2]

NODE = "RAY_TEST_NODE"
"""Variable with the name of a test's node, which all of its processes inherit."""

_PATIENCE = 60.0


@dataclass(frozen=True)
class RayNode:
    """A node of Ray.

    Attributes:
        name: unique name of the node, in the environment of its processes.
        address: HOST:PORT of the head.
        folder: where it keeps its files.
    """

    name: str
    address: str
    folder: Path

    def pids(self) -> list[int]:
        """Processes of this node, and those that its tasks have started."""
        return [pid for pid, name in running() if name == self.name]

    def kill(self) -> None:
        """Kill every process of the node, and wait for their ends."""
        end = time.monotonic() + _PATIENCE
        while pids := self.pids():
            assert time.monotonic() < end, f"{pids} do not end"
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        shutil.rmtree(self.folder, ignore_errors=True)


def running() -> list[tuple[int, str]]:
    """Processes of all nodes of tests, each with the name of its node."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            pairs = path.read_bytes().split(b"\0")
            name = next((pair for pair in pairs if pair.startswith(f"{NODE}=".encode())), None)
            if name and _lives(path.with_name("stat")):
                found.append((int(path.parent.name), name.decode().partition("=")[2]))
    return found


def start(head: RayNode | None = None, *, cpus: int = 1, gpus: int = 0, **more: str) -> RayNode:
    """Start a node.

    Args:
        head: the head of the cluster that it joins; None begins a cluster.
        cpus: cores that Ray may use.
        gpus: GPUs that Ray believes to have.
        more: variables of the environment of its processes.
    """
    name, folder = uuid4().hex, Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    port = free_port()
    where = ["--head", f"--port={port}", "--include-dashboard=false"]
    options = [
        *(where if head is None else [f"--address={head.address}"]),
        *("--node-ip-address=127.0.0.1", f"--num-cpus={cpus}", f"--num-gpus={gpus}"),
        *("--object-store-memory=100000000", "--disable-usage-stats", f"--temp-dir={folder}"),
        f"--dashboard-agent-listen-port={free_port()}",
        # Free ones, since nodes on one machine would take each other's.
        *("--min-worker-port=0", "--max-worker-port=0"),
    ]
    environment = {
        **os.environ,
        **{NODE: name, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"},
        "RAY_worker_niceness": "0",  # Ray would let every other process of this machine go first
        **more,
    }
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", *options]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=_PATIENCE, check=False
    )
    made = RayNode(name, f"127.0.0.1:{port}" if head is None else head.address, folder)
    if done.returncode:
        made.kill()
        raise AssertionError(f"ray start failed: {done.stdout}\n{done.stderr}")
    return made


def free_port() -> int:
    """A free port outside 10002-19999, which Ray gives to its workers."""
    while True:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            if not 10002 <= port <= 19999:
                return port


def lives(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    return _lives(Path(f"/proc/{pid}/stat"))


def _lives(stat: Path) -> bool:
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
