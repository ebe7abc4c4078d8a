"""Networks of published comparisons of Keras and PyTorch, in both frameworks.

Each is data: a graph of layers, from which either framework's own layers are made. Weights are
arrays in one layout, so that both networks can begin with the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from benchmarking.models.article_networks._keras import from_keras, in_keras, put_in_keras
from benchmarking.models.article_networks._large import (
    densenet,
    inception_resnet_v2,
    inception_v3,
    resnet50,
)
from benchmarking.models.article_networks._pytorch import (
    from_pytorch,
    in_pytorch,
    put_in_pytorch,
)
from benchmarking.models.article_networks.layers import (
    PICTURE,
    Conv,
    Dense,
    Draft,
    Dropout,
    Flatten,
    Layer,
    MaxPool,
    Network,
    Relu,
)
from benchmarking.models.article_networks.weights import Arrays, initial_weights

__all__ = [
    "CLASSES",
    "CONVNET",
    "INPUT",
    "NETWORKS",
    "VGG",
    "Arrays",
    "Dropout",
    "Network",
    "from_keras",
    "from_pytorch",
    "in_keras",
    "in_pytorch",
    "initial_weights",
    "put_in_keras",
    "put_in_pytorch",
]

CLASSES = 10
"""Classes of CIFAR-10, of the two small networks."""

INPUT = (32, 32, 3)
"""Height, width and channels of its pictures."""


def _convnet() -> Network:
    """The network of "Keras or PyTorch as your first deep learning framework".

    It has 11,290 parameters.

    Source: https://deepsense.ai/blog/keras-or-pytorch-as-your-first-deep-learning-framework/
    """
    draft = Draft(INPUT[0])
    layers: list[Layer] = []
    for filters in (32, 16):
        layers += [Conv(filters, (3, 3)), Relu(), MaxPool(2, 2)]
    draft.chain(PICTURE, *layers, Flatten(), Dense(CLASSES))
    return draft.network("convnet")


def _cifar_vgg() -> Network:
    """The VGG of DeepLearningFrameworks, with ReLU before pooling: 3,441,592 parameters.

    There, PyTorch's has ReLU after pooling: the same function with a quarter of the work for ReLU.
    Source: https://github.com/ilkarman/DeepLearningFrameworks at commit 671e2a0.
    """
    draft = Draft(INPUT[0])
    layers: list[Layer] = []
    for filters in (50, 100):
        same: list[Layer] = [Conv(filters, (3, 3), padding=(1, 1)), Relu()]
        layers += [*same, *same, MaxPool(2, 2), Dropout(0.25)]
    head = (Flatten(), Dense(512), Relu(), Dropout(0.5), Dense(CLASSES))
    draft.chain(PICTURE, *layers, *head)
    return draft.network("cifar-vgg")


CONVNET = _convnet()
VGG = _cifar_vgg()

NETWORKS: Mapping[str, Callable[..., Network]] = {
    CONVNET.name: _convnet,
    VGG.name: _cifar_vgg,
    "resnet50": resnet50,
    "inceptionv3": inception_v3,
    "inceptionresnetv2": inception_resnet_v2,
    "densenet121": partial(densenet, 121, (6, 12, 24, 16)),
    "densenet169": partial(densenet, 169, (6, 12, 32, 32)),
}
"""Every network of the articles by name; each is put together when it is called.

The large ones take the side of their pictures in pixels; the default is that of their papers.
"""
