"""Commands on every page, and code in the README and the pages that continue it, work."""

import json
import re
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import digests, forget_plugins
from fsspec.implementations.memory import MemoryFileSystem

from benchmarking import plugins
from benchmarking.cli import main
from benchmarking.cli.scripts_2019 import predictions, table
from benchmarking.cli.scripts_2019.predictions import KERAS, PYTORCH
from benchmarking.pictures.archives import archives
from benchmarking.pictures.reading import image_set
from benchmarking.pictures.sets import open_pictures
from benchmarking.predictions.store import Store

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    *(f"docs/{name}.md" for name in ("benchmark-of-2019", "models-and-recipes", "stored-runs")),
]
README = "\n".join((ROOT / page).read_text() for page in PAGES)


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language; every second fence opens a block."""
    parts = re.split(r"^```(\w*)\n", README, flags=re.MULTILINE)[1:]
    fenced = zip(parts[::4], parts[1::4], strict=True)
    return [text for name, text in fenced if name == language]


def commands() -> list[str]:
    """Every command of the README, docs/, CONTRIBUTING and SECURITY, each once."""
    pages = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")]
    found = []
    for page in (*pages, *sorted((ROOT / "docs").glob("*.md"))):
        fenced = r"^```(?:bash|sh|yaml)\n(.*?)^```$"
        for block in re.findall(fenced, page.read_text(), re.MULTILINE | re.DOTALL):
            lines = re.sub(r"\\\n *", "", block)  # a line that is continued is one line
            found += re.findall(r"(?:^|^ +- run: )(imagenet.+)$", lines, re.MULTILINE)
    each = [command for line in found for command in line.split(" && ")]
    # An import is tested with a store of its own, so those to other stores are the same.
    unlike = {re.sub(r"( import --store) \S+$", r"\1", command): command for command in each}
    return list(unlike.values())


COMMANDS = commands()


def test_there_are_commands_to_test():
    assert len(COMMANDS) >= 50


# Messages of commands for a place that does not exist.
NOWHERE = {
    "predict": "' does not exist",
    "audit": "' does not exist",
    "doctor": "'/path/to/val' does not exist",
    "merge": "shards is not a folder; expected a store with shards",
    "prepare": "ILSVRC2012_img_val.tar is no file",
    "robustness": "has no runs on ImageNet-V2, A, R, O, Sketch or C",
    "speed": "'/path/to/val' does not exist",
    "transfer": "train is not a folder; expected a folder that has a folder of pictures",
    "compare an estimate": "mine has no run of resnet50, imagenet-val-estimate-2000",
    "plot learning-curves": "there are no trained heads in mine-transfer",
    "factors": "the annotations of ImageNet-X are not installed",
    "fetch an archive": "name its folder with --from",
    "imagenet_pytorch_get_predictions.py": "'/path/to/val' does not exist",
    "imagenet_keras_get_predictions.py": "'/path/to/val' does not exist",
}
DROP_IN = {
    "imagenet_benchmarking.py": table.main,
    "imagenet_pytorch_get_predictions.py": partial(predictions.main, PYTORCH),
    "imagenet_keras_get_predictions.py": partial(predictions.main, KERAS),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory, arrays_of_2019):
    """A cache with the arrays of 2019."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        main(["fetch", "predictions-2019", "--from", str(arrays_of_2019)])
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch, cache, arrays_of_2019):
    """A folder with all files that the commands name, and a cache with the arrays."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv(plugins.FILES_VARIABLE, "")  # --plugin adds to it
    for name in ("precomputed", "mine", "2019", "zoo"):
        (tmp_path / name).symlink_to(ROOT / "precomputed")
    (tmp_path / "your").symlink_to(arrays_of_2019)
    demo = ROOT / "precomputed" / "demo"
    for name, model in (("A", "efficientnet-lite0"), ("B", "efficientnet-lite1")):
        run = demo / "efficientnet-lite-keras" / f"{model}.published.safetensors"
        (tmp_path / f"{name}.safetensors").symlink_to(run)
    (tmp_path / "images.csv").symlink_to(demo / "images.csv")
    np.save("rows_to_keep.npy", np.array([5, 3]))
    np.save("their_labels.npy", np.array([7, 0]))
    rows = Store(ROOT / "precomputed").rows("demo")
    np.save("logits.npy", 9 * np.eye(1000)[rows.labels] - 1)
    np.save("probs.npy", 0.99 * np.eye(1000)[rows.labels] + 1e-5)
    Path("names.txt").write_text("\n".join(rows.keys))
    main(["export", "exported", "--to", "csv", "--store", "precomputed", "--images", "demo"])
    plug_ins = (ROOT / "docs" / "plug-ins.md").read_text()
    for code in re.findall(r'^```python\n("""(my_\w+\.py):.*?)^```$', plug_ins, re.M | re.S):
        Path(code[1]).write_text(code[0])
    yield tmp_path
    forget_plugins()


def in_memory() -> None:
    """Copy a store to the memory file system of fsspec, at /bucket/store."""
    for path in (ROOT / "precomputed" / "demo").rglob("*.*"):
        place = path.relative_to(ROOT / "precomputed").as_posix()
        MemoryFileSystem().pipe_file(f"/bucket/store/{place}", path.read_bytes())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_a_page_is_understood(command, place, arrays_of_2019, capsys):
    """Commands are really run, except that long ones and the tar get a missing place."""
    program, *words = shlex.split(command.partition(" | ")[0])
    verb = words[0] if program == "imagenet-benchmark" else program
    if words[:2] == ["audit", "transfer"]:
        verb = "transfer"
    if verb == "predict":
        words = ["/path/to/val" if word == "demo" else word for word in words]
    if words[:2] == ["plot", "learning-curves"]:
        verb = "plot learning-curves"
    if verb == "compare" and any("-estimate-" in word for word in words):
        verb = "compare an estimate"
    if verb == "speed":
        words += ["--pictures", "/path/to/val"]
    if verb == "fetch" and words[1] in archives():
        verb, words = "fetch an archive", [*words, "--from", "http://127.0.0.1:9"]
    if verb == "fetch":
        words += ["--from", str(arrays_of_2019)]
    if verb == "import":
        words[-1] = "new"
    if verb == "imagenet_benchmarking.py":  # the pictures are missing
        words = [word for word in words if word != "/path/to/val"]
    if "s3://bucket/store" in words:
        in_memory()
        words = [word.replace("s3://", "memory://") for word in words]
    status = DROP_IN.get(program, main)(words)
    assert status == (2 if verb in NOWHERE else 0)
    assert NOWHERE.get(verb, "") in capsys.readouterr().err


def test_the_code_that_reads_a_run_works():
    code = next(block for block in blocks("python") if "safe_open" in block)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "efficientnet-lite0-57934424.pth" in done.stdout


def test_the_code_that_makes_a_data_frame_works():
    code = next(block for block in blocks("python") if "to_pandas()\nprint" in block)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[1:3] == ["Keras      0.904", "PyTorch    0.904"]


SCRIPT_OF_THE_README = """
import json, sys
{code}
print(json.dumps([str(run) for run in runs]))
print(table.rows[0].scores["Acc@1"].share, top5.classes.shape)
"""


@pytest.mark.models
def test_the_code_of_the_front_door_runs(tmp_path):
    """With a model whose weights are in a package, the demo pictures and their own labels.

    In a file without a guard; test_executors.py runs such code from standard input too.
    """
    code = next(block for block in blocks("python") if "open_images" in block)
    for asked, here in (
        ('"/path/to/val"', '"demo"'),
        ('"torchvision/resnet50"', '"efficientnet-lite-pytorch/efficientnet-lite0"'),
        ('"real"', '"original"'),
    ):
        assert asked in code
        code = code.replace(asked, here)
    script = SCRIPT_OF_THE_README.format(code=code)
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    *_, runs, last = done.stdout.splitlines()
    assert json.loads(runs) == ["efficientnet-lite-pytorch/efficientnet-lite0 (published) on demo"]
    assert last == "0.9 (20, 5)"
    assert (tmp_path / "mine" / "demo" / "images.csv").is_file()


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
        line for block in blocks("bash") for line in block.splitlines() if "sha256sum" in line
    )
    pictures = open_pictures("demo").pictures
    folder = pictures[0].place.path.parent
    done = subprocess.run(
        command.replace("*", "imagenet_*.jpg", 1),
        shell=True,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    ours = image_set("demo", pictures, digests(pictures)).fingerprint
    assert done.stdout.split()[0] == ours
