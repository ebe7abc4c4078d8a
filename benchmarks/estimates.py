"""How good estimates from a sample are: the 34 runs of 2019, whose accuracies are known.

Each run in turn is a model of which nothing is known: the strata are made from the others. Samples
are drawn many times, and each gives an estimate with its interval. The tables show how much smaller
its variance is than that of a random sample of the same size, its bias, and how many intervals
contain the accuracy on all 50,000 pictures.

Usage: python benchmarks/estimates.py STORE [--repeats 1000] [--write FILE.npz]

STORE has the runs: 'imagenet-benchmark fetch predictions-2019', then 'import'. With --write, only
the counts of right runs per picture are written, as the package ships them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarking.labels.imagenet import validation_key, validation_labels
from benchmarking.pictures.sampling import allocation, chances, strata_of
from benchmarking.predictions.difficulty import difficulty_of
from benchmarking.predictions.stores import Stores
from benchmarking.scoring.estimates import stratified_difference, stratified_share

SIZES = (500, 2000, 5000)
Hits = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Known:
    """Which pictures each run gets right, (runs, pictures), with one guess and with five."""

    names: Sequence[str]
    first: Hits
    five: Hits

    def __getitem__(self, k: int) -> Hits:
        return self.first if k == 1 else self.five


@dataclass(frozen=True, eq=False)
class Strata:
    """Strata of all pictures, and the number of pictures that are drawn from each."""

    of: NDArray[np.intp]
    sizes: NDArray[np.intp]
    drawn: NDArray[np.int64]

    def variance(self, values: NDArray[np.float64]) -> float:
        """Variance of the estimated mean of a value of all pictures, over all samples."""
        mean = np.bincount(self.of, values) / self.sizes
        square = np.bincount(self.of, (values - mean[self.of]) ** 2) / np.maximum(self.sizes - 1, 1)
        weights = self.sizes / self.sizes.sum()
        return float((weights**2 * (1 - self.drawn / self.sizes) * square / self.drawn).sum())


@dataclass(frozen=True)
class Result:
    """What many samples showed of one model, or of one pair; all as shares."""

    ratio: float
    bias: float
    covered: float
    half: float


def strata(first: NDArray[np.int64], five: NDArray[np.int64], runs: int, n: int) -> Strata:
    """The strata that the package makes from these counts for a sample of n pictures."""
    of = strata_of(first, five, runs, n)
    sizes = np.bincount(of)
    shares = [np.bincount(of, chances(right, runs)) / sizes for right in (first, five)]
    spread = np.sqrt(sum(share * (1 - share) for share in shares) / 2)
    return Strata(of, sizes, allocation(sizes, spread, n))


def of_model(hits: Hits, where: Strata, repeats: int, rng: np.random.Generator) -> Result:
    """Estimate the accuracy of one model from many samples."""
    right = np.bincount(where.of, hits).astype(int)
    drawn = rng.hypergeometric(right, where.sizes - right, where.drawn, (repeats, len(right)))
    found = [stratified_share(one, where.drawn, where.sizes) for one in drawn]
    return _result(found, hits.astype(float), where)


def of_pair(
    first: Hits, second: Hits, where: Strata, repeats: int, rng: np.random.Generator
) -> list[Result]:
    """Estimate the difference of two models from many samples.

    First from the sample alone, then with the accuracy of the second model on all pictures.
    """
    every = (first & second, first & ~second, second & ~first, ~first & ~second)
    cells = np.array([np.bincount(where.of, hits, minlength=len(where.sizes)) for hits in every])
    kinds = zip(cells.astype(int).T, where.drawn, strict=True)
    drawn = np.stack([rng.multivariate_hypergeometric(*kind, repeats) for kind in kinds], axis=1)
    values = first.astype(float) - second
    return [
        _result([stratified_difference(each, where.sizes, known) for each in drawn], values, where)
        for known in (None, float(second.mean()))
    ]


def _result(found, values: NDArray[np.float64], where: Strata) -> Result:
    n, true = int(where.drawn.sum()), float(values.mean())
    simple = values.var(ddof=1) / n * (1 - n / len(values))
    return Result(
        float(simple / where.variance(values)) if values.any() and not values.all() else np.nan,
        float(np.mean([one.value for one in found])) - true,
        float(np.mean([one.low <= true + 1e-12 and true - 1e-12 <= one.high for one in found])),
        float(np.mean([one.half for one in found])),
    )


def known_runs(stores: Stores) -> Known:
    """The runs of 2019 in a store."""
    (images,) = [name for name in stores.image_sets() if len(stores.labels(name)) == 50_000]
    runs = stores.runs(images)
    rights = stores.right_classes(images)
    hits = [stores.classes(run)[:, :5] == rights[:, :1] for run in runs]
    return Known(
        [f"{run.source}/{run.model}" for run in runs],
        np.array([one[:, 0] for one in hits]),
        np.array([one.any(axis=1) for one in hits]),
    )


def leave_one_out(
    known: Known,
    repeats: int,
    left_out: Mapping[int, Sequence[int]],
    title: str,
    sizes: Sequence[int] = SIZES,
) -> Iterator[str]:
    """Lines of a table: models, each with strata from the runs that are not left out for it."""
    yield f"| {title} | pictures | variance ratio | bias | interval | coverage |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    rng = np.random.default_rng(0)
    for k in (1, 5):
        for n in sizes:
            found = []
            for model, others in left_out.items():
                kept = np.setdiff1d(np.arange(len(known.names)), others)
                counts = (known[each][kept].sum(axis=0) for each in (1, 5))
                found.append(of_model(known[k][model], strata(*counts, len(kept), n), repeats, rng))
            yield f"| acc@{k} | {n:,} | {_cells(found)} |"


def _cells(found: Sequence[Result]) -> str:
    ratio, covered = ([getattr(one, name) for one in found] for name in ("ratio", "covered"))
    bias = 100 * float(np.mean([one.bias for one in found]))
    half = 100 * float(np.mean([one.half for one in found]))
    return (
        f"{np.mean(ratio):.2f} ({min(ratio):.2f} to {max(ratio):.2f}) | {bias:+.3f} | "
        f"± {half:.2f} | {100 * np.mean(covered):.1f} % ({100 * min(covered):.1f} to "
        f"{100 * max(covered):.1f})"
    )


def pairs(known: Known, repeats: int, most: int) -> Iterator[str]:
    """Lines of a table: differences of pairs of models, with strata from the other 32 runs."""
    yield "| acc@1 of two runs | pictures | bias | interval | coverage |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    rng = np.random.default_rng(1)
    every = list(combinations(range(len(known.names)), 2))
    chosen = [every[row] for row in rng.choice(len(every), most, replace=False)]
    for n in SIZES:
        found = []
        for one, other in chosen:
            counts = (np.delete(known[k], [one, other], axis=0).sum(axis=0) for k in (1, 5))
            where = strata(*counts, len(known.names) - 2, n)
            found.append(of_pair(known.first[one], known.first[other], where, repeats, rng))
        for what, results in zip(
            ("both estimated", "one known on all pictures"), zip(*found, strict=True), strict=True
        ):
            yield f"| {what} | {n:,} | {_cells(results).partition(' | ')[2]} |"


def unlike(known: Known) -> Iterator[tuple[str, Hits]]:
    """Models that are unlike the 34: which pictures they get right, by what they are."""
    rng = np.random.default_rng(2)
    base = known.first[known.names.index("2019-pytorch/resnet50")]
    count, n = known.first.sum(axis=0), len(base)
    labels = np.sort(validation_labels())
    yield "ResNet-50, one in ten of its right answers lost", base & (rng.random(n) > 0.1)
    yield "ResNet-50, one in three lost", base & (rng.random(n) > 1 / 3)
    yield (
        "ResNet-50, 2 % of the easiest pictures lost",
        base & ((count < len(known.names)) | (rng.random(n) > 0.02)),
    )
    yield "ResNet-50, 30 of 1,000 classes lost", base & ~np.isin(labels, rng.choice(1000, 30))
    yield "right exactly where ResNet-50 is wrong", ~base
    yield "right on the easy half only", count > len(known.names) / 2
    yield "a better model, 86 %", rng.random(n) < 1 - (1 - np.clip(count / 34, 0.3, 0.995)) ** 2
    for share in (0.001, 0.5, 0.99):
        yield f"right on a random {100 * share:g} %", rng.random(n) < share


def unlike_table(known: Known, repeats: int) -> Iterator[str]:
    """Lines of a table: coverage for models that are unlike the 34 runs."""
    sizes = (100, *SIZES)
    yield f"| model | acc@1 | {' | '.join(f'n = {n:,}' for n in sizes)} |"
    yield "| --- | ---: | " + " | ".join("---:" for _ in sizes) + " |"
    rng = np.random.default_rng(3)
    counts = known.first.sum(axis=0), known.five.sum(axis=0)
    for name, hits in unlike(known):
        found = [of_model(hits, strata(*counts, len(known.names), n), repeats, rng) for n in sizes]
        cells = [f"{100 * one.covered:.1f} %, ± {100 * one.half:.2f}" for one in found]
        yield f"| {name} | {100 * hits.mean():.1f} % | {' | '.join(cells)} |"


def architectures(names: Sequence[str]) -> dict[int, list[int]]:
    """For each run, the runs of the same architecture in either framework, itself included."""
    plain = [name.partition("/")[2].replace("_", "").lower() for name in names]
    return {
        row: [other for other, each in enumerate(plain) if each == name]
        for row, name in enumerate(plain)
    }


def write(stores: Stores, path: Path) -> None:
    """Write how many runs get each validation picture right, in the order of their numbers."""
    (images,) = [name for name in stores.image_sets() if len(stores.labels(name)) == 50_000]
    found = difficulty_of(stores, stores.runs(images), "runs")
    first, five = found.of([validation_key(1 + row) for row in range(50_000)])
    counts = {"first": first.astype(np.uint8), "five": five.astype(np.uint8)}
    np.savez_compressed(path, runs=np.uint8(found.runs), **counts)


def main() -> None:
    """Print the tables, or write the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--write", type=Path, metavar="FILE.npz")
    args = parser.parse_args()
    stores = Stores(args.store)
    if args.write:
        write(stores, args.write)
        return
    known = known_runs(stores)
    alone = {row: [row] for row in range(len(known.names))}
    for table in (
        leave_one_out(known, args.repeats, alone, "strata from the other 33 runs"),
        leave_one_out(
            known, args.repeats, architectures(known.names), "strata without its architecture"
        ),
        pairs(known, args.repeats, 60),
        unlike_table(known, args.repeats),
    ):
        print("\n".join(table), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
