"""Errors by factor, with annotations in miniature in the form of ImageNet-X."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

from benchmarking.cli import main
from benchmarking.errors import BenchmarkError
from benchmarking.labels.imagenet import validation_key
from benchmarking.labels.imagenet_x import FACTORS, top_factors
from benchmarking.scoring.factors import by_factor

RANDOM = np.random.default_rng(0)
N = 400


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """One factor for most pictures, none for some, and a prototype in ten."""
    numbers = RANDOM.choice(50_000, N, replace=False) + 1
    factor = RANDOM.integers(0, len(FACTORS) + 1, N)
    shown = {name: (factor == place).astype(int) for place, name in enumerate(FACTORS)}
    names = [validation_key(int(number)) for number in numbers]
    return pd.DataFrame({"file_name": names, "number": numbers, **shown})


@pytest.fixture(scope="module")
def folder(frame, tmp_path_factory):
    root = tmp_path_factory.mktemp("imagenet_x") / "annotations"
    root.mkdir()
    columns = ["file_name", *FACTORS]
    rows = frame[columns].assign(justification=None).to_dict("records")
    lines = [json.dumps(row) for row in rows]
    (root / "imagenet_x_val_top_factor.jsonl").write_text("\n".join(lines))
    (root / "prototypical_paths.csv").write_text("\n".join(["file_name", *frame.file_name[::10]]))
    return root


def test_accuracies_and_error_ratios_are_those_of_pandas(frame, folder):
    hits = RANDOM.random(N) < 0.7
    scores = by_factor(hits, frame.number.tolist(), top_factors(folder), FACTORS)
    kept = frame.assign(hit=hits)[np.arange(N) % 10 != 0]
    error = 1 - kept.hit.mean()
    for one in scores:
        own = kept[kept[one.factor] == 1]
        assert (one.n, one.right) == (len(own), own.hit.sum())
        assert one.ratio == pytest.approx((1 - own.hit.mean()) / error)
        assert one.low <= one.right / one.n <= one.high
    assert [one.factor for one in scores] == list(FACTORS)


def test_pictures_without_an_annotation_do_not_count(frame, folder):
    numbers = [*frame.number.tolist(), *(n for n in range(1, 99) if n not in set(frame.number))]
    hits = np.ones(len(numbers), bool)
    scores = by_factor(hits, numbers, top_factors(folder), FACTORS)
    assert sum(one.n for one in scores) < N
    assert {one.ratio for one in scores} == {None}, "a model without errors has no ratio"


def test_pictures_of_which_none_is_annotated_are_refused(folder):
    with pytest.raises(BenchmarkError, match="none of these pictures is annotated"):
        by_factor(np.ones(1, bool), [50_001], top_factors(folder), FACTORS)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1 is broken"),
        ('{"file_name": "ILSVRC2012_val_00000001.JPEG"}', "line 1 is broken: 'pose'"),
        ('{"file_name": "x.jpg", ' + ", ".join(f'"{f}": 0' for f in FACTORS) + "}", "names no val"),
        ("", "has no annotations"),
    ],
)
def test_broken_annotations_are_named(line, message, folder, tmp_path):
    (tmp_path / "prototypical_paths.csv").write_text("file_name\n")
    (tmp_path / "imagenet_x_val_top_factor.jsonl").write_text(line)
    with pytest.raises(BenchmarkError, match=message):
        top_factors(tmp_path)


def test_a_missing_package_says_its_licence_and_how_to_get_it(imported_2019, capsys):
    assert main(["factors", "--store", str(imported_2019.folder)]) == 2
    told = capsys.readouterr().err
    assert "Their licence is CC BY-NC 4.0" in told
    assert "pip install --no-deps imagenet-x" in told


def test_the_command_prints_and_writes_the_scores_of_runs(imported_2019, folder, tmp_path, capsys):
    path = tmp_path / "factors.csv"
    command = ["factors", "--store", str(imported_2019.folder), "--models", "*/vgg16"]
    assert main([*command, "--annotations", str(folder), "-o", str(path)]) == 0
    printed = capsys.readouterr()
    headings, *lines = list(csv.reader(path.read_text().splitlines()))
    assert headings == ["Model", "Set", "Factor", "n", "Acc@1 [95 % interval]", "Error ratio"]
    assert {line[2] for line in lines} == set(FACTORS)
    assert all(line[4] in printed.out for line in lines)
    assert "CC BY-NC 4.0" in printed.err


def test_another_suffix_is_refused_before_anything_is_read(capsys):
    assert main(["factors", "-o", "x.md"]) == 2
    assert "x.md is no .csv file" in capsys.readouterr().err
