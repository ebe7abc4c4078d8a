"""Malicious files and names: none runs code, leaves its folder or reaches an output unescaped.

More tars are in test_prepare.py and test_sets.py, arrays with pickles in test_arrays_2019.py,
weights with a wrong digest in test_weights.py, mirrors that serve other bytes in test_downloads.py.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import pickle
import re
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import an_image_set
from PIL import Image
from safetensors.numpy import save

from benchmarking.cli import main
from benchmarking.cli.safe_output import PrintableStream
from benchmarking.cli.scripts_2019 import predictions, table
from benchmarking.errors import BenchmarkError, StoreError, WeightsError
from benchmarking.io import allowance
from benchmarking.io.downloads import Collection, RemoteFile, fetch
from benchmarking.io.names import check_name
from benchmarking.labels.imagenet import wnids
from benchmarking.models.spec import Weights
from benchmarking.models.weights import download
from benchmarking.pictures.sets import open_pictures
from benchmarking.predictions.provenance import imported
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import top_k
from torture import limits
from torture.hostile_forms import HOSTILE_FORMS
from torture.hostile_tars import HOSTILE_TARS
from torture.tally import record

STEERING = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\x08\u202e\u2066\x00\x7f"
"""Set the title, clear the screen, red, carriage return, backspace, right to left."""

FAKE = "\nimagenet-benchmark: all is well\n"
MARKUP = "<script>alert(1)</script><!-- | `x` [a](http://b) ![a](http://b) **b** &lt;"
LATEX = r"\input{/etc/passwd} \write18{id} $x$ % & # _ { } ~ ^ \\ ^^5cinput"
PLATFORMS = (
    f"{STEERING}{FAKE}",
    MARKUP,
    LATEX,
    '=HYPERLINK("http://b","a")',
    "@SUM(1)",
    "+1",
    "-1",
    "[2cm]",
    "*",
    "\udcff",
    "~~gone~~ __loud__ _leaning_ http://a.example www.a.example",
    "\uff1d1+1",
)


def check_clean(text: str) -> None:
    """Check for text and line endings only, without lines that an untrusted name begins."""
    assert [c for c in text if not (c.isprintable() or c == "\n")] == []
    assert "\nimagenet-benchmark: all is well" not in text
    assert "\nima<b>" not in text  # of the fingerprint


def command(*arguments: object) -> tuple[int, str, str]:
    """Exit status, standard output and error of a real process."""
    line = [sys.executable, "-m", "benchmarking", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, check=False)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in err
    return done.returncode, out, err


def files_in(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An untrusted store, whose runs are well-formed and have malicious text in all fields."""
    store = Store(tmp_path / "store")
    images = an_image_set(tmp_path / "pictures", {f"{n}": n for n in range(6)}, name="six")
    images = replace(images, fingerprint=f"{STEERING[:4]}{FAKE[:4]}<b>|")
    random = np.random.default_rng(0)
    for n, platform in enumerate(PLATFORMS):
        made = replace(
            imported(platform, "six", {platform: [platform]}),
            images={"name": platform, "n": 6, "fingerprint": images.fingerprint},
            device=platform,
            versions={platform: platform},
            arguments=(platform,),
            weights={"name": platform, "sha256": platform},
            preprocessing={platform: platform},
        )
        said = top_k(random.dirichlet(np.ones(6), 6).astype(np.float32))
        store.write(Run("six", "s", f"m{n}", "r"), images, said, made)
    return store


@pytest.fixture
def tables(store: Store, tmp_path: Path) -> dict[str, str]:
    """The table of the store in every format, with columns named after a label file."""
    labels = tmp_path / "=<b>|&\x1b[2J.csv"
    labels.write_text("".join(f"{n},{n}\n" for n in range(6)))
    which = ["--labels", "original", "--labels", str(labels)]
    found = {}
    for suffix in ("txt", "md", "tex", "csv", "json"):
        path = tmp_path / f"table.{suffix}"
        assert main(["table", "--store", str(store.folder), "-o", str(path), *which]) == 0
        found[suffix] = path.read_text("utf-8")
        check_clean(found[suffix])
        assert len(re.findall(r"\bm\d+\b", found[suffix])) >= len(PLATFORMS)
    return found


def test_a_table_in_markdown_has_no_html_links_or_cells_of_a_run_s_own(
    tables: dict[str, str],
) -> None:
    text = tables["md"]
    lines = text.splitlines()
    assert len(lines) == 2 + 2 + len(PLATFORMS)
    assert {line.count("|") for line in lines[2:]} == {lines[2].count("|")}
    assert not re.search(r"[<>`\\*~]|\]\(|__|://|www\.|\b_|_\b", text)
    assert "&#60;script&#62;alert(1)" in text
    record(
        "foreign words in a Markdown table", tried=len(PLATFORMS), survived=len(PLATFORMS), lost=0
    )


def test_a_table_in_latex_has_no_commands_or_cells_of_a_run_s_own(tables: dict[str, str]) -> None:
    comments, begin, lines = tables["tex"].partition("\\begin{table}\n")
    assert begin
    assert all(line.startswith("% ") for line in comments.splitlines())
    assert "\\begin{tabular}{ll" + 7 * "r" + "}\n" in lines
    rows = [line for line in lines.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 1 + len(PLATFORMS)
    for row in rows:
        assert not row.startswith(("[", "*"))
        assert len(re.findall(r"(?<!\\)&", row)) == 8
        words = "backslash|asciitilde|asciicircum|less|greater|bar"
        plain = re.sub(rf"\\text({words})\{{\}}|\\[&%$#_{{}}]", "", row)
        plain = re.sub(r"^\{\}|\$-\$|\$\\pm\$|-\{\}-|\\\\$|(?<!\\)&", "", plain)
        assert not re.search(r"[\\{}$%&#^~_]", plain)
    record("foreign words in a LaTeX table", tried=len(PLATFORMS), survived=len(PLATFORMS), lost=0)


def test_a_table_in_csv_has_no_formula_of_a_run_s_own(tables: dict[str, str]) -> None:
    lines = list(csv.DictReader(io.StringIO(tables["csv"])))
    assert len(lines) == len(PLATFORMS)
    cells = {cell for line in lines for both in line.items() for cell in both}
    assert [cell for cell in cells if cell.startswith(tuple("=+-@\uff1d"))] == []
    assert {"'@SUM(1)", "'+1", "'-1", "'\uff1d1+1"} <= {line["Platform"] for line in lines}
    record("foreign words in a .csv table", tried=len(PLATFORMS), survived=len(PLATFORMS), lost=0)


def test_a_table_in_json_is_plain_ascii_and_loses_nothing(tables: dict[str, str]) -> None:
    assert tables["json"].isascii()
    (table,) = json.loads(tables["json"])["tables"]
    assert {row["platform"] for row in table["rows"]} == set(PLATFORMS)
    record("foreign words in a .json table", tried=len(PLATFORMS), survived=len(PLATFORMS), lost=0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("table",),
        ("table", "--calibration"),
        ("check",),
        ("verify",),
        ("compare", "--all"),
        ("compare", "m0", "m1"),
        *(("show", f"m{n}") for n in range(3)),
    ],
    ids=" ".join,
)
def test_no_command_lets_a_run_s_words_steer_the_terminal(
    store: Store, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--store", str(store.folder)]) == 0
    out, err = capsys.readouterr()
    check_clean(out)
    check_clean(err)
    record("foreign words on a terminal", tried=1, survived=1, lost=0, note=arguments[0])


def test_names_of_files_cannot_steer_the_terminal_wherever_they_turn_up(
    store: Store, tmp_path: Path
) -> None:
    """In real processes, because names also pass through the command line."""
    name = STEERING.replace("\x00", "") + FAKE + "\udcff"
    foreign = tmp_path / name
    foreign.mkdir()
    (store.folder / "six" / name).mkdir()
    (store.folder / "six" / name / f"{name}.safetensors").touch()
    (store.folder / "six" / f"{name}.part").touch()
    labels = foreign / "labels.json"
    labels.write_text(json.dumps({name: 1}))
    for status, *arguments in (
        (1, "table", "--store", store.folder),
        (1, "check", "--store", store.folder),
        (2, "table", "--store", foreign),
        (2, "table", "--store", store.folder, "--labels", labels),
        (2, "table", "--store", store.folder, "--images", name),
        (2, "table", "--store", store.folder, "-o", foreign / name),
        (2, "predict", foreign, "--store", tmp_path / "new"),
        (2, "import", foreign, "--store", tmp_path / "new"),
        (2, "prepare", labels, tmp_path / "new"),
        (2, name),
        (2, "fetch", "predictions-2019", "--from", foreign, "--to", tmp_path / "to"),
    ):
        found, out, err = command(*arguments)
        assert found == status, (arguments, err)
        check_clean(out)
        check_clean(err)
        record("names of files on a terminal", tried=1, survived=1, lost=0)


def test_the_commands_of_2019_show_arguments_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    for run in (table.main, partial(predictions.main, predictions.PYTORCH)):
        with pytest.raises(SystemExit) as end:
            run(["val", f"{STEERING}{FAKE}"])
        assert end.value.code == 2
        err = capsys.readouterr().err
        assert r"unrecognized arguments: \x1b]0;owned\x07" in err
        assert [c for c in err if not (c.isprintable() or c == "\n")] == []
    record("arguments on a terminal", tried=2, survived=2, lost=0)


def test_output_is_text_in_any_encoding_except_the_return_that_begins_a_bar() -> None:
    data = io.BytesIO()
    stream = PrintableStream(io.TextIOWrapper(data, "ascii", newline=""))
    print("\r 10%\r\x1b[2J … \udcff", file=stream, flush=True)
    assert data.getvalue() == b"\r 10%\\r\\x1b[2J \\u2026 \\udcff\n"
    assert not stream.isatty()


@pytest.mark.usefixtures("light")
def test_pictures_with_bad_names_are_predicted_shown_and_exported_as_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{STEERING[:12]}.png", "=1+1.png", "-2.png", "<b>.png", "\udcff.png"]
    folder = tmp_path / "tree" / wnids()[3]
    folder.mkdir(parents=True)
    for n, name in enumerate(names):
        Image.fromarray(np.full((20, 30, 3), 40 * n, np.uint8)).save(folder / name, "PNG")
    store = ("--store", str(tmp_path / "store"))
    which = ("--models", "steady", "--images", "bad")
    assert main(["predict", str(tmp_path / "tree"), *store, *which]) == 0
    assert set(Store(tmp_path / "store").rows("bad").keys) == set(names)
    assert main(["export", str(tmp_path / "out"), "--to", "csv", *store]) == 0
    (path,) = (tmp_path / "out").rglob("*.csv")
    text = path.read_text("utf-8")
    check_clean(text)
    keys = {line[0] for line in csv.reader(io.StringIO(text))}
    assert keys >= {"'=1+1.png", "'-2.png", "<b>.png", r"\udcff.png", r"\x1b]0;owned\x07\x1b[.png"}
    check_clean("".join(capsys.readouterr()))
    record("names of pictures", tried=len(names), survived=len(names), lost=0)


def test_a_valid_name_has_no_special_meaning_in_any_output() -> None:
    """It has no formula, markup or path; only _ is special in LaTeX, and is escaped."""
    letters = [chr(code) for code in range(0x3000)]
    inside = {letter for letter in letters if _is_a_name(f"a{letter}b")}
    first = {letter for letter in letters if _is_a_name(f"{letter}a")}
    last = {letter for letter in letters if _is_a_name(f"a{letter}")}
    alphanumeric = set(map(chr, [*range(48, 58), *range(65, 91), *range(97, 123)]))
    assert (inside, first, last) == (
        alphanumeric | set("-_."),
        alphanumeric,
        alphanumeric | set("-_"),
    )
    assert not any(map(_is_a_name, ["", "..", "a..b", "a/../b", "a\n", "C:a"]))
    record("letters in a name", tried=3 * len(letters), survived=3 * len(letters), lost=0)


def _is_a_name(text: str) -> bool:
    with suppress(BenchmarkError):
        check_name(text)
        return True
    return False


@pytest.mark.parametrize("part", ["images", "source", "model", "recipe"])
@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "..", "a/b", "", "a\\b", "=a", "<b>"])
def test_the_document_of_arrays_cannot_name_a_file_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], part: str, name: str
) -> None:
    folder = tmp_path / "in" / "deep" / "arrays"
    folder.mkdir(parents=True)
    said = top_k(np.full((3, 6), 1 / 6, np.float32))
    stem = folder / "vgg16_pytorch_three"
    np.save(f"{stem}_top5preds.npy", said.classes)
    np.save(f"{stem}_top5probs.npy", said.probabilities)
    np.save(f"{stem}_labels.npy", np.zeros(3, np.int64))
    run = {"images": "three", "source": "2019-pytorch", "model": "vgg16", "recipe": "r"}
    made = {"weights": {}, "images": {"fingerprint": "x"}}
    document = {"run": run | {part: name}, "provenance": made}
    Path(f"{stem}_provenance.json").write_text(json.dumps(document))
    before = files_in(tmp_path)
    assert main(["import", str(folder), "--store", str(tmp_path / "in" / "store")]) in (0, 1, 2)
    assert {path.parts[len(tmp_path.parts)] for path in files_in(tmp_path) - before} <= {"in"}
    written = {path for path in files_in(tmp_path) - before if path.is_file()}
    assert all(path.is_relative_to(tmp_path / "in" / "store") for path in written)
    assert not Path("/tmp/evil").exists()
    check_clean("".join(capsys.readouterr()))
    record("path in the document beside arrays", tried=1, survived=1, lost=0)


@pytest.mark.parametrize("images", ["../outside", "/tmp/evil", "a/b", "..", "\x1b[2J"])
def test_the_name_of_an_image_set_cannot_lead_elsewhere(
    tree: Path, tmp_path: Path, images: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_in(tmp_path)
    store = str(tmp_path / "in" / "store")
    assert main(["predict", str(tree), "--store", store, "--images", images]) == 2
    assert "cannot name anything here" in capsys.readouterr().err
    assert files_in(tmp_path) == before
    record("path in the name of an image set", tried=1, survived=1, lost=0)


RUN = Run("six", "s", "m0", "r")


def with_header(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return (len(header) if length is None else length).to_bytes(8, "little") + header + data


def tensor(**changes: Any) -> bytes:
    """A file with one tensor and changed fields in its header."""
    honest = {"dtype": "U16", "shape": [6, 5], "data_offsets": [0, 60]}
    return with_header(json.dumps({"top5_index": honest | changes}).encode(), bytes(60))


def metadata(text: str) -> bytes:
    arrays = {"top5_index": np.zeros((6, 5), np.uint16), "top5_prob": np.zeros((6, 5), np.float32)}
    found: bytes = save(arrays, {"imagenet-benchmark": text})
    return found


def sealed_digests(digests: object) -> str:
    """The run's document with these digests, and a correct digest of the document."""
    text = json.dumps({"format": 1, "run": asdict(RUN), "digests": digests})
    return f'{text[:-1]}, "sha256": "{hashlib.sha256(text.encode()).hexdigest()}"}}'


def two_tensors(first: list[int], second: list[int]) -> bytes:
    header = {
        name: {"dtype": "U8", "shape": [60], "data_offsets": place}
        for name, place in (("top5_index", first), ("top5_prob", second))
    }
    return with_header(json.dumps(header).encode(), bytes(120))


LIES = {
    "nothing": b"",
    "a header of 2^64 bytes": with_header(b"{}", length=2**64 - 1),
    "a header of 2^40 bytes": with_header(b"{}", length=2**40),
    "a header of 99 MB": with_header(b"{}", length=99_000_000),
    "no JSON": with_header(b"\xff\xfe{"),
    "a deep header": with_header(b"[" * 100_000),
    "a list": with_header(b"[]"),
    "no tensors": with_header(b"{}"),
    "a shape of 2^62": tensor(shape=[2**62, 5]),
    "a shape that overflows to 60": tensor(shape=[2**32, 2**32, 30]),
    "a negative shape": tensor(shape=[-6, -5]),
    "data beyond the end": tensor(data_offsets=[0, 2**40]),
    "data before the start": tensor(data_offsets=[-60, 0]),
    "data backwards": tensor(data_offsets=[60, 0]),
    "a shape that is smaller": tensor(shape=[1, 5]),
    **{f"dtype {kind}": tensor(dtype=kind) for kind in ("BF16", "F8_E4M3", "F4", "C64", "O", "")},
    "dtype BF16 of another size": tensor(dtype="BF16", shape=[6, 5]),
    "overlapping tensors": two_tensors([0, 60], [30, 90]),
    "a hole": two_tensors([0, 60], [61, 120]),
    "metadata that are a number": with_header(b'{"__metadata__":{"imagenet-benchmark":1}}'),
    "deep metadata": metadata("[" * 100_000),
    "metadata that are a list": metadata("[]"),
    "metadata with a huge number": metadata('{"format":' + "1" * 10_000 + "}"),
    "digests that are none": metadata(sealed_digests([1])),
    "digests of nothing": metadata(sealed_digests({"top5_index": [], "top5_prob": []})),
    "metadata of another kind": metadata('{"format":{"a":[]},"run":[]}'),
}


@pytest.mark.parametrize("data", LIES.values(), ids=LIES)
def test_a_file_that_lies_about_itself_is_named(
    store: Store, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = store.path(RUN)
    path.write_bytes(data)
    for read in (store.classes, store.read, store.read_probabilities, store.provenance):
        with pytest.raises(StoreError, match=re.escape(str(path))):
            read(RUN)
    capsys.readouterr()
    assert main(["table", "--store", str(store.folder)]) == 1
    assert f"left out: {path}" in capsys.readouterr().err
    record("safetensors with a lying header", tried=1, survived=1, lost=0)


@pytest.mark.parametrize(("suffix", "text"), [(".json", "["), (".toml", "a=[")])
def test_a_recipe_that_is_too_deep_is_named(
    tmp_path: Path, suffix: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"deep{suffix}"
    path.write_text(text + "[" * 100_000)
    which = ["audit", "recipe", "efficientnet-lite-keras/efficientnet-lite0", "demo"]
    assert main([*which, "--recipe-file", str(path)]) == 2
    assert f"{path} is no readable .toml or .json file" in capsys.readouterr().err
    record("a recipe without a floor", tried=1, survived=1, lost=0)


class Mirror(BaseHTTPRequestHandler):
    """Responds to every request in the manner of `server.how`."""

    def do_GET(self) -> None:
        how = self.server.how  # type: ignore[attr-defined]
        with suppress(ConnectionError):
            getattr(self, how)()

    def words(self) -> None:
        self.wfile.write(f"HTTP/1.1 404 {STEERING[:14]}\r\n\r\n".encode("latin-1"))

    def elsewhere(self) -> None:
        self.send_response(302)
        self.send_header("Location", f"file://{self.server.secret}")  # type: ignore[attr-defined]
        self.end_headers()

    def in_circles(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.path)
        self.end_headers()

    def bomb(self) -> None:
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(gzip.compress(bytes(200 * 2**20), 1))

    def endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(bytes(2**16))

    def endless_redirect(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.pour(bytes(2**16))

    def endless_continues(self) -> None:
        self.pour(b"HTTP/1.1 100 Continue\r\n\r\n" * 2000)

    def endless_trailers(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"1\r\nx\r\n0\r\n")
        self.pour(b"X: y\r\n" * 2000)

    def pour(self, block: bytes) -> None:
        while True:
            self.wfile.write(block)
            self.server.sent += len(block)  # type: ignore[attr-defined]

    def drops(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.drip(b"x")

    def drops_of_continues(self) -> None:
        self.drip(b"HTTP/1.1 100 Continue\r\n\r\n")

    def drops_of_a_redirect(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.drip(b"x")

    def drip(self, block: bytes) -> None:
        while True:
            for letter in block:
                self.wfile.write(bytes([letter]))
                time.sleep(0.02)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        server.daemon_threads, server.sent = True, 0  # type: ignore[attr-defined]
        server.secret = tmp_path / "secret"  # type: ignore[attr-defined]
        server.secret.write_text("mine")  # type: ignore[attr-defined]
        server.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("how", ["words", "elsewhere", "in_circles", "bomb", "endless"])
def test_a_mirror_that_lies_leaves_nothing(mirror: Any, tmp_path: Path, how: str) -> None:
    mirror.how = how
    collection = Collection("small", (RemoteFile("a/b.npy", 1000, "0" * 64),), mirror.url, "")
    before = files_in(tmp_path)
    with pytest.raises(BenchmarkError, match="1 of 1 files could not be fetched"):
        list(fetch(collection, mirror.url, tmp_path / "to"))
    assert files_in(tmp_path) == before
    record("a mirror that lies", tried=1, survived=1, lost=0, note=how)


@pytest.mark.parametrize("how", ["endless_redirect", "endless_continues", "endless_trailers"])
def test_only_little_data_besides_the_file_is_accepted_from_a_mirror(
    mirror: Any, tmp_path: Path, how: str
) -> None:
    mirror.how = how
    weights = Weights("w", "w.pth", url=mirror.url)
    with limits.seconds(10), pytest.raises(WeightsError, match="over 1 MiB besides the file"):
        download(weights, tmp_path / "weights")
    assert mirror.sent < 50 * 2**20  # the buffers of both ends
    assert list((tmp_path / "weights").glob("*")) == []
    record("an endless mirror", tried=1, survived=1, lost=0, note=how)


@pytest.mark.parametrize("how", ["drops", "drops_of_continues", "drops_of_a_redirect"])
def test_a_download_from_a_very_slow_mirror_is_stopped_soon(
    mirror: Any, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowance, "_SECONDS", 0.5)
    mirror.how = how
    weights = Weights("w", "w.pth", url=mirror.url)
    with limits.seconds(10), pytest.raises(WeightsError, match="sends less than 60 KiB of a file"):
        download(weights, tmp_path / "weights")
    assert list((tmp_path / "weights").glob("*")) == []
    record("a mirror that sends drops", tried=1, survived=1, lost=0, note=how)


def test_what_a_server_says_cannot_steer_the_terminal(
    mirror: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.how = "words"
    place = ["--from", mirror.url, "--to", str(tmp_path / "to")]
    assert main(["fetch", "real-labels", *place]) == 2
    err = capsys.readouterr().err
    assert r"answered 404 \x1b]0;owned\x07\x1b[2J" in err
    check_clean(err)
    record("a server's words on a terminal", tried=1, survived=1, lost=0)


@pytest.mark.parametrize("how", ["bomb", "endless"])
def test_no_server_fills_the_disk_under_the_name_of_weights(
    mirror: Any, tmp_path: Path, how: str
) -> None:
    mirror.how = how
    weights = Weights("w", "w.pth", url=mirror.url, megabytes=2.0)
    with pytest.raises(WeightsError, match="serves more than the 2 MiB of w.pth"):
        download(weights, tmp_path / "weights")
    assert list((tmp_path / "weights").glob("*")) == []
    record("weights without end", tried=1, survived=1, lost=0, note=how)


@pytest.mark.parametrize("what", HOSTILE_TARS)
def test_a_malicious_tar_is_named_soon_and_takes_little_memory(
    tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tar = tmp_path / "val.tar"
    HOSTILE_TARS[what](tar)
    store, out = str(tmp_path / "store"), str(tmp_path / "out")
    for arguments in (
        ["predict", str(tar), "--store", store],
        ["prepare", str(tar), out, "--no-verify"],
        ["doctor", str(tar)],
    ):
        with limits.seconds(5), limits.memory():
            assert main(arguments) in (1, 2)
        said = "".join(capsys.readouterr())
        assert re.search(r"val\.tar cannot be read as an uncompressed tar: (a|member|over) ", said)
        assert len(said) < 1000
    assert files_in(tmp_path) == {tar}
    record("a tar made to harm", tried=3, survived=3, lost=0, note=what)


@pytest.mark.usefixtures("light")
@pytest.mark.parametrize("what", HOSTILE_FORMS)
def test_a_malicious_zip_shard_or_table_is_named_soon_and_takes_little_memory(
    tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import pyarrow.parquet  # noqa: F401 - outside the limit

    write, message = HOSTILE_FORMS[what]
    (tmp_path / "in").mkdir()
    place = write(tmp_path / "in")
    before, store = files_in(tmp_path), str(tmp_path / "store")
    which = ["--models", "steady", "--workers", "1"]
    with limits.seconds(20), limits.memory(2**30):
        assert main(["predict", str(place), "--store", store, *which]) == 2
    said = "".join(capsys.readouterr())
    assert re.search(message, said), said[:2000]
    assert "Traceback" not in said
    assert {path for path in files_in(tmp_path) - before if path.is_file()} == set()
    record("a zip, shard or table made to harm", tried=1, survived=1, lost=0, note=what)


OPENING = """
import sys
from benchmarking.errors import BenchmarkError
from benchmarking.pictures.sets import open_pictures
try:
    print(len(open_pictures(sys.argv[1]).pictures), "pictures")
except BenchmarkError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("where", "pipe", "expected"),
    [
        ("shards", "shards/1.tar", r"shards/1\.tar cannot be read.*no regular file"),
        ("classes", "classes/notes.parquet", "1 pictures"),
        ("tables", "tables/a.parquet", r"a\.parquet cannot be read: it is no regular file"),
        ("tfrecord:records", "records/val-00000-of-00001", "TFRecords: it is no regular file"),
    ],
)
def test_a_pipe_among_the_files_of_a_place_is_not_waited_for(
    tmp_path: Path, where: str, pipe: str, expected: str
) -> None:
    """In a process of its own, as native code that waits for a pipe cannot be interrupted."""
    (tmp_path / "classes" / wnids()[7]).mkdir(parents=True)
    (tmp_path / "classes" / wnids()[7] / "a.jpg").touch()
    for name in ("shards", "tables", "records"):
        (tmp_path / name).mkdir()
    with tarfile.open(tmp_path / "shards" / "0.tar", "w") as tar:
        for name, data in (("0.jpg", b"a picture"), ("0.cls", b"7")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    os.mkfifo(tmp_path / pipe)
    done = subprocess.run(
        [sys.executable, "-c", OPENING, where],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert re.search(expected, done.stdout)
    record("a pipe among pictures", tried=1, survived=1, lost=0, note=pipe)


@pytest.mark.parametrize("name", ["nshards.txt", "classnames.txt", "info.json"])
def test_a_list_of_40_gigabytes_beside_shards_is_refused(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for member, data in (("0.jpg", b"a picture"), ("0.cls", b"7")):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with (tmp_path / name).open("wb") as file:
        file.truncate(40 * 10**9)
    with limits.seconds(20), limits.memory(), pytest.raises(BenchmarkError, match=name):
        open_pictures(str(tmp_path))


class Bomb:
    """A pickle that leaves a file behind if it is loaded."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canary}",)


def test_code_in_weights_that_two_frameworks_share_is_refused_and_does_not_run(
    tmp_path: Path,
) -> None:
    """Weights of EfficientNet-Lite; those of torchvision are in test_weights.py."""
    import torch

    from benchmarking.models.sources import _efficientnet_lite as lite

    canary, path = tmp_path / "canary", tmp_path / "weights.pth"
    torch.save({"_fc.weight": Bomb(canary)}, path)
    for data in (path.read_bytes(), pickle.dumps(Bomb(canary), protocol=2)):
        path.write_bytes(data)
        with pytest.raises(WeightsError, match="holds more than tensors; it was not run"):
            lite.state_dict(path)
        assert not canary.exists()
    record("code in weights of PyTorch", tried=2, survived=2, lost=0)


KERAS = """
import os, pickle, shutil, sys
from pathlib import Path

import h5py
import keras
import numpy as np

from benchmarking.errors import WeightsError
from benchmarking.models.sources import source_of, spec_of

folder = Path(sys.argv[1])
canary = folder / "canary"
spec = spec_of("keras", "MobileNetV2")  # of whose weights nobody published a digest
code = eval(f"lambda x: (__import__('os').system('touch {canary}'), x)[1]")
evil = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Lambda(code)])
evil.save(folder / "evil.keras")
evil.save(folder / "evil.h5")
canary.unlink(missing_ok=True)
keras.models.load_model(folder / "evil.keras", safe_mode=False)(np.ones((1, 4)))
assert canary.exists()  # so it is dangerous where it is let
canary.unlink()


class Bomb:
    def __reduce__(self):
        return os.system, (f"touch {canary}",)


shutil.copy(folder / "evil.keras", folder / "zip.h5")
(folder / "pickle.h5").write_bytes(pickle.dumps(Bomb()))
np.save(folder / "array.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
(folder / "array.npy").rename(folder / "array.h5")
keras.applications.MobileNetV2(weights=None).save(folder / "disguised.h5")
with h5py.File(folder / "evil.h5") as file:
    config = file.attrs["model_config"]
with h5py.File(folder / "disguised.h5", "r+") as file:
    file.attrs["model_config"] = config
for name in ("evil.h5", "evil.keras", "zip.h5", "pickle.h5", "array.h5", "disguised.h5"):
    try:
        source_of(spec).build(spec, folder / name)
        print(name, "taken", canary.exists())
    except WeightsError as error:
        print(name, "refused", canary.exists())
"""


@pytest.mark.models
def test_code_in_weights_of_keras_does_not_run(tmp_path: Path) -> None:
    """A Lambda layer, pickles with Keras's suffix, and a Lambda with otherwise correct weights."""
    line = [sys.executable, "-W", "ignore", "-c", KERAS, str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        *(f"{name} refused False" for name in ("evil.h5", "evil.keras", "zip.h5")),
        *(f"{name} refused False" for name in ("pickle.h5", "array.h5")),
        "disguised.h5 taken False",
    ]
    record("code in weights of Keras", tried=6, survived=6, lost=0)
