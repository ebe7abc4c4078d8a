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
# One for each engine.
QUANTIZED = [
    "quantized_shufflenet_v2_x0_5.IMAGENET1K_FBGEMM_V1",
    "quantized_resnet18.IMAGENET1K_FBGEMM_V1",
]
QUANTIZED += ["quantized_mobilenet_v2.IMAGENET1K_QNNPACK_V1"]

pytestmark = pytest.mark.models

ALONE = """
import dataclasses, hashlib, io, os, sys, warnings
from pathlib import Path
import numpy as np
from PIL import Image
import torch
import torchvision
from torchvision.models import get_model, get_model_weights
from torchvision.transforms import functional as F
from benchmarking.models.frameworks import pytorch
from benchmarking.errors import BenchmarkError, WeightsError
from benchmarking.models.loaded import load
from benchmarking.models.sources import _torchvision_enums, select, source_of
from benchmarking.models.torchvision_entries import as_json, shipped
from benchmarking.pictures.crop import crop
from benchmarking.pictures.image_set import spread
from benchmarking.pictures.sets import open_pictures

folder = Path(sys.argv[1])
families, quantized_ones = (argument.split() for argument in sys.argv[2:])
device = pytorch.prepare(-1)
results = {"shipped": as_json(_torchvision_enums.read()) == as_json(shipped())}
specs = {spec.name: spec for spec in select(["torchvision/*"])}


def entry_of(spec):
    architecture = spec.name.partition(".")[0]
    return architecture, get_model_weights(architecture)[spec.weights.name]


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def in_floating_point(spec):
    '''The model that was quantized: quantized weights are not parameters, so they count as none.'''
    if not spec.engine:
        return spec
    architecture, entry = entry_of(spec)
    weights = str(entry.meta["unquantized"]).partition(".")[2]
    bare = architecture.removeprefix("quantized_")
    return specs[bare if weights == "IMAGENET1K_V1" else f"{bare}.{weights}"]


class WithoutValues(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, function, types, arguments=(), options=None):
        if arguments and function.__name__.endswith(("normal_", "uniform_")):
            return arguments[0]
        where = {"device": "meta"} if function is torch.empty else {}
        return function(*arguments, **{**(options or {}), **where})


with WithoutValues():
    distinct_models = {(s.name.partition(".")[0], s.parameters): s for s in specs.values()}
    for spec in distinct_models.values():
        counted = in_floating_point(spec)
        results[spec.name + " parameters"] = count(source_of(counted).build(counted, None))


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


def quantized(architecture, entry, batch):
    '''A model whose ranges are those of a batch, as torchvision's references do it.'''
    model = get_model(architecture, weights=None, quantize=False)
    for layer in model.modules():  # else random layers hardly tell pictures apart, and int8 not
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    model.train()(batch)
    distinct(model.eval(), batch)
    ao = torch.ao.quantization
    torch.backends.quantized.engine = entry.meta["backend"]
    per_channel = entry.meta["backend"] == "fbgemm"
    weight = ao.default_per_channel_weight_observer if per_channel else ao.default_weight_observer
    model.qconfig = ao.QConfig(activation=ao.default_observer, weight=weight)
    model.fuse_model()
    ao.prepare(model, inplace=True)
    model(batch)
    return ao.convert(model)


torch.cuda.device_count = lambda: 1  # they run on the CPU even where there is a GPU
for name in quantized_ones:
    spec = specs[name]
    architecture, entry = entry_of(spec)
    transform = entry.transforms()
    batch = torch.stack([transform(Image.open(io.BytesIO(d)).convert("RGB")) for d in two])
    path = files / spec.weights.file
    torch.set_deterministic_debug_mode("default")
    torch.manual_seed(0)
    torch.save(quantized(architecture, entry, batch).state_dict(), path)
    plain = get_model(architecture, weights=entry, quantize=True).eval()
    with torch.inference_mode():
        theirs = plain(batch).softmax(1).numpy()
    torch.backends.quantized.engine = "onednn"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    ours = dataclasses.replace(spec, weights=dataclasses.replace(spec.weights, sha256=digest))
    recipe = spec.recipes["published"]
    crops = np.stack([crop(data, recipe) for data in two])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load(ours, None, weights_folder=files)
        predict = loaded.predictor(recipe.scaling)
        seen = []
        loaded.model.register_forward_hook(lambda *_: seen.append(torch.backends.quantized.engine))
        mine, again = predict(crops), predict(crops)
        one_by_one = np.concatenate([predict(crops[:1]), predict(crops[1:])])
        drawn = load(spec, None, seed=1).predictor(recipe.scaling)(crops)
    results[name + " spread"] = np.abs(theirs - theirs[::-1]).max()
    results[name + " difference"] = np.abs(mine - theirs).max()
    results[name + " repeated"] = np.array_equal(mine, again)
    results[name + " one by one"] = np.array_equal(mine, one_by_one)
    results[name + " drawn"] = drawn.sum(1)
    results[name + " device"] = f"{loaded.device.kind} {loaded.precision}"
    results[name + " engine"] = set(seen) == {spec.engine} == {entry.meta["backend"]}
    left = torch.backends.quantized.engine, torch.get_deterministic_debug_mode()
    results[name + " left"] = "{} {}".format(*left)
    path.unlink()
try:
    load(dataclasses.replace(spec, engine="steam"), None, seed=1)
except BenchmarkError as error:
    results["no engine"] = str(error)
torch.save(get_model("resnet18").state_dict(), files / "float.pth")
try:
    source_of(spec).build(specs["quantized_resnet18.IMAGENET1K_FBGEMM_V1"], files / "float.pth")
except WeightsError as error:
    results["not quantized"] = str(error)
np.savez(folder / "results.npz", **results)
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("torchvision")
    command = [sys.executable, "-c", ALONE, str(folder), *map(" ".join, (FAMILIES, QUANTIZED))]
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


@pytest.mark.parametrize("name", QUANTIZED)
def test_a_quantized_model_gives_what_the_library_alone_gives(alone, name):
    assert alone[f"{name} spread"] > 1e-5
    assert alone[f"{name} difference"] < 1e-6
    assert alone[f"{name} engine"]
    assert alone[f"{name} device"] == "cpu int8"
    assert alone[f"{name} drawn"] == pytest.approx([1, 1])


@pytest.mark.parametrize("name", QUANTIZED)
def test_a_quantized_model_gives_the_same_bits_again_and_in_every_batch(alone, name):
    """So its kernels may run although PyTorch calls one of their steps not deterministic."""
    assert alone[f"{name} repeated"]
    assert alone[f"{name} one by one"]


@pytest.mark.parametrize("name", QUANTIZED)
def test_after_a_quantized_model_pytorch_is_strict_again_and_has_its_own_engine(alone, name):
    assert alone[f"{name} left"] == "onednn 2"


def test_an_engine_that_the_machine_does_not_have_is_named(alone):
    said = str(alone["no engine"])
    assert said.startswith("the weights are quantized for the engine 'steam', which PyTorch does")
    assert "fbgemm" in said


def test_a_file_in_floating_point_does_not_fit_a_quantized_model(alone):
    assert "float.pth does not fit quantized_resnet18.IMAGENET1K_FBGEMM_V1: " in str(
        alone["not quantized"]
    )
