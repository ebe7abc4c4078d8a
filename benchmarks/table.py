"""Cost of the accuracy table, compared with straightforward scripts on the same files.

Three tables of 50,000 pictures: 34 models from the arrays of 2019, the same from our own store,
and 1,500 models from a store. Only our tables have tiers and plausible ranks. Every command runs in
a new process; our command and the other alternate, and the ratio is computed for each pair. The
arrays are those from 'imagenet-benchmark fetch predictions-2019', or else random ones of the same
shape.

Usage: python benchmarks/table.py [FILE.md]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
from _measure import cost, in_turn, machine, ratio

from benchmarking.io.downloads import cache_folder, collections, complete
from benchmarking.labels.imagenet import validation_key, validation_labels, wnids
from benchmarking.predictions.arrays_2019 import ArrayFolders, folders_below, names_2019
from benchmarking.predictions.import_export import import_run, rows_of
from benchmarking.predictions.run import Run
from benchmarking.predictions.run_file import opened, packed
from benchmarking.predictions.store import Store

MANY = 1500
ROWS = 50_000

# The method of 2019: labels from the folder of pictures, a loop over the rows for the top-5.
LOOP = """
import sys
from pathlib import Path
import numpy as np
import pandas as pd
val, *folders = map(Path, sys.argv[1:])
truth = []
for label, wnid in enumerate(sorted(folder.name for folder in val.iterdir())):
    truth += [label for picture in sorted((val / wnid).iterdir())]
rows = []
for folder in folders:
    for path in sorted(folder.glob("*_top5preds.npy")):
        said = np.load(path)
        sure = np.load(str(path).replace("preds", "probs"))
        first = said[np.arange(len(said)), sure.argmax(axis=1)]
        right = sum(truth[row] in said[row] for row in range(len(said)))
        rows.append((path.stem, (first == np.array(truth)).mean(), right / len(said)))
print(pd.DataFrame(rows, columns=["model", "Acc@1", "Acc@5"]).sort_values("Acc@1").to_string())
"""

# Every file is read into a data frame and scored there.
FRAMES = """
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


@dataclass(frozen=True)
class Contest:
    """Two commands that make the same table, and the number of repeats."""

    title: str
    ours: Sequence[object]
    other: Sequence[object]
    repeats: int


def arrays(folder: Path) -> list[Path]:
    """Folders of the 68 arrays: the fetched ones, or else random ones."""
    collection = collections()["predictions-2019"]
    fetched = cache_folder(collection.name)
    if not complete(collection, fetched):
        fetched = folder / "arrays"
        random = np.random.default_rng(0)
        shuffled = np.argsort(random.random((ROWS, 10)), axis=1)[:, :5]
        for name, models in names_2019().items():
            (fetched / name).mkdir(parents=True)
            for model in models:
                stem = fetched / name / f"{model}_{name}_imagenet"
                probabilities = random.dirichlet(np.ones(6), ROWS)[:, :5].astype(np.float32)
                np.save(f"{stem}_top5preds.npy", shuffled * random.integers(1, 100))
                np.save(f"{stem}_top5probs.npy", probabilities)
    return folders_below(fetched)


def pictures(folder: Path) -> Path:
    """The validation set's 50,000 names in class folders, without any content."""
    val = folder / "val"
    for wnid in wnids():
        (val / wnid).mkdir(parents=True)
    for row, label in enumerate(validation_labels().tolist()):
        (val / wnids()[label] / validation_key(row + 1)).touch()
    return val


def stores(folder: Path, found: ArrayFolders) -> tuple[Path, Path]:
    """A store with the runs, and one with many copies of them under unique names."""
    few, many = Store(folder / "few"), Store(folder / "many")
    (images,) = found.image_sets()
    rows = rows_of(images, found.labels(images))
    runs = found.runs(images)
    for run in runs:
        import_run(found, run, rows, few)
    for n in range(MANY):
        copied(few, many, runs[n % len(runs)], f"copy-{n}")
    names = "images.csv"
    (many.folder / images / names).write_bytes((few.folder / images / names).read_bytes())
    return few.folder, many.folder


def copied(few: Store, many: Store, run: Run, model: str) -> None:
    """Copy a run to another store as another model, without syncing it to disk."""
    copy = replace(run, model=model)
    path = many.path(copy)
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened(few.path(run), run) as stored:
        arrays = {name: stored.array(name) for name in stored.names}
        path.write_bytes(packed(copy, arrays, stored.provenance, stored.rows))


def main() -> None:
    """Print the costs and the median ratios, and write them to a file if one is given."""
    scripts = Path(__file__).parents[1] / "scripts"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = arrays(folder)
        few, many = stores(folder, ArrayFolders(tuple(found)))
        keras, pytorch = found
        drop_in = [scripts / "imagenet_benchmarking.py", "-k", keras, "-p", pytorch]
        drop_in += ["-o", folder / "t.csv"]
        table = ["-m", "benchmarking", "table", "--store"]
        contests = [
            Contest(
                "34 models, arrays", drop_in, ["-c", LOOP, pictures(folder), keras, pytorch], 3
            ),
            Contest("34 models, store", [*table, few], ["-c", FRAMES, few], 5),
            Contest("1,500 models, store", [*table, many], ["-c", FRAMES, many], 2),
        ]
        text = "\n".join([*heading(), *(line(contest) for contest in contests)]) + "\n"
    print(text, end="")
    for path in sys.argv[1:]:
        Path(path).write_text(text)


def heading() -> list[str]:
    """Machine, versions and the head of the table."""
    return [
        f"{machine('numpy')}; medians of interleaved repeats, made by benchmarks/table.py",
        "",
        "| Table of | Ours | Straightforward script | Ratio of times | Repeats |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]


def line(contest: Contest) -> str:
    """Run both commands in turn, and return a line of the table."""
    title, repeats = contest.title, contest.repeats
    ways = {
        title: lambda: cost([sys.executable, *contest.ours]),
        f"{title}, the other": lambda: cost([sys.executable, *contest.other]),
    }
    ours, other = in_turn(ways, repeats).values()
    shown = " | ".join(
        f"{median(cost.seconds for cost in costs):.2f} s, "
        f"{max(cost.mebibytes for cost in costs):.0f} MiB"
        for costs in (ours, other)
    )
    faster = ratio([cost.seconds for cost in other], [cost.seconds for cost in ours])
    return f"| {title} | {shown} | {faster:.1f} | {repeats} |"


if __name__ == "__main__":
    main()
