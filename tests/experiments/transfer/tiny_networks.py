"""A plug-in with one small network in two frameworks, with the same weights in both."""

from pathlib import Path

import numpy as np

from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.pictures.recipe import SCALINGS, Preprocessing

PLUGIN = "sources"
NAME = "tiny"
MODULES = ()
EXTRA = "dev"
DISTRIBUTIONS = ()
CLASSES, WIDTH, SIDE = 10, 16, 32


def specs():
    recipes = {"published": Preprocessing("pillow", "bilinear", SIDE, SIDE, SCALINGS["tf"])}
    weights = Weights("tiny", Path(__file__).name, folder=Path(__file__).parent)
    return tuple(
        ModelSpec(NAME, f"in-{framework}", framework, weights, recipes, 1, classes=CLASSES)
        for framework in ("pytorch", "keras")
    )


def weights_folder(spec):
    return Path(__file__).parent


def values():
    """Kernels as PyTorch has them, then those of batch normalisation."""
    random = np.random.default_rng(3)
    kernel = random.normal(size=(WIDTH, 3, 5, 5)) / 4
    dense = random.normal(size=(CLASSES, WIDTH))
    mean, variance = random.normal(size=WIDTH) / 9, random.uniform(0.5, 2, WIDTH)
    return [one.astype(np.float32) for one in (kernel, dense, mean, variance)]


def build(spec, weights):
    return {"pytorch": in_pytorch, "keras": in_keras}[spec.framework]()


def in_pytorch():
    import torch

    kernel, dense, mean, variance = map(torch.from_numpy, values())
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, WIDTH, 5, stride=2, bias=False),
        torch.nn.BatchNorm2d(WIDTH, eps=1e-3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(WIDTH, CLASSES),
    )
    with torch.no_grad():
        net[0].weight.copy_(kernel)
        net[1].running_mean.copy_(mean)
        net[1].running_var.copy_(variance)
        net[5].weight.copy_(dense)
        net[5].bias.zero_()
    return net


def in_keras():
    import keras

    kernel, dense, mean, variance = values()
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(WIDTH, 5, strides=2, use_bias=False)(inputs)
    x = keras.layers.BatchNormalization(epsilon=1e-3)(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    outputs = keras.layers.Dense(CLASSES, activation="softmax")(x)
    net = keras.Model(inputs, outputs)
    ones, zeros = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)
    net.layers[1].set_weights([kernel.transpose(2, 3, 1, 0)])
    net.layers[2].set_weights([ones, zeros, mean, variance])
    net.layers[-1].set_weights([dense.T, np.zeros(CLASSES, np.float32)])
    return net
