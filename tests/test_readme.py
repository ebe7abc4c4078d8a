"""The README's commands and code do what it says."""

import hashlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarking import sources
from benchmarking.cli import main
from benchmarking.datasets import digests, image_set, open_pictures
from benchmarking.frameworks import Device, pytorch
from benchmarking.images import crop
from benchmarking.specs import SCALINGS
from benchmarking.weights import check

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
    words = ["precomputed" if word == "mine" else word for word in words]
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


def test_the_code_of_a_source_runs_with_timms_own_preprocessing(tmp_path, monkeypatch):
    """With a file of weights made here, whose digest stands in for the published one."""
    import timm
    import torch

    torch.manual_seed(0)
    model = timm.create_model("resnet18.a1_in1k", pretrained=False).eval()
    path = tmp_path / "resnet18_a1_in1k.pth"
    torch.save(model.state_dict(), path)
    code = next(block for block in blocks("python") if "sources/timm_models.py" in block)
    code = code.replace("0" * 64, hashlib.sha256(path.read_bytes()).hexdigest())
    (tmp_path / "timm_models.py").write_text(code)
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    (spec,) = sources.select(["timm/*"])
    sources.check_installed(spec)
    found = sources.weights_path(spec, tmp_path)
    assert check(found, spec.weights)
    assert spec.parameters == sum(p.numel() for p in model.parameters())

    recipe = spec.recipes["published"]
    data = open_pictures("demo")[0].path.read_bytes()
    seen = crop(data, recipe)
    built = sources.source_of(spec).build(spec, found)
    predictor = pytorch.predictor(built, SCALINGS[recipe.scaling], Device("cpu", "cpu", "cpu"))
    said = predictor(seen[None])
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=model))
    with torch.inference_mode():
        pixels = transform(Image.open(io.BytesIO(data)).convert("RGB"))[None]
        expected = model(pixels).softmax(dim=1).numpy()
    assert np.abs(said - expected).max() < 1e-6
    monkeypatch.delitem(sys.modules, "benchmarking.sources.timm_models")


def test_the_code_of_a_source_passes_the_linter(tmp_path):
    for number, code in enumerate(blocks("python")):
        (tmp_path / f"block{number}.py").write_text(code)
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ruff"),
            "check",
            "--config",
            ROOT / "pyproject.toml",
            "--ignore",
            "D100,T201",
            tmp_path,
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


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
