"""How long the accuracy table takes, against a plain pandas script over the same files.

Both print the accuracies of every stored run, each in a new process, in turn; the ratio is taken
pair by pair. Usage: python benchmarks/table.py
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

STORE = Path(__file__).parents[1] / "precomputed"
REPEATS = 7

OURS = [sys.executable, "-m", "benchmarking", "table", "--store", str(STORE)]

# The usual way: a script that reads every file into a data frame and scores it there.
PLAIN = """
import sys
from pathlib import Path
import pandas as pd
from safetensors.numpy import load_file
rows = []
for path in sorted(Path(sys.argv[1]).glob("*/*/*.safetensors")):
    truth = pd.read_csv(path.parents[1] / "images.csv")["class"]
    top5 = pd.DataFrame(load_file(path)["top5_index"])
    hits = top5.apply(lambda column: column == truth)
    rows.append((path.parent.name, path.stem, 100 * hits[0].mean(), 100 * hits.any(axis=1).mean()))
print(pd.DataFrame(rows, columns=["source", "model", "Acc@1", "Acc@5"]).sort_values("Acc@1"))
"""


def seconds(command: list[str]) -> float:
    """Wall-clock time of a command, from the start of its interpreter to its end."""
    start = perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return perf_counter() - start


def main() -> None:
    """Print medians and the median ratio."""
    runs = len(list(STORE.glob("*/*/*.safetensors")))
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, ",
        end="",
    )
    print(f"NumPy {np.__version__}; {runs} stored runs, {REPEATS} interleaved repeats")
    pairs = [
        (seconds(OURS), seconds([sys.executable, "-c", PLAIN, str(STORE)])) for _ in range(REPEATS)
    ]
    ours, plain = (median(times) for times in zip(*pairs, strict=True))
    print(f"imagenet-benchmark table   {ours:.2f} s")
    print(f"a plain pandas script      {plain:.2f} s")
    print(f"ratio                      {median(b / a for a, b in pairs):.1f}")


if __name__ == "__main__":
    main()
