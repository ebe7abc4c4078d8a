"""The advice on what to install works without regard to how this distribution was installed."""

import shlex
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from benchmarking.errors import not_installed


def advised(library, extra):
    """The requirements that the advice passes to pip."""
    program, verb, *what = shlex.split(str(not_installed(library, extra)).partition("run: ")[2])
    assert (program, verb) == ("pip", "install")
    return what


@pytest.mark.parametrize(
    "extra", metadata.metadata("imagenet-benchmarking").get_all("Provides-Extra")
)
def test_every_requirement_of_an_extra_is_named_once_if_all_are_installed(extra, monkeypatch):
    monkeypatch.setattr(metadata, "distributions", lambda name: [name])
    needed = map(Requirement, metadata.requires("imagenet-benchmarking"))
    names = [one.name for one in needed if one.marker and one.marker.evaluate({"extra": extra})]
    found = [Requirement(what).name for what in advised("lib", extra)]
    assert found == list(dict.fromkeys(names))


def test_requirements_that_are_installed_are_not_named(monkeypatch):
    monkeypatch.setattr(metadata, "distributions", lambda name: {"pillow", "keras"} & {name})
    found = [Requirement(what).name for what in advised("tensorflow", "keras")]
    assert found == ["opencv-python-headless", "tensorflow"]


def test_a_name_that_is_no_extra_is_installed_itself():
    assert advised("torch", "mine[torch]") == ["mine[torch]"]
    assert advised("torch", "") == ["torch"]


def test_without_metadata_the_library_is_named(monkeypatch):
    def requires(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    assert advised("torch", "pytorch") == ["torch"]
