"""The networks of the articles are the same network in both frameworks."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.models.article_networks import (
    CONVNET,
    NETWORKS,
    VGG,
    Dropout,
    from_pytorch,
    in_pytorch,
    initial_weights,
    put_in_pytorch,
)
from benchmarking.models.article_networks.layers import (
    PICTURE,
    Add,
    Concatenate,
    Conv,
    Dense,
    Draft,
    GlobalMean,
    MaxPool,
    MeanPool,
    Normalise,
    Relu,
)
from benchmarking.models.sources import select

ROOT = Path(__file__).parents[2]
BOTH = pytest.mark.parametrize("network", [CONVNET, VGG], ids=lambda network: network.name)
PARAMETERS = {"convnet": 11_290, "cifar-vgg": 3_441_592}  # as published
PICTURES = np.random.default_rng(0).normal(size=(3, 32, 32, 3))

LARGE = {
    "resnet50": "ResNet50",
    "inceptionv3": "InceptionV3",
    "inceptionresnetv2": "InceptionResNetV2",
    "densenet121": "DenseNet121",
    "densenet169": "DenseNet169",
}
"""The names of the large networks among Keras' applications."""


def every_layer():
    """A small network with each kind of layer of the large ones."""
    draft = Draft(21)
    x = draft.chain(PICTURE, Conv(6, (7, 7), 2, (3, 3)), Normalise(1e-3), Relu(), MaxPool(3, 2, 1))
    branches = [
        draft.chain(x, Conv(4, (1, 7), padding=(0, 3), bias=0), Normalise(1e-5, 0), Relu()),
        draft.chain(x, MeanPool(3, 1, 1), Conv(2, (3, 1), padding=(1, 0), bias=0)),
    ]
    x = draft.add(Add(0.2), x, draft.add(Concatenate(), *branches))
    x = draft.chain(x, Normalise(1e-3), MeanPool(2, 2), GlobalMean(), Dense(5))
    return draft.network("every-layer")


EVERY_LAYER = every_layer()

KERAS = """
import sys
import numpy as np
from tests.models.test_article_networks import EVERY_LAYER
from benchmarking.models.article_networks import (
    CONVNET, VGG, from_keras, in_keras, initial_weights, put_in_keras
)

given = dict(np.load(sys.argv[1]))
found = {}
for net in (CONVNET, VGG):
    start = net.name + ":"
    weights = {name.removeprefix(start): given[name] for name in given if name.startswith(start)}
    model = in_keras(net, weights)
    found[start + "parameters"] = model.count_params()
    found[start + "logits"] = np.asarray(model(given["pictures"], training=False))
    training = [np.asarray(model(given["pictures"], training=True)) for _ in range(2)]
    found[start + "differs"] = (training[0] != training[1]).any()
    found |= {start + name: value for name, value in from_keras(net, model).items()}
    put_in_keras(net, initial_weights(net, 9, "float64"), model)
    found |= {start + "new " + name: value for name, value in from_keras(net, model).items()}
    found[start + "new logits"] = np.asarray(model(given["pictures"], training=False))

start = "every-layer:"
pictures = given["pictures"][:, :21, :21]
weights = initial_weights(EVERY_LAYER, 3, "float64")
model = in_keras(EVERY_LAYER, weights)
found[start + "training"] = np.asarray(model(pictures, training=True))
found |= {start + name: value for name, value in from_keras(EVERY_LAYER, model).items()}
np.savez(sys.argv[2], **found)
"""


@pytest.fixture(scope="module")
def weights():
    """Weights of each network, in float64; biases are not zero, so that none can be left out."""
    random = np.random.default_rng(2)
    found = {}
    for network in (CONVNET, VGG):
        found[network.name] = own = initial_weights(network, 1, "float64")
        for name in own:
            if name.endswith(".bias"):
                own[name] = random.normal(0, 0.1, own[name].shape)
    return found


@pytest.fixture(scope="module")
def of_keras(weights, tmp_path_factory):
    """What Keras computes with these weights, in a process of its own."""
    folder = tmp_path_factory.mktemp("keras")
    given = {f"{net}:{name}": value for net in weights for name, value in weights[net].items()}
    np.savez(folder / "given.npz", pictures=PICTURES, **given)
    command = [sys.executable, "-c", KERAS, folder / "given.npz", folder / "found.npz"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(np.load(folder / "found.npz"))


def logits(model):
    import torch

    with torch.inference_mode():
        return model.eval()(torch.tensor(PICTURES).permute(0, 3, 1, 2)).numpy()


@BOTH
def test_the_published_number_of_parameters(network, weights, of_keras):
    model = in_pytorch(network, weights[network.name])
    assert [
        sum(value.size for value in weights[network.name].values()),
        sum(value.numel() for value in model.parameters()),
        of_keras[f"{network.name}:parameters"],
    ] == [PARAMETERS[network.name]] * 3


@BOTH
def test_the_same_weights_give_the_same_logits(network, weights, of_keras):
    ours, theirs = logits(in_pytorch(network, weights[network.name])), f"{network.name}:logits"
    assert ours.dtype == of_keras[theirs].dtype == np.float64
    assert np.abs(ours - of_keras[theirs]).max() < 1e-14
    assert np.ptp(ours, axis=0).min() > 1e-3  # pictures matter


@BOTH
def test_weights_come_back_as_they_were_put_in(network, weights, of_keras):
    own = weights[network.name]
    found = from_pytorch(network, in_pytorch(network, own))
    assert list(found) == list(own)
    for name, value in own.items():
        assert (found[name] == value).all()
        assert (of_keras[f"{network.name}:{name}"] == value).all()


@BOTH
def test_weights_pass_from_keras_to_a_network_of_pytorch_that_exists(network, weights, of_keras):
    model = in_pytorch(network, weights[network.name])
    before = list(model.parameters())
    start = f"{network.name}:new "
    trained = {name: of_keras[start + name] for name in weights[network.name]}
    put_in_pytorch(network, trained, model)
    assert np.abs(logits(model) - of_keras[f"{start}logits"]).max() < 1e-14
    assert all(now is then for now, then in zip(model.parameters(), before, strict=True))


def test_initial_weights_are_those_of_glorot_in_every_dtype():
    found = initial_weights(VGG, 0)
    limit = np.sqrt(6 / (9 * (50 + 100)))
    kernel = found["conv3.kernel"]
    assert kernel.dtype == np.float32
    assert limit * 0.999 < np.abs(kernel).max() <= np.float32(limit)
    assert abs(kernel.std() - limit / np.sqrt(3)) < limit / 50
    assert not any(found[name].any() for name in found if name.endswith("bias"))
    exact = initial_weights(VGG, 0, "float64")["conv3.kernel"]
    assert (exact.astype("float32") == kernel).all()


def test_dropout_is_active_while_training_only(weights, of_keras):
    import torch

    model = in_pytorch(VGG, weights["cifar-vgg"])
    pixels = torch.tensor(PICTURES).permute(0, 3, 1, 2)
    assert not torch.equal(model(pixels), model(pixels))
    assert of_keras["cifar-vgg:differs"]
    assert not of_keras["convnet:differs"]
    assert not any(isinstance(layer, Dropout) for layer in VGG.without_dropout().layers)


def test_making_a_network_uses_up_no_random_numbers():
    import torch

    before = torch.get_rng_state()
    in_pytorch(CONVNET, initial_weights(CONVNET, 0))
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_of_another_network_are_refused():
    model = in_pytorch(CONVNET, initial_weights(CONVNET, 0))
    wrong = r"^weight conv1\.bias has shape \(50,\); convnet expects \(32,\)"
    with pytest.raises(BenchmarkError, match=wrong):
        put_in_pytorch(CONVNET, initial_weights(VGG, 0), model)
    unknown = initial_weights(CONVNET, 0) | {"dense9.bias": np.zeros(3)}
    with pytest.raises(BenchmarkError, match=r"dense9\.bias has shape \(3,\); .* None"):
        put_in_pytorch(CONVNET, unknown, model)


@pytest.mark.parametrize("name", LARGE)
def test_large_networks_have_the_parameters_of_kerass_applications(name):
    (spec,) = select([f"keras/{LARGE[name]}"])
    found = initial_weights(NETWORKS[name](), 0)
    assert sum(value.size for value in found.values()) == spec.parameters


def test_every_kind_of_layer_computes_the_same_in_both_frameworks(of_keras):
    import torch

    model = in_pytorch(EVERY_LAYER, initial_weights(EVERY_LAYER, 3, "float64"))
    with torch.no_grad():
        ours = model(torch.tensor(PICTURES[:, :21, :21]).permute(0, 3, 1, 2)).numpy()
    assert np.abs(ours - of_keras["every-layer:training"]).max() < 1e-13
    assert np.ptp(ours, axis=0).min() > 1e-3
    found = from_pytorch(EVERY_LAYER, model)
    for name, value in found.items():
        theirs = of_keras[f"every-layer:{name}"]
        if name.endswith("variance"):  # PyTorch's is unbiased: n / (n - 1) of Keras'
            assert 0 < np.abs(value - theirs).max() < 1e-3
        else:
            assert np.abs(value - theirs).max() < 1e-13
        if name.endswith(".mean"):
            assert value.any()  # a first step of training has moved it


def test_features_are_the_values_before_the_last_layer():
    network = EVERY_LAYER.without_head()
    assert network.nodes[-1].after == (6,)
    assert network.name == "every-layer-features"
    weights = initial_weights(network, 0)
    assert in_pytorch(network, weights).code.count("\n") >= len(network.nodes)
