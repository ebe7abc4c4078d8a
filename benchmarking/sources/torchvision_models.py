"""The 21 models of 2019 from torchvision, with their first ImageNet weights.

Files, accuracies, sizes and recipes: torchvision's own weight metadata, IMAGENET1K_V1.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.errors import WeightsError, requires
from benchmarking.frameworks import pytorch
from benchmarking.specs import ModelSpec, Preprocessing, Published, Weights

if TYPE_CHECKING:
    import torch

NAME = "torchvision"
MODULES = ("torchvision",)
EXTRA = "pytorch"
DISTRIBUTIONS = ("torchvision",)

# What torchvision's builders set where they load weights.
_PLAIN = {"init_weights": False}
_INCEPTION = {"init_weights": False, "transform_input": True}
# Files older than PyTorch 0.4 have names with dots that modules can no longer have.
_DOTTED = (r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.", r"\1\2.")


def specs() -> tuple[ModelSpec, ...]:
    """The models, by name."""
    return (
        _spec("alexnet", "alexnet-owt-7be5be79.pth", 61_100_840, (56.522, 79.066), 233.087),
        _spec(
            "densenet121",
            "densenet121-a639ec97.pth",
            7_978_856,
            (74.434, 91.972),
            30.845,
            renamed=_DOTTED,
        ),
        _spec(
            "densenet161",
            "densenet161-8d451a50.pth",
            28_681_000,
            (77.138, 93.560),
            110.369,
            renamed=_DOTTED,
        ),
        _spec(
            "densenet169",
            "densenet169-b2777c0a.pth",
            14_149_480,
            (75.600, 92.806),
            54.708,
            renamed=_DOTTED,
        ),
        _spec(
            "densenet201",
            "densenet201-c1103571.pth",
            20_013_928,
            (76.896, 93.370),
            77.373,
            renamed=_DOTTED,
        ),
        _spec(
            "inception_v3",
            "inception_v3_google-0cc3c7bd.pth",
            27_161_264,
            (77.294, 93.450),
            103.903,
            resize=342,
            crop=299,
            arguments=_INCEPTION,
        ),
        _spec("resnet18", "resnet18-f37072fd.pth", 11_689_512, (69.758, 89.078), 44.661),
        _spec("resnet34", "resnet34-b627a593.pth", 21_797_672, (73.314, 91.420), 83.275),
        _spec("resnet50", "resnet50-0676ba61.pth", 25_557_032, (76.130, 92.862), 97.781),
        _spec("resnet101", "resnet101-63fe2227.pth", 44_549_160, (77.374, 93.546), 170.511),
        _spec("resnet152", "resnet152-394f9c45.pth", 60_192_808, (78.312, 94.046), 230.434),
        _spec("squeezenet1_0", "squeezenet1_0-b66bff10.pth", 1_248_424, (58.092, 80.420), 4.778),
        _spec("squeezenet1_1", "squeezenet1_1-b8a52dc0.pth", 1_235_496, (58.178, 80.624), 4.729),
        _spec(
            "vgg11", "vgg11-8a719046.pth", 132_863_336, (69.020, 88.628), 506.84, arguments=_PLAIN
        ),
        _spec(
            "vgg11_bn",
            "vgg11_bn-6002323d.pth",
            132_868_840,
            (70.370, 89.810),
            506.881,
            arguments=_PLAIN,
        ),
        _spec(
            "vgg13", "vgg13-19584684.pth", 133_047_848, (69.928, 89.246), 507.545, arguments=_PLAIN
        ),
        _spec(
            "vgg13_bn",
            "vgg13_bn-abd245e5.pth",
            133_053_736,
            (71.586, 90.374),
            507.59,
            arguments=_PLAIN,
        ),
        _spec(
            "vgg16", "vgg16-397923af.pth", 138_357_544, (71.592, 90.382), 527.796, arguments=_PLAIN
        ),
        _spec(
            "vgg16_bn",
            "vgg16_bn-6c64b313.pth",
            138_365_992,
            (73.360, 91.516),
            527.866,
            arguments=_PLAIN,
        ),
        _spec(
            "vgg19", "vgg19-dcbb9e9d.pth", 143_667_240, (72.376, 90.876), 548.051, arguments=_PLAIN
        ),
        _spec(
            "vgg19_bn",
            "vgg19_bn-c79401a0.pth",
            143_678_248,
            (74.218, 91.842),
            548.143,
            arguments=_PLAIN,
        ),
    )


def weights_folder(spec: ModelSpec) -> Path:
    """PyTorch's folder of downloaded weights."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = os.environ.get("TORCH_HOME")
    return (Path(home).expanduser() if home else cache / "torch") / "hub" / "checkpoints"


def build(spec: ModelSpec, weights: Path | None) -> torch.nn.Module:
    """The model, filled from a file or with random values.

    Raises:
        WeightsError: the file holds more than tensors, or other tensors than the model has.
        MissingDependency: torchvision is not installed.
    """
    with requires(EXTRA):
        import torchvision

    arguments = dict(spec.arguments)
    model: torch.nn.Module = torchvision.models.get_model(spec.name, weights=None, **arguments)
    if weights:
        _fill(model, spec, weights)
    return model


def _fill(model: torch.nn.Module, spec: ModelSpec, weights: Path) -> None:
    import pickle

    import torch

    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        if spec.renamed:
            pattern, replacement = spec.renamed
            state = {re.sub(pattern, replacement, name): value for name, value in state.items()}
        model.load_state_dict(state, strict=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{weights} holds more than tensors; it was not run.") from error
    except (RuntimeError, AttributeError, TypeError) as error:
        raise WeightsError(f"{weights} does not fit {spec.name}: {error}") from error


def _spec(
    name: str,
    file: str,
    parameters: int,
    accuracy: tuple[float, float],
    megabytes: float,
    *,
    resize: int = 256,
    crop: int = 224,
    arguments: Mapping[str, bool] | None = None,
    renamed: tuple[str, str] | None = None,
) -> ModelSpec:
    published = Preprocessing("pillow", "bilinear", resize=resize, crop=crop, scaling="torch")
    # In 2019 every picture was resized to 256, even where 299 were then cropped.
    northcutt2019 = Preprocessing("pillow", "bilinear", resize=256, crop=crop, scaling="torch")
    digits = file.removesuffix(".pth").rpartition("-")[2]
    return ModelSpec(
        NAME,
        name,
        pytorch.NAME,
        Weights(
            "IMAGENET1K_V1",
            file,
            sha256=digits,
            url=f"https://download.pytorch.org/models/{file}",
            megabytes=megabytes,
        ),
        {"published": published, "northcutt2019": northcutt2019},
        parameters,
        Published(accuracy[0], "torchvision's weight metadata", accuracy[1]),
        arguments=arguments or {},
        renamed=renamed,
    )
