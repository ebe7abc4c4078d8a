"""Archives of picture sets are fetched with their sizes and digests."""

import hashlib
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.io.downloads import cache_folder
from benchmarking.io.progress import bar
from benchmarking.pictures.archives import archives, fetch_archive
from benchmarking.pictures.set_facts import Archive
from benchmarking.pictures.sets import Match, open_pictures, picture_sets

DATA = bytes(range(256)) * 4096
HALF = len(DATA) // 2
MD5 = hashlib.md5(DATA).hexdigest()  # noqa: S324 - as published


@pytest.fixture
def server():
    """A server of DATA that can send the rest of it; it sends only HALF bytes if `cut` is set."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers["Range"]
            self.server.asked.append(asked)
            start = int(asked.removeprefix("bytes=")[:-1]) if asked else 0
            self.send_response(206 if asked else 200)
            self.send_header("ETag", '"1"')
            self.send_header("Content-Length", str(len(DATA) - start))
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(DATA[start:HALF] if self.server.cut else DATA[start:])

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        found.cut, found.asked = False, []
        found.url = f"http://127.0.0.1:{found.server_port}"
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def archive(url: str = "", size: int = len(DATA), md5: str = MD5) -> Archive:
    return Archive("x.tar", 1, size, md5=md5, url=url)


def shown(size: int):
    return bar(title="x", total=size, unit="B", is_bytes=True)


def names(folder) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_an_archive_is_fetched_once_from_its_public_address(server, tmp_path):
    one = archive(f"{server.url}/x.tar")
    assert fetch_archive(one, None, tmp_path, shown) is False
    assert (tmp_path / "x.tar").read_bytes() == DATA
    assert fetch_archive(one, None, tmp_path, shown) is True
    assert server.asked == [None]


def test_an_interrupted_download_is_resumed_in_the_middle(server, tmp_path):
    server.cut = True
    with pytest.raises(BenchmarkError, match="The same command tries again, and resumes"):
        fetch_archive(archive(f"{server.url}/x.tar"), None, tmp_path, shown)
    assert not (tmp_path / "x.tar").exists()
    server.cut = False
    fetch_archive(archive(f"{server.url}/x.tar"), None, tmp_path, shown)
    assert server.asked == [None, None, f"bytes={HALF}-"]
    assert names(tmp_path) == ["x.tar"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"md5": "0" * 32}, f"is not the published x.tar: its md5 is {MD5}, not {'0' * 32}"),
        ({"size": len(DATA) + 1}, "has 1,048,576 bytes, not 1,048,577"),
        ({"size": len(DATA) - 1}, "has more than the 1,048,575 bytes of x.tar"),
    ],
)
def test_another_file_is_refused_and_removed(server, tmp_path, changed, message):
    with pytest.raises(BenchmarkError, match=message):
        fetch_archive(archive(f"{server.url}/x.tar", **changed), None, tmp_path, shown)
    assert names(tmp_path) == []


def test_a_copy_in_a_folder_or_at_a_mirror_is_checked_too(server, tmp_path):
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "x.tar").write_bytes(DATA)
    fetch_archive(archive(), tmp_path / "from", tmp_path / "a", shown)
    fetch_archive(archive(), server.url, tmp_path / "b", shown)
    assert (tmp_path / "a" / "x.tar").read_bytes() == (tmp_path / "b" / "x.tar").read_bytes()
    (tmp_path / "from" / "x.tar").write_bytes(DATA[:-1] + b"?")
    with pytest.raises(BenchmarkError, match="is not the published x.tar: its md5"):
        fetch_archive(archive(), tmp_path / "from", tmp_path / "c", shown)


def test_an_archive_without_a_known_address_says_what_to_do(tmp_path):
    with pytest.raises(BenchmarkError, match="no public address .* with --from DIR"):
        fetch_archive(archive(), None, tmp_path, shown)


def test_the_command_lists_the_archives_and_refuses_a_wrong_one(call, tmp_path):
    assert {"imagenet-a", "imagenet-v2-top-images", "imagenet-c-noise"} <= set(archives())
    (tmp_path / "imagenet-o.tar").write_bytes(b"x")
    status, _, error = call("fetch", "imagenet-o", "--from", tmp_path, "--to", tmp_path / "to")
    assert (status, "it has 1 bytes, not 177,617,920" in error) == (2, True)


def test_a_fetched_set_is_opened_by_its_name(tmp_path):
    """As 'demo' is; the file is not a tar, which shows that it is opened."""
    place = cache_folder("pictures") / "imagenet-o.tar"
    assert picture_sets()["imagenet-o"].match("imagenet-o") == Match.NONE
    place.parent.mkdir(parents=True)
    place.write_bytes(b"x" * 2000)
    try:
        with pytest.raises(BenchmarkError, match=r"pictures/imagenet-o.tar cannot be read"):
            open_pictures("imagenet-o")
    finally:
        place.unlink()
