"""Every command in docs/ gives the output that is shown below it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DATA

DOCS = Path(__file__).parents[1] / "docs"
BLOCKS = [
    (page.name, command, output)
    for page in sorted(DOCS.glob("*.md"))
    for command, output in re.findall(
        r"^```console\n\$ (.+)\n((?:.*\n)*?)```$", page.read_text(), re.MULTILINE
    )
]


@pytest.fixture(scope="module")
def place(imported_2019, tmp_path_factory):
    """A folder with the runs of 2019 as `2019`, and a cache with the downloaded labels."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "2019").symlink_to(imported_2019.folder)
    (folder / "precomputed").symlink_to(DOCS.parent / "precomputed")
    for collection, source, name in (
        ("real-labels", "real.json", "real.json"),
        ("label-errors", "mturk.json", "imagenet_mturk.json"),
    ):
        there = folder / "cache" / "imagenet-benchmarking" / collection
        there.mkdir(parents=True)
        shutil.copy(DATA / "imagenet_val" / source, there / name)
    return folder


def run(command, place):
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "XDG_CACHE_HOME": str(place / "cache"),
    }
    done = subprocess.run(
        command, shell=True, cwd=place, env=environment, capture_output=True, text=True
    )
    return done.stdout


def test_there_is_a_page_per_question_with_its_commands():
    assert {page for page, _, _ in BLOCKS} >= {
        "does-it-reproduce.md",
        "is-it-different.md",
        "which-labels.md",
    }
    assert len(BLOCKS) >= 8


@pytest.mark.parametrize(("page", "command", "output"), BLOCKS, ids=[c for _, c, _ in BLOCKS])
def test_a_command_gives_the_output_under_it(page, command, output, place):
    found = run(command, place)
    assert [line.rstrip() for line in found.splitlines()] == output.splitlines()


def test_the_stricter_check_in_python_fails_if_a_run_does_not_reproduce(place):
    (code,) = re.findall(r"^```python\n(.*?)^```$", (DOCS / "ci.md").read_text(), re.M | re.S)
    assert 'Store("zoo")' in code
    code = code.replace('Store("zoo")', 'Store("2019")')
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count(": not reproduced, ") == 33


def test_every_pair_of_2019_is_in_its_file(place):
    found = run("imagenet-benchmark compare --all --store 2019", place)
    assert found == (DOCS / "compare-all-2019.txt").read_text()


def test_what_the_readme_says_of_faults_was_found():
    found = (DOCS.parent / "results" / "reliability.md").read_text().splitlines()
    row = r"^\|[^|]+(?:\| [\d,]+ ){3}\|$"
    told = re.findall(row, (DOCS.parent / "README.md").read_text(), re.MULTILINE)
    assert len(told) > 5
    assert set(told) <= set(found)


def test_the_readme_is_short_enough_to_be_read():
    assert len((DOCS.parent / "README.md").read_text().splitlines()) < 250


def test_links_between_pages_lead_somewhere():
    for page in (*DOCS.glob("*.md"), DOCS.parent / "README.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def promised() -> list[tuple[str, str]]:
    """File and name of the test, or a part of it, for each promise on the reliability page."""
    text = (DOCS / "reliability.md").read_text()
    found, file = [], ""
    for quoted in re.findall(r"`([^`]+)`", text):
        place, _, name = quoted.rpartition("::") if "::" in quoted else ("", "", quoted)
        if quoted.endswith(".py"):
            place, name = quoted, "def test_"
        if place.endswith(".py"):
            file = place
        if place or quoted.startswith("…"):
            found.append((file, name.strip("…")))
    return found


def test_the_page_on_reliability_names_a_test_for_each_promise():
    assert len(promised()) > 30


@pytest.mark.parametrize(("file", "name"), promised())
def test_a_promise_names_a_test_that_exists(file, name):
    assert name in (DOCS.parent / "tests" / file).read_text()
