"""The work of the articles is the same in both frameworks."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.speed import Options, Side, Trial, articles
from benchmarking.experiments.speed.published import published_ratio, published_times
from benchmarking.experiments.speed.rounds import setting_of
from benchmarking.experiments.speed.scenarios import scenarios
from benchmarking.experiments.speed.schedule import comparisons
from benchmarking.experiments.speed.size import sizes
from benchmarking.models.article_networks import CONVNET, NETWORKS
from benchmarking.models.article_networks.size import counts_of_layers
from benchmarking.models.sources import select
from benchmarking.predictions.speed_runs import Answers
from benchmarking.predictions.speed_store import SpeedStore
from benchmarking.scoring.speed import agreement

ROOT = Path(__file__).parents[2]
NAMES = ["articles-convnet", "articles-features", "articles-training", "articles-vgg"]
WROSINSKI = {
    "inceptionv3": 1.15,
    "resnet50": 1.27,
    "densenet121": 1.26,
    "densenet169": 1.28,
    "inceptionresnetv2": 1.12,
}
(LITE,) = select(["efficientnet-lite-pytorch/efficientnet-lite0"])


def sides(scenario, *chosen):
    found = scenarios()[scenario].sides(chosen)
    return [f"{side.spec.full_name} {side.mode}" for side in found]


def test_a_network_is_measured_in_both_frameworks_and_the_chosen_modes():
    assert sides("articles-vgg", Side(LITE, "eager"), Side(LITE, "compiled")) == [
        *("articles-pytorch/cifar-vgg eager", "articles-pytorch/cifar-vgg compiled"),
        *("articles-keras/cifar-vgg eager", "articles-keras/cifar-vgg compiled"),
    ]
    assert sides("articles-features", Side(LITE, "xla")) == ["articles-keras/resnet50-features xla"]
    assert sides("articles-convnet", Side(LITE, "xla")) == []  # Keras would not train with it


def test_of_the_large_networks_those_are_trained_whose_models_are_chosen():
    assert len(sides("articles-training", Side(LITE, "eager"))) == 10
    (chosen,) = select(["keras/DenseNet121"])
    assert sides("articles-training", Side(LITE, "eager"), Side(chosen, "eager")) == [
        *("articles-pytorch/densenet121 eager", "articles-keras/densenet121 eager"),
    ]


def test_both_frameworks_are_one_comparison_with_random_weights():
    chosen = [Side(LITE, "eager"), Side(LITE, "compiled")]
    for random in (False, True):
        first, second = comparisons(NAMES[:2], chosen, [1], random=random)
        assert [side.spec.framework for side in first.sides] == ["pytorch"] * 2 + ["keras"] * 2
        assert (first.batch_size, second.scenario) == (32, "articles-features")
    assert setting_of(first.sides[0], Options((), 1, 1.0)).weights == "random"
    assert setting_of(chosen[0], Options((), 1, 1.0)).weights == "published"


def test_batch_sizes_are_those_of_the_articles():
    found = {name: scenarios()[name].batch_sizes([1, 128]) for name in NAMES}
    assert found == dict(zip(NAMES, [(32,), (32,), (8,), (64,)], strict=True))


def trial(framework="pytorch", **options):
    side = Side(articles.spec_of("tiny", framework), "eager")
    return Trial("articles-convnet", side, 16, 1, 1, Options((), 1, 1.0, **options))


def test_the_work_depends_on_nothing_but_its_seed():
    one, again = (articles.work_of(CONVNET, trial(name)) for name in ("pytorch", "keras"))
    assert one.pictures.shape == (8, 16, 32, 32, 3)
    assert (one.pictures == again.pictures).all()
    assert (one.labels == again.labels).all()
    assert set(one.labels.ravel()) == set(range(10))
    assert all((one.weights[name] == again.weights[name]).all() for name in one.weights)
    other = articles.work_of(CONVNET, trial(seed=1))
    assert (other.weights["conv1.kernel"] != one.weights["conv1.kernel"]).any()


def test_another_precision_is_refused():
    with pytest.raises(BenchmarkError, match="is in float32, not bf16; leave out"):
        articles.measured_training(CONVNET, trial(precision="bf16"), lambda: 0.0)


def test_answers_are_shares_of_the_largest_output():
    found = articles.answers_of(np.array([[0.0, 3, 1, 2, 4, -8], [1, 0, 0, 0, 0, 0]]))
    assert found.classes == ((4, 1, 3, 2, 0), (0, 1, 2, 3, 4))
    assert found.probabilities[0] == (0.5, 0.375, 0.25, 0.125, 0.0)


SCRIPT = """
import itertools, json, sys, warnings
from dataclasses import asdict
from types import SimpleNamespace
from benchmarking.errors import BenchmarkError
from benchmarking.experiments.speed import articles
from benchmarking.experiments.speed.engines import keras as engine
from benchmarking.models.article_networks.layers import *
from tests.experiments.test_speed_articles import trial

draft = Draft(9)
x = draft.chain(PICTURE, Conv(6, (3, 3)), Normalise(1e-3), Relu(), MaxPool(2, 2), Dropout(0.5))
draft.chain(x, Flatten(), Dense(7))
net = draft.network("tiny")
framework = sys.argv[1]
found = {}
for kind in ("training", "features"):
    for mode in ("eager", "compiled") if framework == "keras" else ("eager",):
        one = trial(framework)
        one = articles.replace(one, side=articles.replace(one.side, mode=mode))
        clock = map(float, itertools.count())
        measured = getattr(articles, f"measured_{kind}")(net, one, lambda: next(clock))
        found[f"{kind} {mode}"] = asdict(measured)
if framework == "keras":
    model = articles.article_networks.in_keras(net, articles.work_of(net, one).weights)
    loaded = SimpleNamespace(model=model, spec=one.side.spec)
    warnings.simplefilter("ignore")
    try:
        engine.training(loaded, "xla", None, None)
    except BenchmarkError as error:
        found["xla"] = str(error)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def measured():
    """A small network with dropout, measured in each framework, in processes of their own."""
    found = {}
    for framework in ("pytorch", "keras"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, framework], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found[framework] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_the_losses_of_both_frameworks_agree(measured, mode):
    ours = measured["pytorch"]["training eager"]["losses"]
    theirs = measured["keras"][f"training {mode}"]["losses"]
    assert len(ours) == articles.LOSSES
    assert np.abs(np.subtract(ours, theirs)).max() < 1e-5
    assert np.ptp(ours) > 0.01  # the steps change the weights


@pytest.mark.parametrize("kind", ["training", "features"])
@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_the_outputs_of_both_frameworks_agree(measured, kind, mode):
    ours, theirs = (
        Answers(**{name: tuple(map(tuple, rows)) for name, rows in one["answers"].items()})
        for one in (measured["pytorch"][f"{kind} eager"], measured["keras"][f"{kind} {mode}"])
    )
    ours, theirs = (
        replace(one, pictures=tuple(map("".join, one.pictures))) for one in (ours, theirs)
    )
    found = agreement(ours, theirs, "float32")
    assert found.pictures == 16
    assert found.holds, str(found)


def test_training_with_xla_is_refused_where_keras_would_train_without_it(measured):
    assert measured["keras"]["xla"] == (
        "Keras does not train articles-keras/tiny with XLA where deterministic operations are "
        "required; use eager or compiled."
    )


def test_calls_are_timed_by_the_clock_that_was_given(measured):
    for framework in measured.values():
        for one in (value for name, value in framework.items() if name != "xla"):
            assert one["first"] == 1
            assert set(one["times"]) == {1}
            assert one["pictures"] == 16
            assert "NHWC" in one["facts"]["layout"]


def test_published_ratios_are_those_that_the_articles_are_cited_for():
    found = {name: published_ratio(name, "GTX 1080") for name in WROSINSKI}
    assert {name: round(value, 2) for name, value in found.items()} == WROSINSKI
    assert round(published_ratio("resnet50-features", "P100"), 2) == 1.53
    assert published_times("convnet") == []
    assert {one.network for name in NETWORKS for one in published_times(name)} <= set(NETWORKS)


def test_the_page_shows_the_published_times_and_their_ratios():
    page = (ROOT / "docs" / "which-framework-is-faster.md").read_text()
    known = [one for name in NETWORKS for one in published_times(name)]
    known += published_times("resnet50-features")
    assert len(known) == 22
    for one in known:
        ratio = published_ratio(one.network, one.hardware)
        lines = [line for line in page.splitlines() if f"| {one.hardware} | " in line]
        assert any(f" {one.seconds:g} |" in line and f"| {ratio:.2f} |" in line for line in lines)


def test_counts_from_layers_are_those_that_were_traced_in_both_frameworks():
    table = (ROOT / "results" / "speed" / "counts.md").read_text().splitlines()
    traced = {
        cells[1]: cells[2:7]
        for cells in (re.split(r" *\| *", line) for line in table)
        if len(cells) > 7
    }
    for name, make in NETWORKS.items():
        found = counts_of_layers(network := make())
        assert traced[name] == [
            *(str(network.side), f"{found.trainable:,}", f"{found.not_trainable:,}"),
            *(f"{found.macs / 1e9:.3f}", f"{found.activations / 1e6:.2f}"),
        ]


@pytest.mark.parametrize(
    ("scenario", "name", "pixels", "last"),
    [
        ("articles-convnet", "convnet", 32, 10),
        ("articles-vgg", "cifar-vgg", 32, 10),
        ("articles-features", "resnet50-features", 224, 2048),
        ("articles-training", "resnet50", 299, 1000),
    ],
)
def test_the_size_of_a_network_is_that_of_its_scenario(scenario, name, pixels, last, tmp_path):
    chosen = next(
        s for s in scenarios()[scenario].sides([Side(LITE, "eager")]) if s.network == name
    )
    network = articles.network_of(chosen)
    assert (network.side, network.nodes[-1].after) == (pixels, (last,))
    found = sizes([chosen], SpeedStore(tmp_path))[chosen.spec.full_name]
    assert found == counts_of_layers(network)


def test_a_network_of_a_plug_in_has_no_size_even_if_it_has_the_same_name(tmp_path):
    other = Side(replace(LITE, source="mine"), "eager", network="convnet")
    assert sizes([other], SpeedStore(tmp_path)) == {}
