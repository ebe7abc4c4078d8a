import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
SLOW = pytest.mark.models


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("pipeline", []),
        ("memory", []),
        ("readers", []),
        ("scale", []),
        ("gpu", ["--device", "cpu", "--models", "squeezenet1_1"]),
        pytest.param("rivals", [], marks=SLOW),
        pytest.param("before_after", ["--against", str(ROOT), "--tasks", "one"], marks=SLOW),
        pytest.param("counts", [], marks=SLOW),
        pytest.param("compiled", [], marks=SLOW),
        pytest.param("ray_overhead", [], marks=SLOW),
        pytest.param("sweep", [], marks=SLOW),
        pytest.param("keras_samples", ["--count", "4"], marks=SLOW),
    ],
)
def test_a_small_benchmark_finds_equal_answers_and_writes_its_table(name, more, tmp_path):
    out = tmp_path / "out.md"
    command = [sys.executable, BENCHMARKS / f"{name}.py", out, "--small", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == out.read_text()
    assert "| ---: |" in done.stdout


def test_answers_that_differ_end_a_benchmark_with_status_1():
    code = "from _measure import must_hold; must_hold(False, 'one of 20'); print('goes on')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "ANSWERS DIFFER: one of 20\n"


@pytest.mark.parametrize("name", ["_measure", "_cluster"])
def test_the_examples_in_what_benchmarks_share_hold(name):
    subprocess.run([sys.executable, "-m", "doctest", BENCHMARKS / f"{name}.py"], check=True)
