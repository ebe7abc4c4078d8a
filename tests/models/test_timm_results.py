"""Accuracies that timm publishes, as shipped, against the tables of its repository."""

import csv

import pytest
from conftest import DATA

from benchmarking.models import timm_results
from benchmarking.models.published import published_with
from benchmarking.models.sources import published_of, select, spec_of
from benchmarking.models.timm_results import published

SPECS = select(["timm"])


def test_every_line_is_that_of_a_recipe_but_for_tags_without_one():
    """1,266 tags at their default size, and 290 at the size for tests; 1,556 of 1,557 lines have
    an accuracy on the validation set.
    """
    found = [
        (spec.name, recipe.crop)
        for spec in SPECS
        for name, recipe in spec.recipes.items()
        if published_with(spec, name)
    ]
    assert len(found) == len(set(found)) == 1556
    assert len(timm_results._rows()) == 1557
    assert sum(spec.published is None for spec in SPECS) == 55


@pytest.mark.parametrize("table", ["imagenet", "imagenet-real", "imagenet-a", "imagenet-r-clean"])
def test_figures_are_those_of_the_tables(table):
    path = DATA / "timm_results" / f"results-{table}.csv"
    if not path.is_file():
        pytest.skip(f"{path} is missing: accuracies that timm publishes")
    images, labels = next(key for key, (_, name) in timm_results._TABLES.items() if name == table)
    with path.open() as file:
        expected = {
            (row["model"], int(row["img_size"])): (float(row["top1"]), float(row["top5"]))
            for row in csv.DictReader(file)
        }
    assert len(expected) == 1556
    found = {}
    for spec in SPECS:
        for recipe in spec.recipes.values():
            one = published(spec.name, recipe, images=images, labels=labels)
            if one:
                assert one.source == f"timm's results-{table}.csv at commit aa4b5850"
                found[spec.name, recipe.crop] = (one.acc1, one.acc5)
    assert found == expected


def test_models_have_as_many_parameters_as_timm_publishes():
    path = DATA / "timm_results" / "results-imagenet.csv"
    if not path.is_file():
        pytest.skip(f"{path} is missing: accuracies that timm publishes")
    ours = {spec.name: spec.parameters / 1e6 for spec in SPECS}
    with path.open() as file:
        theirs = {
            r["model"]: float(r["param_count"].replace(",", "")) for r in csv.DictReader(file)
        }
    assert len(theirs) == 1266
    assert {name: n for name, n in theirs.items() if abs(ours[name] - n) > 0.00501} == {}


def test_a_figure_belongs_to_a_recipe_a_set_and_its_labels():
    name = "fasternet_s.in1k"
    assert published_of("timm", name).acc1 == 81.328
    assert published_of("timm", name, "published-test-size") is None  # crop_pct 0.9, not 1.0
    assert published_of("timm", name, "northcutt2019") is None
    assert published_of("timm", "resnet50.a1_in1k", labels="real").acc1 == 85.712
    assert published_of("timm", "resnet50.a1_in1k", images="imagenet-v2").acc1 == 68.47
    assert published_of("timm", "resnet50.a1_in1k", images="imagenet-v2", labels="real") is None
    assert published_of("timm", "never.in1k") is None
    assert published_of("torchvision", "resnet50", labels="real") is None
    assert published_of("torchvision", "resnet50", "northcutt2019").acc1 == 76.13


def test_a_resnet_of_torchvision_has_no_figure_on_imagenet_a():
    """ImageNet-A was made of pictures that it gets wrong."""
    recipe = spec_of("timm", "resnet50.tv_in1k").recipes["published"]
    assert published("resnet50.tv_in1k", recipe).acc1 == 76.156
    assert published("resnet50.tv_in1k", recipe, images="imagenet-a") is None
