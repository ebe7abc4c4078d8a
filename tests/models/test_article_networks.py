"""The networks of the articles are the same network in both frameworks."""

import numpy as np
import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.models.article_networks import (
    CONVNET,
    VGG,
    Dropout,
    from_keras,
    from_pytorch,
    in_keras,
    in_pytorch,
    initial_weights,
    put_in_keras,
    put_in_pytorch,
)

BOTH = pytest.mark.parametrize("network", [CONVNET, VGG], ids=lambda network: network.name)
PARAMETERS = {"convnet": 11_290, "cifar-vgg": 3_441_592}  # as published


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).normal(size=(3, 32, 32, 3))


@pytest.fixture(scope="module")
def made():
    """Each network with the same weights in both frameworks, in float64."""
    networks = {}
    for network in (CONVNET, VGG):
        weights = initial_weights(network, 1, "float64")
        random = np.random.default_rng(2)
        for name in weights:
            if name.endswith(".bias"):  # of zeros, a bias that is left out would not show
                weights[name] = random.normal(0, 0.1, weights[name].shape)
        models = in_pytorch(network, weights), in_keras(network, weights)
        networks[network.name] = (weights, *models)
    return networks


def logits(models, pictures):
    import torch

    ours, theirs = models
    with torch.inference_mode():
        of_pytorch = ours.eval()(torch.tensor(pictures).permute(0, 3, 1, 2)).numpy()
    return of_pytorch, np.asarray(theirs(pictures, training=False))


@BOTH
def test_the_published_number_of_parameters(network, made):
    weights, ours, theirs = made[network.name]
    assert [
        sum(value.size for value in weights.values()),
        sum(value.numel() for value in ours.parameters()),
        theirs.count_params(),
    ] == [PARAMETERS[network.name]] * 3


@BOTH
def test_the_same_weights_give_the_same_logits(network, made, pictures):
    of_pytorch, of_keras = logits(made[network.name][1:], pictures)
    assert of_pytorch.dtype == of_keras.dtype == np.float64
    assert np.abs(of_pytorch - of_keras).max() < 1e-14
    assert np.ptp(of_pytorch, axis=0).min() > 1e-3  # pictures matter


@BOTH
def test_weights_come_back_as_they_were_put_in(network, made):
    weights, ours, theirs = made[network.name]
    for found in (from_pytorch(network, ours), from_keras(network, theirs)):
        assert list(found) == list(weights)
        assert all((found[name] == weights[name]).all() for name in weights)


def test_weights_pass_from_one_framework_to_the_other(made, pictures):
    _, ours, theirs = made["convnet"]
    trained = initial_weights(CONVNET, 2, "float64")
    put_in_keras(CONVNET, trained, theirs)
    put_in_pytorch(CONVNET, from_keras(CONVNET, theirs), ours)
    of_pytorch, of_keras = logits((ours, theirs), pictures)
    assert np.abs(of_pytorch - of_keras).max() < 1e-14


def test_initial_weights_are_those_of_glorot_in_every_dtype():
    weights = initial_weights(VGG, 0)
    limit = np.sqrt(6 / (9 * (50 + 100)))
    kernel = weights["conv3.kernel"]
    assert kernel.dtype == np.float32
    assert limit * 0.999 < np.abs(kernel).max() <= np.float32(limit)
    assert abs(kernel.std() - limit / np.sqrt(3)) < limit / 50
    assert not any(weights[name].any() for name in weights if name.endswith("bias"))
    exact = initial_weights(VGG, 0, "float64")["conv3.kernel"]
    assert (exact.astype("float32") == kernel).all()


def test_dropout_is_active_while_training_only(made, pictures):
    import torch

    _, ours, theirs = made["cifar-vgg"]
    pixels = torch.tensor(pictures).permute(0, 3, 1, 2)
    assert not torch.equal(ours.train()(pixels), ours(pixels))
    assert np.asarray(theirs(pictures, training=True) - theirs(pictures, training=True)).any()
    assert not any(isinstance(layer, Dropout) for layer in VGG.without_dropout().layers)


def test_making_a_network_uses_up_no_random_numbers():
    import torch

    before = torch.get_rng_state()
    in_pytorch(CONVNET, initial_weights(CONVNET, 0))
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_of_another_network_are_refused(made):
    _, ours, _ = made["convnet"]
    wrong = r"^weight conv1\.bias has shape \(50,\); convnet expects \(32,\)"
    with pytest.raises(BenchmarkError, match=wrong):
        put_in_pytorch(CONVNET, initial_weights(VGG, 0), ours)
    unknown = initial_weights(CONVNET, 0) | {"dense9.bias": np.zeros(3)}
    with pytest.raises(BenchmarkError, match=r"dense9\.bias has shape \(3,\); .* None"):
        put_in_pytorch(CONVNET, unknown, ours)
