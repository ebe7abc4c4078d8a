from types import ModuleType

import pytest

from benchmarking import cli, datasets, executors, frameworks, reports, sources
from benchmarking.errors import BenchmarkError
from benchmarking.plugins import discover
from benchmarking.sources import all_specs, framework_of, select, source_of

CONTRACTS = {
    cli: ("NAME", "HELP", "add_arguments", "run"),
    datasets: ("NAME", "DESCRIPTION", "recognises", "open_pictures"),
    executors: ("NAME", "run"),
    frameworks: (
        *("NAME", "TITLE", "LIBRARY", "EXTRA", "EXECUTOR", "BATCH_SIZES"),
        *("prepare", "predictor", "versions"),
    ),
    reports: ("NAME", "SUFFIX", "render"),
    sources: ("NAME", "DISTRIBUTIONS", "specs", "weights_path", "load"),
}


@pytest.mark.parametrize("package", CONTRACTS, ids=lambda package: package.__name__)
def test_every_plug_in_has_what_its_folder_asks_for(package):
    modules = discover(package)
    assert modules
    for module in modules.values():
        assert [name for name in CONTRACTS[package] if not hasattr(module, name)] == []


@pytest.mark.parametrize("spec", all_specs(), ids=lambda spec: f"{spec.source}/{spec.name}")
def test_every_spec_names_plug_ins_that_exist(spec):
    assert spec.source == source_of(spec).NAME
    assert framework_of(spec).EXECUTOR in discover(executors)
    assert framework_of(spec).BATCH_SIZES.keys() == {"cpu", "gpu"}
    assert "published" in spec.recipes
    assert len(spec.weights.sha256) == 64


def test_two_plug_ins_of_one_name_are_refused(tmp_path, monkeypatch):
    package = ModuleType("twins")
    package.__path__ = [str(tmp_path)]
    for file in ("one", "two"):
        (tmp_path / f"{file}.py").write_text("NAME = 'same'")
    (tmp_path / "_private.py").write_text("raise AssertionError('never imported')")
    monkeypatch.setitem(__import__("sys").modules, "twins", package)
    with pytest.raises(BenchmarkError, match=r"twins.one and twins.two are both called 'same'"):
        discover(package)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["efficientnet-lite0"], ["efficientnet-lite-keras/0", "efficientnet-lite-pytorch/0"]),
        (["pytorch"], [f"efficientnet-lite-pytorch/{n}" for n in "012"]),
        (["Efficientnet-Lite-KERAS/*[01]"], [f"efficientnet-lite-keras/{n}" for n in "01"]),
        (["*keras/*2", "keras", "*2"], [*(f"*keras/{n}" for n in "012"), "*pytorch/2"]),
    ],
)
def test_models_are_selected_by_name_wildcard_framework_or_source(patterns, expected):
    found = [f"{spec.source}/{spec.name[-1]}" for spec in select(patterns)]
    assert found == [name.replace("*", "efficientnet-lite-") for name in expected]


def test_an_unknown_model_is_refused_with_the_nearest_name():
    with pytest.raises(BenchmarkError, match=r"'efficientnet-lite9'. Did you mean 'efficientnet-l"):
        select(["efficientnet-lite9"])
    with pytest.raises(BenchmarkError, match=r"unknown model 'zzz'. Run 'imagenet-benchmark mod"):
        select(["zzz"])
