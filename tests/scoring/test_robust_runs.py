"""The command that scores stored runs on the sets of robustness, with stored runs in miniature."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarking.cli import main
from benchmarking.labels.class_subsets import class_subset
from benchmarking.labels.imagenet import validation_key, validation_labels
from benchmarking.pictures.image_set import without_pictures
from benchmarking.predictions.import_export import export_tables, import_table
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.stores import Stores
from benchmarking.predictions.top_k import top_k, top_k_among
from benchmarking.scoring.robust_runs import Model, on_classes, robustness
from benchmarking.scoring.robustness import ALEXNET_ERRORS

RANDOM = np.random.default_rng(0)
R = class_subset("imagenet-r")
O = class_subset("imagenet-o")  # noqa: E741 - its name


def softmax(logits):
    terms = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (terms / terms.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def add(store, a_provenance):
    """Store a run of random logits, with some skill, and return its labels and logits."""

    def add(
        model,
        images,
        labels,
        *,
        skill=2.0,
        picture_set="",
        classes=(),
        keep=False,
        keys=None,
        also=None,
    ):
        labels = np.asarray(labels)
        right = labels if also is None else np.column_stack([also, labels])
        logits = RANDOM.normal(0, 1, (len(labels), 1000))
        logits[np.arange(len(labels)), labels] += skill
        found = without_pictures(
            images, keys or [f"{n:05d}.jpg" for n in range(len(labels))], right
        )
        found = replace(found, fingerprint="f" * 64)
        made = a_provenance(found)
        more = {"picture_set": picture_set} if picture_set else {}
        more |= {"classes": list(classes)} if classes else {}
        made = replace(made, images={**made.images, **more})
        probabilities = softmax(logits)
        store.write(
            Run(images, "source", model, "published"),
            found,
            top_k(probabilities),
            made,
            probabilities=probabilities if keep else None,
            restricted=top_k_among(logits, classes) if classes else None,
        )
        return labels, logits

    return add


def validation(n=300):
    """Numbers of validation pictures and their classes; some are of the sets with few classes."""
    numbers = np.sort(RANDOM.choice(50_000, n, replace=False)) + 1
    return [validation_key(int(one)) for one in numbers], validation_labels()[numbers - 1]


def best(logits, classes):
    return np.asarray(classes)[logits[:, list(classes)].argmax(axis=1)]


def of_store(store, model):
    stores = Stores(store.folder)
    runs = [run for images in stores.image_sets() for run in stores.runs(images)]
    return robustness(stores, runs)[Model("source", model, "published")]


def test_the_gap_of_a_set_with_few_classes_is_to_validation_pictures_of_these_classes(store, add):
    keys, labels = validation()
    _, usual = add("one", "imagenet-val", labels, keep=True, keys=keys, skill=4)
    right, logits = add(
        "one", "imagenet-r", RANDOM.choice(R, 200), picture_set="imagenet-r", classes=R
    )
    found = of_store(store, "one").sets["imagenet-r"]
    assert found.right == (int((best(logits, R) == right).sum()), 200)
    rows = np.isin(labels, R)
    assert found.usual == (int((best(usual[rows], R) == labels[rows]).sum()), int(rows.sum()))
    one, other = (share[0] / share[1] for share in (found.usual, found.right))
    assert found.gap.difference == pytest.approx(one - other)


def test_top_5_alone_is_enough_only_if_each_picture_has_one_of_the_classes_in_it(store, add):
    keys, labels = validation()
    _, logits = add("one", "imagenet-val", labels, keys=keys, skill=9)
    stores, run = Stores(store.folder), store.runs("imagenet-val")[0]
    rows = np.isin(labels, R)
    expected = int((best(logits[rows], R) == labels[rows]).sum())
    assert on_classes(stores, run, R) == (expected, int(rows.sum()))
    add("two", "imagenet-val", labels, keys=keys, skill=0)
    add("two", "imagenet-r", RANDOM.choice(R, 20), picture_set="imagenet-r", classes=R)
    found = of_store(store, "two")
    assert found.sets["imagenet-r"].usual is None
    assert "has not kept enough to be scored on the classes of imagenet-r" in found.notes[0]


def test_the_mce_is_computed_from_the_75_runs_and_a_missing_one_is_told(store, add):
    errors = {}
    for name in ALEXNET_ERRORS:
        for severity in range(1, 6):
            images = f"imagenet-c-{name}-{severity}"
            labels, logits = add(
                "one", images, RANDOM.integers(0, 1000, 8), skill=3, picture_set="imagenet-c"
            )
            errors.setdefault(name, []).append((logits.argmax(axis=1) != labels).mean())
    expected = np.mean([sum(e) / (5 * ALEXNET_ERRORS[name]) for name, e in errors.items()])
    found = of_store(store, "one")
    assert found.mce == pytest.approx(expected)
    assert found.corruption_error == pytest.approx(np.mean(list(errors.values())))
    store.path(Run("imagenet-c-fog-3", "source", "one", "published")).unlink()
    found = of_store(store, "one")
    assert found.mce is None
    assert "no mCE; 14 of 15 corruptions have runs at all 5 severities" in found.notes[0]


def test_the_gap_of_corrupted_pictures_is_paired_with_the_same_validation_pictures(store, add):
    from statsmodels.stats.contingency_tables import mcnemar

    keys, labels = validation(120)
    _, usual = add("one", "imagenet-val", labels, keys=keys, skill=4)
    some = RANDOM.permutation(120)[:80]
    _, worse = add(
        "one",
        "imagenet-c-fog-3",
        labels[some],
        keys=[f"n0/{keys[row]}" for row in some],
        skill=3,
        picture_set="imagenet-c",
    )
    (found,) = of_store(store, "one").corrupted
    first = usual[some].argmax(axis=1) == labels[some]
    second = worse.argmax(axis=1) == labels[some]
    assert (found.images, found.n) == ("imagenet-c-fog-3", 80)
    assert (found.usual, found.right) == (first.sum(), second.sum())
    table = [
        [(first & second).sum(), (first & ~second).sum()],
        [(~first & second).sum(), (~first & ~second).sum()],
    ]
    assert found.p == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert found.gap.difference == pytest.approx((first.sum() - second.sum()) / 80)
    assert found.gap.low < found.gap.difference < found.gap.high


def test_the_command_shows_the_paired_gap_and_the_error_of_each_corruption(store, add, capsys):
    keys, labels = validation(40)
    add("one", "imagenet-val", labels, keys=keys, skill=6)
    for severity in range(1, 6):
        images = f"imagenet-c-fog-{severity}"
        add("one", images, labels, keys=keys, skill=3, picture_set="imagenet-c")
    assert main(["robustness", "--store", str(store.folder)]) == 0
    out = capsys.readouterr().out
    assert "Paired gap [95 % interval]" in out
    (line,) = [line for line in out.splitlines() if "imagenet-c-fog-4" in line]
    (found,) = (one for one in of_store(store, "one").corrupted if one.images == "imagenet-c-fog-4")
    assert f"{100 * found.gap.difference:.2f} [" in line
    errors = of_store(store, "one").errors["fog"]
    (line,) = [line for line in out.splitlines() if " fog " in line]
    ce = 100 * sum(errors) / (5 * ALEXNET_ERRORS["fog"])
    assert line.split()[-2:] == [f"{20 * sum(errors):.2f}", f"{ce:.2f}"]


def test_the_aupr_is_scikit_learns_of_the_largest_softmax_among_the_200_classes(store, add):
    from sklearn.metrics import average_precision_score

    keys, labels = validation()
    _, usual = add("one", "imagenet-val", labels, keep=True, keys=keys, skill=5)
    _, unknown = add(
        "one", "imagenet-o", RANDOM.choice(O, 50), skill=0, picture_set="imagenet-o", classes=O
    )
    usual = usual[np.isin(labels, O)]
    sure = [softmax(logits[:, list(O)]).max(axis=1) for logits in (unknown, usual)]
    truth = np.arange(50 + len(usual)) < 50
    expected = average_precision_score(truth, -np.concatenate(sure))
    assert of_store(store, "one").aupr == pytest.approx(expected, rel=1e-4)


def test_the_command_prints_gaps_and_effective_robustness_and_says_what_is_missing(
    store, add, call
):
    keys, labels = validation()
    others = RANDOM.integers(0, 1000, 300)
    for model, skill in (("a", 3), ("b", 4), ("c", 5)):
        add(model, "imagenet-val", labels, keys=keys, skill=skill)
        add(model, "imagenet-v2-top-images", others, skill=skill - 1, picture_set="imagenet-v2")
    add("a", "imagenet-o", RANDOM.choice(O, 20), picture_set="imagenet-o", classes=O)
    status, output, error = call("robustness", "--store", store.folder)
    lines = output.splitlines()
    assert status == 0
    assert lines[0].split("  ")[0] == "Model"
    assert lines[0].endswith("Gap [95 % interval]  Effective")
    assert [line.split()[0] for line in lines[1:4]] == ["source/a", "source/b", "source/c"]
    found = of_store(store, "b").sets["imagenet-v2-top-images"]
    assert f"{100 * found.right[0] / 300:.2f}" in lines[2]
    assert lines[2].endswith(f"{100 * found.effective:+.2f}")
    assert "note: source/a: no AUPR; it needs a run on the validation set that was" in error


def test_without_such_runs_the_command_says_which_sets_it_is_about(store, add, call):
    keys, labels = validation(20)
    add("one", "imagenet-val", labels, keys=keys)
    status, _, error = call("robustness", "--store", store.folder)
    assert (status, "has no runs on ImageNet-V2, A, R, O, Sketch or C" in error) == (2, True)


def test_any_right_class_of_a_validation_picture_counts(store, add):
    """Validation pictures in folders of a mapping can have several; the usual one is first."""
    keys, labels = validation()
    other = RANDOM.permutation(labels)
    for keep, expected in ((True, R), (False, None)):
        _, usual = add("one", "pets", labels, keep=keep, keys=keys, skill=9, also=other)
        stores, run = Stores(store.folder), store.runs("pets")[0]
        right = np.column_stack([other, labels])
        rows = np.isin(right, R).any(axis=1) if expected else np.ones(len(labels), bool)
        guesses = best(usual[rows], expected or range(1000))
        hits = (guesses[:, None] == right[rows]).any(axis=1)
        assert on_classes(stores, run, expected) == (int(hits.sum()), int(rows.sum()))
    add("one", "imagenet-c-fog-1", labels, keys=keys, picture_set="imagenet-c")
    (found,) = of_store(store, "one").corrupted
    assert found.usual == int((usual.argmax(axis=1)[:, None] == right).any(axis=1).sum())


def test_a_note_says_which_of_several_validation_sets_is_used(store, add):
    keys, labels = validation()
    add("one", "imagenet-val", labels, keys=keys)
    add("one", "my-copy", labels[:200], keys=keys[:200])
    add("one", "imagenet-v2-x", labels[:20], picture_set="imagenet-v2")
    (note,) = [one for one in of_store(store, "one").notes if "my-copy" in one]
    assert "its validation pictures are those of imagenet-val; my-copy are not used" in note


def test_a_run_without_predictions_among_the_few_classes_is_noted_and_others_are_scored(
    store, add, tmp_path
):
    keys, labels = validation()
    add("one", "imagenet-val", labels, keys=keys, keep=True)
    add("one", "imagenet-v2-x", labels[:20], picture_set="imagenet-v2")
    add("one", "imagenet-r", RANDOM.choice(R, 20), picture_set="imagenet-r", classes=R)
    copy = Store(tmp_path / "copy")
    runs = [run for images in store.image_sets() for run in store.runs(images)]
    for path in export_tables(store, runs, tmp_path / "tables"):
        import_table(path, copy)
    found = of_store(copy, "one")
    assert list(found.sets) == ["imagenet-v2-x"]
    assert "keeps no predictions among the few classes of imagenet-r" in " ".join(found.notes)
