"""Image sets with fewer classes than ImageNet: what is stored, and both kinds of accuracy."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.inference.checkpoints import Checkpoint, Checkpoints, Conditions
from benchmarking.inference.job import Environment
from benchmarking.labels.class_subsets import class_subset
from benchmarking.labels.imagenet import wnids
from benchmarking.models.sources import spec_of
from benchmarking.pictures.image_set import without_pictures
from benchmarking.pictures.sets import published_sets
from benchmarking.predictions.import_export import export_tables, import_table
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import top_k, top_k_among
from benchmarking.scoring.aggregate import aggregate
from benchmarking.scoring.compare import compare
from benchmarking.scoring.verify import verify

RUN = Run("imagenet-a", "brightness", "steady", "published")


@pytest.fixture
def pictures(tmp_path):
    """ImageNet-A in miniature; the models of the plug-in predict class brightness // 25.

    They give all other classes the same probability, so that the best of the 200 is then class 6.
    """
    folder = tmp_path / "imagenet-a"
    for number, (label, brightness) in enumerate([(6, 155), (6, 30), (11, 155)]):
        path = folder / wnids()[label] / f"0.00{number}_a _ b_0.5.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 30, 3), brightness, np.uint8)).save(path)
    return folder


@pytest.fixture
def predicted(pictures, call, light, tmp_path):
    """A store with the runs of two models."""
    status, _, error = call(
        *("predict", pictures, "--models", "steady", "steadier", "--store", tmp_path / "s")
    )
    assert status == 0, error
    return Store(tmp_path / "s")


def test_the_worker_stores_the_best_of_the_declared_classes_too(predicted):
    few = predicted.read_restricted(RUN)
    assert few.classes[:, 0].tolist() == [6, 6, 6]
    assert set(few.classes.flat) <= set(class_subset("imagenet-a"))
    assert predicted.classes(RUN)[:, 0].tolist() == [6, 1, 6]
    share = 0.9 / (0.9 + 199 * 0.1 / 999)
    assert few.probabilities[:, 0] == pytest.approx([share, 1 / 200, share], rel=1e-5)


def test_a_table_shows_both_accuracies_that_of_the_declared_classes_first(predicted):
    table = aggregate(predicted, "imagenet-a")
    assert table.columns == ("200-class Acc@1", "200-class Acc@5", "Acc@1", "Acc@5")
    scores = table.rows[0].scores
    assert (scores["200-class Acc@1"].right, scores["Acc@1"].right) == (2, 1)
    assert "200-class Acc counts the best of its 200 classes" in table.notes[0]


def test_a_comparison_is_about_the_declared_classes_and_says_so(predicted):
    found = compare(predicted, "steady", "steadier")
    assert (found.pair.both, found.pair.neither) == (2, 1)
    assert found.notes == (
        "note: answers are the best of the 200 classes of imagenet-a, not of all",
    )


def test_verify_has_the_accuracy_among_the_declared_classes_and_says_so(predicted):
    (found,) = verify(predicted, [RUN])
    assert (round(found.acc1 * found.n), found.n) == (2, 3)
    assert found.reason == "no published accuracy"
    spec = spec_of("torchvision", "resnet50")
    run = replace(RUN, source=spec.source, model=spec.name)
    images = without_pictures("imagenet-a", *vars(predicted.rows("imagenet-a")).values())
    images = replace(images, fingerprint=predicted.provenance(RUN).fingerprint)
    made, few = predicted.provenance(RUN), predicted.read_restricted(RUN)
    predicted.write(run, images, predicted.read(RUN), made, restricted=few)
    (found,) = verify(predicted, [run])
    assert found.reason == (
        "not ImageNet's validation pictures; acc@1 is among the 200 classes of imagenet-a"
    )


def test_provenance_names_the_set_and_its_classes(predicted):
    made = predicted.provenance(RUN)
    assert made.picture_set == "imagenet-a"
    assert made.classes == class_subset("imagenet-a")
    assert predicted.check(RUN)


def test_such_a_run_is_not_computed_again(predicted, pictures, call, tmp_path):
    before = predicted.path(RUN).read_bytes()
    status, output, _ = call(
        *("predict", pictures, "--models", "steady", "--store", tmp_path / "s")
    )
    assert (status, predicted.path(RUN).read_bytes() == before) == (0, True)
    assert "complete since" in output


def test_a_run_without_the_declared_classes_is_left_out_by_name_and_computed_again(
    predicted, pictures, call, tmp_path
):
    path, top, made = predicted.path(RUN), predicted.read(RUN), predicted.provenance(RUN)
    rows = predicted.rows("imagenet-a")
    path.unlink()
    images = without_pictures("imagenet-a", rows.keys, rows.labels)
    predicted.write(RUN, replace(images, fingerprint=made.fingerprint), top, made)
    (reason,) = aggregate(predicted, "imagenet-a").left_out
    assert "keeps no predictions among the few classes of its image set" in reason
    with pytest.raises(BenchmarkError, match="keeps no predictions among .*, and others do"):
        compare(predicted, "steady", "steadier")
    with pytest.raises(StoreError):
        predicted.read_restricted(RUN)
    call("predict", pictures, "--models", "steady", "--store", tmp_path / "s")
    assert predicted.restricted_classes(RUN) is not None


def stored_again(store, made, few):
    """The second run of the store, with other predictions among few classes, or none."""
    run = replace(RUN, model="steadier")
    top, rows = store.read(run), store.rows("imagenet-a")
    images = without_pictures("imagenet-a", rows.keys, rows.labels)
    store.path(run).unlink()
    store.write(run, replace(images, fingerprint=made.fingerprint), top, made, restricted=few)


def test_runs_of_which_none_keeps_the_declared_classes_are_scored_on_all_and_a_note_says_so(
    predicted, tmp_path
):
    """Exported tables have no predictions among few classes."""
    folder, store = tmp_path / "tables", Store(tmp_path / "imported")
    for path in export_tables(predicted, predicted.runs("imagenet-a"), folder):
        import_table(path, store)
    table = aggregate(store, "imagenet-a")
    assert (table.columns, table.left_out) == (("Acc@1", "Acc@5"), ())
    assert "keep no predictions among its 200 classes" in " ".join(table.notes)


def test_imported_scores_are_scored_among_the_declared_classes_too(
    predicted, pictures, call, tmp_path
):
    """The set is one of the store, or a place of pictures."""
    logits = np.full((3, 1000), -1.0)
    logits[range(3), [6, 1, 6]] = 3
    logits[2, 11] = 2.0
    np.save(tmp_path / "mine.npy", logits)
    np.save(tmp_path / "sure.npy", np.where(logits > 2, 0.97, 0) + 0.03 / 1000)
    for images, store in (("imagenet-a", predicted), (pictures, Store(tmp_path / "new"))):
        for name in ("mine", "sure"):
            given = (
                "--model",
                name,
                "--images",
                images,
                "--order",
                "rows",
                "--store",
                store.folder,
            )
            status, out, _ = call("import", tmp_path / f"{name}.npy", *given)
            assert (status, "acc@1 66.67 %, among the 200 classes of the set" in out) == (0, True)
            run = Run("imagenet-a", "imported", name, "unknown")
            assert store.provenance(run).picture_set == "imagenet-a"
            assert store.provenance(run).classes == class_subset("imagenet-a")
            table = aggregate(store, "imagenet-a")
            (row,) = (row for row in table.rows if row.run == run)
            assert row.scores["200-class Acc@1"].right == 2
            assert row.scores["Acc@1"].right == 1
            assert table.left_out == ()


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.array([6, 1, 6]), "the file has no scores of all classes"),
        (
            0.9 * np.eye(1000)[[6, 1, 6]] + 0.1 * np.eye(1000)[[2, 2, 2]],
            "the probabilities of some of these are 0",
        ),
    ],
)
def test_outputs_without_an_order_of_the_declared_classes_are_told(
    array, why, predicted, call, tmp_path
):
    np.save(tmp_path / "mine.npy", array)
    given = ("--images", "imagenet-a", "--order", "rows", "--store", predicted.folder)
    _, _, err = call("import", tmp_path / "mine.npy", "--model", "mine", *given)
    assert f"no accuracy among the 200 classes of imagenet-a, only among all: {why}\n" in err
    (reason,) = aggregate(predicted, "imagenet-a").left_out
    assert reason.endswith("the few classes of its image set; import the scores of all classes.")
    with pytest.raises(BenchmarkError, match=r"others do; import the scores of all classes\.$"):
        compare(predicted, "mine", "steady")


def test_a_run_that_chooses_among_other_classes_is_left_out_by_name(predicted):
    made = predicted.provenance(RUN)
    images = {**made.images, "classes": [5, *made.classes[1:]]}
    stored_again(predicted, replace(made, images=images), predicted.read_restricted(RUN))
    (reason,) = aggregate(predicted, "imagenet-a").left_out
    assert "chooses among 200 classes, and other runs among 200: they are not the same" in reason


@pytest.mark.parametrize("name", ["imagenet-o", "imagenette", "tiny-imagenet-200"])
def test_a_table_says_what_accuracies_on_a_set_need_to_be_read_with(name, predicted):
    for run in predicted.runs("imagenet-a"):
        made = predicted.provenance(run)
        made = replace(made, images={**made.images, "picture_set": name})
        stored_again(predicted, made, predicted.read_restricted(RUN))
    facts = published_sets()[name]
    assert facts.note
    assert f"note: imagenet-a: {facts.note}" in aggregate(predicted, "imagenet-a").notes


def test_a_run_on_all_classes_keeps_no_more_than_before(tree, call, light, tmp_path):
    call("predict", tree, "--models", "steady", "--store", tmp_path / "s")
    store = Store(tmp_path / "s")
    (run,) = store.runs("tree")
    assert store.restricted_classes(run) is None
    assert set(store.provenance(run).images) == {"name", "n", "fingerprint"}
    assert aggregate(store, "tree").columns == ("Acc@1", "Acc@5")


def test_checkpoints_keep_the_declared_classes_so_that_a_resumed_run_has_them(tmp_path):
    few = top_k_among(np.arange(12, dtype=np.float32).reshape(2, 6), [0, 2, 3, 4, 5])
    top = top_k(np.full((2, 6), 1 / 6, np.float32))
    where = Environment("", {}, "cpu", "float32", 2, 1)
    conditions = Conditions({}, where, (), "2026-01-01T00:00:00+00:00", 1.0, ())
    checkpoints = Checkpoints(tmp_path / "unfinished")
    checkpoints.keep(Checkpoint(0, top, None, conditions, few))
    (found,) = checkpoints.read({}, 2)
    assert found.restricted is not None
    assert found.restricted.classes.tolist() == few.classes.tolist() == [[5, 4, 3, 2, 0]] * 2
    assert (found.restricted.probabilities == few.probabilities).all()
