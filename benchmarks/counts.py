"""Parameters, MACs and activations of models, against their publishers' and between frameworks.

Torchvision's models against its own metadata; then models with the same weights or layers in
PyTorch and in Keras, each framework in a process of its own. Nothing is timed. A number that
differs ends the benchmark.

Usage: python benchmarks/counts.py [OUT.md] [--small]
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import version

from _measure import must_hold, options, publish, table

from benchmarking.models import counts
from benchmarking.models.article_networks import NETWORKS, in_pytorch, initial_weights
from benchmarking.models.counts import Counts
from benchmarking.models.loaded import load
from benchmarking.models.sources import select

MODELS = (
    *("alexnet", "squeezenet1_0", "vgg16", "resnet18", "resnet50", "wide_resnet50_2"),
    *("resnext50_32x4d", "densenet121", "inception_v3", "shufflenet_v2_x1_0"),
    *("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "mnasnet1_0"),
    *("efficientnet_b0", "efficientnet_v2_s", "convnext_tiny", "vit_b_16", "swin_t", "swin_v2_t"),
)
"""Twenty models of torchvision, two or more of each kind of layer."""

LITE = tuple(f"efficientnet-lite{number}" for number in range(3))

KERAS = """
import json, sys
from dataclasses import asdict
from benchmarking.models import counts
from benchmarking.models.article_networks import NETWORKS, in_keras, initial_weights
from benchmarking.models.loaded import load
from benchmarking.models.sources import select

found = {}
for name in sys.argv[1:]:
    if name in NETWORKS:
        network = NETWORKS[name]()
        model = in_keras(network, initial_weights(network, 0))
        found[name] = counts.in_keras_on_tensorflow(model, network.side)
    else:
        (spec,) = select([f"efficientnet-lite-keras/{name}"])
        found[name] = counts.counts_of(load(spec, -1), spec.recipe("published").crop)
print(json.dumps({name: asdict(one) for name, one in found.items()}))
"""


def torchvision_rows(names: tuple[str, ...]) -> Iterator[list[str]]:
    """Counts of torchvision's models, which must be those of its metadata."""
    import torch
    from torchvision.models import get_model, get_model_weights

    for name in names:
        weights = next(iter(get_model_weights(name)))
        side = weights.transforms().crop_size[0]
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of weights that are drawn slowly
            found = counts.in_pytorch(get_model(name), side)
        theirs = weights.meta["num_params"], weights.meta["_ops"]
        must_hold((found.trainable, round(found.macs / 1e9, 3)) == theirs, f"{name}: {found}")
        yield [name, str(side), *cells(found), f"{theirs[0]:,}", f"{theirs[1]:.3f}"]


def pairs(names: tuple[str, ...]) -> Iterator[list[str]]:
    """Counts of models in PyTorch, which must be those in Keras."""
    command = [sys.executable, "-c", KERAS, *names]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    counted = json.loads(done.stdout.splitlines()[-1])
    in_keras = {name: Counts(**one) for name, one in counted.items()}
    for name in names:
        side, found = in_torch(name)
        must_hold(found == in_keras[name], f"{name}: {found} in PyTorch, {in_keras[name]} in Keras")
        yield [name, str(side), *cells(found), "all four"]


def in_torch(name: str) -> tuple[int, Counts]:
    """Side of the pictures, and counts in PyTorch."""
    if name in NETWORKS:
        network = NETWORKS[name]()
        model = in_pytorch(network, initial_weights(network, 0))
        return network.side, counts.in_pytorch(model, network.side)
    (spec,) = select([f"efficientnet-lite-pytorch/{name}"])
    side = spec.recipe("published").crop
    return side, counts.counts_of(load(spec, -1), side)


def cells(found: Counts) -> list[str]:
    """The four counts of a row."""
    return [
        f"{found.trainable:,}",
        f"{found.not_trainable:,}",
        f"{found.macs / 1e9:.3f}",
        f"{found.activations / 1e6:.2f}",
    ]


def main() -> None:
    """Count, compare and publish."""
    args = options(__doc__).parse_args()
    ours = ["Pixels", "Trainable", "Not trainable", "MACs, 10^9", "Activations, 10^6"]
    versions = [f"{name} {version(name)}" for name in ("torch", "torchvision", "keras")]
    small = args.small
    publish(
        [
            f"{', '.join(versions)}; made by benchmarks/counts.py. One picture. Nothing is timed.",
            "",
            *table(
                ["Torchvision", *ours, "Its num_params", "Its _ops"],
                torchvision_rows(MODELS[:2] if small else MODELS),
            ),
            "",
            *table(
                ["The same in PyTorch and Keras", *ours, "Equal"],
                pairs(("convnet",) if small else (*LITE, *NETWORKS)),
            ),
        ],
        args.out,
    )


if __name__ == "__main__":
    main()
