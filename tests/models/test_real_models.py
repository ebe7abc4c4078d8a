"""Real models with real weights on real pictures, run like a user does; this takes minutes."""

import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from benchmarking.labels.imagenet import validation_labels, wnids
from benchmarking.pictures.sets import open_pictures
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store

ROOT = Path(__file__).parents[2]
SIZES = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")

pytestmark = pytest.mark.models


def run(source: str, model: str, images: str = "sample_images-limit-12") -> Run:
    return Run(images, f"efficientnet-lite-{source}", model, "published")


WATCHED = """
import sys
from benchmarking.cli import main
assert main(sys.argv[1:]) == 0
print("loaded:", {"torch", "keras", "tensorflow"} & set(sys.modules))
"""


@pytest.fixture(scope="module")
def computed(sample_images, tmp_path_factory):
    """All six models on 12 of the 500 sample pictures, and what the command printed."""
    folder = tmp_path_factory.mktemp("fresh")
    options = ["--limit", "12", "--save-all-probs", "--store", str(folder)]
    command = [sys.executable, "-c", WATCHED, "predict", str(sample_images), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""  # output of the frameworks is shown only for failures
    return Store(folder), done.stdout


@pytest.fixture
def store(computed):
    return computed[0]


@pytest.mark.parametrize("model", SIZES)
@pytest.mark.parametrize("source", ["pytorch", "keras"])
def test_fresh_predictions_are_the_shipped_ones(store, source, model):
    shipped = Store(ROOT / "precomputed")
    stored, fresh = run(source, model, "imagenet-sample-500"), run(source, model)
    place = {key: row for row, key in enumerate(shipped.rows(stored.images).keys)}
    rows = [place[key] for key in store.rows(fresh.images).keys]
    expected, found = shipped.read(stored), store.read(fresh)
    assert len(rows) == 12
    assert (found.classes[:, 0] == expected.classes[rows, 0]).all()
    assert np.abs(found.probabilities - expected.probabilities[rows]).max() < 1e-4


@pytest.mark.parametrize("model", SIZES)
def test_the_same_weights_give_the_same_predictions_in_both_frameworks(store, model):
    pytorch, keras = run("pytorch", model), run("keras", model)
    assert (store.read(pytorch).classes == store.read(keras).classes).all()
    difference = store.read_probabilities(pytorch) - store.read_probabilities(keras)
    assert np.abs(difference).max() < 1e-5


def test_each_keras_model_had_a_process_of_its_own_and_pytorch_models_shared_one(store):
    pids = {
        s: [store.provenance(run(s, m)).process_id for m in SIZES] for s in ("pytorch", "keras")
    }
    assert len(set(pids["pytorch"])) == 1
    assert len({*pids["keras"], *pids["pytorch"]}) == 4


def test_the_commands_own_process_loads_no_framework(computed):
    assert computed[1].splitlines()[-1] == "loaded: set()"


@pytest.mark.parametrize(("model", "side"), list(zip(SIZES, (224, 240, 260), strict=True)))
def test_every_input_of_a_keras_model_was_one_picture(store, model, side):
    assert store.provenance(run("keras", model)).input_shapes == ((1, side, side, 3),)
    assert store.provenance(run("pytorch", model)).input_shapes == (
        (8, side, side, 3),
        (4, side, side, 3),
    )


THREE_WAYS = """
import sys
from benchmarking.cli import main
models = ["--models", "squeezenet1_1", "alexnet", "--weights", "random", "--limit", "30"]
for store, *how in (["plain", "none"], ["one", "none", "--workers", "1"], ["shared", "crops"]):
    command = ["predict", sys.argv[1], *models, "--crop-cache", *how, "--store", store]
    assert main([*command, "--executor", "in-process"]) == 0  # so the framework is loaded once
"""


def test_shared_crops_and_workers_change_no_bit_of_a_real_prediction(sample_images, tmp_path):
    command = [sys.executable, "-c", THREE_WAYS, str(sample_images.resolve())]
    subprocess.run(command, cwd=tmp_path, check=True)
    found = []
    for name in ("plain", "one", "shared"):
        store = Store(tmp_path / f"{name}-random")
        runs = store.runs("sample_images-limit-30")
        assert [run.model for run in runs] == ["alexnet", "squeezenet1_1"]
        found.append([store.read(run) for run in runs])
    (crops,) = (tmp_path / "crops").glob("*.crops")
    assert crops.stat().st_size == 30 * (224 * 224 * 3 + 4)
    for one, other in zip(found[0] * 2, found[1] + found[2], strict=True):
        assert (one.classes == other.classes).all()
        assert (one.probabilities == other.probabilities).all()


def test_timm_with_the_same_weights_and_its_own_transform_gives_the_same_top_5(
    store, sample_images
):
    """timm has another implementation of the architecture and of the preprocessing."""
    import timm
    import torch
    from PIL import Image

    from benchmarking.models.sources import spec_of, weights_path

    spec = spec_of("efficientnet-lite-pytorch", "efficientnet-lite0")
    state = torch.load(weights_path(spec, None), weights_only=True)
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    # The same modules in the same order, under other names.
    model.load_state_dict(dict(zip(model.state_dict(), state.values(), strict=True)))
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=model))
    keys = set(store.rows("sample_images-limit-12").keys)
    pictures = [one for one in open_pictures(str(sample_images)).pictures if one.key in keys]
    with torch.inference_mode():
        said = np.stack(
            [
                model(transform(Image.open(picture.place.path).convert("RGB"))[None])[0]
                .topk(5)
                .indices
                for picture in pictures
            ]
        )
    ours = store.read(run("pytorch", "efficientnet-lite0")).classes
    assert (ours == said).all()


THREE_LAYOUTS = """
import sys
from benchmarking.cli import main
options = ["--images", "same", "--models", "efficientnet-lite-pytorch/efficientnet-lite0"]
for place in sys.argv[1:]:
    command = ["predict", place, *options, "--store", f"{place}-store"]
    assert main([*command, "--executor", "in-process"]) == 0  # so the framework is loaded once
"""


def test_flat_folder_class_tree_and_tar_give_identical_predictions(sample_images, tmp_path):
    """The same pictures under validation names, in the three usual layouts."""
    (tmp_path / "flat").mkdir()
    for picture in open_pictures(str(sample_images)).pictures[:30]:
        number = int(np.flatnonzero(validation_labels() == picture.label)[3]) + 1
        name = f"ILSVRC2012_val_{number:08d}.JPEG"
        folder = tmp_path / "tree" / wnids()[picture.label]
        folder.mkdir(parents=True)
        shutil.copy(picture.place.path, folder / name)
        shutil.copy(picture.place.path, tmp_path / "flat" / name)
    with tarfile.open(tmp_path / "val.tar", "w") as tar:
        for path in (tmp_path / "flat").iterdir():  # in any order
            tar.add(path, path.name)
    places = ("flat", "tree", "val.tar")
    subprocess.run([sys.executable, "-c", THREE_LAYOUTS, *places], cwd=tmp_path, check=True)
    one, *others = (Store(tmp_path / f"{place}-store") for place in places)
    (r,) = one.runs("same")
    for other in others:
        assert (one.read(r).classes == other.read(r).classes).all()
        assert (one.read(r).probabilities == other.read(r).probabilities).all()
        assert one.provenance(r).images == other.provenance(r).images
        rows = [store.folder / "same" / "images.csv" for store in (one, other)]
        assert rows[0].read_bytes() == rows[1].read_bytes()


def test_a_missing_gpu_is_a_clear_failure(tmp_path):
    command = [sys.executable, "-m", "benchmarking", "predict", "demo", "--gpu", "99"]
    done = subprocess.run(
        [*command, "--models", f"*pytorch/{SIZES[0]}", "--store", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "efficientnet-lite-pytorch/efficientnet-lite0: there is no GPU 99" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_keeps_complete_runs_and_says_how_to_resume(tmp_path):
    command = [sys.executable, "-m", "benchmarking", "predict", "demo", "--store", str(tmp_path)]
    command += ["--models", "efficientnet-lite-pytorch"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        lines = [process.stdout.readline(), process.stdout.readline()]
        os.killpg(process.pid, signal.SIGINT)  # like a terminal
        _, err = process.communicate(timeout=60)
    assert "acc@1 90.00 %" in lines[1]
    assert process.returncode == 130
    assert err.strip() == "stopped; the partial run is kept, and the same command resumes"
    assert [run.model for run in Store(tmp_path).runs("demo")] == ["efficientnet-lite0"]
