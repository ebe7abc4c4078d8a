"""The figures of docs/gallery.md are those that its commands draw."""

import json
import re
import runpy
import shlex
import shutil
from pathlib import Path

import pytest
from conftest import DATA

from benchmarking.cli import _parser, main

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "gallery.md").read_text()
COMMANDS = re.findall(r"^```shell\nimagenet-benchmark (.+)\n```$", PAGE, re.MULTILINE)
FIGURES = ROOT / "results" / "figures"


@pytest.fixture(scope="module")
def place(imported_2019, tmp_path_factory):
    """A folder with the runs of 2019 as `2019`, and a cache with the ReaL labels."""
    folder = tmp_path_factory.mktemp("gallery")
    (folder / "2019").symlink_to(imported_2019.folder)
    there = folder / "cache" / "imagenet-benchmarking" / "real-labels"
    there.mkdir(parents=True)
    shutil.copy(DATA / "imagenet_val" / "real.json", there / "real.json")
    return folder


def test_the_page_has_a_figure_for_each_command_and_no_other():
    shown = re.findall(r"^!\[.+\]\(\.\./results/figures/(\w+\.svg)\)$", PAGE, re.MULTILINE)
    *plots, report, site = COMMANDS
    assert [shlex.split(command)[-1] for command in plots] == shown
    assert {path.name for path in FIGURES.iterdir()} == set(shown)
    for command in (report, site):
        assert _parser(shlex.split(command)).parse_args(shlex.split(command)).run


def test_make_results_draws_the_figures_by_the_commands_of_the_page(place, tmp_path):
    script = runpy.run_path(str(ROOT / "docs" / "gallery.py"))
    commands = script["commands"]()
    assert commands == [shlex.split(command) for command in COMMANDS[:-2]]
    (macs,) = (command for command in commands if "macs" in command)
    assert script["draw"](macs, place, tmp_path) == 0
    assert (tmp_path / "macs.svg").read_text().startswith("<svg")
    recipe = re.search(r"^results-2019:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)[1]
    assert "python docs/gallery.py build results/figures" in recipe


@pytest.mark.parametrize("command", COMMANDS[:-2])
def test_a_figure_of_the_page_is_the_one_that_its_command_draws(command, place, monkeypatch):
    """Its title and the names in it, because the widths of texts depend on a machine's fonts."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    *words, name = shlex.split(command)
    assert main([*words, "figure.json"]) == 0
    spec = json.loads((place / "figure.json").read_text())
    svg = (FIGURES / name).read_text()
    shown = " ".join(re.findall(r">([^<]+)</t(?:ext|span)>", svg))
    assert spec["title"]["text"] in shown
    records = max(spec["datasets"].values(), key=len)
    assert all(str(one.get("model", one.get("first"))) in shown for one in records[:3])
