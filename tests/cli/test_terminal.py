"""Colours and bars: on a terminal that shows them, and nowhere else."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import an_image_set

from benchmarking.cli.safe_output import PrintableStream
from benchmarking.cli.terminal import print_styled
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import TopK
from benchmarking.reports.shown_table import score

ROOT = Path(__file__).parents[2]
PRECOMPUTED = ROOT / "precomputed"
CODE = re.compile(r"\x1b\[\d+m")


def on_terminal(*arguments: object, columns: int = 80, **variables: str) -> str:
    """What a command prints to a terminal with this number of columns; messages are left out."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    kept = {
        name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")
    }
    environment = {**kept, "TERM": "xterm", "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "benchmarking", *map(str, arguments)]
    found = b""
    with subprocess.Popen(command, stdout=follower, stderr=subprocess.DEVNULL, env=environment):
        os.close(follower)
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # the command has ended
                break
            if not part:
                break
            found += part
    os.close(leader)
    return found.decode().replace("\r\n", "\n")


DEMO = ("--images", "demo", "--store", PRECOMPUTED)


def test_on_a_terminal_headings_stand_out_and_the_text_is_the_same(call):
    _, plain, _ = call("table", *DEMO)
    shown = on_terminal("table", *DEMO)
    assert CODE.sub("", shown) == plain
    caption, heading, *rows = shown.splitlines()
    assert (caption[:4], caption[-4:]) == ("\x1b[2m", "\x1b[0m")
    assert (heading[:4], heading[-4:]) == ("\x1b[1m", "\x1b[0m")
    assert not any(map(CODE.search, rows))


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colours_gets_none(variables, call):
    _, plain, _ = call("table", *DEMO)
    assert on_terminal("table", *DEMO, **variables) == plain


def test_an_empty_no_color_changes_nothing():
    assert CODE.search(on_terminal("table", *DEMO, NO_COLOR=""))


def test_a_wide_table_has_bars_where_the_terminal_has_room(call):
    _, plain, _ = call("table", "--wide", *DEMO)
    used = max(map(len, plain.splitlines()))
    for columns, length in ((used + 2 + 15, 0), (used + 2 + 16, 16), (used + 100, 40)):
        shown = CODE.sub("", on_terminal("table", "--wide", *DEMO, columns=columns))
        lines = shown.splitlines()[1:]
        bars = [line[used + 2 :] for line in lines]
        assert [line[:used].rstrip() for line in lines] == plain.splitlines()[1:]
        assert max(map(len, bars)) == length
        assert max(map(len, lines)) <= columns


def test_a_bar_shows_the_accuracy_and_its_interval():
    table = score(PRECOMPUTED, "imagenet-sample-500")
    arguments = ["--images", "imagenet-sample-500", "--store", PRECOMPUTED]
    shown = CODE.sub("", on_terminal("table", "--wide", *arguments, columns=250))
    _, heading, *lines = shown.splitlines()
    ends = [
        end for row in table.rows for end in (row.scores["Acc@1"].low, row.scores["Acc@1"].high)
    ]
    low, high = min(ends), max(ends)
    assert heading.split()[-3:] == [f"{100 * low:.1f}", "Acc@1", f"{100 * high:.1f}"]
    start = len(heading) - 40
    for line, row in zip(lines, table.rows, strict=True):
        found = row.scores["Acc@1"]
        bar = line[start:]
        places = [len(bar) - len(bar.lstrip()), bar.index("●"), len(bar) - 1]
        for place, share in zip(places, (found.low, found.share, found.high), strict=True):
            assert place == pytest.approx(39 * (share - low) / (high - low), abs=0.5001)
        assert set(bar.strip()) == {"─", "●"}


def test_an_encoding_without_lines_gets_plain_characters():
    shown = on_terminal("table", "--wide", *DEMO, columns=250, PYTHONIOENCODING="ascii")
    assert re.search(r"  -+o-+\n", shown)


def test_a_pipe_gets_neither_colours_nor_bars(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    _, plain, _ = call("table", "--wide", *DEMO)
    assert not CODE.search(plain)
    assert "●" not in plain


def test_verdicts_and_damaged_files_have_colours(imported_2019, tmp_path):
    shown = on_terminal("verify", "densenet169", "alexnet", "--store", imported_2019.folder)
    assert "\x1b[31mnot reproduced\x1b[0m" in shown
    assert "\x1b[32mreproduced\x1b[0m" in shown
    folder = tmp_path / "store" / "demo" / "s"
    folder.mkdir(parents=True)
    (folder / "m.published.safetensors").write_bytes(b"nothing")
    shown = on_terminal("check", "--store", tmp_path / "store")
    assert "\x1b[31mdamaged:\x1b[0m" in shown


def test_a_text_is_escaped_before_it_has_colours(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    shown = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with redirect_stdout(PrintableStream(shown)):
        print_styled("one\x1b[2J two\none", {"^one": "red"})
    assert shown.getvalue() == "\x1b[31mone\x1b[0m\\x1b[2J two\n\x1b[31mone\x1b[0m\n"


def test_a_name_cannot_control_the_terminal_among_our_colours(tmp_path, a_provenance):
    images = an_image_set(tmp_path / "pictures", {"a": 1})
    made = replace(a_provenance(images), platform="\x1b[31mred\x1b]0;title\x07")
    top = TopK(np.array([[1, 2]]), np.float32([[0.6, 0.3]]))
    Store(tmp_path / "store").write(Run("three", "s", "m", "published"), images, top, made)
    shown = on_terminal("table", "--store", tmp_path / "store")
    assert set(CODE.findall(shown)) == {"\x1b[1m", "\x1b[2m", "\x1b[0m"}
    assert "\x1b" not in CODE.sub("", shown)
    assert r"\x1b[31mred\x1b]0;title\x07" in shown


def test_a_stream_is_closed_without_an_error_after_the_stream_that_it_writes_to():
    inner = io.TextIOWrapper(io.BytesIO())
    outer = PrintableStream(inner)
    inner.close()
    outer.close()  # as Python does with a stream that it discards


def test_a_stream_that_only_writes_and_flushes_is_enough():
    written = []
    stream = PrintableStream(SimpleNamespace(write=written.append, flush=lambda: None))
    print("a", file=stream, flush=True)
    assert "".join(written) == "a\n"
