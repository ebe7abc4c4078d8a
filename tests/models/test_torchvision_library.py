"""All classifiers of torchvision, compared with the library itself: facts, inputs and outputs.

torch runs in one process of its own, which writes arrays that the tests compare.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarking.models.sources import select

ROOT = Path(__file__).parents[2]
SPECS = select(["torchvision/*"])
RECIPES = {spec.recipes["published"]: spec.name for spec in reversed(SPECS)}
# A small model of each way to build and to load; those of 2019 are in test_models_2019.py.
FAMILIES = ["convnext_tiny", "efficientnet_b0", "googlenet", "maxvit_t"]
FAMILIES += ["mobilenet_v2.IMAGENET1K_V2", "regnet_y_400mf", "swin_v2_t", "vit_b_32"]

pytestmark = pytest.mark.models

ALONE = """
import dataclasses, hashlib, io, os, sys
from pathlib import Path
import numpy as np
from PIL import Image
import torch
import torchvision
from torchvision.models import get_model, get_model_weights
from torchvision.transforms import functional as F
from benchmarking.models.frameworks import pytorch
from benchmarking.models.loaded import load
from benchmarking.models.sources import _torchvision_enums, select, source_of
from benchmarking.models.torchvision_entries import as_json, shipped
from benchmarking.pictures.crop import crop
from benchmarking.pictures.image_set import spread
from benchmarking.pictures.sets import open_pictures

folder, families = Path(sys.argv[1]), sys.argv[2:]
device = pytorch.prepare(-1)
results = {"shipped": as_json(_torchvision_enums.read()) == as_json(shipped())}
specs = {spec.name: spec for spec in select(["torchvision/*"])}


def entry_of(spec):
    architecture = spec.name.partition(".")[0]
    return architecture, get_model_weights(architecture)[spec.weights.name]


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


class WithoutValues(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, function, types, arguments=(), options=None):
        where = {"device": "meta"} if function is torch.empty else {}
        return function(*arguments, **{**(options or {}), **where})


with WithoutValues():
    distinct_models = {(s.name.partition(".")[0], s.parameters): s for s in specs.values()}
    for spec in distinct_models.values():
        results[spec.name + " parameters"] = count(source_of(spec).build(spec, None))


class Spy(torch.nn.Module):
    def forward(self, x):
        self.seen = x
        return x.flatten(1)


def encoded(height, width):
    pixels = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((width, height)).save(file, "bmp")
    return file.getvalue()


SHAPES = [(1, 1), (30, 200), (90, 31), (231, 233), (224, 224), (255, 256), (256, 257), (333, 500)]
SHAPES += [(375, 500), (501, 334), (599, 601), (640, 480)]
data = [encoded(*shape) for shape in SHAPES]
data += [picture.read() for picture in spread(open_pictures("demo").pictures, 8)]
pictures = [(one, Image.open(io.BytesIO(one)).convert("RGB")) for one in data]
for recipe, name in {spec.recipes["published"]: n for n, spec in reversed(specs.items())}.items():
    transform = entry_of(specs[name])[1].transforms()
    how = {"interpolation": transform.interpolation, "antialias": transform.antialias}
    results[name + " crops"] = all(
        np.array_equal(
            crop(one, recipe),
            np.asarray(F.center_crop(F.resize(picture, transform.resize_size, **how),
                                     transform.crop_size)),
        )
        for one, picture in pictures
    )
    spy = Spy()
    predict = pytorch.predictor(spy, recipe.scaling, device)
    for one, picture in pictures[-2:]:
        predict(crop(one, recipe)[None])
        worst = (spy.seen[0] - transform(picture)).abs().max().item()
        results[name + " input"] = max(worst, results.get(name + " input", 0.0))


def distinct(model, batch):
    '''Give the layers that start as zeros, and the last one, weights that tell pictures apart.'''
    layers = [m for m in model.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    (*_, last) = [m for m in layers if isinstance(m, torch.nn.Linear) and m.out_features == 1000]
    with torch.inference_mode():
        if not last.weight.any():
            last.weight.normal_(std=0.02)
        logits = model(batch)
        last.weight /= (logits - logits.mean(0)).std()


torch.nn.init.trunc_normal_ = torch.nn.init.normal_  # which is faster
os.environ["TORCH_HOME"] = str(folder)
files = folder / "hub" / "checkpoints"
files.mkdir(parents=True)
two = [picture.read() for picture in spread(open_pictures("demo").pictures, 2)]
for name in families:
    spec = specs[name]
    architecture, entry = entry_of(spec)
    transform = entry.transforms()
    batch = torch.stack([transform(Image.open(io.BytesIO(d)).convert("RGB")) for d in two])
    special = {}
    if architecture == "googlenet":  # the file has tensors that the pretrained model lacks
        special = {"aux_logits": True, "init_weights": False, "transform_input": True}
    torch.manual_seed(0)
    model = get_model(architecture, weights=None, **special).eval()
    distinct(model, batch)
    path = files / spec.weights.file
    torch.save(model.state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    ours = dataclasses.replace(spec, weights=dataclasses.replace(spec.weights, sha256=digest))
    loaded = load(ours, -1, weights_folder=files)
    plain = get_model(architecture, weights=entry).eval().to(memory_format=torch.channels_last)
    path.unlink()
    recipe = spec.recipes["published"]
    mine = loaded.predictor(recipe.scaling)(np.stack([crop(data, recipe) for data in two]))
    with torch.inference_mode():
        theirs = plain(batch.contiguous(memory_format=torch.channels_last)).softmax(1).numpy()
    results[name + " spread"] = np.abs(theirs - theirs[::-1]).max()
    results[name + " difference"] = np.abs(mine - theirs).max()
    state, again = plain.state_dict(), loaded.model.state_dict()
    results[name + " reloaded"] = state.keys() == again.keys() and all(
        torch.equal(state[key], again[key]) for key in state
    )
np.savez(folder / "results.npz", **results)
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("torchvision")
    command = [sys.executable, "-c", ALONE, str(folder), *FAMILIES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(np.load(folder / "results.npz"))


def test_the_shipped_entries_are_those_of_the_pinned_torchvision(alone):
    """If they are not: python -m benchmarking.models.sources._torchvision_enums > DATA.json."""
    assert alone["shipped"]


def test_every_model_has_as_many_parameters_as_its_metadata_say(alone):
    published = {spec.name: spec.parameters for spec in SPECS}
    found = {key.split()[0]: int(n) for key, n in alone.items() if key.endswith(" parameters")}
    assert found == {name: published[name] for name in found}
    assert {name.partition(".")[0] for name in found} == {n.partition(".")[0] for n in published}


def test_there_are_27_recipes():
    assert len(RECIPES) == 27


@pytest.mark.parametrize("name", RECIPES.values())
def test_inputs_are_those_of_the_librarys_transform(alone, name):
    assert alone[f"{name} crops"]
    assert alone[f"{name} input"] <= 1e-6


@pytest.mark.parametrize("name", FAMILIES)
def test_a_file_of_weights_gives_the_same_model_as_in_the_library_alone(alone, name):
    assert alone[f"{name} reloaded"]
    assert alone[f"{name} spread"] > 1e-5
    assert alone[f"{name} difference"] < 1e-6
