import csv
import re
import sys
from types import ModuleType

import pytest
from conftest import DATA

from benchmarking import cli, reports
from benchmarking.errors import BenchmarkError
from benchmarking.inference import executors
from benchmarking.models import frameworks, sources
from benchmarking.models.sources import (
    all_specs,
    check_installed,
    framework_of,
    select,
    source_of,
    spec_of,
)
from benchmarking.plugins import discover

PACKAGES = (cli, datasets, executors, frameworks, reports, sources)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_folder_of_plug_ins_has_some_and_says_what_they_must_have(package):
    assert discover(package)
    for name in package.CONTRACT:
        assert re.search(rf"\b{name}\b", package.__doc__), f"{name} is not explained"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_a_plug_in_that_lacks_something_is_named(package, tmp_path, monkeypatch):
    (tmp_path / "halfway.py").write_text("NAME = 'halfway'")
    monkeypatch.setattr(package, "__path__", [str(tmp_path)])
    with pytest.raises(BenchmarkError, match=f"halfway.py lacks .*{package.CONTRACT[-1]}; see "):
        discover(package)
    del sys.modules[f"{package.__name__}.halfway"]


@pytest.mark.parametrize("spec", all_specs(), ids=lambda spec: f"{spec.source}/{spec.name}")
def test_every_spec_names_plug_ins_that_exist(spec):
    assert spec.source == source_of(spec).NAME
    assert framework_of(spec).EXECUTOR in discover(executors)
    assert framework_of(spec).BATCH_SIZES.keys() == {"cpu", "gpu"}
    assert "published" in spec.recipes


def test_two_plug_ins_of_one_name_are_refused(tmp_path, monkeypatch):
    package = ModuleType("twins")
    package.__path__ = [str(tmp_path)]
    package.CONTRACT = ("NAME",)
    for file in ("one", "two"):
        (tmp_path / f"{file}.py").write_text("NAME = 'same'")
    (tmp_path / "_private.py").write_text("raise AssertionError('never imported')")
    monkeypatch.setitem(sys.modules, "twins", package)
    with pytest.raises(BenchmarkError, match=r"twins.one and twins.two are both called 'same'"):
        discover(package)


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
    found = sources.find_spec
    monkeypatch.setattr(sources, "find_spec", lambda name: None if name == gone else found(name))
    with pytest.raises(BenchmarkError, match=rf"{gone} is not installed; run: pip install 'imag"):
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
