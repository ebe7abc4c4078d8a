"""Counts are those of the publishers, and the same in two frameworks."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarking.errors import BenchmarkError, WeightsError
from benchmarking.models import counts
from benchmarking.models.counts import Counts, counts_of, file_size
from benchmarking.models.loaded import load
from benchmarking.models.sources import select
from benchmarking.models.spec import Weights

ROOT = Path(__file__).parents[2]

TORCHVISION = (
    *("alexnet", "vgg16", "resnet18", "resnet50", "squeezenet1_0", "resnext50_32x4d"),
    *("mobilenet_v3_small", "efficientnet_b0", "mnasnet1_0", "convnext_tiny", "vit_b_16"),
    "swin_v2_t",
)

TIMM = {  # millions of parameters, GMACs and millions of activations, as timm publishes them
    "resnet34": (21.80, 3.67, 3.74),
    "mobilenetv2_100": (3.50, 0.31, 6.68),
    "tf_efficientnet_lite0": (4.65, 0.40, 6.74),
    "convnext_atto": (3.70, 0.55, 3.81),
    "vit_tiny_patch16_224": (5.72, 1.26, 5.97),
    "mixer_s32_224": (19.10, 1.00, 2.28),
    "repvgg_a0": (9.11, 1.52, 3.59),
    "regnety_002": (3.16, 0.20, 2.17),
}
"""Source: results/benchmark-infer-amp-nhwc-pt240-cu124-rtx3090.csv of
https://github.com/huggingface/pytorch-image-models at commit 5c33776; all at 224 pixels."""


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_own_figures_are_met_exactly(name):
    import torch
    from torchvision.models import get_model, get_model_weights

    published = next(iter(get_model_weights(name)))
    with torch.device("meta"):  # shapes only: nothing is computed
        model = get_model(name)
    found = counts.in_pytorch(model, published.transforms().crop_size[0])
    assert found.trainable == published.meta["num_params"]
    assert round(found.macs / 1e9, 3) == published.meta["_ops"]


def normalised(model):
    """Operations that timm's GMACs include besides products.

    Its profiler counts two for each value that is normalised with stored statistics, five for each
    with its own, and one for each that is pooled globally.
    """
    import torch
    from torch import nn

    each = {nn.BatchNorm2d: 2, nn.LayerNorm: 5, nn.AdaptiveAvgPool2d: 1}
    seen = []
    for module in model.modules():
        for kind, number in each.items():
            if isinstance(module, kind):
                module.register_forward_hook(
                    lambda _, given, __, number=number: seen.append(number * given[0].numel())
                )
    with torch.no_grad():
        model.eval()(torch.empty(1, 3, 224, 224, device="meta"))
    return sum(seen)


@pytest.mark.parametrize("name", TIMM)
def test_timms_own_figures_are_met_to_their_last_digit(name):
    import timm
    import torch

    with torch.device("meta"):
        model = timm.create_model(name)
    found = counts.in_pytorch(model, 224)
    parameters, gigamacs, activations = TIMM[name]
    assert round(found.trainable / 1e6, 2) == parameters
    assert round((found.macs + normalised(model)) / 1e9, 2) == gigamacs
    assert round(found.activations / 1e6, 2) == activations


KERAS = """
import json
from dataclasses import asdict
import keras
from keras import layers
from benchmarking.models import counts
from benchmarking.models.article_networks import CONVNET, VGG, in_keras, initial_weights
from benchmarking.models.loaded import load
from benchmarking.models.sources import select
from benchmarking.models.spec import Weights

backend = keras.backend.backend()
count = getattr(counts, f"in_keras_on_{backend}")
pixels = keras.Input((12, 12, 3))
x = layers.Normalization()(pixels)  # has two statistics of each channel, and counts batches
x = layers.Conv2D(8, 3, strides=2, padding="same")(x)  # 6x6x8
x = layers.Conv2D(8, 3, padding="same", groups=2)(x)
x = layers.DepthwiseConv2D(3, depth_multiplier=2)(x)  # 4x4x16
x = layers.BatchNormalization()(x)
x = layers.Conv2D(5, 2, dilation_rate=2)(x)  # 2x2x5
x = layers.Reshape((4, 5))(x)
x = layers.MultiHeadAttention(2, 3)(x, x)  # two heads with keys of three
x = layers.EinsumDense("abc,cd->abd", (4, 6))(x)
x = layers.Dense(7)(layers.Dropout(0.5)(layers.Flatten()(x)))
found = {"every kind": count(keras.Model(pixels, x), 12)}
found |= {net.name: count(in_keras(net, initial_weights(net, 0)), 32) for net in (CONVNET, VGG)}
if backend == "tensorflow":
    for spec in select(["efficientnet-lite-keras"]):
        loaded = load(spec, -1)
        found[spec.name] = counts.counts_of(loaded, spec.recipes["published"].crop)
    found["resnet50"] = count(keras.applications.ResNet50(weights=None), 224)
print(json.dumps({name: asdict(one) for name, one in found.items()}))
"""

# By hand: outputs of each layer in order, and the length of the sums of which each is made.
OUTPUTS = (288, 288, 256, 20, *(24, 24, 24, 32, 24, 20), 24, 7)
LENGTHS = (27, 36, 9, 64, *(5, 5, 5, 3, 4, 6), 5, 24)
EVERY_KIND = Counts(
    trainable=224 + 296 + 160 + 32 + 325 + (3 * 36 + 35) + 30 + 175,
    not_trainable=32 + 6,
    macs=sum(map(int.__mul__, OUTPUTS, LENGTHS)),
    activations=sum(OUTPUTS),
)


@pytest.fixture(scope="module")
def in_keras():
    """Counts of models of Keras, each backend in a process of its own, by backend and model."""
    found = {}
    for backend in ("tensorflow", "jax", "torch"):
        done = subprocess.run(
            [sys.executable, "-c", KERAS],
            cwd=ROOT,
            env={**os.environ, "KERAS_BACKEND": backend},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        counted = json.loads(done.stdout.splitlines()[-1])
        found[backend] = {name: Counts(**one) for name, one in counted.items()}
    return found


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_every_kind_of_product_counts_on_every_backend_of_keras(in_keras, backend):
    assert in_keras[backend]["every kind"] == EVERY_KIND


@pytest.mark.parametrize("name", ["efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"])
def test_the_same_weights_count_the_same_in_both_frameworks(in_keras, name):
    (spec,) = select([f"efficientnet-lite-pytorch/{name}"])
    loaded = load(spec, -1)
    assert counts_of(loaded, spec.recipes["published"].crop) == in_keras["tensorflow"][name]


def test_the_networks_of_the_articles_count_the_same_everywhere(in_keras):
    from benchmarking.models.article_networks import CONVNET, VGG, in_pytorch, initial_weights

    for network in (CONVNET, VGG):
        ours = counts.in_pytorch(in_pytorch(network, initial_weights(network, 0)), 32)
        assert [theirs[network.name] for theirs in in_keras.values()] == [ours] * 3
    # By hand, of the ConvNet: outputs times the length of their sums.
    assert counts.in_pytorch(in_pytorch(CONVNET, initial_weights(CONVNET, 0)), 32) == Counts(
        *(11_290, 0), 30 * 30 * 32 * 27 + 13 * 13 * 16 * 288 + 10 * 576, 28_800 + 2_704 + 10
    )


def test_the_articles_resnet50_is_that_of_keras(in_keras):
    from benchmarking.models.article_networks import NETWORKS, in_pytorch, initial_weights

    network = NETWORKS["resnet50"]()
    ours = counts.in_pytorch(in_pytorch(network, initial_weights(network, 0)), network.side)
    assert ours == in_keras["tensorflow"]["resnet50"]


def small(*layers):
    from torch import nn

    return nn.Sequential(*layers)


def test_frozen_weights_and_statistics_are_not_trainable_and_counters_are_no_parameters():
    from torch import nn

    model = small(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    assert (found := counts.in_pytorch(model, 5)).parameters == 16 + 8 + 8
    assert (found.trainable, found.not_trainable) == (24, 8)
    model[0].requires_grad_(False)
    found = counts.in_pytorch(model, 5)
    assert (found.trainable, found.not_trainable) == (8, 24)


def test_counting_changes_neither_weights_nor_modes():
    import torch
    from torch import nn

    model = small(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout())
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    counts.in_pytorch(model, 5)
    assert [module.training for module in model] == [True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.backends.mha.get_fastpath_enabled()


def test_attention_counts_as_two_products_on_every_device():
    from torch import nn

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(6, 2, 10, batch_first=True)

        def forward(self, pixels):
            return self.layer(pixels.flatten(2).transpose(1, 2)[..., [0, 1, 2] * 2])

    # Four words of six values.
    products = [(4 * 18, 6), (2 * 4 * 4, 3), (2 * 4 * 3, 4), (4 * 6, 6), (4 * 10, 6), (4 * 6, 10)]
    for device in ("cpu", "meta"):
        found = counts.in_pytorch(Attention().to(device), 2)
        assert found.macs == sum(outputs * length for outputs, length in products)
        assert found.activations == sum(outputs for outputs, _ in products)


def test_an_unknown_product_is_refused_instead_of_left_out():
    from torch import nn

    class Dot(nn.Module):
        def forward(self, pixels):
            return pixels.flatten().dot(pixels.flatten())

    with pytest.raises(BenchmarkError, match=r"of the operation dot are not known here"):
        counts.in_pytorch(Dot(), 4)


def test_a_model_of_another_framework_is_refused():
    (spec,) = select(["efficientnet-lite-pytorch/efficientnet-lite0"])
    loaded = replace(load(spec, -1, seed=0), spec=replace(spec, framework="onnx"))
    with pytest.raises(BenchmarkError, match=r"lite0: models of onnx cannot be counted; those of "):
        counts_of(loaded, 224)
    quantized = replace(loaded, spec=replace(spec, engine="fbgemm"))
    with pytest.raises(BenchmarkError, match="lite0: quantized models cannot be counted"):
        counts_of(quantized, 224)


def test_the_file_size_is_that_of_all_files_of_the_weights(tmp_path):
    (ours,) = select(["efficientnet-lite-pytorch/efficientnet-lite0"])
    (theirs,) = select(["efficientnet-lite-keras/efficientnet-lite0"])
    # 4.65 million values of four bytes, and 42 thousand moving statistics.
    assert 18.7e6 < file_size(ours) == file_size(theirs) < 19e6
    (tmp_path / "a.onnx").write_bytes(b"12345")
    (tmp_path / "a.data").write_bytes(b"678")
    weights = Weights("a", "a.onnx", folder=tmp_path, beside=(("a.data", "0" * 64),))
    assert file_size(replace(ours, weights=weights)) == 8
    (tmp_path / "a.data").unlink()
    with pytest.raises(WeightsError, match=r"a\.data cannot be read: No such file"):
        file_size(replace(ours, weights=weights))
