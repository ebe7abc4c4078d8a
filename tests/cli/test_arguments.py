"""Arguments of the user: options, paths with "~", an environment without a home folder."""

import argparse
import os
import pwd
import re
import subprocess
import sys
from importlib import util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarking import list_models, plugins, predict
from benchmarking.cli import main
from benchmarking.cli.arguments import Parser, gpu_number
from benchmarking.cli.commands import audit, commands, transfer
from benchmarking.cli.scripts_2019 import predictions
from benchmarking.errors import BenchmarkError
from benchmarking.experiments.transfer import verbs
from benchmarking.inference.plan import Options, plan
from benchmarking.io import user_folders
from benchmarking.io.files import write_output
from benchmarking.io.user_folders import expanded
from benchmarking.labels.label_files import label_set, rows_of
from benchmarking.models.frameworks import NO_GPU
from benchmarking.models.sources import select
from benchmarking.pictures.sets import open_pictures
from benchmarking.predictions.store import Store
from benchmarking.reports.formats import reports

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "command", "message"),
    [
        ("predict demo --gpu cpux", "predict", "'cpux' is not a GPU; give its number"),
        ("predict demo --gpu 0,x", "predict", "'x' is not a GPU; give its number"),
        ("predict demo --limit ten", "predict", "'ten' is not a whole number from 1 up"),
        ("predict demo --workers 0", "predict", "'0' is not a whole number from 1 up"),
        ("table --labls real", "table", "unknown option --labls; did you mean --labels?"),
        ("table --sto x", "table", "unknown option --sto; did you mean --store?"),
        ("table --zzz=3", "table", "unknown option --zzz"),
        ("check --store x more", "check", "unexpected: more"),
        ("audit batch demo m --thread 3", "audit batch", "unknown option --thread"),
        ("speed --seconds ten", "speed", "'ten' is not a number above 0"),
        ("speed --seconds nan", "speed", "'nan' is not a number above 0"),
        ("table --consensus most", "table", "'most' is not a whole number from 1 up"),
        ("transfer a b --learning-rate inf", "transfer", "'inf' is not a number above 0"),
        ("audit transfer m a b --epochs 0", "audit transfer", "'0' is not a whole number from 1"),
    ],
)
def test_a_wrong_option_is_named_below_the_usage_of_its_command(
    capsys, arguments, command, message
):
    with pytest.raises(SystemExit) as end:
        main(arguments.split())
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"usage: imagenet-benchmark {command} [-h]")
    assert message in error.splitlines()[-1]


@pytest.mark.parametrize("text", ["cpu", "CPU", "none"])
def test_the_cpu_has_three_names(text):
    assert gpu_number(text) == NO_GPU
    assert gpu_number("3") == 3


def actions(parser):
    """All arguments of a parser and of its subcommands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from actions(sub)


def test_every_argument_that_is_a_path_expands_the_home_folder():
    parsers = {name: Parser() for name in commands()}
    for name, command in commands().items():
        command.add_arguments(parsers[name])
    parsers["2019"] = predictions._parser(predictions.PYTORCH)
    found = {
        f"{name} {action.dest}": action.type
        for name, parser in parsers.items()
        for action in actions(parser)
        if action.type in (Path, expanded)
    }
    assert [name for name, kind in found.items() if kind is Path] == []
    assert len(found) > 15
    places = re.compile(r"\b(FILE|DIR|FOLDER|PICTURES|PLACE|STORE|TAR|TRAIN)\b")
    plain = {
        f"{name} {action.dest}"
        for name, parser in parsers.items()
        for action in actions(parser)
        if places.search(str(action.metavar)) and action.type is None
    }
    # These can be names as well; whatever reads them as paths expands them.
    assert {each.split()[-1] for each in plain} == {"labels", "only", "without", "origin"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_a_tilde_is_expanded_in_every_kind_of_place(home, tree, monkeypatch):
    assert Store("~/mine").folder == home / "mine"
    monkeypatch.setenv("IMAGENET_BENCHMARK_STORE", "~/own")
    assert Store().folder == home / "own"
    assert len(open_pictures("~/tree").pictures) == 6
    assert len(open_pictures("folder:~/tree").pictures) == 6
    assert Options(weights_folder="~/w").weights_folder == home / "w"
    monkeypatch.setenv("XDG_CACHE_HOME", "~/c")
    monkeypatch.setenv("XDG_DATA_HOME", "~/d")
    assert user_folders.cache() == home / "c" / "imagenet-benchmarking"
    assert user_folders.data() == home / "d" / "imagenet-benchmarking"
    pictures = open_pictures("~/tree").pictures
    keys, labels = [one.key for one in pictures], np.array([one.label for one in pictures])
    (home / "mine.csv").write_text(
        "".join(f"{key},{label}\n" for key, label in zip(keys, labels, strict=True))
    )
    assert len(label_set("~/mine.csv", keys, labels).rows) == 6
    (home / "names.txt").write_text("\n".join(keys[:2]))
    assert len(rows_of(["~/names.txt"], keys, labels[:, None])) == 2
    write_output(Path("~/written.txt"), b"w")
    assert (home / "written.txt").read_bytes() == b"w"
    assert not Path("~").exists()
    (home / "w").mkdir()
    (home / "w" / "efficientnet-lite0-57934424.pth").touch()
    assert len(list_models("efficientnet-lite0", weights="available", weights_folder="~/w")) == 2


def test_a_tilde_is_expanded_in_the_place_of_a_plug_in(home, monkeypatch, light):
    (home / "mine.py").write_text(
        'PLUGIN = "reports"\nNAME = "mine"\nSUFFIX = ".mine"\ndef render(tables): return ""\n'
    )
    monkeypatch.setenv("IMAGENET_BENCHMARK_PLUGINS", "")
    plugins.use("~/mine.py")
    assert os.environ["IMAGENET_BENCHMARK_PLUGINS"] == str(home / "mine.py")
    monkeypatch.setenv("IMAGENET_BENCHMARK_PLUGINS", "~/mine.py")
    assert "mine" in reports()


def test_an_existing_file_whose_name_begins_with_a_tilde_is_used(home, monkeypatch):
    monkeypatch.chdir(home)
    Path("~note").touch()
    assert expanded("~note") == Path("~note")
    with pytest.raises(BenchmarkError, match=r"~nobody9/x: the home folder ~nobody9 is unknown"):
        expanded("~nobody9/x")


@pytest.fixture
def homeless(monkeypatch):
    """An environment without a home folder, like a container whose user id has no name."""

    def unknown(number):
        raise KeyError(number)

    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "TORCH_HOME", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("IMAGENET_BENCHMARK_STORE", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        ("table", "IMAGENET_BENCHMARK_STORE"),
        ("fetch real-labels", "XDG_CACHE_HOME"),
        ("predict demo --models resnet18 --store {}", "TORCH_HOME"),
        ("predict demo --models keras/VGG16 --store {}", "KERAS_HOME"),
    ],
)
def test_without_a_home_folder_the_variable_to_set_is_named(
    homeless, tmp_path, monkeypatch, capsys, arguments, variable
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments.format(tmp_path / "store").split()) == 2
    assert capsys.readouterr().err.endswith(f"Set HOME or {variable}.\n")


def test_without_a_home_folder_all_commands_that_do_not_need_one_work(
    homeless, light, tree, tmp_path, capsys
):
    store = str(tmp_path / "store")
    models = ["--models", "steady", "steadier", "--store", store]
    assert main(["predict", str(tree), *models]) == 0
    assert "crops are not kept for later models: the home folder" in capsys.readouterr().err
    assert main(["table", "--store", store]) == 0
    assert main(["models"]) == 0
    assert main(["models", "--files"]) == 0
    assert main(["sets"]) == 0
    assert "note: the cache is left out: the home folder is unknown" in capsys.readouterr().err


def test_a_cache_that_is_not_an_absolute_path_is_refused(monkeypatch):
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: Path("relative"))
    with pytest.raises(BenchmarkError, match="expected an absolute path"):
        user_folders.cache()


def test_a_closed_standard_output_gives_an_error_of_one_line():
    command = "exec 1>&-; exec " + f"{sys.executable} -m benchmarking models"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "imagenet-benchmark: standard output: it is closed.\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", ["models", "--help", "table --help", "--version"])
def test_a_full_disk_gives_an_error_of_one_line(arguments):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarking", *arguments.split()],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr == "imagenet-benchmark: standard output: No space left on device.\n"


LITE = "efficientnet-lite-keras/efficientnet-lite0"


@pytest.mark.parametrize(("backend", "said"), [("jax", 1), ("tensorflow", 0)])
def test_a_keras_backend_that_is_not_used_gives_a_message(monkeypatch, tmp_path, backend, said):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    told: list[str] = []
    plan([LITE], "demo", 20, Store(tmp_path / "store"), Options(), told.append)
    assert [line.partition(" unless")[0] for line in told] == [
        "KERAS_BACKEND=jax is not used; Keras runs on TensorFlow"
    ] * said


def test_a_missing_framework_gives_an_error_of_two_lines(monkeypatch, tmp_path, capsys):
    there = util.find_spec
    monkeypatch.setattr(
        "benchmarking.models.sources.find_spec",
        lambda name: None if name == "keras" else there(name),
    )
    store = str(tmp_path / "store")
    models = ["--models", "keras/VGG*", "keras/ResNet*"]
    assert main(["predict", "demo", *models, "--store", store]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == "imagenet-benchmark: no model can run."
    assert second.startswith("  keras/VGG16, keras/VGG19, keras/ResNet50 and 5 more: keras is not")


def test_an_audit_names_models_without_their_framework_in_one_line(monkeypatch, light, capsys):
    there = util.find_spec
    monkeypatch.setattr(
        "benchmarking.models.sources.find_spec",
        lambda name: None if name == "keras" else there(name),
    )
    models = ["keras/VGG*", "keras/ResNet*", "steady"]
    plain = {"weights": "published", "weights_dir": None, "gpu": None, "workers": 1}
    args = argparse.Namespace(models=models, experiment=SimpleNamespace(PICTURES=0), **plain)
    assert [model.spec.name for model in audit._setup(args).models] == ["steady"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "left out: keras/VGG16, keras/VGG19, keras/ResNet50 and 5 more: keras is"
    )


def test_transfer_names_models_that_share_an_obstacle_in_one_line(monkeypatch, tmp_path, capsys):
    done = SimpleNamespace(results=(), obstacles={f"keras/{one}": "no Keras." for one in "abcde"})
    monkeypatch.setattr(transfer, "_tasks", lambda args, machine: [])
    monkeypatch.setattr(verbs, "transferred", lambda *_: (SimpleNamespace(rows=()), done))
    assert main(["transfer", "a", "b", "--store", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "failed: keras/a, keras/b, keras/c and 2 more: no Keras.\n"


def test_the_total_size_is_announced_before_weights_are_downloaded(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    told: list[str] = []

    def download(weights, folder):
        raise BenchmarkError(f"{len(told)} lines were told before {weights.file}")

    monkeypatch.setattr("benchmarking.models.available.download", download)
    models = [spec.full_name for spec in select(["keras/*"])[:13]]
    with pytest.raises(BenchmarkError, match="2 lines were told before vgg16"):
        plan(models, "demo", 20, Store(tmp_path / "store"), Options(), told.append)
    assert told[0] == "13 files of weights are missing and will be downloaded: 2,136 MiB"


def test_a_python_that_cannot_be_started_is_named(monkeypatch, tree, light, tmp_path):
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(BenchmarkError, match="python cannot be started: No such file"):
        predict("steady", str(tree), tmp_path / "store", executor="worker-process")


def test_a_store_within_the_pictures_folder_changes_nothing(light, tree, capsys):
    models = ["--models", "steady", "--store", str(tree / "store")]
    assert main(["predict", str(tree), *models]) == 0
    assert main(["predict", str(tree), *models]) == 0
    assert "complete since" in capsys.readouterr().out
    assert [path.name for path in (tree / "store").iterdir()] == ["tree"]


@pytest.mark.parametrize(
    "command",
    [
        "table --store {}",
        "check --store {}",
        "predict {} --plan",
        "predict demo --plan --store {}",
        "predict demo --plan --weights-dir {}",
        "predict demo --plan --checkpoint {} --arch torchvision/resnet18",
        "merge {} --store new",
        "import {} --store new",
        "transfer {} {} --store new",
        "site -o {}",
        "sets {}",
        "fetch real-labels --from {}",
        "fetch imagenet-a --from . --to {}",
        "plot learning-curves -o f.json --store {}",
        "doctor {}",
        "--plugin {} sets",
    ],
)
def test_a_path_that_no_file_can_have_is_an_error_in_one_line(command, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    for path, why in (("a" * 300, "File name too long"), ("loop", "Too many levels of symbolic")):
        status, _, err = call(*command.format(path, path).split())
        assert status == 2
        assert why in err or "loop" in err
        assert len(err.splitlines()) <= 3
        assert [one.name for one in tmp_path.iterdir()] == ["loop"]
