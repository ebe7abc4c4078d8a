"""Disks that refuse a call that changes a file, and the order of such calls."""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from benchmarking.models import weights
from benchmarking.models.spec import Weights
from torture import scenes
from torture.calls import WRITES, watched
from torture.scenes import Scene
from torture.verdicts import Verdicts, differences
from torture.victims import Arena, Call, an_arena, check_whole, contents, traced, visible


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with an_arena(tmp_path_factory.mktemp("arena")) as made:
        yield made


def make(name: str, arena: Arena, tree: Path, folder: Path) -> Scene:
    if name == "predict":
        return steady(tree, "steady", "steadier")
    if name in ("npy", "csv"):
        return scenes.export(arena, scenes.numbered_pictures(folder / "tiny", 20), name)
    return {"import": scenes.imports, "fetch": scenes.fetch}[name](folder / "given")


def steady(pictures: Path, *models: str) -> Scene:
    """Models that run in the process of the command."""
    names = [f"brightness/{model}" for model in models]

    def arguments(store: Path) -> Sequence[str]:
        crops = ["--crop-cache", str(store.with_name(f"{store.name}-crops"))]
        return ["predict", str(pictures), "--store", str(store), "--models", *names, *crops]

    return Scene("predict", arguments, scenes.Orders(most_lost=2, fatal=WRITES))


def test_a_refused_call_costs_at_most_the_current_run(arena, tree, tmp_path, full):
    verdicts = Verdicts()
    earlier = steady(tree, "steady")
    assert arena.run(earlier.arguments(tmp_path / "start")).status == 0
    shutil.rmtree(tmp_path / "start-crops")
    for scene in (steady(tree, "steadier"), scenes.imports(tmp_path / "arrays")):
        refuse_each_call_of(scene, arena, tmp_path, verdicts, full)
    verdicts.check()


def test_a_full_folder_for_temporary_files_is_reported_without_a_traceback(arena, tmp_path):
    pictures, verdicts = scenes.numbered_pictures(tmp_path / "tiny", 20), Verdicts()
    scene = scenes.predict(pictures, "one")
    for at in range(2, 6):  # the first call is Python's test of the folder
        below = {"fatal": WRITES, "below": str(arena.temporary), "for_good": True}
        orders = replace(scene.orders, die_at=at, errno=errno.ENOSPC, **below)
        out = tmp_path / f"store-{at}"
        ended = arena.run(scene.arguments(out), orders)
        with verdicts.on(f"No space left on device, at {arena.phase()}", "predict, temporary"):
            assert "Traceback" not in ended.err, ended.err
            assert ended.status in (1, 2)
            assert "No space left on device" in ended.err
    verdicts.check()


def refuse_each_call_of(scene, arena, folder, verdicts, full):
    scene = replace(scene, orders=replace(scene.orders, fatal=WRITES))
    whole, trace = folder / f"{scene.name}-whole", folder / f"{scene.name}-trace"
    shutil.copytree(folder / "start", whole)
    arena.run(scene.arguments(whole), replace(scene.orders, trace=str(trace)))
    reference = contents(whole)
    calls = [call for call in traced(trace) if call.name in WRITES and call.moment == "before"]
    for at, call in list(enumerate(calls, start=1))[:: 1 if full else 15]:
        for number, for_good in ((errno.ENOSPC, True), (errno.EIO, False)):
            out = folder / f"{scene.name}-{at}-{number}"
            shutil.copytree(folder / "start", out)
            before = contents(out)
            orders = replace(scene.orders, die_at=at, errno=number, for_good=for_good)
            ended = arena.run(scene.arguments(out), orders)
            fault = f"{os.strerror(number)}, at {call.name} of {Path(call.path).name}"
            with verdicts.on(fault, f"{scene.name}, light"):
                check_refused(ended, out, before, reference)
                again = arena.run(scene.arguments(out), scene.orders)
                assert again.status == 0, again.err
                assert differences(contents(out), reference) == ""


def check_refused(ended, out, before, reference):
    assert "Traceback" not in ended.err, ended.err
    found = contents(out)
    stored_all = not [path for path in reference if path not in found]
    assert (ended.status == 0) == stored_all, ended
    if ended.status:
        assert ended.status in (1, 2)
        lines = [line for line in ended.err.splitlines() if line.strip()]
        assert any("cannot be" in line for line in lines), ended.err
    check_whole(out, reference)
    assert not [path for path in found if path.endswith(".part")]
    assert {path: found[path] for path in before} == before


@pytest.mark.parametrize("name", ["predict", "import", "fetch", "npy", "csv"])
def test_every_file_is_synced_before_it_gets_its_name_and_its_folder_after(
    arena, tree, tmp_path, name
):
    scene = make(name, arena, tree, tmp_path)
    trace, out = tmp_path / "trace", tmp_path / "out"
    ended = arena.run(scene.arguments(out), replace(scene.orders, trace=str(trace)))
    assert ended.status == 0, ended.err
    calls = [call for call in traced(trace) if call.moment == "after"]
    renamed = [number for number, call in enumerate(calls) if call.name in ("replace", "rename")]
    kinds = Counter(Path(calls[number].path).suffix for number in renamed)
    print(dict(kinds))
    verdicts = Verdicts()
    with verdicts.on("order of syncs and renames", f"{scene.name}, light"):
        for number in renamed:
            check_order(calls, number)
        named = {calls[number].path for number in renamed}
        # Crops are excluded: they are made again if their name was lost.
        folders = Counter(
            str(Path(calls[number].path).parent)
            for number in renamed
            if not calls[number].path.endswith(".crops")
        )
        synced = Counter(call.path for call in calls if call.name == "fsync")
        assert {folder: synced[folder] for folder in folders} == folders
        assert {str(out / path) for path in visible(out)} <= named, "written in place"
    verdicts.check()


class AFewBytes(BaseHTTPRequestHandler):
    """Serves a few bytes under a tag, so that the download could be resumed, or without one."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "7")
        if self.path == "/tagged":
            self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(b"weights")

    def log_message(self, *args):
        pass


@pytest.mark.parametrize("path", ["tagged", "untagged"])
def test_downloaded_weights_are_synced_before_they_get_their_name(tmp_path, path):
    calls: list[Call] = []

    def remember(name: str, path: str, moment: str) -> None:
        if moment == "after":
            calls.append(Call(name, path, moment, "parent"))

    with ThreadingHTTPServer(("127.0.0.1", 0), AFewBytes) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{path}"
        with watched(remember):
            weights.download(Weights("w", "w.bin", url=url), tmp_path)
        server.shutdown()
    verdicts = Verdicts()
    with verdicts.on("order of syncs and renames", "download of weights, light"):
        check_order(calls, [call.name for call in calls].index("replace"))
    verdicts.check()


def check_order(calls: Sequence[Call], number: int) -> None:
    """Check that the renamed file was written, then synced, and not changed after that."""
    path = Path(calls[number].path)
    before = [call for call in calls[:number] if is_part_of(call.path, path)]
    names = [call.name for call in before]
    last = len(names) - names[::-1].index("open")  # no earlier file has this name
    assert names[last:][-1] == "fsync", (path, names)
    assert {"write", "pwrite"} & set(names[last:-1]), (path, names)


def is_part_of(path: str, whole: Path) -> bool:
    """Whether a path is that of a file before it gets its name.

    A file of crops is begun before the fingerprint of the pictures, which is in its name, is known.
    """
    part = Path(path)
    if part.parent != whole.parent or part.suffix != ".part":
        return False
    is_crops = whole.suffix == ".crops" and ".crops" in part.name
    return is_crops or part.name.startswith(f".{whole.name}.")
