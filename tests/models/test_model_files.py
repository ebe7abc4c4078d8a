"""Models of the user's own in one file, and their recipes beside them."""

import hashlib
import json
import os
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper
from small_models import MATRIX, expected, small_onnx

from benchmarking import BenchmarkError, Run, Store, evaluate, load_model, open_images, predict
from benchmarking.inference.events import Progress
from benchmarking.inference.plan import Options, plan
from benchmarking.models.sources.model_file import spec_of_model_file
from benchmarking.pictures.crop import crop
from benchmarking.pictures.recipe import SCALINGS, Preprocessing, Scaling

RECIPE = Preprocessing("pillow", "bilinear", resize=10, crop=8, scaling=SCALINGS["torch"])
RAW = replace(RECIPE, scaling=Scaling())
RUN = Run("grey", "model-file", "net", "published")


@pytest.fixture
def images(tree):
    return open_images(tree, name="grey")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def probabilities_of(images, recipe, matrix=MATRIX):
    crops = np.stack([crop(picture.read(), recipe) for picture in images])
    return expected(crops, recipe.scaling, matrix)


def predicted(path, images, store, recipe=RECIPE, **options):
    """Stored probabilities of all classes, predicted in this process."""
    how = {"recipe": recipe, "keep": "all", "executor": "in-process", **options}
    (run,) = predict(path, images, store, **how)
    return store.read_probabilities(run)


@pytest.mark.parametrize(
    ("options", "recipe"),
    [
        ({}, RECIPE),
        ({"layout": "NHWC"}, RECIPE),
        ({"last": "Softmax"}, RECIPE),
        ({"last": "LogSoftmax"}, RECIPE),
        ({"shape": ["n", 3, "height", "width"]}, RECIPE),
        ({"kind": TensorProto.DOUBLE}, RECIPE),
        ({"dtype": TensorProto.UINT8, "matrix": MATRIX / 99}, RAW),
        ({"dtype": TensorProto.UINT8, "layout": "NHWC", "matrix": MATRIX / 99}, RAW),
        ({}, replace(RECIPE, scaling=SCALINGS["torch-swapped"])),
        ({"matrix": MATRIX / 99}, replace(RECIPE, scaling=SCALINGS["caffe"])),
    ],
)
def test_an_onnx_file_of_any_layout_type_and_output_gives_the_probabilities_of_numpy(
    tmp_path, options, recipe
):
    path = small_onnx(tmp_path / "net.onnx", **options)
    crops = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    crops[..., 0] //= 3  # so that an exchange of channels is seen
    found = load_model(path, recipe=recipe).probabilities(crops)
    assert (
        np.abs(found - expected(crops, recipe.scaling, options.get("matrix", MATRIX))).max() < 1e-5
    )


def test_pixels_of_half_precision_are_rounded_once(images, store, tmp_path):
    path = small_onnx(tmp_path / "net.onnx", dtype=TensorProto.FLOAT16)
    found = predicted(path, images, store)
    difference = np.abs(found - probabilities_of(images, RECIPE)).max()
    assert 0 < difference < 0.02


def test_a_file_for_a_fixed_number_of_pictures_gives_the_same_and_says_so(images, store, tmp_path):
    path = small_onnx(tmp_path / "net.onnx", shape=[4, 3, 8, 8])
    found = predicted(path, images, store)
    assert np.abs(found - probabilities_of(images, RECIPE)).max() < 1e-5
    made = store.provenance(RUN)
    assert (made.batch_size, made.input_shapes) == (4, ((4, 8, 8, 3), (2, 8, 8, 3)))
    with pytest.raises(BenchmarkError, match=r"takes exactly 4 pictures at once, so .* be 3"):
        predicted(path, images, store, batch_size=3, again=True)
    model = load_model(path, recipe=RECIPE)
    assert len(model.probabilities(np.zeros((9, 8, 8, 3), np.uint8))) == 9


def test_a_run_of_an_onnx_file_records_its_digest_and_is_stored_once(
    images, store, tmp_path, tree, call
):
    path = small_onnx(tmp_path / "net.onnx")
    (tmp_path / "net.recipe.json").write_text(json.dumps(RECIPE.as_document()))
    command = ["predict", tree, "--images", "grey", "--model-file", path, "--store", store.folder]
    status, out, _ = call(*command, "--executor", "worker-process", "--workers", "1")
    assert (status, out.splitlines()[0][:25]) == (0, "1 model (1 ONNX Runtime),")
    made = store.provenance(RUN)
    assert made.weights == {
        "name": "onnx file",
        "file": "net.onnx",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "published_digest": "none",
    }
    assert (made.platform, made.precision, made.device) == ("ONNX Runtime", "its own", "cpu")
    assert made.preprocessing == RECIPE.as_document()
    assert "onnxruntime" in made.versions
    assert "complete since" in call(*command)[1]


def test_a_changed_file_or_recipe_never_replaces_a_stored_run_without_a_word(
    images, store, tmp_path
):
    path = small_onnx(tmp_path / "net.onnx")
    predicted(path, images, store)
    other = replace(RECIPE, resize=12)
    with pytest.raises(BenchmarkError, match=r"of another recipe \(resize 10\); this one .* 12\."):
        predicted(path, images, store, other)
    small_onnx(path, matrix=-MATRIX)
    with pytest.raises(BenchmarkError, match=r"of another file \(sha256 .* Give it another name"):
        predicted(path, images, store)
    predicted(path, images, store, name="other")
    predicted(path, images, store, again=True)
    assert [run.model for run in store.runs("grey")] == ["net", "other"]


def test_an_interrupted_run_is_resumed_only_with_the_same_file(
    images, store, tmp_path, monkeypatch
):
    monkeypatch.setattr("benchmarking.inference.partial_run.KEPT_EVERY", 2)
    path = small_onnx(tmp_path / "net.onnx")

    def attempt():
        spec = spec_of_model_file(path, recipe=RECIPE)
        options = Options(batch_size=1, executor="in-process")
        made = plan((), "grey", len(images), store, options, own=[spec])
        return closing(made.sweep(images))

    def progress(events):
        return [event.pictures for event in events if isinstance(event, Progress)]

    def interrupt():
        with attempt() as events:
            for event in events:
                if sum(progress([event])) and len(list(store.folder.rglob("*.npz"))):
                    return

    interrupt()
    with attempt() as events:
        assert sum(progress(events)) == 6
    assert "resumed with" in store.provenance(RUN).incidents[0]
    store.path(RUN).unlink()
    interrupt()
    small_onnx(path, matrix=-MATRIX)
    with attempt() as events:
        assert sum(progress(events)) == 6
    assert store.provenance(RUN).incidents == ()
    found = store.read(RUN).probabilities[:, 0]
    assert np.abs(found - probabilities_of(images, RECIPE, -MATRIX).max(axis=1)).max() < 1e-5


def test_weights_in_files_beside_an_onnx_file_are_digested_too(images, store, tmp_path):
    path = small_onnx(tmp_path / "net.onnx", external="net.data")
    found = predicted(path, images, store)
    assert np.abs(found - probabilities_of(images, RECIPE)).max() < 1e-5
    data = tmp_path / "net.data"
    digest = hashlib.sha256(data.read_bytes()).hexdigest()
    assert store.provenance(RUN).weights["beside"] == {"net.data": digest}
    spec = spec_of_model_file(path, recipe=RECIPE)
    data.write_bytes(data.read_bytes()[::-1])
    with pytest.raises(BenchmarkError, match=r"of another file \(beside"):
        predicted(path, images, store)
    made = plan((), "grey", len(images), store, Options(again=True), own=[spec])
    from benchmarking.models.loaded import load

    with pytest.raises(BenchmarkError, match="net.data was changed while net.onnx was in use"):
        load(made.specs[0], -1)
    data.unlink()
    with pytest.raises(BenchmarkError, match=r"weights in net.data, which is missing from"):
        predicted(path, images, store)


def dropout(training):
    return (helper.make_node("Dropout", ["scores", "ratio", training], ["dropped"]),)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": ("scale",)}, r"has 2 inputs \(pixels, scale\); expected only one, pictures"),
        ({"outputs": ("means",)}, r"has 2 outputs \(scores, means\); expected only one, one sco"),
        ({"matrix": np.ones((3, 1001), np.float32)}, "net.onnx has 1,001 outputs, one more than"),
        ({"matrix": np.ones((3, 21843), np.float32)}, "has 21,843 outputs, the classes of a larg"),
        ({"matrix": np.ones((3, 10), np.float32)}, "has 10 outputs; expected 1,000"),
        ({"kind": TensorProto.INT64}, r"gives int64 \(scores: .*\), so it seems to give classes"),
        ({"dtype": TensorProto.DOUBLE}, r"takes float64 \(pixels: float64 of \? x 3 x 8 x 8\)"),
        ({"shape": ["n", "c", "h", "w"]}, r"takes pixels: .* \? x \? x \? x \?; expected four"),
        ({"shape": ["n", 192]}, r"takes pixels: float32 of \? x 192; expected four axes"),
        ({"shape": ["n", 3, 9, 9]}, "takes pictures of 9 x 9 pixels, and the recipe makes 8 x 8"),
        ({"dtype": TensorProto.UINT8}, r"takes uint8 pixels .* give \"scaling\": \"identity\""),
        ({"more": dropout("true")}, "was exported in training mode: its Dropout makes"),
    ],
)
def test_an_onnx_file_that_is_no_classifier_in_inference_mode_is_refused(
    tmp_path, options, message
):
    path = small_onnx(tmp_path / "net.onnx", **options)
    with pytest.raises(BenchmarkError, match=message):
        spec_of_model_file(path, recipe=RECIPE)


def test_a_dropout_that_is_switched_off_is_accepted(tmp_path):
    path = small_onnx(tmp_path / "net.onnx", more=dropout(""))
    assert spec_of_model_file(path, recipe=RECIPE).framework == "onnx"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[: len(data) // 2], "net.onnx is damaged, or is no ONNX file"),
        (lambda data: b"hello", "net.onnx is damaged, or is no ONNX file"),
        (lambda data: b"", "net.onnx is damaged, or is no ONNX file: it contains no operations"),
        (lambda data: data.replace(b"MatMul", b"NatNul"), "net.onnx cannot be run by ONNX Runtim"),
    ],
)
def test_a_damaged_onnx_file_is_refused(images, store, tmp_path, change, message):
    path = small_onnx(tmp_path / "net.onnx")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(BenchmarkError, match=message):
        predicted(path, images, store)


def test_an_onnx_file_of_40_gigabytes_is_refused_with_its_size_and_the_limit(tmp_path):
    path = tmp_path / "net.onnx"
    path.touch()
    os.truncate(path, 40 * 2**30)
    message = "net.onnx has 42,949,672,960 bytes, and an ONNX file has at most 2,147,483,647. "
    with pytest.raises(BenchmarkError, match=message):
        spec_of_model_file(path, recipe=RECIPE)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError, "net.onnx does not fit into the memory of this machine"),
        (AssertionError, "net.onnx is damaged, or is no ONNX file: AssertionError"),
    ],
)
def test_an_error_without_words_gets_a_reason(tmp_path, monkeypatch, error, message):
    def load(*_, **__):
        raise error

    monkeypatch.setattr("onnx.load", load)
    with pytest.raises(BenchmarkError, match=message):
        spec_of_model_file(small_onnx(tmp_path / "net.onnx"), recipe=RECIPE)


def test_nan_in_the_weights_is_reported_with_the_first_picture(images, store, tmp_path):
    path = small_onnx(tmp_path / "net.onnx", matrix=MATRIX * np.nan)
    with pytest.raises(BenchmarkError, match="contains NaN or infinity for 6 of 6 pictures"):
        predicted(path, images, store)


def test_outputs_of_a_sigmoid_are_refused(images, store, tmp_path):
    path = small_onnx(tmp_path / "net.onnx", last="Sigmoid")
    with pytest.raises(BenchmarkError, match="neither probabilities nor logits: values from"):
        predicted(path, images, store)


def test_a_file_that_fails_on_a_batch_says_so_with_the_batch_size(images, store, tmp_path):
    both = (helper.make_node("Reshape", ["scores", "shape"], ["reshaped"]),)
    path = small_onnx(tmp_path / "net.onnx", more=both)
    message = r"net.onnx failed on a batch of 6 pictures: .* name that with --batch-size"
    with pytest.raises(BenchmarkError, match=message):
        predicted(path, images, store)
    found = predicted(path, images, store, batch_size=1)
    assert np.abs(found - probabilities_of(images, RECIPE)).max() < 1e-5


def test_a_gpu_that_onnx_runtime_cannot_use_is_refused(images, store, tmp_path):
    path = small_onnx(tmp_path / "net.onnx")
    with pytest.raises(BenchmarkError, match="there is no GPU 7: ONNX Runtime .*sees no GPU"):
        predicted(path, images, store, gpu=7)


TOML = """
library = "pillow"
interpolation = "bilinear"
resize = 10
crop = 8
scaling = "torch"
"""


def test_a_recipe_is_read_from_json_or_toml_beside_the_model_or_from_a_named_file(tmp_path):
    path = small_onnx(tmp_path / "net.onnx")
    (tmp_path / "mine.json").write_text(json.dumps(RECIPE.as_document()))
    assert spec_of_model_file(path, recipe_file=tmp_path / "mine.json").recipes == {
        "published": RECIPE
    }
    (tmp_path / "net.recipe.toml").write_text(TOML)
    assert spec_of_model_file(path).recipes == {"published": RECIPE}
    (tmp_path / "net.recipe.json").write_text(json.dumps(RECIPE.as_document()))
    with pytest.raises(BenchmarkError, match="two recipes, net.recipe.json and net.recipe.toml"):
        spec_of_model_file(path)


def test_a_missing_recipe_is_refused_with_one_to_copy(tmp_path):
    path = small_onnx(tmp_path / "net.onnx", shape=["n", 3, "h", "w"])
    with pytest.raises(BenchmarkError, match="Write its recipe to net.recipe.json") as error:
        spec_of_model_file(path)
    text = str(error.value)
    (tmp_path / "net.recipe.json").write_text(text[text.index("{") : text.rindex("}") + 1])
    (recipe,) = spec_of_model_file(path).recipes.values()
    assert (recipe.resize, recipe.crop, recipe.scaling) == (256, 224, SCALINGS["torch"])
    assert spec_of_model_file(path, recipe="torchvision/resnet50").recipes["published"] == recipe


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("r.json", "{", "r.json is not JSON"),
        ("r.toml", "crop", "r.toml is not TOML"),
        ("r.json", "[" * 100_000, "r.json is not JSON"),
        ("r.json", "[1]", "r.json must be an object with names and values"),
        ("r.json", '{"crops": 3}', "r.json: a recipe has no 'crops'"),
        ("r.json", '{"crop": 3}', "r.json: a part of the recipe has no such value"),
        ("gone.json", None, "gone.json cannot be read"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path, name, text, message):
    path = small_onnx(tmp_path / "net.onnx")
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(BenchmarkError, match=message):
        spec_of_model_file(path, recipe_file=tmp_path / name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model-file", "gone.onnx"], "gone.onnx does not exist; give the file of a model"),
        (["--model-file", "net.pth"], "net.pth has no suffix of a model file"),
        (["--model-file", "a.onnx", "--checkpoint", "b.pth"], "give one of them"),
        (["--recipe-file", "r.json"], "--recipe-file is about a model file; give --model-file FI"),
        (["--recipe-of", "resnet50"], "--recipe-of is about a model file; give --model-file FILE"),
        (["--model-file", "a.onnx", "--arch", "resnet50"], "--arch is about a checkpoint"),
    ],
)
def test_options_that_do_not_fit_are_refused(call, store, options, message):
    status, _, err = call("predict", "demo", *options, "--store", store.folder)
    assert status == 2
    assert message in err


def test_random_weights_and_two_recipes_are_refused(tmp_path, call):
    path = small_onnx(tmp_path / "net.onnx")
    (tmp_path / "r.toml").write_text(TOML)
    command = ["predict", "demo", "--model-file", path, "--recipe-file", tmp_path / "r.toml"]
    command += ["--store", tmp_path / "s-random"]
    status, _, err = call(*command, "--weights", "random")
    assert (status, "a model file has its own weights" in err) == (2, True)
    status, _, err = call(*command, "--recipe-of", "torchvision/resnet50")
    assert (status, "net.onnx was given two recipes" in err) == (2, True)


def test_evaluate_takes_the_path_of_a_model(images, store, tmp_path):
    path = small_onnx(tmp_path / "net.onnx")
    (row,) = evaluate(str(path), images, store=store, recipe=RECIPE, executor="in-process").rows
    assert (row.run, row.platform) == (RUN, "ONNX Runtime")
    assert row.provenance.weights["file"] == "net.onnx"
