"""Transforms of torchvision and timm, translated into recipes and compared with themselves."""

import io
from functools import cache

import numpy as np
import pytest
import timm.data
import torch
from PIL import Image
from torchvision import models
from torchvision import transforms as v1
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms._presets import ImageClassification

from benchmarking import Store, evaluate, open_images, predict
from benchmarking.errors import BenchmarkError
from benchmarking.inference.requests import recipe_of_own
from benchmarking.models.frameworks import Device, pytorch
from benchmarking.models.signatures import Signature, arranged
from benchmarking.models.transforms import recipe_of
from benchmarking.pictures.crop import crop
from benchmarking.pictures.recipe import SCALINGS, Preprocessing

BICUBIC = InterpolationMode.BICUBIC
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FLOATS = v2.ToDtype(torch.float32, scale=True)
NORMALIZE = v1.Normalize(MEAN, STD)


def timms(side=224, **options):
    return timm.data.create_transform((3, side, side), is_training=False, **options)


TRANSFORMS = {
    "preset": models.ResNet50_Weights.IMAGENET1K_V2.transforms(),
    "preset, bicubic": ImageClassification(
        crop_size=96, resize_size=99, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation=BICUBIC
    ),
    "first version": v1.Compose(
        [v1.Resize(256), v1.CenterCrop(224), v1.ToTensor(), v1.Normalize(MEAN, STD)]
    ),
    "uint8 tensor": v1.Compose(
        [
            v1.Resize([40], BICUBIC),
            v1.PILToTensor(),
            v1.CenterCrop((64, 64)),
            v1.ConvertImageDtype(torch.float32),
        ]
    ),
    "second version": v2.Compose(
        [v2.RGB(), v2.Resize(73, 3), v2.CenterCrop([64]), v2.ToImage(), FLOATS, NORMALIZE]
    ),
    "nested": v2.Compose(
        [
            torch.nn.Sequential(v2.Resize(50, InterpolationMode.LANCZOS), v2.CenterCrop(40)),
            v1.Compose([v1.ToTensor(), v2.Normalize([0.5], [0.25]), v2.ToPureTensor()]),
        ]
    ),
    "nearest": v1.Compose([v1.Resize(33, 0), v1.CenterCrop(32), v1.ToTensor(), NORMALIZE]),
    "box": v1.Compose([v1.Resize(33, InterpolationMode.BOX), v1.CenterCrop(32), v1.ToTensor()]),
    "other aspect": v1.Compose([v1.Resize((65, 81)), v1.CenterCrop(64), v1.ToTensor()]),
    "square": v1.Compose([v1.Resize((48, 48)), v1.ToTensor(), NORMALIZE]),
    "unscaled": v2.Compose(
        [
            *(v2.Resize(33), v2.CenterCrop(32), v2.PILToTensor(), v2.ToDtype(torch.float32)),
            v2.Normalize((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
        ]
    ),
    "timm": timms(64),
    "timm, bicubic": timms(
        64, crop_pct=0.95, interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3
    ),
    "timm, squash": timms(96, crop_pct=1.0, crop_mode="squash"),
    "timm, larger crop": timms(96, crop_pct=1.15, interpolation="bicubic"),
}

SHAPES = [
    *(
        (1, 1),
        (1, 5),
        (5, 1),
        (32, 33),
        (64, 64),
        (65, 64),
        (96, 99),
        (99, 96),
        (40, 121),
        (121, 40),
    ),
    *((375, 500), (500, 333), (224, 224), (101, 97), (223, 225), (48, 48), (63, 65), (33, 80)),
    *((70, 32), (300, 451)),
]


@cache
def pictures() -> tuple[bytes, ...]:
    """Twenty pictures of many shapes, in colour and in grey."""
    found = []
    for number, (height, width) in enumerate(SHAPES):
        values = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
        picture = Image.fromarray(values)
        file = io.BytesIO()
        (picture.convert("L") if number % 5 == 4 else picture).save(file, "PNG")
        found.append(file.getvalue())
    return tuple(found)


class Seen(torch.nn.Module):
    """A model that keeps its input."""

    def forward(self, pixels):
        self.pixels = pixels.clone()
        return pixels.flatten(1)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_crops_and_scaled_pixels_equal_those_of_the_transform_itself(name):
    transform = TRANSFORMS[name]
    recipe = recipe_of(transform)
    seen = Seen()
    predict = pytorch.predictor(seen, recipe.scaling, Device("cpu", "cpu", "cpu"))
    takes = Signature("net.onnx", "x", "y", "NCHW", "float32", None, None, None)
    for data in pictures():
        theirs = transform(Image.open(io.BytesIO(data)).convert("RGB"))
        ours = crop(data, recipe)[None]
        predict(ours)
        # ToDtype multiplies by 1 / 255, where all others divide by 255.
        most = 1e-6 if name == "second version" else 0
        assert (seen.pixels[0] - torch.as_tensor(theirs)).abs().max() <= most
        assert np.abs(arranged(ours, recipe.scaling, takes)[0] - np.asarray(theirs)).max() <= most


def test_means_of_timm_get_their_short_form_so_that_the_scaling_has_its_name():
    assert recipe_of(timms()).scaling == SCALINGS["torch"]


def test_a_recipe_is_its_own_translation():
    recipe = Preprocessing("opencv", "bicubic", 256, 224, SCALINGS["tf"])
    assert recipe_of(recipe) is recipe


class MyResize(v1.Resize):
    """Could do anything."""


STEPS = [v1.Resize(256), v1.CenterCrop(224), v1.ToTensor(), NORMALIZE]


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (
            v1.Compose([v1.Lambda(len), *STEPS]),
            r"the step Lambda\(\) .* its code could do anything",
        ),
        (v1.Compose([MyResize(256), *STEPS[1:]]), "the step MyResize cannot .* could do anything"),
        (len, "the step builtin_function_or_method cannot .* its code could do anything"),
        (3, "the step int cannot be translated .* it is no transform"),
        (v1.Compose([v1.RandomResizedCrop(224), *STEPS[2:]]), "RandomResizedCrop.* is random"),
        (
            timm.data.create_transform(224, is_training=True),
            "RandomResizedCropAndInter.* is random",
        ),
        (timms(crop_mode="border"), "ResizeKeepRatio.* a recipe has no such step"),
        (timms(use_prefetcher=True), "its output is no tensor of floats; end it with ToTensor"),
        (v1.Compose([v1.ToTensor(), *STEPS[:2]]), "Resize.* it resizes tensors, whose pixels diff"),
        (v1.Compose(STEPS[1:]), r"CenterCrop\(.* a recipe crops after a resize"),
        (v1.Compose([*STEPS[:1], *STEPS[2:]]), "it has no CenterCrop, so the pictures have differ"),
        (v1.Compose([*STEPS[2:]]), "it has no Resize, so the crops"),
        (v1.Compose([v1.Resize(256), *STEPS]), "Resize.* a recipe has one resize, before the cro"),
        (v1.Compose([*STEPS[:2], *STEPS[1:]]), "CenterCrop.* a recipe has one crop"),
        (v1.Compose([*STEPS[:1], STEPS[2], *STEPS[1:2]]), "must come before the pixels become fl"),
        (v1.Compose([*STEPS[:3], STEPS[2]]), "ToTensor.* the picture is a tensor already"),
        (v1.Compose([*STEPS, NORMALIZE]), "Normalize.* a recipe normalises once"),
        (v1.Compose([*STEPS[:2], v2.ToImage(), NORMALIZE]), "Normalize.* must come after the pixe"),
        (v1.Compose([v1.Resize(9, max_size=20), *STEPS[1:]]), "Resize.* a recipe has no max_size"),
        (v1.Compose([v1.Resize(9, InterpolationMode.HAMMING), *STEPS[1:]]), "no filter 'hamming'"),
        (v1.Compose([v1.Resize(256), v1.CenterCrop((9, 8)), *STEPS[2:]]), "a recipe crops squares"),
        (
            v1.Compose([*STEPS[:2], v2.ToImage(), v2.ToDtype(torch.float16, scale=True)]),
            "ToDtype.* pixels become torch.float32, and not torch.float16",
        ),
        (v1.Compose([*STEPS[:2], FLOATS]), "ToDtype.* must come once, after the step that makes"),
        (v1.Compose([v1.Grayscale(3), *STEPS]), "Grayscale.* a recipe has no such step"),
        (v1.Compose([*STEPS[:3], v1.Normalize((1, 2), (1, 1))]), "a picture has three channels"),
    ],
)
def test_a_transform_that_no_recipe_equals_is_refused_with_the_step_and_the_reason(
    transform, message
):
    with pytest.raises(BenchmarkError, match=message) as error:
        recipe_of(transform)
    assert str(error.value).endswith("preprocessing of evaluation with Recipe(...) instead.")


def test_evaluate_takes_a_module_with_its_transform(tree, tmp_path):
    images, store = open_images(tree, name="grey"), Store(tmp_path / "store")
    layers = [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 1000)]
    net = torch.nn.Sequential(*layers)
    transform = v1.Compose([v1.Resize(10), v1.CenterCrop(8), *STEPS[2:]])
    (run,) = predict(net, images, store, name="net", recipe=transform, keep="all", gpu=-1)
    seen = [transform(Image.open(io.BytesIO(picture.read())).convert("RGB")) for picture in images]
    with torch.inference_mode():
        expected = net.eval()(torch.stack(seen)).softmax(1).numpy()
    assert np.abs(store.read_probabilities(run) - expected).max() < 1e-6
    assert store.provenance(run).preprocessing == recipe_of(transform).as_document()


def test_a_transform_that_cannot_be_translated_stops_the_call_before_it_begins(tree, tmp_path):
    for transform in (v1.Lambda(len), v1.Compose([*STEPS, v1.RandomErasing()])):
        with pytest.raises(
            BenchmarkError, match=r"the step (Lambda|RandomErasing)\(.*cannot be tr"
        ):
            evaluate(len, tree, store=tmp_path / "store", name="net", recipe=transform)
    assert not (tmp_path / "store").exists()


def test_the_recipe_of_a_model_of_ones_own_can_be_that_of_a_listed_model():
    expected = Preprocessing("pillow", "bilinear", 256, 224, SCALINGS["torch"])
    assert recipe_of_own("torchvision/resnet50") == expected
    with pytest.raises(BenchmarkError, match=r"'resnet\*' means \d+ models; name one"):
        recipe_of_own("resnet*")
