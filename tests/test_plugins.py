import csv
import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Protocol

import pytest
from conftest import DATA, forget_plugins

from benchmarking import plugins
from benchmarking.cli import main
from benchmarking.cli.commands import Command, commands
from benchmarking.errors import BenchmarkError
from benchmarking.experiments import Experiment, experiments
from benchmarking.inference.executors import Executor, executors
from benchmarking.models import sources as sources_package
from benchmarking.models.frameworks import Framework, frameworks
from benchmarking.models.sources import (
    Source,
    all_specs,
    check_installed,
    framework_of,
    select,
    source_of,
    sources,
    spec_of,
)
from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.pictures.sets import PictureSet, picture_sets
from benchmarking.plugins import discover, lacks
from benchmarking.reports.figures import Figure, figures
from benchmarking.reports.formats import Report, format_of, reports

KINDS = {
    "sources": (sources, Source),
    "frameworks": (frameworks, Framework),
    "picture_sets": (picture_sets, PictureSet),
    "executors": (executors, Executor),
    "reports": (reports, Report),
    "experiments": (experiments, Experiment),
    "figures": (figures, Figure),
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def _no_plugins_left():
    before = os.environ.get(plugins.FILES_VARIABLE)
    yield
    if before is None:
        os.environ.pop(plugins.FILES_VARIABLE, None)
    else:
        os.environ[plugins.FILES_VARIABLE] = before
    forget_plugins()


def test_the_kinds_are_those_that_have_a_contract():
    assert plugins.KINDS.keys() == KINDS.keys()
    for kind, (discovered, contract) in KINDS.items():
        assert plugins.KINDS[kind] == contract.__module__ == discovered.__module__
        assert plugins.CONTRACTS[kind] == contract.__name__


@EVERY_KIND
def test_each_kind_has_plug_ins_that_satisfy_its_contract(kind):
    discovered, contract = KINDS[kind]
    found = discovered()
    assert found
    for name, plugin in found.items():
        assert name == plugin.NAME
        assert lacks(plugin, contract) == []


def test_every_command_satisfies_its_contract():
    assert len(commands()) == 23
    for command in commands().values():
        assert lacks(command, Command) == []


def test_mypy_accepts_every_plug_in_as_its_contract(tmp_path):
    lines = []
    for number, (kind, (discovered, contract)) in enumerate(KINDS.items()):
        lines.append(f"from {contract.__module__} import {contract.__name__}")
        for name, plugin in discovered().items():
            if not isinstance(plugin, ModuleType):  # mypy checks those where they are made
                continue
            alias = f"p{number}_{name.replace('-', '_')}"
            lines += [f"import {plugin.__name__} as {alias}"]
            lines += [f"{alias}_is: {contract.__name__} = {alias}  # {kind}"]
    file = tmp_path / "every_plug_in.py"
    file.write_text("\n".join(lines) + "\n")
    root = Path(__file__).parents[1]
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file",
        str(root / "pyproject.toml"),
        str(file),
    ]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


class Contract(Protocol):
    @property
    def NAME(self) -> str: ...
    @property
    def SIZES(self) -> tuple[int, ...]: ...
    def build(self, spec: str, weights: int) -> str: ...


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"NAME": "a", "SIZES": (1,), "build": lambda spec, weights: ""}, []),
        ({"NAME": "a", "SIZES": (1,), "build": lambda *args: ""}, []),
        ({"SIZES": (1,), "build": lambda spec, weights: ""}, ["NAME"]),
        ({"NAME": "a", "build": print}, ["SIZES"]),
        (
            {"NAME": 7, "SIZES": [1], "build": lambda spec, weights: ""},
            ["NAME as str (it is 7)", "SIZES as tuple (it is [1])"],
        ),
        ({"NAME": "a", "SIZES": ()}, ["build"]),
        ({"NAME": "a", "SIZES": (), "build": 1}, ["build as a function (it is 1)"]),
        (
            {"NAME": "a", "SIZES": (), "build": lambda spec: ""},
            ["build(spec, weights) with these parameters"],
        ),
    ],
)
def test_what_a_plug_in_lacks_is_described_in_words(parts, expected):
    plugin = ModuleType("plugin")
    vars(plugin).update(parts)
    assert lacks(plugin, Contract) == expected


@EVERY_KIND
@pytest.mark.parametrize("how", ["use", "environment"])
def test_a_plug_in_file_that_lacks_something_is_named(kind, how, tmp_path, monkeypatch):
    discovered, contract = KINDS[kind]
    file = tmp_path / "halfway.py"
    file.write_text(f"PLUGIN = {kind!r}\nNAME = 'halfway'")
    if how == "environment":
        monkeypatch.setenv(plugins.FILES_VARIABLE, str(file))
    with pytest.raises(BenchmarkError) as error:
        plugins.use(file) if how == "use" else discovered()
    assert str(error.value).startswith(f"{file} lacks ")
    assert f"needs all that {contract.__name__} has in {contract.__module__}." in str(error.value)


REPORT = """
PLUGIN = "reports"
NAME = "mine"
SUFFIX = ".mine"
def render(tables):
    return {text!r}
"""


def test_a_corrected_plug_in_file_works_and_a_changed_one_is_imported_again(
    tmp_path,
):
    file = tmp_path / "mine.py"
    file.write_text("PLUGIN = 'reports'\nNAME = 'mine'")
    with pytest.raises(BenchmarkError, match="mine.py lacks SUFFIX; render"):
        plugins.use(file)
    assert "mine" not in reports()
    for text in ("first", "second"):
        file.write_text(REPORT.format(text=text))
        plugins.use(file)
        assert reports()["mine"].render(()) == text


def test_a_file_that_is_named_twice_is_one_plug_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(REPORT.format(text="x"))
    monkeypatch.setenv(
        plugins.FILES_VARIABLE, os.pathsep.join(["mine.py", str(tmp_path / "mine.py")])
    )
    plugins.use("mine.py")
    assert "mine" in reports()


def test_a_worker_refuses_a_plug_in_that_was_changed_since(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(REPORT.format(text="x"))
    plugins.use(file)
    known = plugins.imported_files()
    assert known[str(file)] == hashlib.sha256(file.read_bytes()).hexdigest()
    plugins.import_files(known)
    with pytest.raises(BenchmarkError, match="mine.py was changed while it was in use"):
        plugins.import_files({str(file): "0" * 64})


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("gone.py", None, "gone.py is not a file; expected a Python file."),
        ("words.txt", "PLUGIN = 'sources'", "words.txt is not a Python file; its name must end"),
        ("broken.py", "1 / 0", "broken.py cannot be imported: ZeroDivisionError: division by zero"),
        ("vague.py", "NAME = 'vague'", "vague.py lacks PLUGIN, which says what it adds; expected"),
        ("odd.py", "PLUGIN = 'source'", "odd.py has PLUGIN = 'source'; expected one of 'sources'"),
    ],
)
def test_a_file_that_is_no_plug_in_is_refused(name, text, expected, tmp_path, capsys):
    if text is not None:
        (tmp_path / name).write_text(text)
    assert main(["--plugin", str(tmp_path / name), "models"]) == 2
    assert expected in capsys.readouterr().err


def test_a_plug_in_file_that_ends_python_is_refused(tmp_path, capsys):
    (tmp_path / "ending.py").write_text("raise SystemExit(0)")
    assert main(["--plugin", str(tmp_path / "ending.py"), "models"]) == 2
    assert "ending.py cannot be imported: SystemExit: 0" in capsys.readouterr().err


def test_the_option_for_plug_ins_cannot_be_abbreviated(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--plug", "gone.py", "models"])
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"framework": "gone"}, "x/y names framework 'gone', which there is not; there are keras"),
        (
            {"source": "gone"},
            "gone/y names source 'gone', which there is not; there are checkpoint, eff",
        ),
    ],
)
def test_a_spec_that_names_unknown_plug_ins_is_refused(changes, message):
    spec = replace(ModelSpec("x", "y", "pytorch", Weights("w", "w"), {}, 1), **changes)
    with pytest.raises(BenchmarkError, match=message):
        framework_of(spec) and source_of(spec)


def test_a_submodule_of_a_missing_library_is_missing_too(monkeypatch):
    spec = spec_of("efficientnet-lite-pytorch", "efficientnet-lite0")
    monkeypatch.setattr(source_of(spec), "MODULES", ("no_such_library.part",))
    monkeypatch.setattr(source_of(spec), "EXTRA", "")
    with pytest.raises(BenchmarkError, match="run: pip install 'no_such_library.part'"):
        check_installed(spec)


def test_two_formats_of_one_suffix_are_refused(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("PLUGIN = 'reports'\nNAME = 'mine'\nSUFFIX = '.CSV'\ndef render(tables): pass")
    plugins.use(file)
    with pytest.raises(BenchmarkError, match="formats csv and mine both have the suffix .CSV"):
        format_of(Path("t.csv"))


def test_a_plug_in_of_one_of_our_folders_that_lacks_something_is_named(tmp_path, monkeypatch):
    (tmp_path / "halfway.py").write_text("NAME = 'halfway'")
    monkeypatch.setattr(sources_package, "__path__", [str(tmp_path)])
    with pytest.raises(BenchmarkError, match=r"halfway.py lacks DISTRIBUTIONS; EXTRA; MODULES; "):
        sources()
    del sys.modules[f"{sources_package.__name__}.halfway"]


def test_every_spec_names_plug_ins_that_exist():
    for spec in all_specs():
        assert spec.source == source_of(spec).NAME, spec
        assert framework_of(spec).EXECUTOR in executors(), spec
        assert framework_of(spec).BATCH_SIZES.keys() == {"cpu", "gpu"}, spec
        assert "published" in spec.recipes or not spec.recipes, spec


class Named(Protocol):
    @property
    def NAME(self) -> str: ...


def test_two_plug_ins_of_one_name_are_refused(tmp_path, monkeypatch):
    package = ModuleType("twins")
    package.__path__ = [str(tmp_path)]
    for file in ("one", "two"):
        (tmp_path / f"{file}.py").write_text("NAME = 'same'")
    (tmp_path / "_private.py").write_text("raise AssertionError('never imported')")
    monkeypatch.setitem(sys.modules, "twins", package)
    with pytest.raises(BenchmarkError, match=r"one.py and .*two.py are both called 'same'; rename"):
        discover(package, Named)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["efficientnet-lite0"], ["efficientnet-lite-keras/0", "efficientnet-lite-pytorch/0"]),
        (["efficientnet-lite-pytorch"], [f"efficientnet-lite-pytorch/{n}" for n in "012"]),
        (["Efficientnet-Lite-KERAS/*[01]"], [f"efficientnet-lite-keras/{n}" for n in "01"]),
        (
            ["*lite-keras/*2", "*lite-keras", "*-lite2"],
            [*(f"*keras/{n}" for n in "012"), "*pytorch/2"],
        ),
    ],
)
def test_models_are_selected_by_name_wildcard_framework_or_source(patterns, expected):
    found = [f"{spec.source}/{spec.name[-1]}" for spec in select(patterns)]
    assert found == [name.replace("*", "efficientnet-lite-") for name in expected]


def test_a_framework_selects_every_model_that_it_runs():
    assert {spec.framework for spec in select(["PyTorch"])} == {"pytorch"}
    assert len(select(["pytorch"])) == sum(s.framework == "pytorch" for s in all_specs())


@pytest.mark.parametrize("gone", ["torch", "PIL", "efficientnet_lite_pytorch"])
def test_a_model_whose_library_is_missing_is_not_ready(gone, monkeypatch):
    spec = spec_of("efficientnet-lite-pytorch", "efficientnet-lite0")
    found = sources_package.find_spec
    monkeypatch.setattr(
        sources_package, "find_spec", lambda name: None if name == gone else found(name)
    )
    advice = f"{gone} is not installed; run: pip install 'pillow' 'torch>="
    with pytest.raises(BenchmarkError, match=advice):
        check_installed(spec)


def test_a_bare_name_means_the_models_of_both_frameworks():
    found = [f"{spec.source}/{spec.name}" for spec in select(["resnet50"])]
    assert found == ["keras/ResNet50", "torchvision/resnet50"]


def test_the_34_models_of_2019_are_there_under_their_names_with_what_was_published():
    path = DATA.parent / "reference" / "published_accuracy.csv"
    if not path.is_file():
        pytest.skip(f"{path} is missing: the models of 2019 and what was published of them")
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len(rows) == 34
    for row in rows:
        spec = spec_of(row["source"], row["model"])
        assert spec.published.acc1 == float(row["published_acc1"])
        assert spec.published.acc5 == float(row["published_acc5"])
        assert spec.weights.name == row["weights"]
        assert spec.weights.sha256 == row["url_hash"]
        assert spec.recipes.keys() == {"published", "northcutt2019"}


def test_an_unknown_model_is_refused_with_the_nearest_name():
    with pytest.raises(BenchmarkError, match=r"'efficientnet-lite9'. Did you mean 'efficientnet-l"):
        select(["efficientnet-lite9"])
    with pytest.raises(BenchmarkError, match=r"unknown model 'zzz'. Run 'imagenet-benchmark mod"):
        select(["zzz"])
