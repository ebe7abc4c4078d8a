"""The tally of faults."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from torture import containers, soak
from torture.soak_findings import CONTAINER, FULL, wrong_end
from torture.tally import main, place_section, record
from torture.victims import as_asked

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


def test_the_tables_of_torture_and_of_the_soak_survive_each_other(tmp_path):
    out = tmp_path / "reliability.md"
    tables = {
        "torture": "# What `make torture` found\n\n| a | 1 |\n\n## In detail\n\n| b | 1 |\n",
        "soak": "# What `make soak` found\n\n| c | 1 |\n",
    }
    for name in ("torture", "soak"):
        place_section(out, tables[name])
    assert out.read_text() == f"{tables['torture']}\n{tables['soak']}"
    for name, old, new in (("torture", "b | 1", "b | 2"), ("soak", "c | 1", "c | 3")):
        tables[name] = tables[name].replace(old, new)
        place_section(out, tables[name])
        assert out.read_text() == f"{tables['torture']}\n{tables['soak']}"


def test_a_soak_says_what_it_lacks_and_tries_nothing(monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert soak.main([]) == 2
    assert capsys.readouterr().err.startswith("make soak needs ")
    assert containers.missing()


@pytest.mark.parametrize(
    ("status", "said", "fault", "met", "wrong"),
    [
        (0, "", "", set(), ""),
        (-9, "", "kill", set(), ""),
        (-9, "", "", {CONTAINER}, ""),
        (130, "stopped", "interrupt", set(), ""),
        (1, "Traceback\nKeyboardInterrupt\n", "interrupt", set(), "a traceback"),
        (-2, "Traceback\nKeyboardInterrupt\n", "interrupt", set(), ""),
        (-9, 'Traceback\n  File "<', "interrupt", {CONTAINER}, ""),
        (-9, 'Traceback\n  File "<', "interrupt", set(), "a traceback"),
        (-9, 'Traceback\n  File "<', "kill", {CONTAINER}, "a traceback"),
        (-9, "Traceback\n  line\nOSError: x\n", "interrupt", {CONTAINER}, "a traceback"),
        (2, "No space left on device", "", {FULL}, ""),
        (2, "No space left on device", "", set(), "a wrong end"),
        (2, "Traceback\nOSError: No space left on device", "", {FULL}, "a traceback"),
        (0, "Traceback", "", set(), "a traceback"),
        (1, "", "", set(), "a wrong end"),
        (-9, "", "", set(), "a wrong end"),
        (-11, "", "kill", {CONTAINER, FULL}, "a wrong end"),
    ],
)
def test_a_command_in_a_soak_may_end_as_its_fault_allows_and_no_other_way(
    status, said, fault, met, wrong
):
    assert wrong_end(status, said, said, fault, met) == wrong


LESS = "killed; 20 pictures at a time were too many, now 10"


@pytest.mark.parametrize(
    ("incidents", "size", "asked"),
    [((), 20, 20), ((), 10, 10), ((LESS,), 10, 20), ((LESS,), 7, 7)],
)
def test_a_smaller_batch_is_allowed_only_if_the_run_tells_of_it(incidents, size, asked):
    made = {"incidents": incidents, "batch_size": size, "input_shapes": ((size, 8, 8, 3),)}
    assert as_asked(made) == {
        "incidents": incidents,
        "batch_size": asked,
        "input_shapes": ((asked, 8, 8, 3),),
    }
