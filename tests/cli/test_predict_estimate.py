"""`predict --estimate`: from the draw to tables, comparisons and verdicts."""

from contextlib import ExitStack
from dataclasses import replace
from unittest.mock import ANY

import numpy as np
import pytest
from PIL import Image

from benchmarking import BenchmarkError, evaluate, load_model, open_images, predict, score
from benchmarking.errors import StoreError
from benchmarking.labels.imagenet import wnids
from benchmarking.pictures.design import design_from
from benchmarking.pictures.growth import Goal
from benchmarking.pictures.image_set import without_pictures
from benchmarking.pictures.recipe import SCALINGS, Preprocessing
from benchmarking.pictures.sampling import Sample
from benchmarking.predictions.store import Store
from benchmarking.scoring.compare import compare
from benchmarking.scoring.estimates import estimated_share
from benchmarking.scoring.verify import Verdict, verify

STEADY = "brightness/steady"
N, ALL = 40, 120


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """120 grey pictures, of which the model is wrong on 36: their class is not their brightness."""
    folder = tmp_path_factory.mktemp("pictures") / "grey"
    for row in range(ALL):
        label = row % 10
        brightness = 25 * (label if row % 10 < 7 else 1) + 5 + row % 7
        path = folder / wnids()[label] / f"{row:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 20, 3), brightness, np.uint8)).save(path)
    return folder


@pytest.fixture
def stored(light, pictures, tmp_path, call):
    """A store with a run on all pictures, and one on a sample that was drawn with its help."""
    folder = tmp_path / "store"
    command = ("predict", pictures, "--store", folder, "--models", "steady")
    assert call(*command, "steadier", "darker")[0] == 0
    assert call(*command, "--estimate", N, "--strata", folder)[0] == 0
    return Store(folder)


def sample_run(store):
    (run,) = store.runs(f"grey-estimate-{N}")
    return run


def test_an_estimate_is_stored_with_the_way_its_pictures_were_drawn(stored):
    assert stored.image_sets() == ["grey", f"grey-estimate-{N}"]
    run = sample_run(stored)
    design = design_from(stored.provenance(run).images["design"])
    assert (design.whole, design.n, design.of, design.seed) == ("grey", N, ALL, 0)
    assert design.source == "3 runs on grey"
    assert sum(design.sizes) == ALL
    assert len(design.sizes) > 1
    assert len(stored.rows(run.images)) == N


def test_only_drawn_pictures_are_read_and_each_once(light, pictures, tmp_path, read):
    predict(STEADY, pictures, tmp_path / "store", estimate=N)
    assert list(read.values()) == [1] * N


def test_a_table_has_estimates_without_ranks(stored, call):
    status, out, err = call("table", "--store", stored.folder, "--images", f"grey-estimate-{N}")
    assert status == 0, err
    heading, _, names, line = out.splitlines()
    assert heading.startswith(f"grey-estimate-{N}, estimated from {N} of {ALL} pictures")
    assert "Rank" not in names
    assert "Tier" not in names
    assert "70.00" in line


def test_the_share_within_the_sample_is_not_shown_as_the_accuracy(stored):
    """Difficult pictures are drawn more often, so that the plain share is far from 70 %."""
    run = sample_run(stored)
    found = score(stored, run.images).rows[0].scores["Acc@1"]
    assert found.right / found.n != pytest.approx(0.7, abs=0.01)
    assert found.share == pytest.approx(0.7)
    assert found.low < 0.7 < found.high
    assert (found.n, found.of, found.rank) == (N, ALL, None)


def test_the_stored_design_is_enough_to_compute_the_estimate_again(stored):
    run = sample_run(stored)
    design = stored.provenance(run).design
    hits = stored.classes(run)[:, 0] == stored.labels(run.images)
    expected = (hits / design.inclusion).sum() / ALL
    assert score(stored, run.images).rows[0].scores["Acc@1"].share == pytest.approx(expected)
    assert estimated_share(hits, design).value == pytest.approx(expected)


@pytest.mark.parametrize("suffix", [".md", ".csv", ".tex", ".json"])
def test_every_format_tells_that_it_is_an_estimate(stored, suffix, tmp_path):
    run = sample_run(stored)
    path = tmp_path / f"table{suffix}"
    score(stored, run.images).save(path)
    text = path.read_text()
    told = {".csv": "All pictures", ".json": '"estimated_for": 120'}
    assert told.get(suffix, f"estimated from {N} of {ALL} pictures") in text
    assert "Wilson" not in text


def test_an_estimate_is_compared_with_a_run_on_all_pictures(stored, call):
    status, out, _ = call(
        "compare", "grey/brightness/steady", "grey-estimate-40/*", "--store", stored.folder
    )
    assert status == 0
    assert f"accuracies are estimated from {N} of {ALL} pictures; of those drawn:" in out
    assert "difference       +0.00 points" in out
    assert "McNemar" not in out


@pytest.mark.parametrize("swapped", [False, True])
def test_a_comparison_with_all_pictures_has_the_sign_of_its_order(stored, swapped):
    (all_of_them,) = [run for run in stored.runs("grey") if run.model == "steady"]
    sample = sample_run(stored)
    runs = (all_of_them, sample) if swapped else (sample, all_of_them)
    found = compare(stored, *runs).pair
    low, high = found.interval
    assert found.estimated.of == ALL
    assert found.shares == pytest.approx((0.7, 0.7))
    assert low < found.difference < high


def test_an_estimate_of_unknown_pictures_is_a_simple_random_sample(light, pictures, capsys):
    images = open_images(pictures, estimate=N)
    assert images.design.sizes == (ALL,)
    assert "note: the estimate is from a simple random sample" in capsys.readouterr().err


def test_an_estimate_of_as_many_pictures_as_there_are_is_none(light, pictures):
    assert open_images(pictures, estimate=ALL).design is None


def test_evaluate_estimates(light, pictures):
    table = evaluate(STEADY, pictures, estimate=Sample(N, seed=5))
    assert table.images == f"grey-estimate-{N}-seed-5"
    found = table.rows[0].scores["Acc@1"]
    assert found.low < 0.7 < found.high
    assert f"estimated from {N} of {ALL} pictures" in str(table)


def drawn_otherwise(store):
    """The same pictures with other chances to be drawn, and how a run on them was made."""
    run = sample_run(store)
    made, rows = store.provenance(run), store.rows(run.images)
    design = replace(made.design, sizes=tuple(size + 1 for size in made.design.sizes))
    images = without_pictures(run.images, rows.keys, rows.right_classes)
    images = replace(images, fingerprint=made.fingerprint, design=design)
    return images, replace(made, images={**made.images, "design": design.as_document()})


def test_the_same_pictures_drawn_in_another_way_are_refused_under_one_name(stored):
    images, made = drawn_otherwise(stored)
    run = sample_run(stored)
    message = "is stored with the same pictures, drawn in another way and so with other weights; "
    with pytest.raises(StoreError, match=message):
        stored.admit(images)
    with pytest.raises(StoreError, match=message):
        stored.write(replace(run, model="zother"), images, stored.read(run), made)


def test_the_same_pictures_drawn_in_another_way_by_another_process_are_refused(stored, tmp_path):
    images, _ = drawn_otherwise(stored)
    other, store = replace(images, design=replace(images.design, seed=9)), Store(tmp_path / "new")
    message = "the same pictures, drawn in another way and so with other weights, by another proce"
    with ExitStack() as stack:
        stack.enter_context(store.admitted(images))
        stack.enter_context(store.admitted(images))
        with pytest.raises(StoreError, match=message):
            stack.enter_context(store.admitted(other))


def test_runs_on_samples_that_were_drawn_differently_are_not_in_one_table(stored):
    """As in a store that two others were copied into."""
    run = sample_run(stored)
    images, made = drawn_otherwise(stored)
    stored.write_admitted(
        replace(run, model="zother"),
        images,
        stored.digest_of_rows(run.images),
        stored.read(run),
        made,
    )
    table = score(stored, run.images)
    assert [row.run for row in table.rows] == [run]
    assert "drawn in another way than those of most runs" in table.left_out[0]


def test_an_exported_estimate_is_taken_back_among_other_runs_on_its_sample(
    stored, pictures, tmp_path, call
):
    run = sample_run(stored)
    options = ("--models", "steady", "--images", run.images)
    assert (
        call("export", "--to", "csv", tmp_path / "csv", *options, "--store", stored.folder)[0] == 0
    )
    new = ("--store", tmp_path / "new")
    command = ("predict", pictures, "--models", "steadier", "--estimate", N)
    assert call(*command, "--strata", stored.folder, *new)[0] == 0
    assert call("import", tmp_path / "csv", *new) == (0, ANY, ANY)
    assert call("import", tmp_path / "csv", *new) == (0, ANY, ANY)
    assert len(score(tmp_path / "new", run.images).rows) == 2


def test_labels_that_leave_out_drawn_pictures_are_refused(stored, call):
    status, _, err = call(
        *("table", "--store", stored.folder, "--images", f"grey-estimate-{N}"),
        *("--without", "n01440764"),
    )
    assert status == 2
    assert "an estimate needs labels of all" in err


def test_figures_are_of_complete_runs(stored, call, tmp_path):
    pytest.importorskip("altair")
    status, _, err = call(
        *("plot", "classes", "--store", stored.folder, "--images", f"grey-estimate-{N}"),
        *("-o", tmp_path / "x.svg"),
    )
    assert status == 2
    assert "figures show complete runs only" in err


def test_pages_tell_estimates_from_complete_runs_and_show_them_last(
    stored, pictures, call, tmp_path
):
    pytest.importorskip("altair")
    options = ("--store", stored.folder)
    assert call("predict", pictures, "--models", "steady", "--limit", 30, *options)[0] == 0
    for path in stored.folder.glob("grey/**/*.safetensors"):
        path.unlink()
    assert call("site", *options, "-o", tmp_path / "site")[0] == 0
    page = (tmp_path / "site" / "index.html").read_text()
    first, second = page.index("grey-limit-30.html"), page.index(f"grey-estimate-{N}.html")
    assert first < second
    assert f">estimated from {N} of {ALL}</td>" in page
    news = (tmp_path / "site" / "changes.xml").read_text()
    assert f"], estimated from {N} of {ALL} pictures</title>" in news
    (model,) = (tmp_path / "site" / "models" / "brightness" / "steady").glob("*.html")
    assert f"<td>{N} of {ALL}</td>" in model.read_text()


def test_an_estimate_is_verified_by_its_own_interval(stored):
    run = sample_run(stored)
    (found,) = verify(stored, [run])
    assert found.verdict == Verdict.NO_REFERENCE
    assert found.acc1 == pytest.approx(0.7)
    assert found.ece is None
    assert found.estimated_for == ALL


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--strata", "x"), "--strata is about an estimate"),
        (("--estimate-seed", "3"), "--estimate-seed is about an estimate"),
        (("--estimate", "40", "--limit", "50"), "give one of them"),
        (("--estimate", "40", "--until", "2"), "give one of them"),
        (("--estimate", "40", "--on-bad-image", "skip"), "make an estimate wrong"),
        (("--estimate", "3"), "expected a whole number from 5 up"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message, light, pictures, tmp_path, call):
    status, _, err = call("predict", pictures, "--store", tmp_path / "store", *options)
    assert status == 2
    assert message in err


def test_an_estimate_goes_on_until_its_interval_is_small_enough(light, pictures, tmp_path, call):
    """With 120 pictures of an unknown difficulty, 10 points need about half of them."""
    store = Store(tmp_path / "store")
    status, _, err = call(
        *("predict", pictures, "--models", "steady", "--store", store.folder, "--until", "10")
    )
    assert status == 0, err
    halves = {}
    for images in store.image_sets():
        (row,) = score(store, images).rows
        halves[row.scores["Acc@1"].n] = (row.scores["Acc@1"].high - row.scores["Acc@1"].low) / 2
    assert halves[max(halves)] <= 0.1
    assert all(half > 0.1 for n, half in halves.items() if n < max(halves))
    assert 30 < max(halves) < 80


def test_an_estimate_goes_on_until_the_accuracy_among_few_classes_is_known_too(
    light, tmp_path, call, monkeypatch
):
    """The model is always wrong among all classes, and right on half among those of ImageNet-A."""
    monkeypatch.setattr(Goal, "first", lambda self, keys: Sample(20, self.seed))
    for row in range(80):
        path = tmp_path / "imagenet-a" / wnids()[6 if row % 2 else 11] / f"0.00{row}_a _ b_0.5.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 30, 3), 30, np.uint8)).save(path)
    store = Store(tmp_path / "store")
    status, _, err = call(
        *("predict", tmp_path / "imagenet-a", "--models", "steady"),
        *("--store", store.folder, "--until", "12"),
    )
    assert status == 0, err
    last = max(store.image_sets(), key=lambda images: len(store.rows(images)))
    found = score(store, last).rows[0].scores["200-class Acc@1"]
    assert found.n > 20
    assert (found.high - found.low) / 2 <= 0.12


def test_certainty_that_no_sample_gives_needs_all_pictures(light, pictures, tmp_path, call):
    store = Store(tmp_path / "store")
    arguments = ("predict", pictures, "--models", "steady", "--store", store.folder)
    assert call(*arguments, "--until", "0.01")[0] == 0
    assert store.image_sets()[0] == "grey"


def test_an_open_image_set_is_not_sampled_again(light, pictures, tmp_path):
    images = open_images(pictures)
    with pytest.raises(BenchmarkError, match="is open already"):
        predict(STEADY, images, tmp_path / "store", estimate=N)


def test_outputs_for_the_pictures_of_an_estimate_are_an_estimate(stored, tmp_path, call):
    run = sample_run(stored)
    np.save(tmp_path / "mine.npy", stored.classes(run).astype(np.int64))
    status, out, err = call(
        *("import", tmp_path / "mine.npy", "--model", "mine", "--images", run.images),
        *("--order", "rows", "--outputs", "classes", "--store", stored.folder),
    )
    assert status == 0, err
    assert out.endswith(f"acc@1 70.00 %, estimated from {N} of {ALL} pictures\n")
    table = score(stored, run.images)
    assert [row.scores["Acc@1"].share for row in table.rows] == pytest.approx([0.7, 0.7])


def sizes(store):
    """Number of pictures of each sample in a store."""
    return sorted(len(store.rows(images)) for images in store.image_sets())


def test_a_sample_that_grows_reads_no_picture_twice(
    light, pictures, tmp_path, call, read, monkeypatch
):
    monkeypatch.setattr(Goal, "first", lambda self, keys: Sample(20, self.seed))
    store = Store(tmp_path / "store")
    status, _, err = call(
        *("predict", pictures, "--models", "steady", "darker"),
        *("--store", store.folder, "--until", "7"),
    )
    assert status == 0, err
    assert "points, not yet to 7; a sample of" in err
    assert err.count("note: the estimate is from a simple random sample") == 1
    small, *_, large = sizes(store)
    assert small < large < ALL
    assert set(read.values()) == {1}
    assert large <= len(read) < large + small


def test_predictions_on_a_sample_that_has_grown_are_those_on_the_sample_alone(
    light, pictures, tmp_path
):
    grown, alone = Store(tmp_path / "grown"), Store(tmp_path / "alone")
    (run,) = predict(STEADY, pictures, grown, estimate=20, until=7)
    assert len(sizes(grown)) > 1
    (other,) = predict(STEADY, pictures, alone, estimate=max(sizes(grown)))
    assert run == other
    assert grown.provenance(run).images == alone.provenance(run).images
    assert (grown.read(run).classes == alone.read(run).classes).all()
    assert (grown.read(run).probabilities == alone.read(run).probabilities).all()


def test_python_grows_samples_as_the_command_does(light, pictures, tmp_path, call, read):
    store, commanded = Store(tmp_path / "store"), Store(tmp_path / "commanded")
    call("predict", pictures, "--models", "steady", "--store", commanded.folder, "--until", "7")
    read.clear()
    table = evaluate(STEADY, pictures, store=store, until=7)
    assert set(read.values()) == {1}
    assert store.image_sets() == commanded.image_sets()
    found = table.rows[0].scores["Acc@1"]
    assert found.n == max(sizes(store))
    assert (found.high - found.low) / 2 <= 0.07


def test_a_first_sample_says_how_pictures_are_drawn(light, pictures, tmp_path):
    store = Store(tmp_path / "store")
    (run,) = predict(STEADY, pictures, store, estimate=Sample(20, seed=3), until=7)
    assert store.provenance(run).design.seed == 3
    assert min(sizes(store)) == 20
    assert max(sizes(store)) > 20


def test_an_evaluation_in_the_cache_grows_too(light, pictures, tmp_path, monkeypatch, read):
    """Each sample has a store of its own, whose name is known when its pictures were read."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    table = evaluate(STEADY, pictures, estimate=20, until=7)
    assert set(read.values()) == {1}
    assert len(read) > 30
    again = evaluate(STEADY, pictures, estimate=20, until=7)
    assert again.rows[0].provenance.started == table.rows[0].provenance.started


def test_the_model_of_a_user_is_predicted_on_samples_that_grow(light, pictures, tmp_path, read):
    recipe = Preprocessing("pillow", "nearest", 10, 8, SCALINGS["identity"])
    steady = load_model(STEADY).probabilities

    def mine(crops):
        return steady(crops)

    how = {"estimate": 20, "until": 7}
    table = evaluate(mine, pictures, store=tmp_path / "own", recipe=recipe, **how)
    assert set(read.values()) == {1}
    expected = evaluate(STEADY, pictures, store=tmp_path / "listed", **how)
    assert table.images == expected.images
    assert table.rows[0].scores["Acc@1"] == expected.rows[0].scores["Acc@1"]


def test_an_open_image_set_does_not_grow(light, pictures, tmp_path):
    images = open_images(pictures)
    with pytest.raises(BenchmarkError, match="is open already"):
        predict(STEADY, images, tmp_path / "store", until=3)
