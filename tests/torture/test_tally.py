"""The tally of faults."""

import subprocess
import sys
from pathlib import Path

from torture.tally import main, record

ROOT = Path(__file__).parents[2]


def test_lines_of_several_files_become_one_tally(tmp_path, monkeypatch):
    for name in ("a.jsonl", "b.jsonl"):
        monkeypatch.setenv("TORTURE_TALLY", str(tmp_path / name))
        record("kill while writing", tried=1000, survived=999, lost=1, note="predict")
    record("kill while reading", tried=1, survived=1, lost=0)
    record("Full disk", tried=3, survived=3, lost=0)
    assert main([str(tmp_path), str(tmp_path / "table.md")]) == 0
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert lines[4:6] == ["| Full disk | 3 | 3 | 0 |", "| kill | 2,001 | 1,999 | 2 |"]
    assert lines[11:] == [
        "| Full disk | 3 | 3 | 0 |  |",
        "| kill while reading | 1 | 1 | 0 |  |",
        "| kill while writing | 2,000 | 1,998 | 2 | predict |",
    ]


def test_without_a_place_for_it_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv("TORTURE_TALLY", raising=False)
    monkeypatch.chdir(tmp_path)
    record("kill", tried=1, survived=1, lost=0)
    assert list(tmp_path.iterdir()) == []


def test_the_command_makes_an_empty_table_and_tells_how_it_is_used(tmp_path):
    command = [sys.executable, "-m", "tests.torture.tally"]
    used = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (used.returncode, used.stdout) == (2, "")
    assert "usage: python -m tests.torture.tally FOLDER-or-FILE OUT.md" in used.stderr
    out = tmp_path / "table.md"
    subprocess.run([*command, str(tmp_path), str(out)], cwd=ROOT, check=True)
    assert out.read_text().startswith("# What `make torture` found\n")
