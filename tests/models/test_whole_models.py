"""Whole models of PyTorch and Keras in a file; each framework runs in a process of its own."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarking import BenchmarkError, Run, Store
from benchmarking.models.sources.model_file import spec_of_model_file

ROOT = Path(__file__).parents[2]
LITE = "efficientnet-lite0"
pytestmark = pytest.mark.models

COMMON = """
import json, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from benchmarking import SCALINGS, BenchmarkError, Recipe, load_model, predict
from benchmarking.models.sources import source_of, spec_of, weights_path

folder = Path(sys.argv[1])
RECIPE = Recipe("pillow", "bilinear", 10, 8, SCALINGS["torch"])
CROPS = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
said = {}

def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)

def scaled(crops=CROPS):
    return ((crops / np.float32(255) - RECIPE.scaling.mean) / RECIPE.scaling.std).astype("f4")

def check(name, path, expected=None, recipe=RECIPE):
    try:
        found = load_model(path, recipe=recipe, gpu=-1).probabilities(CROPS)
        said[name] = "no error" if expected is None else float(np.abs(found - expected).max())
    except BenchmarkError as error:
        said[name] = str(error)

def lite(source):
    spec = spec_of(source, "efficientnet-lite0")
    return source_of(spec).build(spec, weights_path(spec, None)), spec
"""

TORCH = """
import torch

class Net(torch.nn.Module):
    def __init__(self, classes=1000, last=torch.nn.Identity(), layout="NCHW", divide=1):
        super().__init__()
        torch.manual_seed(3)
        self.norm, self.drop = torch.nn.BatchNorm2d(3), torch.nn.Dropout(0.5)
        self.line, self.last = torch.nn.Linear(3, classes), last
        self.layout, self.divide = layout, divide

    def forward(self, x):
        x = x if self.layout == "NCHW" else x.permute(0, 3, 1, 2)
        x = self.norm(x.to(self.line.weight.dtype) / self.divide)
        return self.last(20 * self.line(self.drop(x).mean((2, 3))))

class Two(Net):
    def forward(self, x, y):
        return super().forward(x), y

def save(name, net, *given, free=None):
    path = folder / f"{name}.pt2"
    given = given or (torch.zeros(2, 3, 8, 8),)
    with torch.no_grad():
        program = torch.export.export(net, given, dynamic_shapes=free)
    torch.export.save(program, path)
    return path

def logits(net):
    with torch.inference_mode():
        return net(torch.from_numpy(scaled()).permute(0, 3, 1, 2)).numpy()

BATCH = {0: torch.export.Dim("batch")}
net = Net().eval()
right = softmax(logits(net))
check("free", save("free", net, free=(BATCH,)), right)
check("fixed", save("fixed", net), right)
least = {0: torch.export.Dim("batch", min=7, max=9)}
check("seven or more", save("seven", net, torch.zeros(8, 3, 8, 8), free=(least,)), right)
most = {0: torch.export.Dim("batch", max=4)}
check("at most four", save("four", net, torch.zeros(3, 3, 8, 8), free=(most,)))
nhwc = Net(layout="NHWC").eval()
check("channels last", save("nhwc", nhwc, torch.zeros(2, 8, 8, 3), free=(BATCH,)), right)
whole = Net(divide=255).eval()
path = save("uint8", whole, torch.zeros(2, 3, 8, 8, dtype=torch.uint8), free=(BATCH,))
with torch.inference_mode():
    raw = whole(torch.from_numpy(CROPS).permute(0, 3, 1, 2)).numpy()
check("uint8", path, softmax(raw), replace(RECIPE, scaling=SCALINGS["identity"]))
check("uint8, scaled", path)
check("softmax", save("soft", Net(last=torch.nn.Softmax(1)).eval()))
check("training", save("training", Net()))
check("1,001", save("1001", Net(1001).eval()))
check("21k", save("21k", Net(21841).eval()))
check("two inputs", save("two", Two().eval(), torch.zeros(2, 3, 8, 8), torch.zeros(1)))
check("half", save("half", Net().eval().half()))
check("size", save("size", net, torch.zeros(2, 3, 9, 9)))
check("nan", save("nan", Net(last=torch.nn.Threshold(1e9, float("nan"))).eval()))
with (folder / "free.pt2").open("rb") as file:
    (folder / "cut.pt2").write_bytes(file.read(5000))
check("cut", folder / "cut.pt2")
import zipfile
with zipfile.ZipFile(folder / "other.pt2", "w") as archive:
    archive.writestr("hello", "there")
check("another archive", folder / "other.pt2")

model, spec = lite("efficientnet-lite-pytorch")
path = save("lite", model.eval(), torch.zeros(2, 3, 224, 224), free=(BATCH,))
torch.onnx.export(torch.export.load(path), (), folder / "lite.onnx", external_data=False)
for path in (folder / "lite.pt2", folder / "lite.onnx"):
    predict(path, "demo", folder / "store", name=path.suffix[1:], recipe=spec.full_name,
            executor="in-process", gpu=-1)
print("said:", json.dumps(said))
"""

KERAS = """
from benchmarking.models.frameworks import keras as framework
framework.prepare(-1)
import keras
from keras import layers

WIDE = keras.initializers.RandomNormal(stddev=3, seed=4)

def net(classes=1000, activation=None, dtype="float32", batch=None, more=(), size=8, **options):
    keras.utils.set_random_seed(2)
    inputs = keras.Input((size, size, 3), batch_size=batch, dtype=dtype, **options)
    x = layers.GlobalAveragePooling2D()(inputs)
    for layer in more:
        x = layer(x)
    return keras.Model(inputs, layers.Dense(classes, activation=activation,
                                           kernel_initializer=WIDE)(x))

def save(name, model):
    path = folder / f"{name}.keras"
    model.save(path)
    return path

@keras.saving.register_keras_serializable("mine")
class Mine(layers.Layer):
    def call(self, x):
        return x

def activation(x):
    return x * x

model = net()
logits = np.asarray(model(scaled()))
check("logits", save("logits", model), softmax(logits))
check("softmax", save("softmax", net(activation="softmax")), softmax(logits))
check("fixed to 1", save("fixed", net(batch=1)), softmax(logits))
check("fixed to 4", save("four", net(batch=4)))
check("custom", save("custom", net(more=[Mine()])))
check("function", save("function", net(activation=activation)))
check("lambda", save("lambda", net(more=[layers.Lambda(lambda x: x)])))
check("1,001", save("1001", net(1001)))
check("size", save("size", net(size=9)))
two = keras.Model(model.inputs, [model.output, model.output])
check("two outputs", save("two", two))
check("uint8", save("uint8", net(dtype="uint8")))
keras.config.set_dtype_policy("mixed_float16")
check("mixed", save("mixed", net()))
keras.config.set_dtype_policy("float32")
with (folder / "logits.keras").open("rb") as file:
    (folder / "cut.keras").write_bytes(file.read(3000))
check("cut", folder / "cut.keras")

model, spec = lite("efficientnet-lite-keras")
path = save("lite", model)
predict(path, "demo", folder / "store", name="keras", recipe=spec.full_name,
        executor="in-process", gpu=-1)
print("said:", json.dumps(said))
"""


def said_by(script, folder):
    done = subprocess.run(
        [sys.executable, "-c", COMMON + script, str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.rpartition("said:")[2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def torchs(folder):
    return said_by(TORCH, folder)


@pytest.fixture(scope="module")
def kerass(folder):
    return said_by(KERAS, folder)


@pytest.mark.parametrize("door", ["pt2", "onnx", "keras"])
def test_lite0_with_real_weights_predicts_the_same_from_every_kind_of_file(
    torchs, kerass, folder, door
):
    store, shipped = Store(folder / "store"), Store(ROOT / "precomputed")
    found = store.read(Run("demo", "model-file", door, "published"))
    ours = shipped.read(Run("demo", "efficientnet-lite-pytorch", LITE, "published"))
    assert (found.classes == ours.classes).all()
    assert np.abs(found.probabilities - ours.probabilities).max() < 1e-5


@pytest.mark.parametrize("kind", ["free", "fixed", "seven or more", "channels last", "uint8"])
def test_a_program_of_any_batch_size_layout_and_type_predicts_as_its_module(torchs, kind):
    assert torchs[kind] < 1e-6


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("at most four", "four.pt2 takes at most 4 pictures at once; give that as --batch-size"),
        ("uint8, scaled", "uint8.pt2 takes uint8 pixels and scales them itself"),
        ("softmax", "the model's output sums to one, so it seems to end in softmax; give its log"),
        ("training", "training.pt2 was exported in training mode: its aten.batch_norm.default"),
        ("1,001", "1001.pt2 has 1,001 outputs, one more than there are classes"),
        ("21k", "21k.pt2 has 21,841 outputs, the classes of a larger part of ImageNet"),
        ("two inputs", "two.pt2 has 2 inputs (x, y); expected only one, pictures"),
        ("half", "half.pt2 has weights in float16; export the model in float32"),
        ("size", "size.pt2 takes pictures of 9 x 9 pixels, and the recipe makes 8 x 8"),
        ("nan", "the model's output contains NaN or infinity for 5 of 5 pictures"),
        ("cut", "cut.pt2 is damaged, or torch.export.save has not written it"),
        ("another archive", "other.pt2 is damaged, or torch.export.save of another version"),
    ],
)
def test_a_program_that_is_no_classifier_in_evaluation_mode_is_refused(torchs, kind, message):
    assert message in torchs[kind]


@pytest.mark.parametrize("kind", ["logits", "softmax", "fixed to 1"])
def test_a_model_of_keras_may_give_logits_or_probabilities(kerass, kind):
    assert kerass[kind] < 1e-6


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("fixed to 4", "four.keras takes exactly 4 pictures at once; save it with a free batch"),
        ("custom", "custom.keras uses Mine, which is none of Keras's own classes"),
        ("function", "function.keras uses activation, which is none of Keras's own classes and"),
        ("lambda", "lambda.keras has a Lambda layer, and code in a file is not run. Load it in"),
        ("1,001", "1001.keras has 1,001 outputs, one more than there are classes"),
        ("size", "size.keras takes pictures of 9 x 9 pixels, and the recipe makes 8 x 8"),
        ("two outputs", "two.keras has 2 outputs ("),
        ("uint8", "uint8.keras takes uint8 pixels and scales them itself"),
        ("mixed", "mixed.keras computes in float16; build the model again"),
        ("cut", "cut.keras is damaged, or model.save has not written it: File is not a zip file"),
    ],
)
def test_a_model_of_keras_with_foreign_code_or_no_classifier_is_refused(kerass, kind, message):
    assert message in kerass[kind]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("hello", "there", "no item named 'config.json"),
        ("config.json", "{", "Expecting property name"),
        ("config.json", "[" * 100_000, "maximum recursion depth exceeded"),
        ("config.json", '{"class_name": "Net", "module": "mine"}', "net.keras uses Net, which is"),
        ("config.json", '{"a": [{"class_name": "Lambda"}]}', "net.keras has a Lambda layer"),
    ],
)
def test_the_configuration_of_a_keras_file_is_checked_before_keras_reads_it(
    tmp_path, name, text, message
):
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr(name, text)
    with pytest.raises(BenchmarkError, match=message):
        spec_of_model_file(tmp_path / "net.keras", recipe="torchvision/resnet50")
