"""The table of docs/how-accurate-in-a-minute.md, from the runs of 2019."""

import importlib.util
import sys
from pathlib import Path

import pytest

from benchmarking.predictions.stores import Stores

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script():
    """benchmarks/estimates.py."""
    path = ROOT / "benchmarks" / "estimates.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_estimates", path)
    script = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.fixture(scope="module")
def known(script, imported_2019):
    return script.known_runs(Stores(imported_2019.folder))


def test_as_many_intervals_as_promised_contain_the_accuracy_on_all_pictures(script, known):
    """34 runs with 200 samples each, so that a coverage of 95 % is measured to ± 0.5."""
    alone = {row: [row] for row in range(34)}
    _, _, *lines = script.leave_one_out(known, 200, alone, "others", sizes=(500,))
    covered = [float(line.strip("| ").split(" | ")[-1].partition(" ")[0]) for line in lines]
    assert len(covered) == 2
    assert all(94 <= share <= 97 for share in covered), covered


def test_the_variance_ratios_of_the_page_are_those_of_the_runs(script, known):
    """Ratios follow from the strata alone; with few repeats only bias and coverage differ."""
    alone = {row: [row] for row in range(34)}
    title = "strata from the other 33 runs"
    _, _, *lines = script.leave_one_out(known, 2, alone, title, sizes=(2000,))
    page = (ROOT / "docs" / "how-accurate-in-a-minute.md").read_text()
    table = page.partition(title)[2].partition("\n\n")[0]
    for line in lines:
        name, n, ratio = line.strip("| ").split(" | ")[:3]
        assert f"| {name} | {n} | {ratio} |" in table
