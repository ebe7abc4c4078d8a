"""Features without a head are those that each library gives by its own means."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.experiments import in_fresh_processes
from benchmarking.experiments.transfer import in_keras, in_pytorch
from benchmarking.experiments.transfer.networks import network_of, recipe_of
from benchmarking.experiments.transfer.plan import Training
from benchmarking.models.sources import all_specs, the_spec

OWN = Training(head=4, epochs=2, batch_size=8, optimizer="own-adam")
ROWS = np.random.default_rng(1).normal(size=(20, 6)).astype(np.float32)
LABELS = np.random.default_rng(2).integers(0, 2, 20)


def pixels(side):
    import torch

    return torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, side, side))).float()


def features(model, side):
    import torch

    with torch.inference_mode():
        return in_pytorch.without_head(model, 1000, side)(pixels(side)).numpy()


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("resnet18", "fc"),
        ("mobilenet_v3_small", "classifier.3"),
        ("squeezenet1_1", "classifier.1"),
        ("vit_b_32", "heads.head"),
    ],
)
def test_a_model_of_torchvision_gives_the_input_of_its_last_layer(name, head):
    import torch
    import torchvision

    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None).eval()
    side = 224 if name == "vit_b_32" else 64
    found = []
    model.get_submodule(head).register_forward_pre_hook(lambda _, given: found.append(given[0]))
    with torch.inference_mode():
        model(pixels(side))
    (expected,) = found
    if expected.ndim == 4:  # SqueezeNet convolves, then averages; both orders give the same
        expected = torch.relu(expected).mean((2, 3))
    assert features(model, side) == pytest.approx(expected.numpy(), abs=1e-6)


@pytest.mark.parametrize(
    "name", ["resnet10t", "resnetv2_50x1_bit", "mobilenetv3_small_050", "vit_tiny_patch16_224"]
)
def test_a_model_of_timm_gives_its_own_features(name):
    import timm
    import torch

    torch.manual_seed(0)
    size = {"img_size": 64} if name.startswith("vit") else {}
    model = timm.create_model(name, num_classes=1000, **size).eval()
    with torch.inference_mode():
        given = pixels(64)
        expected = model.forward_head(model.forward_features(given), pre_logits=True).numpy()
    assert features(model, 64) == pytest.approx(expected, abs=1e-6)


def test_both_heads_of_a_distilled_transformer_are_taken_off():
    import timm

    model = timm.create_model("deit_tiny_distilled_patch16_224", img_size=32)
    assert features(model, 32).shape == (2, 192)


def test_a_model_without_a_classifier_is_refused():
    import torch

    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 7))
    with pytest.raises(BenchmarkError, match="no layer with one output for each of its 1000 class"):
        in_pytorch.without_head(model, 1000, 4)


def against_keras(names):
    """Largest difference from `include_top=False` with the same weights, relative, by model."""
    import os

    os.environ["KERAS_BACKEND"] = "torch"  # imports in a third of the time
    import keras

    yield own_training_in_keras()
    crops = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype(np.float32)
    for name in names:
        keras.utils.set_random_seed(0)
        build = getattr(keras.applications, name)
        whole = build(weights=None, input_tensor=keras.Input((64, 64, 3)))
        without = build(
            weights=None, include_top=False, pooling="avg", input_tensor=keras.Input((64, 64, 3))
        )
        without.set_weights(whole.get_weights()[: len(without.weights)])
        backbone = in_keras.without_head(whole, 1000, 64)
        found, expected = (
            keras.ops.convert_to_numpy(one(crops, training=False)) for one in (backbone, without)
        )
        yield name, float(np.abs(found - expected).max() / np.abs(expected).max()), found.shape


def own_training_in_keras():
    """A head that was trained by Keras' defaults, its losses, and a plain model after the same."""
    import keras

    learner = in_keras.Learner(OWN, 6, 2, 5, {})
    losses = [list(learner.epoch(ROWS, LABELS)) for _ in range(2)]
    keras.utils.set_random_seed(5)
    plain = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(2)]
    )
    plain.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    means = [plain.fit(ROWS, LABELS, batch_size=8, verbose=0).history["loss"][0] for _ in range(2)]
    return list(learner.head().values()), losses, plain.get_weights(), means


@pytest.fixture(scope="module")
def from_keras():
    return in_fresh_processes("keras", against_keras, [["MobileNet", "MobileNetV2"]])


def test_a_model_of_keras_gives_the_features_that_keras_gives_without_its_top(from_keras):
    found = from_keras[1:]
    assert [(name, shape) for name, _, shape in found] == [
        ("MobileNet", (2, 1024)),
        ("MobileNetV2", (2, 1280)),
    ]
    assert max(apart for _, apart, _ in found) < 1e-5


def test_the_defaults_of_keras_are_those_of_its_fit(from_keras):
    head, losses, plain, means = from_keras[0]
    for one, other in zip(head, plain, strict=True):
        assert (one == other).all()
    sizes = [8, 8, 4]  # Keras tells the mean of the losses so far; ours are those of each step
    for steps, mean in zip(losses, means, strict=True):
        assert np.average(steps, weights=sizes) == pytest.approx(mean, abs=1e-6)
        assert max(steps) - min(steps) > 1e-3


def test_the_defaults_of_pytorch_are_those_of_a_plain_loop():
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    learner = in_pytorch.Learner(OWN, 6, 2, 5, {})
    losses = [loss for _ in range(2) for loss in learner.epoch(ROWS, LABELS)]
    torch.manual_seed(5)
    net = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    adam, expected = torch.optim.Adam(net.parameters()), []
    rows = TensorDataset(torch.from_numpy(ROWS), torch.from_numpy(LABELS))
    for _ in range(2):
        for some, right in DataLoader(rows, batch_size=8, shuffle=True):
            adam.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(some), right)
            loss.backward()
            adam.step()
            expected.append(loss.item())
    assert losses == expected
    assert (net[0].weight.detach().numpy() == learner.head()["hidden.kernel"].T).all()


def test_other_frameworks_and_quantized_models_are_refused_by_name():
    with pytest.raises(
        BenchmarkError,
        match=r"^torchvision/.* is quantized, and a new head is trained on features in",
    ):
        network_of(next(spec for spec in all_specs() if spec.engine))


def test_the_recipe_has_the_models_size_and_scaling():
    spec = the_spec("torchvision/resnet50")
    assert str(recipe_of(spec, "squash")) == (
        "resized to 224 x 224 without keeping the aspect ratio, pillow bilinear, scaling torch"
    )
    assert str(recipe_of(spec, "shorter-side")) == (
        "shorter side 256, pillow bilinear, centre crop 224, scaling torch"
    )
    with pytest.raises(BenchmarkError, match="keras/MobileNetV3Small: no recipe 'published'"):
        recipe_of(the_spec("keras/MobileNetV3Small"), "squash")
