"""The README's commands and code do what it says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarking import sources
from benchmarking.cli import main
from benchmarking.datasets import digests, image_set, open_pictures

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language; a fence in every second place opens one."""
    parts = re.split(r"^```(\w*)\n", README, flags=re.MULTILINE)[1:]
    fenced = zip(parts[::4], parts[1::4], strict=True)
    return [text for name, text in fenced if name == language]


COMMANDS = [
    line for block in blocks("") for line in block.splitlines() if line.startswith("imagenet-b")
]


def test_there_are_commands_to_test():
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_is_understood(command, tmp_path, monkeypatch, capsys):
    """Tables and models for real; predictions on a place that does not exist."""
    monkeypatch.chdir(ROOT)
    words = shlex.split(command)[1:]
    words = [str(tmp_path / word) if word.startswith("table.") else word for word in words]
    status = main([word if word != "demo" else "/path/to/val" for word in words])
    if words[0] == "predict":
        assert status == 2
        assert "'/path/to/val' is neither a folder nor a known picture set" in (
            capsys.readouterr().err
        )
    else:
        assert status == 0


def test_the_code_that_reads_a_run_works():
    code = next(block for block in blocks("python") if "safe_open" in block)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "efficientnet-lite0-57934424.pth" in done.stdout


def test_the_code_of_a_source_fulfils_its_contract(tmp_path, monkeypatch):
    code = next(block for block in blocks("python") if "sources/timm_models.py" in block)
    (tmp_path / "timm_models.py").write_text(code)
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    (spec,) = sources.select(["timm/*"])
    assert sources.source_of(spec).load
    monkeypatch.delitem(sys.modules, "benchmarking.sources.timm_models")


def test_the_fingerprint_can_be_had_from_the_command_line():
    command = next(
        line for block in blocks("") for line in block.splitlines() if "sha256sum" in line
    )
    pictures = open_pictures("demo")
    folder = pictures[0].path.parent
    done = subprocess.run(
        command.replace("*", "imagenet_*.jpg", 1),
        shell=True,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    ours = image_set("demo", pictures, digests(pictures, workers=2)).fingerprint
    assert done.stdout.split()[0] == ours
