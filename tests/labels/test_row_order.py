"""Lists without names: their row order and their numbering of the classes."""

import json

import numpy as np
import pytest
from conftest import DATA

from benchmarking.errors import BenchmarkError
from benchmarking.labels.agreement import agreement, numbering
from benchmarking.labels.imagenet import validation_key, validation_labels, validation_rows, wnids
from benchmarking.labels.label_files import labels_from
from benchmarking.labels.label_set import NO_CLASS
from benchmarking.labels.row_order import UnknownOrder, orders, placed

BY_NUMBER = validation_labels().astype(np.int64)
ORDER = validation_rows()
BY_ROW = BY_NUMBER[ORDER]
KEYS = [validation_key(row + 1) for row in ORDER.tolist()]
FOUR = [validation_key(number) for number in (198, 128, 88, 37)]  # classes 16, 22, 28, 32
OTHERS = [f"p{row}.png" for row in range(2000)]
CLASSES = np.sort(np.random.default_rng(0).integers(0, 1000, 2000))


def column(numbers):
    return np.asarray(numbers, dtype=np.int64)[:, None]


@pytest.mark.parametrize("order", ["rows", "numbers"])
def test_a_list_for_validation_pictures_is_used_in_the_order_that_agrees(order):
    given = {"rows": BY_ROW, "numbers": BY_NUMBER}[order]
    found = placed(column(given), KEYS, BY_ROW, "l.npy")
    assert (found.classes[:, 0] == BY_ROW).all()
    assert (given[found.entries] == BY_ROW).all()
    note = (
        "note: l.npy is in the order of file numbers, not of rows; in this order, it agrees with "
        "the set's own in 100.0 % of 50000 pictures"
    )
    assert found.notes == {"rows": (), "numbers": (note,)}[order]


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_predictions_of_a_poor_model_are_sorted_into_row_order_too(share):
    """A list of predictions made from a flat folder is in the order of the file numbers."""
    random = np.random.default_rng(3)
    guesses = np.where(random.random(50_000) < share, BY_NUMBER, random.integers(0, 1000, 50_000))
    found = placed(column(guesses), KEYS, BY_ROW, "mine.npy")
    assert (found.entries == ORDER).all()


def test_a_list_that_agrees_in_neither_order_is_refused_with_both_shares():
    mixed = np.random.default_rng(0).permutation(BY_ROW)
    with pytest.raises(UnknownOrder, match=r"rows for 0\.1 % of 50000 and in .*; neither can be"):
        placed(column(mixed), KEYS, BY_ROW, "l.npy")


def test_a_list_that_agrees_equally_in_both_orders_is_refused():
    """Each order agrees for two of the four pictures."""
    with pytest.raises(UnknownOrder, match="50.0 % of 4 and .* 50.0 % of 4 entries; both can be"):
        placed(column([16, 28, 22, 32]), FOUR, np.array([16, 22, 28, 32]), "l.npy")


def test_a_list_that_is_the_same_in_both_orders_is_accepted():
    found = placed(column(np.full(50_000, 7)), KEYS, BY_ROW, "l.npy")
    assert (found.classes == 7).all()
    (warning,) = found.notes
    assert warning == (
        "warning: l.npy: labels agree with the set's own in 0.1 % of 50000 pictures, about as by "
        "chance: probably another order"
    )


def test_four_pictures_are_enough_to_recognise_the_order_of_file_numbers():
    found = placed(column([32, 28, 22, 16]), FOUR, np.array([16, 22, 28, 32]), "l.npy")
    assert found.classes[:, 0].tolist() == [16, 22, 28, 32]


@pytest.mark.parametrize("order", ["rows", "numbers"])
def test_a_list_for_the_whole_validation_set_is_used_for_a_part_of_it(order):
    given = {"rows": BY_ROW, "numbers": BY_NUMBER}[order]
    few = KEYS[::1000]
    found = placed(column(given), few, BY_ROW[::1000], "l.npy")
    assert (found.classes[:, 0] == BY_ROW[::1000]).all()
    assert found.notes[-1] == "note: l.npy: 50 of its 50,000 entries belong to this set"


def test_lists_for_other_pictures_are_in_row_order_and_chance_agreement_is_a_warning():
    mixed = np.random.default_rng(1).permutation(CLASSES)
    found = placed(column(mixed), OTHERS, CLASSES, "l.npy")
    assert (found.classes[:, 0] == mixed).all()
    (warning,) = found.notes
    assert warning.startswith("warning: l.npy: labels agree with the set's own in 0.")
    assert warning.endswith(" of 2000 pictures, about as by chance: probably another order")
    assert placed(column(CLASSES), OTHERS, CLASSES, "l.npy").notes == ()


def test_classes_counted_from_1_for_other_pictures_are_a_warning_and_not_mapped():
    found = placed(column(CLASSES + 1), OTHERS, CLASSES, "l.npy")
    assert (found.classes[:, 0] == CLASSES + 1).all()
    assert found.notes[0].endswith("by chance: they look like classes counted from 1")


def test_a_list_of_another_length_is_refused():
    with pytest.raises(BenchmarkError, match="3 labels for 2000 pictures"):
        orders(3, OTHERS)
    with pytest.raises(BenchmarkError, match="49999 labels for 50000 pictures"):
        orders(49_999, KEYS)


@pytest.mark.parametrize("given", [BY_ROW, BY_NUMBER], ids=["rows", "numbers"])
def test_classes_counted_from_1_are_mapped_with_a_note(given):
    found = placed(column(given + 1), KEYS, BY_ROW, "l.npy")
    assert (found.classes[:, 0] == BY_ROW).all()
    assert found.notes[-1] == (
        "note: l.npy has classes counted from 1: mapped to ImageNet's, 0 to 999, they agree with "
        "the set's own in 100.0 % of 50000 pictures"
    )


def test_the_numbering_of_the_development_kit_is_recognised_and_mapped(tmp_path):
    """A random one-to-one numbering from 1 to 1000 takes the place of the real one."""
    own = np.random.default_rng(5).permutation(1000) + 1
    path = tmp_path / "ILSVRC2012_validation_ground_truth.txt"
    path.write_text("".join(f"{own[label]}\n" for label in BY_NUMBER))
    labels = labels_from(path, KEYS, BY_ROW)
    assert (labels.classes[:, 0] == BY_ROW).all()
    assert "is in the order of file numbers" in labels.notes[0]
    assert "has the class numbers of the ILSVRC development kit, 1 to 1000" in labels.notes[1]


@pytest.mark.parametrize("with_names", [False, True], ids=["a list", "a table with names"])
@pytest.mark.parametrize("n", [1, 4, 500])
def test_the_numbering_of_the_development_kit_is_found_for_few_pictures_too(
    tmp_path, with_names, n
):
    """The pictures of the set alone are too few; the file has all 50,000."""
    own = np.random.default_rng(5).permutation(1000) + 1
    path = tmp_path / "ILSVRC2012_validation_ground_truth.txt"
    names = [f"{validation_key(number)} " if with_names else "" for number in range(1, 50_001)]
    path.write_text("".join(f"{a}{own[b]}\n" for a, b in zip(names, BY_NUMBER, strict=True)))
    rows = np.arange(n) * (50_000 // n)
    labels = labels_from(path, [KEYS[row] for row in rows], BY_ROW[rows])
    assert (labels.classes[:, 0] == BY_ROW[rows]).all()
    assert "has the class numbers of the ILSVRC development kit, 1 to 1000" in "".join(labels.notes)


def test_a_numbering_with_two_numbers_for_one_class_is_not_accepted():
    own = np.arange(1000)
    own[999] = 998
    assert numbering(column(own[BY_ROW] + 1), BY_ROW).name == "classes counted from 1"
    shuffled = np.random.default_rng(5).permutation(1000)
    shuffled[:40:2] = shuffled[1:40:2]
    assert numbering(column(shuffled[BY_ROW]), BY_ROW) is None


def test_a_numbering_is_not_inferred_from_too_few_pictures_per_class():
    known = np.repeat(np.arange(20), 4)
    own = np.random.default_rng(0).permutation(20)
    assert numbering(column(own[known]), known) is None
    known = np.repeat(np.arange(20), 5)
    assert numbering(column(own[known]), known).of(column(own[known]))[:, 0].tolist() == [
        *np.repeat(np.arange(20), 5)
    ]


def test_agreement_equals_a_count_picture_by_picture():
    random = np.random.default_rng(2)
    for _ in range(50):
        n, width = random.integers(1, 30), random.integers(1, 4)
        classes, known = random.integers(-1, 5, (n, width)), random.integers(0, 5, n)
        pairs = [
            (set(line) - {NO_CLASS}, truth)
            for line, truth in zip(classes.tolist(), known.tolist(), strict=True)
        ]
        filled = [(line, truth) for line, truth in pairs if line]
        found = agreement(classes, known)
        assert found.n == len(filled)
        assert found.hits == sum(truth in line for line, truth in filled)


FORMS = {
    "a .npy of numbers": ("l.npy", BY_NUMBER),
    "numbers with a point": ("l.npy", BY_NUMBER.astype(float)),
    "WordNet ids": ("l.npy", np.array(wnids())[BY_NUMBER]),
    "ids as bytes": ("l.npy", np.array(wnids(), dtype="S9")[BY_NUMBER]),
    "one column": ("l.npy", BY_NUMBER[:, None].astype(np.uint16)),
    "a .json list": ("l.json", json.dumps(BY_NUMBER.tolist())),
    "a line each": ("l.txt", "".join(f"{wnids()[label]}\n" for label in BY_NUMBER)),
    "with a heading": ("l.csv", "label\n" + "".join(f"{label}\n" for label in BY_NUMBER)),
    "counted lines": (
        "l.csv",
        ",label\n" + "".join(f"{row},{label}\n" for row, label in enumerate(BY_NUMBER)),
    ),
    "file numbers": (
        "l.json",
        json.dumps({str(number): int(label) for number, label in enumerate(BY_NUMBER, 1)}),
    ),
}


@pytest.mark.parametrize(("name", "content"), FORMS.values(), ids=FORMS)
def test_lists_in_every_file_format_are_compared_in_both_orders(tmp_path, name, content):
    path = tmp_path / name
    if isinstance(content, str):
        path.write_text(content)
    else:
        np.save(path, content)
    labels = labels_from(path, KEYS, BY_ROW)
    assert (labels.rows == np.arange(50_000)).all()
    assert (labels.classes[:, 0] == BY_ROW).all()
    assert "is in the order of file numbers" in labels.notes[0]


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.float32, np.int64])
def test_one_hot_arrays_give_the_classes_that_have_a_1(tmp_path, dtype):
    hot = np.zeros((4, 1000), dtype)
    hot[[0, 1, 2, 2], [16, 22, 28, 5]] = 1
    np.save(tmp_path / "hot.npy", hot)
    labels = labels_from(tmp_path / "hot.npy", FOUR, np.array([16, 22, 28, 32]))
    assert labels.rows.tolist() == [0, 1, 2]
    assert labels.classes.tolist() == [[16, -1], [22, -1], [5, 28]]


def test_one_hot_lists_in_json_give_the_classes_that_have_a_1(tmp_path):
    hot = [[0] * 1000 for _ in range(4)]
    for row, label in enumerate((16, 22, 28, 32)):
        hot[row][label] = 1
    (tmp_path / "hot.json").write_text(json.dumps(hot))
    labels = labels_from(tmp_path / "hot.json", FOUR)
    assert labels.classes.tolist() == [[16], [22], [28], [32]]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((4, 1000), 0.001), "0.001 is not a class; if these are scores of all classes"),
        (np.array([True, False, True, True]), "one True or False for each picture"),
        (np.array([[198, 16], [128, 22], [88, 28], [37, 32]]), "its column 0 has the number of"),
        (np.array([[16, 1], [22, 2], [28, 3], [32, 4]]), "its column 1 has the number of each"),
        (np.array([1000, 22, 28, 32]), "1000 is not a class; expected 0 to 999"),
        (np.array([16, 22, 28, 1j]), "holds complex128; expected whole numbers"),
        (np.zeros((4, 2, 2), int), r"it holds int64 of shape \(4, 2, 2\)"),
        (np.tile(np.arange(1001), (4, 1)), "1001 classes for one picture; at most 1000"),
    ],
)
def test_arrays_that_do_not_contain_classes_are_refused(tmp_path, array, message):
    np.save(tmp_path / "l.npy", array)
    with pytest.raises(BenchmarkError, match=message):
        labels_from(tmp_path / "l.npy", FOUR)


@pytest.fixture(scope="module")
def real():
    path = DATA / "imagenet_val" / "real.json"
    if not path.is_file():
        pytest.skip(f"{path} is missing: ReaL labels")
    return path


def test_the_official_file_of_real_labels_is_used_in_the_order_of_file_numbers(real):
    labels = labels_from(real, KEYS, BY_ROW)
    published = json.loads(real.read_text())
    assert len(labels) == 46_837
    for row, line in zip(labels.rows.tolist(), labels.classes.tolist(), strict=True):
        assert set(line) - {NO_CLASS} == set(published[ORDER[row]])
    assert labels.notes == (
        f"note: {real} is in the order of file numbers, not of rows; in this order, it agrees with "
        "the set's own in 90.0 % of 46837 pictures",
    )


def test_an_array_without_columns_is_refused(tmp_path):
    np.save(tmp_path / "empty.npy", np.zeros((4, 0), np.int64))
    with pytest.raises(BenchmarkError, match=r"empty\.npy: it holds int64 of shape \(4, 0\)"):
        labels_from(tmp_path / "empty.npy", [f"{row}.png" for row in range(4)])


@pytest.mark.parametrize("given", [BY_ROW, BY_NUMBER], ids=["rows", "numbers"])
def test_classes_that_were_cut_to_8_bits_are_refused(tmp_path, given):
    """They agree in the 25.6 % of the pictures whose class is below 256."""
    np.save(tmp_path / "l.npy", given.astype(np.uint8))
    message = (
        r"l\.npy: its classes were cut to 8 bits: where the set's own are 256 or above, it has "
        r"their remainders modulo 256, in 100\.0 % of 37200 pictures\. Save it again"
    )
    with pytest.raises(BenchmarkError, match=message):
        labels_from(tmp_path / "l.npy", KEYS, BY_ROW)


def test_predictions_that_were_cut_to_8_bits_are_refused():
    right = np.random.default_rng(0).random(50_000) < 0.7
    guesses = np.where(right, BY_NUMBER, (BY_NUMBER + 1) % 1000).astype(np.uint8)
    with pytest.raises(BenchmarkError, match=r"cut to 8 bits: .* in 70\.. % of 37200 pictures"):
        placed(column(guesses), KEYS, BY_ROW, "mine.npy")


def test_classes_below_256_are_not_taken_for_cut_ones():
    low = np.flatnonzero(BY_ROW < 256)
    assert placed(column(BY_ROW[low]), [KEYS[row] for row in low], BY_ROW[low], "l").notes == ()
    others = np.random.default_rng(0).integers(0, 256, 50_000)
    few = np.where(np.arange(50_000) % 4 == 0, BY_ROW, others)
    assert (placed(column(few), KEYS, BY_ROW, "l").entries == np.arange(50_000)).all()


@pytest.mark.parametrize("form", ["list", "table"])
def test_labels_that_agree_in_fewer_than_half_of_the_pictures_give_a_warning(tmp_path, form):
    mixed = np.where(np.arange(50_000) % 10 < 4, BY_ROW, (BY_ROW + 7) % 1000)
    path = tmp_path / "l.csv"
    names = [f"{key}," for key in KEYS] if form == "table" else [""] * 50_000
    path.write_text("".join(f"{name}{label}\n" for name, label in zip(names, mixed, strict=True)))
    labels = labels_from(path, KEYS, BY_ROW)
    assert labels.notes == (
        f"warning: {path}: labels agree with the set's own in only 40.0 % of 50000 pictures",
    )


@pytest.mark.parametrize("suffix", [".npy", ".json", ".csv"])
def test_several_classes_for_nearly_every_picture_are_told(tmp_path, suffix):
    """The five most probable classes of a model would make it right in every picture."""
    path = tmp_path / f"top{suffix}"
    given = [[16, 1, 2], [22, 3, 4], [28, 5, 6], [7, 8, 9]]
    if suffix == ".npy":
        np.save(path, np.array(given))
    elif suffix == ".json":
        path.write_text(json.dumps(given))
    else:
        rows = zip(FOUR, given, strict=True)
        path.write_text("".join(f"{key},{a},{b},{c}\n" for key, (a, b, c) in rows))
    labels = labels_from(path, FOUR, np.array([16, 22, 28, 32]))
    assert labels.notes[-1:] == (
        f"note: {path}: 4 of 4 pictures have several right classes, up to 3, any of which counts; "
        "predictions are no labels",
    )
    (tmp_path / "l.json").write_text("[[16, 1], [22], [28, 5], 32]")
    assert labels_from(tmp_path / "l.json", FOUR, np.array([16, 22, 28, 32])).notes == ()


def test_columns_of_other_numbers_that_are_read_as_classes_are_told(tmp_path):
    """Width and height of a picture, one of which may be its class by chance."""
    path = tmp_path / "l.csv"
    sizes = "".join(f"{key},500,375,{label}\n" for key, label in zip(KEYS, BY_ROW, strict=True))
    path.write_text(sizes)
    assert labels_from(path, KEYS, BY_ROW).notes[-1:] == (
        f"note: {path}: 50,000 of 50,000 pictures have several right classes, up to 3, any of "
        "which counts; predictions are no labels",
    )
