"""The public names, and their behaviour in scripts."""

import ast
import re
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import PLUGINS

import benchmarking
from benchmarking import (
    SCALINGS,
    BenchmarkError,
    Options,
    Picture,
    Preprocessing,
    Recipe,
    Run,
    Store,
    Table,
    compare,
    evaluate,
    load_model,
    open_images,
    predict,
    score,
    sweep,
    verify,
)
from benchmarking.inference.events import AlreadyStored, Progress, Started, Stored
from benchmarking.models import sources
from benchmarking.pictures.crop_cache import CropFile

NAMES = {
    *("BenchmarkError", "Comparison", "ImageSet", "LabelSet", "LoadedModel", "Options", "Picture"),
    *("Preprocessing", "Recipe", "Run", "SCALINGS", "Scaling", "Store", "Stores", "Table", "TopK"),
    *("Verification", "__version__", "compare", "evaluate", "import_outputs", "list_models"),
    *("load_model", "merge", "open_images", "open_store", "predict", "score", "sweep", "transfer"),
    "verify",
}
"""Removing a name breaks users' scripts; a new name is a promise."""

INIT = ast.parse(Path(benchmarking.__file__).read_text())
STEADY = "brightness/steady"


def test_the_exported_names_are_these():
    assert set(benchmarking.__all__) == NAMES
    assert set(dir(benchmarking)) >= NAMES
    for name in NAMES:
        assert getattr(benchmarking, name) is not None


def test_type_checkers_see_the_same_names_as_users():
    (guarded,) = (node for node in INIT.body if isinstance(node, ast.If))
    places = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in guarded.body
        for alias in node.names
    }
    assert places.keys() == NAMES - {"__version__"}
    for name, (module, original) in places.items():
        assert getattr(benchmarking, name) is getattr(sys.modules[module], original)


def test_every_public_name_has_a_docstring():
    for name in NAMES - {"__version__", "SCALINGS"}:
        assert getattr(benchmarking, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'benchmarking' has no attribute 'prediction'"):
        benchmarking.prediction  # noqa: B018


def test_recipe_is_another_name_for_preprocessing():
    assert Recipe is Preprocessing


@pytest.fixture
def images(light, tree):
    return open_images(tree, name="grey")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "mine")


def test_models_are_predicted_stored_and_scored(images, store, capsys):
    runs = predict([STEADY, "brightness/darker"], images, store)
    assert runs == [Run("grey", "brightness", name, "published") for name in ("steady", "darker")]
    table = score(store, images)
    assert isinstance(table, Table)
    assert [row.run.model for row in table.rows] == ["steady", "darker"]
    assert str(table).startswith("grey, 6 pictures, fingerprint ")
    assert capsys.readouterr() == ("", "")  # no bar, as standard error is not a terminal


def test_a_stored_run_is_not_computed_again(images, store):
    first = [type(event) for event in sweep(STEADY, images, store)]
    assert first == [Started, Progress, Progress, Progress, Progress, Stored]
    (event,) = sweep(STEADY, images, store)
    assert isinstance(event, AlreadyStored)
    assert event.started == store.provenance(event.job.run).started
    assert predict(STEADY, images, store) == [event.job.run]
    assert [type(e) for e in sweep(STEADY, images, store, again=True)] == first


def test_pictures_can_be_given_as_a_path_and_a_store_as_text(light, tree, tmp_path):
    (run,) = predict(STEADY, tree, str(tmp_path / "mine"))
    assert run.images == "tree"
    assert Store(str(tmp_path / "mine")).runs("tree") == [run]


def test_a_failed_model_is_reported_after_the_others_are_stored(images, store):
    with pytest.raises(BenchmarkError) as error:
        predict(["brightness/shaky", STEADY], images, store)
    assert "brightness/shaky: out of memory: MemoryError: too heavy" in str(error.value)
    assert f"Stored in {store.folder}: 1 of 2." in str(error.value)
    assert [run.model for run in store.runs("grey")] == ["steady"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda i, s: predict("brightnes/steady", i, s), "unknown model 'brightnes/steady'"),
        (lambda i, s: predict(STEADY, i, s, batchsize=3), "there is no option 'batchsize'; there"),
        (lambda i, s: predict(STEADY, i, s, batchsize=3), "Did you mean 'batch_size'?"),
        (lambda i, s: predict(STEADY, i, s, limit=3), "It is one of open_images()."),
        (lambda i, s: next(sweep(len, i, s)), "is no name of a model; give a name or a list"),
        (lambda i, s: predict(STEADY, i.pictures, s), "pictures are a tuple; expected an image"),
        (
            lambda i, s: predict(dict, i, s, recipe=RECIPE),
            "dict is a class; give an instance, dict(",
        ),
        (lambda i, s: load_model(STEADY)([3]), "3 is no picture; give pictures"),
        (lambda i, s: predict("steady/brightness", i, s), "unknown model 'steady/brightness'."),
        (lambda i, s: predict("Brightness/Darkr", i, s), "Did you mean 'brightness/darker'?"),
        (lambda i, s: Picture("a", 1, "a.png"), "picture 'a' has 'a.png' as its place; expected"),
        (lambda i, s: predict(STEADY, i, s, executor="gone"), "there is no executor 'gone'"),
        (lambda i, s: predict(STEADY, i, s, name="mine"), "are for a model of your own"),
        (lambda i, s: predict(STEADY, i, s, recipe="odd"), "no recipe 'odd'; it has published"),
        (lambda i, s: predict(len, i, s), "a model of your own needs its recipe"),
        (
            lambda i, s: predict(len, i, s, recipe=RECIPE, precision="bf16"),
            "precision is no option of a model of your own; it has batch_size, gpu, keep, workers",
        ),
        (lambda i, s: predict(STEADY, i, s, seed=1), "such as mine-random"),
        (lambda i, s: predict(STEADY, i, s, precision="bf16"), "such as mine-bf16"),
        (lambda i, s: score(s, i), "has no runs on image set 'grey'; its sets: none"),
        (lambda i, s: score(s), "there are no stored predictions in"),
        (lambda i, s: load_model("brightness/*"), "means 7 models; name one, such as brightness/"),
    ],
)
def test_invalid_arguments_are_refused_with_the_valid_ones(call, message, images, store):
    with pytest.raises(BenchmarkError) as error:
        call(images, store)
    assert message in str(error.value)


def test_one_of_several_models_that_cannot_run_stops_the_call_before_it_begins(images, store):
    with pytest.raises(BenchmarkError, match="brightness/weightless: weightless.bin is missing"):
        predict([STEADY, "brightness/weightless"], images, store)
    assert store.image_sets() == []


def test_runs_on_other_pictures_are_not_scored_for_these(images, store, tree):
    predict(STEADY, images, store)
    next(tree.rglob("a.png")).write_bytes(next(tree.rglob("b.png")).read_bytes())
    others = open_images(tree, name="grey")
    with pytest.raises(BenchmarkError, match=r"on 'grey' in .* are on other pictures"):
        score(store, others)


def test_a_table_is_shown_saved_and_taken_as_data(images, store, tmp_path):
    predict(STEADY, images, store)
    table = score(store)
    assert repr(table) == str(table)
    page = table._repr_html_()
    assert "<caption>grey, 6 pictures" in page
    assert "<td>steady</td>" in page
    assert page.count("<tr>") == 2
    frame = table.to_pandas()
    assert frame["Acc@1"].tolist() == [5 / 6]
    for suffix in (".md", ".csv", ".tex", ".json", ".txt"):
        table.save(tmp_path / "new" / f"t{suffix}")
        assert "steady" in (tmp_path / "new" / f"t{suffix}").read_text()
    with pytest.raises(BenchmarkError, match=r"t.xls has no known suffix; use one of .csv, .json"):
        table.save(str(tmp_path / "t.xls"))


def test_a_name_in_a_table_cannot_be_markup(images, store):
    predict(STEADY, images, store)
    table = score(store)
    hostile = benchmarking.Table(
        **{**vars(table), "subset": "<script>alert(1)</script>"},
    )
    assert "<script>" not in hostile._repr_html_()


def test_labels_of_several_kinds_stand_side_by_side(images, store, tmp_path):
    predict(STEADY, images, store)
    file = tmp_path / "mine.csv"
    file.write_text("".join(f"{picture.key},{picture.label}\n" for picture in images))
    table = score(store, images, labels=["original", str(file)])
    assert table.columns == ("Acc@1", "mine Acc@1", "Acc@5", "mine Acc@5")
    with pytest.raises(BenchmarkError, match="two would share their columns"):
        score(store, images, labels=["original", "original"])


def test_two_runs_are_compared_by_name_and_verified(images, store):
    predict([STEADY, "brightness/darker"], images, store)
    found = compare(store, "steady", "darker")
    assert (found.pair.first.model, found.pair.second.model, found.pair.n) == (
        *("steady", "darker"),
        6,
    )
    assert repr(found) == str(found)
    assert str(found).startswith("A 83.33 %, B 16.67 %, difference +66.67 points")
    first, _ = verify(store)
    assert first.verdict.value == "no reference"
    assert str(first).endswith(
        "(published) on grey: no reference, acc@1 16.67 % (no published accuracy)"
    )


def test_a_loaded_model_predicts_pictures_in_this_process(images, tree):
    model = load_model(STEADY)
    assert model(images[:2]).classes[:, 0].tolist() == [0, 1]
    assert model(images, k=1).classes.shape == (6, 1)
    path = next(tree.rglob("d.png"))
    assert model([path]).classes[0, 0] == model(str(path)).classes[0, 0] == 4
    assert repr(model).startswith("<brightness/steady on abacus: shorter side 10")
    assert (model.probabilities(np.zeros((2, 8, 8, 3), np.uint8)).argmax(axis=1) == 0).all()
    with pytest.raises(BenchmarkError, match="predict 'brightness/steady' by its name"):
        predict(model, images, "store", recipe=model.recipe)
    with pytest.raises(BenchmarkError, match="there are no pictures to predict"):
        model([])
    with pytest.raises(BenchmarkError, match=r"gone.png cannot be read"):
        model(["gone.png"])


RECIPE = Preprocessing("pillow", "nearest", resize=10, crop=8, scaling=SCALINGS["identity"])


def by_brightness(crops):
    """A user's own model, with a probability for each of 1,000 classes."""
    probabilities = np.full((len(crops), 1000), 0.1 / 999, np.float32)
    probabilities[np.arange(len(crops)), crops.mean(axis=(1, 2, 3)).astype(int) // 25] = 0.9
    return probabilities


def test_any_function_can_be_evaluated(images, store):
    table = evaluate(by_brightness, images, store=store, recipe=RECIPE)
    (row,) = table.rows
    assert (row.run.source, row.run.model, row.platform) == ("own", "by_brightness", "Python")
    assert row.scores["Acc@1"].right == 5
    assert row.provenance.weights["name"] == "in memory"
    assert row.provenance.executor == "in-process"
    assert row.provenance.preprocessing == RECIPE.as_document()


def test_a_function_of_the_same_name_never_reuses_the_stored_run(images, store):
    evaluate(by_brightness, images, store=store, recipe=RECIPE, name="mine")

    def wrong(crops):
        return np.roll(by_brightness(crops), 1, axis=1)

    again = evaluate(wrong, images, store=store, recipe=RECIPE, name="mine")
    assert again.rows[0].scores["Acc@1"].right == 0


def test_an_interrupted_function_starts_again_from_its_first_picture(images, store, monkeypatch):
    monkeypatch.setattr("benchmarking.inference.partial_run.KEPT_EVERY", 2)
    seen = []

    def stopped(crops):
        seen.append(len(crops))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return by_brightness(crops)

    with pytest.raises(KeyboardInterrupt):
        predict(stopped, images, store, recipe=RECIPE, name="mine", batch_size=2)
    (run,) = predict(by_brightness, images, store, recipe=RECIPE, name="mine", batch_size=2)
    assert store.provenance(run).incidents == ()
    assert len(store.read(run)) == 6


def twice(crops):
    return by_brightness(crops) * 2


def half(crops):
    return by_brightness(crops) / 2


def test_a_model_without_a_name_of_its_own_has_to_be_given_one(images, store):
    for model in (lambda crops: by_brightness(crops), partial(by_brightness)):
        with pytest.raises(BenchmarkError, match="a model of your own needs a name: name='mine'"):
            predict(model, images, store, recipe=RECIPE)
        assert evaluate(model, images, recipe=RECIPE).rows[0].scores["Acc@1"].right == 5


def test_a_function_may_return_logits(images, store):
    def logits(crops):
        return np.log(by_brightness(crops)) + 2

    (run,) = predict(logits, images, store, recipe=RECIPE, keep="all")
    expected = by_brightness(np.full((1, 8, 8, 3), 30, np.uint8))
    assert np.abs(store.read_probabilities(run)[1:2] - expected).max() < 1e-6


def test_a_function_whose_output_is_neither_logits_nor_probabilities_is_refused(images, store):
    with pytest.raises(BenchmarkError, match="neither .* logits: .* the rows sum to 2 to 2"):
        evaluate(twice, images, store=store, recipe=RECIPE)
    assert not list(store.folder.rglob("*.unfinished"))
    with pytest.raises(BenchmarkError, match=r"neither .* logits: .* the rows sum to 0\.5 to 0\.5"):
        evaluate(half, images, store=store, recipe=RECIPE)
    assert store.runs("grey") == []


def test_an_evaluation_without_a_store_is_kept_in_the_cache_of_these_pictures(images):
    table = evaluate(STEADY, images)
    again = evaluate(STEADY, images)
    assert again.rows[0].provenance.started == table.rows[0].provenance.started
    assert [row.run.model for row in again.rows] == ["steady"]


OWN_MODULE = """
import numpy as np
import torch
from benchmarking import SCALINGS, BenchmarkError, Preprocessing, Store, evaluate

torch.manual_seed(0)
average = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
net = torch.nn.Sequential(*average, torch.nn.Linear(3, 1000))
recipe = Preprocessing("pillow", "bilinear", 256, 224, SCALINGS["torch"])
table = evaluate(net, "demo", store={store!r}, name="net", recipe=recipe, keep="all")
(row,) = table.rows
assert (row.platform, row.run.model, row.provenance.device) == ("PyTorch", "net", "cpu")
kept = Store({store!r}).read_probabilities(row.run)
print(float(np.abs(kept.sum(axis=1) - 1).max()) < 1e-5, kept.shape)
print(net.training)
try:
    evaluate(torch.nn.Sequential(net, torch.nn.Softmax(1)), "demo", name="soft", recipe=recipe)
except BenchmarkError as error:
    print(error)
"""


@pytest.mark.models
def test_a_module_of_the_users_own_is_run_by_its_framework(tmp_path):
    code = OWN_MODULE.format(store=str(tmp_path / "mine"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    sums, training, refusal = done.stdout.splitlines()
    assert sums == "True (20, 1000)"
    assert training == "True"  # as before
    assert "the model's output sums to one, so it seems to end in softmax" in refusal


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": "ALL"}, "keep is 'ALL'; expected 'top5' or 'all'."),
        ({"keep": True}, "keep is True; expected 'top5' or 'all'."),
        ({"batch_size": 0}, "batch_size is 0; expected a whole number from 1 up, or None."),
        ({"workers": 0}, "workers is 0; expected 1 or more."),
        ({"workers": None}, "workers is None; expected 1 or more."),
        (
            {"gpu": -5},
            "gpu is -5; expected a GPU's number, -1 for the CPU, a tuple of these, 'all',",
        ),
        ({"timeout": 0}, "timeout is 0; expected seconds above 0, or None."),
        ({"crop_cache": False}, "crop_cache is False; expected a folder, 'none', or None."),
    ],
)
def test_invalid_options_are_refused(options, message):
    with pytest.raises(BenchmarkError, match=re.escape(message)):
        Options(**options)


def test_options_accept_text_for_folders_and_float32_for_the_default_precision():
    found = Options(crop_cache="crops", weights_folder="weights", precision="float32")
    assert (found.crop_cache, found.weights_folder) == (Path("crops"), Path("weights"))
    assert (found.precision, found.apart) == (None, "")


def test_an_unknown_executor_is_reported_before_anything_is_written(images, store):
    with pytest.raises(BenchmarkError, match="there is no executor 'typo'"):
        predict(STEADY, images, store, executor="typo")
    assert not store.folder.exists()


def test_runs_are_returned_in_the_order_of_the_models(images, store):
    predict("brightness/darker", images, store)
    names = ["brightness/steady", "brightness/darker", "brightness/steadier"]
    found = [run.model for run in predict(names, images, store)]
    assert (
        found == ["steady", "steadier", "darker"] == [spec.name for spec in sources.select(names)]
    )


def test_a_run_on_other_pictures_is_not_scored_with_these(images, store, tree):
    (run,) = predict(STEADY, images, store)
    others = open_images(tree, name="others")
    (other,) = predict(STEADY, others, store)
    with pytest.raises(BenchmarkError, match="is no run on grey; its rows are other pictures"):
        score(store, images, runs=[run, other])


def test_a_damaged_run_is_named_below_the_table(images, store):
    predict([STEADY, "brightness/darker"], images, store)
    path = store.path(Run("grey", "brightness", "darker", "published"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    table = score(store, images)
    assert [row.run.model for row in table.rows] == ["steady"]
    assert "left out: " in str(table).splitlines()[-1]
    assert "darker" in str(table).splitlines()[-1]
    assert "<p>left out: " in table._repr_html_()


def test_pictures_with_other_labels_than_the_stored_ones_are_refused(images, store):
    predict(STEADY, images, store)
    first, *rest = images.pictures
    corrected = replace(images, pictures=(replace(first, label=9), *rest))
    with pytest.raises(BenchmarkError, match="are stored with other classes than these pictures"):
        score(store, corrected)


def test_the_same_pictures_in_another_order_are_neither_admitted_nor_resumed(
    images, store, monkeypatch
):
    order = (0, 2, 1, 4, 3, 5)  # within classes, so that only the order differs
    shuffled = replace(images, pictures=tuple(images[row] for row in order))
    monkeypatch.setattr("benchmarking.inference.partial_run.KEPT_EVERY", 2)
    with closing(sweep(STEADY, images, store)) as events:
        done = 0
        while done < 2:
            event = next(events)
            done += event.pictures if isinstance(event, Progress) else 0
    (run,) = predict(STEADY, shuffled, Store(store.folder))
    assert store.provenance(run).incidents == ()
    with pytest.raises(BenchmarkError, match="the same pictures in another order"):
        predict("brightness/darker", images, store)
    assert len(score(store, shuffled).rows) == 1


UNCLOSED = """
import sys
from benchmarking import plugins, open_images, sweep
from benchmarking.inference import partial_run
for file in {files!r}:
    plugins.use(file)
images = open_images({tree!r}, name="grey")
events = sweep("brightness/steady", images, {store!r}, executor={executor!r}, batch_size=1)
for event in events:
    if getattr(event, "pictures", 0):
        break
{end}
"""


@pytest.mark.parametrize("executor", ["worker-process", "in-process"])
@pytest.mark.parametrize("end", ["", "1 / 0", "sys.exit(0)"])
def test_a_script_that_leaves_a_sweep_open_ends_quietly_and_keeps_its_predictions(
    tree, tmp_path, executor, end
):
    files = sorted(map(str, PLUGINS.glob("*/*.py")))
    parts = {"files": files, "tree": str(tree), "store": str(tmp_path / "mine")}
    code = UNCLOSED.format(**parts, executor=executor, end=end)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == (1 if end == "1 / 0" else 0), done.stderr
    assert "Fatal" not in done.stderr
    assert "ignored" not in done.stderr
    assert list((tmp_path / "mine").rglob("*.npz"))


def test_a_plug_in_may_import_modules_from_its_folder_in_a_worker_too(tree, tmp_path):
    (tmp_path / "helper.py").write_text("FACTOR = 25")
    text = (PLUGINS / "sources" / "brightness.py").read_text()
    (tmp_path / "brightness.py").write_text("import helper\n" + text)
    code = f"""
from benchmarking import plugins, predict, open_images
plugins.use("brightness.py")
plugins.use({str(PLUGINS / "frameworks" / "arithmetic.py")!r})
print(predict("brightness/steady", {str(tree)!r}, "mine", executor="worker-process"))
"""
    (tmp_path / "script.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "steady" in done.stdout


def test_an_evaluation_reads_each_picture_once(light, tree, store, read):
    evaluate([STEADY, "brightness/darker"], tree, store=store)
    assert list(read.values()) == [1] * 6
    read.clear()
    table = evaluate(by_brightness, tree, store=store, recipe=RECIPE)
    assert list(read.values()) == [1] * 6
    assert table.rows[0].scores["Acc@1"].right == 5


def test_an_evaluation_in_the_cache_reads_each_picture_once(
    light, tree, tmp_path, monkeypatch, read
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    table = evaluate(STEADY, tree)
    assert list(read.values()) == [1] * 6
    monkeypatch.setattr(CropFile, "begin", None)  # a run that is stored needs no crops
    again = evaluate(STEADY, tree)
    assert again.rows[0].provenance.started == table.rows[0].provenance.started
    assert list(read.values()) == [2] * 6
    assert not list((tmp_path / "cache").rglob("*.crops"))


def test_predictions_of_ones_own_model_are_the_same_with_crops_of_the_check(
    light, tree, images, tmp_path
):
    kept, decoded = Store(tmp_path / "kept"), Store(tmp_path / "decoded")
    (run,) = predict(by_brightness, tree, kept, recipe=RECIPE)
    (other,) = predict(by_brightness, images, decoded, recipe=RECIPE)
    assert (kept.read(run).probabilities == decoded.read(other).probabilities).all()
    assert kept.provenance(run).fingerprint == decoded.provenance(other).fingerprint
