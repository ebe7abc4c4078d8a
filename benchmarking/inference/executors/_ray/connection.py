"""The connection to Ray: to a cluster that runs, or to one that is started on this machine."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec

from benchmarking.errors import BenchmarkError, not_installed
from benchmarking.io.prefetch import cores

LOCAL = "local"
"""The address that stands for a Ray of this machine, which is started and ended by a sweep."""

_ADDRESS = re.compile(r"auto|local|(\[[0-9A-Fa-f:.]+\]|[\w.-]+):[0-9]{1,5}")
_PATIENCE = 5.0
"""Seconds in which the head of a cluster has to accept a connection."""

_OBJECT_STORE = 200 * 10**6
"""Bytes of shared memory of a Ray of this machine; it holds a list of pictures, and outputs."""

_SKIPPED = "RAY_DEDUP_LOGS_SKIP_REGEX"
"""Variable with lines of logs that Ray does not print; it is read when Ray is imported."""

_REPORTS = "A worker died or was killed|Raylet is terminated|has been marked dead|memory pressure"

_KNOWN = "'auto', 'local' or HOST:PORT"


def check_address(address: str | None) -> None:
    """Check that Ray is installed, and that an address has the right form.

    Raises:
        MissingDependency: Ray is not installed.
        BenchmarkError: it is no address, or the address of something else.
    """
    if find_spec("ray") is None:
        raise not_installed("ray", "ray")
    if address is None or _ADDRESS.fullmatch(address):
        return
    if "://" in address:
        raise BenchmarkError(
            f"{address} is an address for Ray Client, which does not pass on outputs as they "
            "come; run this command on a node of the cluster, with the address auto."
        )
    raise BenchmarkError(
        f"{address!r} is no address of Ray; expected {_KNOWN}, as 'ray start --head' prints it."
    )


@contextmanager
def connected(address: str | None) -> Iterator[bool]:
    """Connect to Ray until the block ends; the value is whether it was started here.

    A cluster that was joined is left as it is, and so is a connection that the caller has.

    Args:
        address: "auto" for the cluster of this machine, HOST:PORT of its head, or "local" for a
            Ray of this machine's cores; None uses $RAY_ADDRESS, or else "local".

    Raises:
        MissingDependency: Ray is not installed.
        BenchmarkError: no cluster answers at the address, Ray cannot be started, or the caller's
            connection makes an address useless.
    """
    where = address or os.environ.get("RAY_ADDRESS") or LOCAL
    check_address(where)
    with _without_reports():
        import ray

    if ray.is_initialized():
        if address not in (None, "auto"):
            raise BenchmarkError(
                f"this process is connected to Ray already, so the address {address!r} would have "
                "no effect; leave it out, or call ray.shutdown() first."
            )
        yield False
        return
    if where != LOCAL:
        check_answers(where)
    try:
        _init(where)
        yield where == LOCAL
    finally:
        ray.shutdown(wait_for_processes=True)


def _init(where: str) -> None:
    """Connect, without messages of Ray on standard error."""
    import ray

    how = {"address": where, "log_to_driver": False, "logging_level": logging.ERROR}
    if where == LOCAL:
        how |= {
            "num_cpus": cores(),
            "include_dashboard": False,
            "object_store_memory": _OBJECT_STORE,
        }
    try:
        with _same_signals():
            ray.init(**how)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        first = str(error).strip().partition("\n")[0]
        what = "be started here" if where == LOCAL else f"be joined at {where}"
        raise BenchmarkError(f"Ray cannot {what}: {first}") from error


def check_answers(where: str) -> None:
    """Check that something listens at an address; Ray would try for a minute.

    Raises:
        BenchmarkError: nothing does, or no cluster runs on this machine.
    """
    found = _resolved(where)
    host, _, port = found.rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise BenchmarkError(
            f"no cluster of Ray answers at {found} ({error}); start its head with 'ray start "
            "--head', or leave out the address for a Ray of this machine."
        ) from error


def _resolved(where: str) -> str:
    """HOST:PORT of a cluster; an address that Ray alone can resolve is returned as it is."""
    from ray._private import services

    with suppress(AttributeError, ValueError):  # not a public function of Ray
        try:
            return str(services.canonicalize_bootstrap_address(where) or where)
        except ConnectionError as error:
            raise BenchmarkError(
                "no cluster of Ray runs on this machine; start its head with 'ray start --head', "
                "give its address, or leave out the address for a Ray of this machine."
            ) from error
    return where


@contextmanager
def _without_reports() -> Iterator[None]:
    """While Ray is imported, tell it not to print what the sweep reports itself.

    Ray prints on standard output, which is for results.
    """
    is_given = _SKIPPED in os.environ
    os.environ.setdefault(_SKIPPED, _REPORTS)
    try:
        yield
    finally:
        if not is_given:
            del os.environ[_SKIPPED]


@contextmanager
def _same_signals() -> Iterator[None]:
    """Keep the handler of SIGTERM, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
