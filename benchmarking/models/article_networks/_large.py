"""The large networks that the articles trained, as Keras' applications define them.

Papers: "Deep Residual Learning for Image Recognition" (2015), "Densely Connected Convolutional
Networks" (2016), "Rethinking the Inception Architecture" (2015) and "Inception-v4, Inception-ResNet
and the Impact of Residual Connections on Learning" (2016).
"""

from __future__ import annotations

from benchmarking.models.article_networks.layers import (
    PICTURE,
    Add,
    Concatenate,
    Conv,
    Dense,
    Draft,
    GlobalMean,
    Layer,
    MaxPool,
    MeanPool,
    Network,
    Normalise,
    Relu,
)

_CLASSES = 1000
_EPSILON = 1.001e-5  # of normalisation in ResNet and DenseNet; Inception has Keras' default

Step = tuple[int, int, int]
"""Filters, height and width of a convolution that keeps the size of the picture."""


def resnet50(side: int = 224) -> Network:
    """ResNet-50 of the paper, with stride in the first convolution of a block and biases."""
    draft = Draft(side)
    x = draft.chain(
        *(PICTURE, Conv(64, (7, 7), 2, (3, 3)), Normalise(_EPSILON), Relu(), MaxPool(3, 2, 1))
    )
    for filters, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        wide = 4 * filters
        for number in range(blocks):
            step = stride if number == 0 else 1
            short = x
            if number == 0:
                short = draft.chain(x, Conv(wide, (1, 1), step), Normalise(_EPSILON))
            y = draft.chain(x, Conv(filters, (1, 1), step), Normalise(_EPSILON), Relu())
            y = draft.chain(y, Conv(filters, (3, 3), 1, (1, 1)), Normalise(_EPSILON), Relu())
            y = draft.chain(y, Conv(wide, (1, 1)), Normalise(_EPSILON))
            x = draft.chain(draft.add(Add(), short, y), Relu())
    draft.chain(x, GlobalMean(), Dense(_CLASSES))
    return draft.network("resnet50")


def densenet(depth: int, blocks: tuple[int, ...], side: int = 224) -> Network:
    """DenseNet with growth 32 and half the channels after each block but the last."""
    growth, draft = 32, Draft(side)
    x = draft.chain(
        *(PICTURE, Conv(64, (7, 7), 2, (3, 3), 0), Normalise(_EPSILON), Relu(), MaxPool(3, 2, 1))
    )
    for number, layers in enumerate(blocks):
        for _ in range(layers):
            y = draft.chain(x, Normalise(_EPSILON), Relu(), Conv(4 * growth, (1, 1), bias=0))
            y = draft.chain(
                y, Normalise(_EPSILON), Relu(), Conv(growth, (3, 3), padding=(1, 1), bias=0)
            )
            x = draft.add(Concatenate(), x, y)
        x = draft.chain(x, Normalise(_EPSILON), Relu())
        if number < len(blocks) - 1:
            half = draft.nodes[x].after[-1] // 2
            x = draft.chain(x, Conv(half, (1, 1), bias=0), MeanPool(2, 2))
    draft.chain(x, GlobalMean(), Dense(_CLASSES))
    return draft.network(f"densenet{depth}")


def inception_v3(side: int = 299) -> Network:
    """Inception v3."""
    draft = Draft(side)
    x = _stem(draft)
    for pooled in (32, 64, 64):
        x = _mixed_35(draft, x, 64, pooled)
    double = draft.chain(x, *_kept((64, 1, 1), (96, 3, 3)), *_halved(96))
    x = _joined(draft, draft.chain(x, *_halved(384)), double, draft.add(MaxPool(3, 2), x))
    for middle in (128, 160, 160, 192):
        seven = ((middle, 1, 1), (middle, 1, 7), (192, 7, 1))
        twice = ((middle, 1, 1), *((middle, 7, 1), (middle, 1, 7), (middle, 7, 1)), (192, 1, 7))
        branches = (((192, 1, 1),), seven, twice)
        x = _joined(draft, *_branches(draft, x, *branches), _pooled(draft, x, 192))
    three = draft.chain(x, *_kept((192, 1, 1)), *_halved(320))
    seven_three = draft.chain(x, *_kept((192, 1, 1), (192, 1, 7), (192, 7, 1)), *_halved(192))
    x = _joined(draft, three, seven_three, draft.add(MaxPool(3, 2), x))
    for _ in range(2):
        single = draft.chain(x, *_kept((320, 1, 1)))
        once = draft.chain(x, *_kept((384, 1, 1)))
        again = draft.chain(x, *_kept((448, 1, 1), (384, 3, 3)))
        forks = [
            _joined(draft, *_branches(draft, start, ((384, 1, 3),), ((384, 3, 1),)))
            for start in (once, again)
        ]
        x = _joined(draft, single, *forks, _pooled(draft, x, 192))
    draft.chain(x, GlobalMean(), Dense(_CLASSES))
    return draft.network("inceptionv3")


def inception_resnet_v2(side: int = 299) -> Network:
    """Inception-ResNet v2."""
    draft = Draft(side)
    x = _mixed_35(draft, _stem(draft), 96, 64)
    for _ in range(10):
        branches = (((32, 1, 1),), ((32, 1, 1), (32, 3, 3)), ((32, 1, 1), (48, 3, 3), (64, 3, 3)))
        x = draft.add(Relu(), _residual(draft, x, 0.17, *branches))
    double = draft.chain(x, *_kept((256, 1, 1), (256, 3, 3)), *_halved(384))
    x = _joined(draft, draft.chain(x, *_halved(384)), double, draft.add(MaxPool(3, 2), x))
    for _ in range(20):
        seven = ((128, 1, 1), (160, 1, 7), (192, 7, 1))
        x = draft.add(Relu(), _residual(draft, x, 0.1, ((192, 1, 1),), seven))
    ends = [
        draft.chain(x, *_kept((256, 1, 1), *more), *_halved(filters))
        for more, filters in (((), 384), ((), 288), (((288, 3, 3),), 320))
    ]
    x = _joined(draft, *ends, draft.add(MaxPool(3, 2), x))
    for number in range(10):
        three = ((192, 1, 1), (224, 1, 3), (256, 3, 1))
        last = number == 9
        x = _residual(draft, x, 1 if last else 0.2, ((192, 1, 1),), three)
        x = x if last else draft.add(Relu(), x)
    draft.chain(x, *_kept((1536, 1, 1)), GlobalMean(), Dense(_CLASSES))
    return draft.network("inceptionresnetv2")


def _kept(*steps: Step) -> list[Layer]:
    """Convolutions that keep the size of the picture, each normalised and followed by ReLU."""
    found: list[Layer] = []
    for filters, height, width in steps:
        around = (height // 2, width // 2)
        found += [Conv(filters, (height, width), 1, around, 0), Normalise(1e-3, 0), Relu()]
    return found


def _halved(filters: int) -> list[Layer]:
    """A 3x3 convolution that halves the size of the picture."""
    return [Conv(filters, (3, 3), 2, bias=0), Normalise(1e-3, 0), Relu()]


def _stem(draft: Draft) -> str:
    """What both Inceptions begin with."""
    cut: list[Layer] = [Normalise(1e-3, 0), Relu()]
    x = draft.chain(PICTURE, *_halved(32), Conv(32, (3, 3), bias=0), *cut, *_kept((64, 3, 3)))
    x = draft.chain(x, MaxPool(3, 2), *_kept((80, 1, 1)), Conv(192, (3, 3), bias=0), *cut)
    return draft.add(MaxPool(3, 2), x)


def _mixed_35(draft: Draft, x: str, single: int, pooled: int) -> str:
    """A block with branches of 1x1, 5x5, two of 3x3, and pooling."""
    branches = (
        *(((single, 1, 1),), ((48, 1, 1), (64, 5, 5))),
        ((64, 1, 1), (96, 3, 3), (96, 3, 3)),
    )
    return _joined(draft, *_branches(draft, x, *branches), _pooled(draft, x, pooled))


def _branches(draft: Draft, x: str, *branches: tuple[Step, ...]) -> list[str]:
    return [draft.chain(x, *_kept(*steps)) for steps in branches]


def _joined(draft: Draft, *branches: str) -> str:
    return draft.add(Concatenate(), *branches)


def _pooled(draft: Draft, x: str, filters: int) -> str:
    return draft.chain(x, MeanPool(3, 1, 1), *_kept((filters, 1, 1)))


def _residual(draft: Draft, x: str, scale: float, *branches: tuple[Step, ...]) -> str:
    """A picture plus a share of what the branches make of it."""
    joined = _joined(draft, *_branches(draft, x, *branches))
    wide = draft.nodes[x].after[-1]
    return draft.add(Add(scale), x, draft.add(Conv(wide, (1, 1)), joined))
