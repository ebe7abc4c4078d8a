"""The table of docs/how-accurate-in-a-minute.md, from the runs of 2019."""

import importlib.util
import sys
from pathlib import Path

from benchmarking.predictions.stores import Stores

ROOT = Path(__file__).parents[1]


def test_the_variance_ratios_of_the_page_are_those_of_the_runs(imported_2019):
    """Ratios follow from the strata alone; with few repeats only bias and coverage differ."""
    path = ROOT / "benchmarks" / "estimates.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_estimates", path)
    script = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    known = script.known_runs(Stores(imported_2019.folder))
    alone = {row: [row] for row in range(34)}
    title = "strata from the other 33 runs"
    _, _, *lines = script.leave_one_out(known, 2, alone, title, sizes=(2000,))
    page = (ROOT / "docs" / "how-accurate-in-a-minute.md").read_text()
    table = page.partition(title)[2].partition("\n\n")[0]
    for line in lines:
        name, n, ratio = line.strip("| ").split(" | ")[:3]
        assert f"| {name} | {n} | {ratio} |" in table
