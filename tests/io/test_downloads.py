import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import platformdirs
import pytest
from conftest import DATA

from benchmarking.cli import main
from benchmarking.errors import BenchmarkError
from benchmarking.io import allowance, downloads
from benchmarking.io.downloads import (
    Collection,
    DownloadError,
    RemoteFile,
    cache_folder,
    collections,
    complete,
    download,
    fetch,
)

# Twelve files, some larger than a block of a download.
SMALL = {f"{'ab'[i % 2]}/{i:02}.npy": bytes([i + 1]) * (1000 + 30_000 * i) for i in range(12)}


def collection_of(contents: dict[str, bytes], name: str = "small") -> Collection:
    rows = ((path, len(data), sha256(data)) for path, data in sorted(contents.items()))
    return Collection(name, tuple(RemoteFile(*row) for row in rows), "http://127.0.0.1:9", "")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tampered(data: bytes) -> bytes:
    return data[:500] + bytes([data[500] ^ 1]) + data[501:]


def held(folder: Path) -> dict[str, bytes]:
    """All files below a folder, including hidden ones."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def without(*paths: str) -> dict[str, bytes]:
    return {path: data for path, data in SMALL.items() if path not in paths}


class Handler(BaseHTTPRequestHandler):
    """Serves `server.contents`, each file in the manner of `server.how`, by default whole."""

    def do_GET(self):
        path = unquote(self.path)[1:]
        self.server.asked.append(path)
        data = self.server.contents.get(path)
        try:
            if data is None:
                self.send_error(404)
            else:
                self.server.how.get(path, Handler.whole)(self, data)
        except OSError:  # the client has closed the connection
            self.close_connection = True

    def head(self, length: object) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def whole(self, data: bytes) -> None:
        self.head(len(data))
        self.wfile.write(data)

    def tampered(self, data: bytes) -> None:
        self.whole(tampered(data))

    def cut(self, data: bytes) -> None:
        self.head(len(data))
        self.wfile.write(data[: len(data) // 2])

    def cut_under_a_shorter_length(self, data: bytes) -> None:
        self.whole(data[: len(data) // 2])

    def of_a_length_that_is_no_number(self, data: bytes) -> None:
        self.head("many")
        self.wfile.write(data)

    def endless(self, data: bytes) -> None:
        self.send_response(200)
        self.end_headers()
        self.pour(bytes(2**10))

    def pour(self, block: bytes) -> None:
        """Send 200 MiB, which stand for an endless response."""
        for _ in range(200):
            self.wfile.write(block * (2**20 // len(block)))
            self.server.megabytes += 1

    def behind_an_endless_redirect(self, data: bytes) -> None:
        self.send_response(302)
        self.send_header("Location", "/a/00.npy")
        self.end_headers()
        self.pour(bytes(2**10))

    def after_endless_continues(self, data: bytes) -> None:
        self.pour(b"HTTP/1.1 100 Continue\r\n\r\n")

    def before_endless_trailers(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%b\r\n0\r\n" % (len(data), data))
        self.pour(b"X: y\r\n")

    def in_tiny_chunks(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        parts = (data[start : start + 8] for start in range(0, len(data), 8))
        self.wfile.write(b"".join(b"8\r\n%b\r\n" % part for part in parts) + b"0\r\n\r\n")

    def behind_a_redirect(self, data: bytes) -> None:
        self.server.contents["moved"] = data
        self.send_response(302)
        self.send_header("Location", "/moved")
        self.end_headers()
        self.wfile.write(bytes(2**16))

    def drop_by_drop(self, data: bytes) -> None:
        self.head(len(data))
        self.drip(data, 1)

    def slowly_but_surely(self, data: bytes) -> None:
        self.head(len(data))
        self.drip(data, 2**16)

    def drip(self, data: bytes, size: int) -> None:
        for start in range(0, len(data), size):
            self.wfile.write(data[start : start + size])
            if self.server.ended.wait(0.05):
                return

    def continuing_drop_by_drop(self, data: bytes) -> None:
        self.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 1)

    def out_of_order(self, data: bytes) -> None:
        self.send_error(500)

    def without_an_answer(self, data: bytes) -> None:
        self.close_connection = True

    def stalled(self, data: bytes) -> None:
        self.head(len(data))
        self.wfile.write(data[: len(data) // 2])
        self.server.ended.wait(60)

    def slow(self, data: bytes) -> None:
        self.head(len(data))
        try:
            for start in range(0, len(data), 2**16):
                self.wfile.write(data[start : start + 2**16])
                time.sleep(0.05)
        except OSError:
            self.server.left_alone.set()

    def once_four_ask(self, data: bytes) -> None:
        self.server.four.wait(10)
        self.whole(data)

    def log_message(self, *args):
        pass


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path_factory):
    """A separate cache, so that no bug affects the user's cache, and no proxy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    """A web server on this machine, with the small collection; see Handler."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        found.url = f"http://127.0.0.1:{found.server_port}"
        found.contents, found.how, found.asked, found.megabytes = dict(SMALL), {}, [], 0
        found.ended, found.left_alone = threading.Event(), threading.Event()
        found.four = threading.Barrier(4)
        threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True).start()
        yield found
        found.ended.set()
        found.shutdown()


@pytest.fixture
def small(monkeypatch):
    """The small collection, which is the only one that the command knows."""
    collection = collection_of(SMALL)
    monkeypatch.setattr(downloads, "collections", lambda: {"small": collection})
    return collection


@pytest.fixture(scope="session")
def predictions_2019() -> Path:
    """The 68 arrays of the 2019 benchmark; not part of the project."""
    folder = DATA / "upstream_predictions"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing: the predictions of the 2019 benchmark")
    return folder


def call(*arguments: object) -> int:
    return main(["fetch", *map(str, arguments)])


def all_of(collection: Collection, origin: str | Path, folder: Path) -> dict[str, bool]:
    """Fetch; return for each path whether the file was there before."""
    return {done.file.path: done.was_there for done in fetch(collection, origin, folder)}


# Known collections


def test_the_predictions_of_2019_are_68_files_at_one_commit():
    known = collections()["predictions-2019"]
    assert known.url == (
        "https://raw.githubusercontent.com/cgnorthcutt/benchmarking-keras-pytorch/"
        "74df938db0f266947abedb2ec9f741af65e2d8ed"
    )
    assert sum(file.bytes for file in known.files) == 101_508_704
    folders = [file.path.split("/")[0] for file in known.files]
    assert (folders.count("keras_imagenet"), folders.count("pytorch_imagenet")) == (26, 42)
    assert len({file.sha256 for file in known.files}) == 68


@pytest.mark.parametrize(
    ("name", "file", "copy"),
    [
        ("real-labels", "real.json", "real.json"),
        ("label-errors", "imagenet_mturk.json", "mturk.json"),
    ],
)
def test_sets_of_labels_are_known_by_their_digests(name, file, copy):
    path = DATA / "imagenet_val" / copy
    if not path.is_file():
        pytest.skip(f"{path} is missing: {name}")
    data = path.read_bytes()
    assert collections()[name].files == (RemoteFile(file, len(data), sha256(data)),)


def test_collections_go_into_the_users_cache():
    cache = platformdirs.user_cache_path("imagenet-benchmarking", appauthor=False)
    assert cache_folder("real-labels") == cache / "real-labels"


# From an address


def test_the_68_files_are_fetched_from_a_mirror_and_every_hash_is_right(
    server, predictions_2019, tmp_path, capsys
):
    server.contents = held(predictions_2019)
    assert call("predictions-2019", "--from", server.url, "--to", tmp_path / "to") == 0
    assert capsys.readouterr() == (
        f"predictions-2019: 68 files in {tmp_path / 'to'}, 0 there before\n",
        "",
    )
    found = {path: sha256(data) for path, data in held(tmp_path / "to").items()}
    assert found == {file.path: file.sha256 for file in collections()["predictions-2019"].files}
    assert sorted(server.asked) == sorted(found)
    assert call("predictions-2019", "--from", server.url, "--to", tmp_path / "to") == 0
    assert "68 there before" in capsys.readouterr().out
    assert len(server.asked) == 68


def test_one_tampered_file_of_the_68_is_named_with_both_hashes_and_the_other_67_are_there(
    server, predictions_2019, tmp_path, capsys
):
    bad = "pytorch_imagenet/vgg16_pytorch_imagenet_top5probs.npy"
    server.contents, server.how = held(predictions_2019), {bad: Handler.tampered}
    assert call("predictions-2019", "--from", server.url, "--to", tmp_path) == 2
    right, wrong = sha256(server.contents[bad]), sha256(tampered(server.contents[bad]))
    err = capsys.readouterr().err
    assert "1 of 68 files could not be fetched; the others are kept:" in err
    assert (
        f"{server.url}/{bad}: 1000128 bytes with sha256 {wrong}, but 1000128 with {right} were "
        "published; not kept"
    ) in err
    assert held(tmp_path) == {p: data for p, data in server.contents.items() if p != bad}


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (Handler.tampered, r"181000 bytes with sha256 \w{64}, but 181000 with \w{64} were publ"),
        (Handler.cut, r"cut off \(.*90500 more expected.*\)"),
        (Handler.cut_under_a_shorter_length, r"90500 bytes with sha256 \w{64}, but 181000 with"),
        (Handler.of_a_length_that_is_no_number, r"cut off \(.*'many'.*\)"),
        (Handler.endless, "more than the 181000 bytes that were published; not kept"),
        (Handler.out_of_order, "answered 500 Internal Server Error"),
        (Handler.without_an_answer, r"no answer \(Remote end closed connection.*\)"),
    ],
)
def test_a_wrong_download_leaves_nothing_and_the_next_call_fetches_only_it(
    server, small, tmp_path, how, why
):
    bad = "a/06.npy"
    server.how = {bad: how}
    with pytest.raises(BenchmarkError, match=rf"^1 of 12 files could(.|\n)*/{bad}: {why}"):
        all_of(small, server.url, tmp_path)
    assert held(tmp_path) == without(bad)
    server.how, server.asked = {}, []
    assert all_of(small, server.url, tmp_path) == {path: path != bad for path in SMALL}
    assert server.asked == [bad]
    assert held(tmp_path) == SMALL


def test_endless_data_is_not_read_beyond_the_size_of_the_file(server, small, tmp_path):
    server.how = {"a/06.npy": Handler.endless}
    with pytest.raises(BenchmarkError, match="more than"):
        all_of(small, server.url, tmp_path)
    assert server.megabytes < 50  # the buffers of both ends


BESIDE = "sends over 1 MiB besides the file, where a few KiB are usual; use another addr"


@pytest.mark.parametrize(
    "how",
    [
        Handler.behind_an_endless_redirect,
        Handler.after_endless_continues,
        Handler.before_endless_trailers,
    ],
)
def test_only_little_data_besides_the_file_is_accepted(server, small, tmp_path, how):
    server.how = {"a/06.npy": how}
    with pytest.raises(BenchmarkError, match=f"{server.url}/a/06.npy: {BESIDE}"):
        all_of(small, server.url, tmp_path)
    assert server.megabytes < 50  # the buffers of both ends
    assert held(tmp_path) == without("a/06.npy")


def test_a_large_file_does_not_allow_more_data_besides_it():
    held_to = allowance.Allowance()
    for _ in range(1000):
        held_to.sent(2**14, 0.001)
        held_to.kept(2**14)
    held_to.sent(2**20, 0.001)
    with pytest.raises(allowance.Exceeded, match="over 1 MiB"):
        held_to.sent(1, 0.001)


@pytest.mark.parametrize("how", [Handler.drop_by_drop, Handler.continuing_drop_by_drop])
def test_a_download_from_a_very_slow_server_is_stopped(server, small, tmp_path, monkeypatch, how):
    monkeypatch.setattr(allowance, "_SECONDS", 1.0)
    server.how = {"a/06.npy": how}
    why = "sends less than 60 KiB of a file in 1 s; try again later, or use another address"
    before = time.monotonic()
    with pytest.raises(BenchmarkError, match=f"{server.url}/a/06.npy: {why}"):
        all_of(small, server.url, tmp_path)
    assert time.monotonic() - before < 5
    assert held(tmp_path) == without("a/06.npy")


def test_after_several_slow_files_the_others_are_not_requested(server, tmp_path, monkeypatch):
    monkeypatch.setattr(allowance, "_SECONDS", 0.3)
    contents = {f"{i}.npy": bytes(1000) for i in range(100)}
    server.contents, server.how = contents, dict.fromkeys(contents, Handler.drop_by_drop)
    with pytest.raises(BenchmarkError, match="100 of 100 files could not be fetched"):
        all_of(collection_of(contents), server.url, tmp_path)
    assert len(server.asked) < 20


@pytest.mark.parametrize(
    "how", [Handler.slowly_but_surely, Handler.in_tiny_chunks, Handler.behind_a_redirect]
)
def test_slow_and_verbose_responses_within_limits_are_accepted(server, tmp_path, monkeypatch, how):
    monkeypatch.setattr(allowance, "_SECONDS", 0.8)  # the download takes 2.5
    contents = {"large.npy": bytes(range(256)) * 12_800}
    server.contents, server.how = dict(contents), {"large.npy": how}
    all_of(collection_of(contents), server.url, tmp_path)
    assert held(tmp_path) == contents


def test_a_missing_file_is_named_with_its_address(server, small, tmp_path):
    del server.contents["b/03.npy"]
    with pytest.raises(BenchmarkError, match=f"  {server.url}/b/03.npy: answered 404 Not Found"):
        all_of(small, server.url, tmp_path)


def test_of_many_failures_the_first_are_shown_and_the_rest_counted(server, small, tmp_path):
    server.contents = {}
    with pytest.raises(BenchmarkError) as error:
        all_of(small, f"{server.url}/mirror/", tmp_path)
    lines = str(error.value).splitlines()
    assert lines[0] == "12 of 12 files could not be fetched; the others are kept:"
    assert [line.split("/mirror/")[1] for line in lines[1:4]] == [
        f"{path}: answered 404 Not Found" for path in ("a/00.npy", "a/02.npy", "a/04.npy")
    ]
    assert lines[4] == "  and 9 more"


def test_without_network_the_error_says_how_to_fetch_elsewhere(small, tmp_path, capsys):
    assert call("small", "--to", tmp_path / "to") == 2  # from small.url, which does not respond
    err = capsys.readouterr().err
    assert "imagenet-benchmark: 12 of 12 files could not be fetched" in err
    assert re.search(r"\n  http://127.0.0.1:9/a/\d\d.npy: no answer \(Connection refused\)\n", err)
    assert (
        "Without network, run 'imagenet-benchmark fetch small --to DIR' where there is one, bring "
        "DIR here and run 'imagenet-benchmark fetch small --from DIR'; or name a mirror with "
        "--from URL: it serves URL/a/00.npy."
    ) in err
    assert not (tmp_path / "to").exists()


def test_if_the_server_does_not_respond_not_every_file_is_requested(server, tmp_path):
    contents = {f"{i}.npy": bytes([i]) for i in range(100)}
    server.contents = contents
    server.how = dict.fromkeys(contents, Handler.without_an_answer)
    with pytest.raises(BenchmarkError, match="100 of 100 files could not be fetched"):
        all_of(collection_of(contents), server.url, tmp_path)
    assert len(server.asked) < 100


def test_a_download_from_a_silent_server_is_stopped(server, small, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "_TIMEOUT", (5, 0.3))
    server.how = {"a/06.npy": Handler.stalled}
    before = time.monotonic()
    with pytest.raises(BenchmarkError, match=r"a/06.npy: no answer \(timed out\)"):
        all_of(small, server.url, tmp_path)
    assert time.monotonic() - before < 10
    assert held(tmp_path) == without("a/06.npy")


def test_several_files_are_downloaded_at_once(server, tmp_path):
    contents = {f"{i}.npy": bytes([i]) for i in range(4)}
    server.contents, server.how = contents, dict.fromkeys(contents, Handler.once_four_ask)
    all_of(collection_of(contents), server.url, tmp_path)
    assert held(tmp_path) == contents


def test_a_correct_file_is_not_requested_again(server, small, tmp_path):
    all_of(small, server.url, tmp_path)
    server.how, server.asked = dict.fromkeys(SMALL, Handler.tampered), []
    assert all_of(small, server.url, tmp_path) == dict.fromkeys(SMALL, True)
    assert server.asked == []
    assert held(tmp_path) == SMALL


@pytest.mark.parametrize("old", [tampered(SMALL["a/06.npy"]), b"", b"longer" * 10**5], ids=len)
def test_a_wrong_file_stays_until_the_correct_one_has_arrived(server, small, tmp_path, old):
    bad = "a/06.npy"
    (tmp_path / "a").mkdir()
    (tmp_path / bad).write_bytes(old)
    server.how = {bad: Handler.tampered}
    with pytest.raises(BenchmarkError, match=bad):
        all_of(small, server.url, tmp_path)
    assert held(tmp_path) == {**SMALL, bad: old}
    server.how = {}
    assert all_of(small, server.url, tmp_path) == {path: path != bad for path in SMALL}
    assert held(tmp_path) == SMALL


def test_a_folder_that_cannot_be_written_ends_it_at_once(server, tmp_path):
    contents = {f"{i}.npy": bytes([i]) for i in range(100)}
    server.contents = contents
    (tmp_path / "file").touch()
    with pytest.raises(BenchmarkError, match=r"\.npy cannot be written: "):
        all_of(collection_of(contents), server.url, tmp_path / "file")
    assert len(server.asked) < 100


def test_a_download_passes_on_errors_of_its_file_and_explains_those_of_the_address(server):
    class Full:
        def write(self, block: bytes) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left on device"):
        download(f"{server.url}/a/06.npy", Full())
    with pytest.raises(DownloadError) as error:
        download(f"{server.url}/none", Full())
    assert error.value.why == "answered 404 Not Found"


# Stopped

COMMAND = """
import json, signal, sys
from benchmarking.io import allowance, downloads
from benchmarking.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
files = tuple(downloads.RemoteFile(*row) for row in json.loads(sys.argv[1]))
small = downloads.Collection("small", files, "", "")
downloads.collections = lambda: {"small": small}
raise SystemExit(main(sys.argv[2:]))
"""


def stopped_half_way(server, small: Collection, folder: Path, sign: signal.Signals):
    """Run the command, and send it a signal when some files are there and the others hang."""
    late = [file.path for file in small.files[5:]]
    server.how = dict.fromkeys(late, Handler.stalled)
    files = json.dumps([[file.path, file.bytes, file.sha256] for file in small.files])
    arguments = ["fetch", "small", "--from", server.url, "--to", str(folder)]
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND, files, *arguments], stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 20
    while time.monotonic() < end and (len(held(folder)) < 5 or len(server.asked) < 9):
        time.sleep(0.02)
    command.send_signal(sign)
    err = command.communicate(timeout=10)[1]
    assert held(folder) == without(*late)
    server.how, server.asked = {}, []
    return command.returncode, err, late


def test_after_a_kill_named_files_are_correct_and_only_the_others_are_fetched(
    server, small, tmp_path
):
    status, _, late = stopped_half_way(server, small, tmp_path, signal.SIGKILL)
    assert status == -signal.SIGKILL
    all_of(small, server.url, tmp_path)
    assert sorted(server.asked) == sorted(late)
    assert held(tmp_path) == SMALL


def test_ctrl_c_ends_soon_despite_a_silent_server_and_the_same_command_resumes(
    server, small, tmp_path, capsys
):
    before = time.monotonic()
    status, err, late = stopped_half_way(server, small, tmp_path, signal.SIGINT)
    assert time.monotonic() - before < 10  # not the timeout of 30 seconds
    assert (status, err) == (
        130,
        "\nstopped; complete files are kept, the same command resumes\n",
    )
    assert call("small", "--from", server.url, "--to", tmp_path) == 0
    assert capsys.readouterr().out == f"small: 12 files in {tmp_path}, 5 there before\n"
    assert sorted(server.asked) == sorted(late)
    assert held(tmp_path) == SMALL


def test_no_file_is_started_after_the_reader_stops(server, tmp_path):
    contents = {f"{i:03}.npy": bytes([i]) * 1000 for i in range(200)}
    server.contents = contents
    fetching = fetch(collection_of(contents), server.url, tmp_path)
    first = next(fetching)
    fetching.close()
    asked = len(server.asked)
    assert first.file.path in held(tmp_path)
    assert asked < 200
    time.sleep(0.1)
    assert len(server.asked) == asked
    assert all(contents[path] == data for path, data in held(tmp_path).items())


def test_a_slow_download_ends_when_the_reader_stops(server, tmp_path):
    contents = {"quick.npy": b"1", "slow.npy": bytes(2**16 * 200)}  # takes ten seconds
    server.contents, server.how = contents, {"slow.npy": Handler.slow}
    fetching = fetch(collection_of(contents), server.url, tmp_path)
    assert next(fetching).file.path == "quick.npy"
    fetching.close()
    assert server.left_alone.wait(5)
    assert held(tmp_path) == {"quick.npy": b"1"}


# From a folder


def put(folder: Path, contents: dict[str, bytes]) -> Path:
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_a_folder_may_have_sub_folders_or_all_files_side_by_side(small, tmp_path):
    flat = {Path(path).name: data for path, data in SMALL.items()}
    for name, contents in (("nested", SMALL), ("flat", flat)):
        source = put(tmp_path / name, contents)
        assert call("small", "--from", source, "--to", tmp_path / f"from {name}") == 0
        assert held(tmp_path / f"from {name}") == SMALL


def test_files_that_a_folder_lacks_are_counted_and_named_and_the_others_copied(
    small, tmp_path, capsys
):
    source = put(tmp_path / "source", without("a/00.npy", "b/11.npy"))
    assert call("small", "--from", source, "--to", tmp_path / "to") == 2
    err = capsys.readouterr().err
    assert "2 of 12 files could not be fetched; the others are kept:\n" in err
    for path in ("a/00.npy", "b/11.npy"):
        assert f"  {source / path}: No such file or directory\n" in err
    assert f"{source} must hold a/00.npy, or 00.npy, and so on, as published" in err
    assert held(tmp_path / "to") == without("a/00.npy", "b/11.npy")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (tampered, r"181000 bytes with sha256 \w{64}, but 181000 with \w{64} were published"),
        (lambda data: data + b"more", "more than the 181000 bytes that were published"),
        (lambda data: data[:9], r"9 bytes with sha256 \w{64}, but 181000 with"),
    ],
    ids=["tampered", "longer", "shorter"],
)
def test_a_wrong_file_of_a_folder_is_not_copied(small, tmp_path, change, why):
    bad = "a/06.npy"
    source = put(tmp_path / "source", {**SMALL, bad: change(SMALL[bad])})
    with pytest.raises(BenchmarkError, match=f"  {source / bad}: {why}"):
        all_of(small, source, tmp_path / "to")
    assert held(tmp_path / "to") == without(bad)


def test_a_folder_is_complete_with_every_file_at_its_size(small, tmp_path):
    assert not complete(small, tmp_path)
    put(tmp_path, SMALL)
    assert complete(small, tmp_path)
    (tmp_path / "b/11.npy").write_bytes(SMALL["b/11.npy"][:-1])
    assert not complete(small, tmp_path)


# The command


@pytest.mark.parametrize("text", ["nonsense", "ftp://127.0.0.1/mirror", ""])
def test_what_is_neither_address_nor_folder_is_refused(text, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("real-labels", "--from", text, "--to", "to") == 2
    assert (
        f"imagenet-benchmark: {text!r} is neither a folder nor an address; give a folder that "
        "exists, or https://…\n"
    ) in capsys.readouterr().err
    assert held(tmp_path) == {}


def test_an_unknown_collection_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as end:
        call("predictions-2020")
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert all(name in err for name in ("predictions-2020", *collections()))


def test_help_says_what_each_collection_is(capsys):
    with pytest.raises(SystemExit):
        call("--help")
    text = capsys.readouterr().out
    for collection in collections().values():
        assert f"{collection.name:18}{collection.about}" in text


def test_by_default_the_published_files_go_into_the_cache_and_the_next_step_is_printed(
    tmp_path, monkeypatch, capsys
):
    asked = []

    def nothing(*arguments):
        asked.append(arguments)
        yield from ()

    monkeypatch.setattr(downloads, "fetch", nothing)
    monkeypatch.setattr(downloads, "cache_folder", lambda name: tmp_path / name)
    assert call("predictions-2019") == 0
    known = collections()["predictions-2019"]
    assert asked == [(known, known.url, tmp_path / known.name)]
    out = capsys.readouterr().out
    assert f"68 files in {tmp_path / known.name}" in out
    assert out.endswith("; next: imagenet_benchmarking.py\n")


def test_a_terminal_gets_a_bar(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    source = put(tmp_path / "source", SMALL)
    assert call("small", "--from", source, "--to", tmp_path / "to") == 0
    assert "small:   0%|" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_in_the_place_of_a_file_is_refused_without_waiting(small, tmp_path):
    source, bad = put(tmp_path / "source", SMALL), "a/06.npy"
    (source / bad).unlink()
    os.mkfifo(source / bad)
    with pytest.raises(BenchmarkError, match=f"  {source / bad}: it is no regular file"):
        all_of(small, source, tmp_path / "to")
    assert held(tmp_path / "to") == without(bad)
    (source / bad).unlink()
    os.mkfifo(source / "06.npy")
    with pytest.raises(BenchmarkError, match=f"  {source / '06.npy'}: it is no regular file"):
        all_of(small, source, tmp_path / "to")
    os.mkfifo(tmp_path / "to" / bad)
    (source / bad).write_bytes(SMALL[bad])
    all_of(small, source, tmp_path / "to")
    assert held(tmp_path / "to") == SMALL
