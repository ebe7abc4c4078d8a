import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import DATA, an_image_set

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.io.npy_files import read_integers
from benchmarking.labels.imagenet import validation_key, validation_labels, validation_rows
from benchmarking.labels.label_set import every_image
from benchmarking.predictions.arrays_2019 import (
    IMAGES,
    ArrayFolders,
    folders_below,
    names_2019,
    save,
    stem_of,
)
from benchmarking.predictions.run import Run
from benchmarking.predictions.top_k import top_k
from benchmarking.scoring.aggregate import aggregate

CIFAR = Run("cifar10", "2019-pytorch", "vgg16_bn", "northcutt2019")
LABELS = validation_labels()[validation_rows()]


def write(folder, preds, probs, *, stem="vgg16_bn_pytorch_cifar10"):
    folder.mkdir(exist_ok=True)
    np.save(folder / f"{stem}_top5preds.npy", preds)
    np.save(folder / f"{stem}_top5probs.npy", probs)


def some(n=6, dtype=np.float32):
    random = np.random.default_rng(0)
    preds = np.argsort(random.random((n, 10)), axis=1)[:, :5]
    return preds, random.dirichlet(np.ones(6), n)[:, :5].astype(dtype)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "arrays", *some())
    return tmp_path / "arrays"


def test_all_34_accuracies_are_those_of_an_independent_count(arrays_of_2019):
    table = aggregate(ArrayFolders(tuple(folders_below(arrays_of_2019))), IMAGES)
    golden = DATA.parent / "reference" / "golden_2019_predictions.csv"
    expected = {
        row["stored_file"]: (row["acc1"], row["acc5"])
        for row in csv.DictReader(golden.read_text().splitlines())
    }
    found = {
        f"{row.run.model}_{row.run.source.removeprefix('2019-')}": tuple(
            f"{100 * row.scores[name].share:.3f}" for name in ("Acc@1", "Acc@5")
        )
        for row in table.rows
    }
    assert len(found) == 34
    assert found == expected


def test_classes_of_the_34_are_sorted_as_numpy_sorts_them_stably(arrays_of_2019):
    """resnet152, in half precision, has seven ties for the first place."""
    arrays = ArrayFolders((arrays_of_2019 / "pytorch_imagenet",))
    run = next(run for run in arrays.runs(IMAGES) if run.model == "resnet152")
    preds, probs = (np.load(path) for path in arrays.paths(run))
    order = np.argsort(-probs.astype(np.float32), axis=1, kind="stable")
    assert probs.dtype == np.float16
    assert ((probs == probs.max(axis=1, keepdims=True)).sum(axis=1) > 1).sum() == 7
    assert (arrays.classes(run) == np.take_along_axis(preds, order, axis=1)).all()


def test_another_set_is_read_with_its_own_name(folder):
    arrays = ArrayFolders((folder,))
    assert arrays.image_sets() == ["cifar10"]
    assert arrays.runs("cifar10") == [CIFAR]
    preds, probs = some()
    said = arrays.read(CIFAR)
    assert (np.diff(said.probabilities, axis=1) <= 0).all()
    for row in range(len(preds)):
        pairs = dict(zip(preds[row], probs[row], strict=True))
        assert dict(zip(said.classes[row], said.probabilities[row], strict=True)) == pairs


def test_classes_of_any_whole_type_are_read(tmp_path):
    preds, probs = some()
    for dtype in (np.uint8, np.int16, np.uint64):
        write(tmp_path / "arrays", preds.astype(dtype), probs)
        assert (ArrayFolders((tmp_path / "arrays",)).read(CIFAR).classes < 10).all()


def test_half_precision_is_read_unchanged(tmp_path):
    write(tmp_path / "arrays", *some(dtype=np.float16))
    said = ArrayFolders((tmp_path / "arrays",)).read(CIFAR)
    assert (np.sort(some(dtype=np.float16)[1])[:, ::-1] == said.probabilities).all()


def test_labels_of_another_set_must_be_given_or_stored(folder):
    arrays = ArrayFolders((folder,))
    with pytest.raises(
        StoreError, match="labels of cifar10 are not known; give those of all its rows"
    ):
        arrays.labels("cifar10")
    np.save(folder / "vgg16_bn_pytorch_cifar10_labels.npy", np.arange(6))
    assert arrays.labels("cifar10").tolist() == [0, 1, 2, 3, 4, 5]
    assert ArrayFolders((folder,), {"cifar10": np.arange(3)}).labels("cifar10").tolist() == [
        0,
        1,
        2,
    ]


def pickled():
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"code": "here"}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def huge():
    """A header that claims eight petabytes."""
    buffer = io.BytesIO()
    header = {"descr": "<i8", "fortran_order": False, "shape": (2**50, 1)}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + bytes(80)


def says(header, version=1, claim=0):
    """A file with this header; its length field is `claim` if that is not 0."""
    text = header.encode("latin1") + b"\n"
    length = (claim or len(text)).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + bytes(240)


SHAPE = "{'descr': '<i8', 'fortran_order': False, 'shape': %s}"
KIND = "{'descr': %s, 'fortran_order': False, 'shape': (6, 5)}"
HEADERS = {
    "more than there is": says(SHAPE % "(1000000, 5)"),
    "more than a machine can count": says(SHAPE % f"({2**64}, 5)"),
    "below 0": says(SHAPE % "(-6, -5)"),
    "True and nothing": says(SHAPE % f"(True, 0, {2**63})"),
    "nothing of a huge width": says(SHAPE % f"(0, {2**63 - 1}, {2**63 - 1})"),
    "an open bracket": says(SHAPE % "(6, 5"),
    "an odd indent": says("{'descr': '<i8',\n   'shape': (6, 5)\n 'fortran_order': False"),
    "no names": says("{None: 1, 'shape': (6, 5)}"),
    "a list for a name": says("{[]: 1}"),
    "deep": says("(" * 3000),
    "an empty type": says(KIND % "[()]"),
    "a letter that numpy gives up": says(KIND % "'a500'"),
    "types without a size": says(KIND % "'S0'").replace(b"(6, 5)", b"(600000,)"),
    "a length of 4 GB": says(SHAPE % "(6, 5)", version=2, claim=2**32 - 1),
    "another version": says(SHAPE % "(6, 5)", version=9),
}


def archive():
    buffer = io.BytesIO()
    np.savez(buffer, preds=np.zeros((6, 5)))
    return buffer.getvalue()


def signalling():
    """Probabilities with a signalling NaN, which causes a warning in every computation."""
    probs = some()[1]
    probs.view(np.uint32)[1, 2] = 0x7F800001
    return probs


PREDS, PROBS = some()
BROKEN = {
    "cut": ("preds", PREDS, lambda data: data[:-8], "is no whole .npy file"),
    "empty": ("preds", PREDS, lambda data: b"", "is no whole .npy file"),
    "text": ("probs", PROBS, lambda data: b"hello, world", "is no whole .npy file"),
    "a pickle": ("preds", PREDS, lambda data: pickled(), "is no whole .npy file"),
    "huge": ("preds", PREDS, lambda data: huge(), "is no whole .npy file"),
    "an archive": ("preds", PREDS, lambda data: archive(), "is no whole .npy file"),
    "three columns": ("preds", PREDS[:, :3], None, r"has shape \(6, 3\)"),
    "no rows": ("preds", PREDS[:0], None, r"has shape \(0, 5\)"),
    "flat": ("preds", PREDS[0], None, r"has shape \(5,\)"),
    "floats for classes": ("preds", PROBS, None, "holds float32; expected whole numbers"),
    "classes for floats": ("probs", PREDS, None, "holds int64; expected probabilities"),
    "below 0": ("preds", PREDS - 1, None, "holds classes from -1 to 8; expected 0 to 65535"),
    "too high": ("preds", PREDS + 65530, None, "to 65539; expected 0 to 65535"),
    "another length": ("probs", PROBS[:5], None, r"has shape \(5, 5\), but the classes beside it"),
    "NaN": ("probs", PROBS * np.float32("nan"), None, "contain NaN or infinity"),
    "signalling NaN": ("probs", signalling(), None, "contain NaN or infinity"),
    "negative": ("probs", -PROBS, None, r"lie outside \[0, 1\]"),
    "percent": ("probs", PROBS * 100, None, r"lie outside \[0, 1\]"),
    "double precision": ("probs", PROBS.astype(np.float64), None, "float64; expected float32 or"),
    "a class twice": ("preds", PREDS * 0, None, "name a class twice"),
}


@pytest.mark.parametrize(("kind", "array", "change", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named_with_what_is_wrong(folder, kind, array, change, message):
    path = folder / f"vgg16_bn_pytorch_cifar10_top5{kind}.npy"
    np.save(path, array)
    if change:
        path.write_bytes(change(path.read_bytes()))
    with pytest.raises(StoreError, match=message) as refusal:
        ArrayFolders((folder,)).read(CIFAR)
    assert "vgg16_bn_pytorch_cifar10_top5" in str(refusal.value)


@pytest.mark.parametrize("data", HEADERS.values(), ids=HEADERS)
def test_a_file_with_any_invalid_header_is_named(folder, data):
    path = folder / "vgg16_bn_pytorch_cifar10_top5preds.npy"
    path.write_bytes(data)
    with pytest.raises(StoreError, match=f"{path} is no whole .npy file: ."):
        ArrayFolders((folder,)).read(CIFAR)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_arrays_of_every_version_of_the_format_are_read(folder, version):
    with (folder / "vgg16_bn_pytorch_cifar10_top5preds.npy").open("wb") as file:
        np.lib.format.write_array(file, np.asfortranarray(PREDS), version=version)
    assert (np.sort(ArrayFolders((folder,)).read(CIFAR).classes) == np.sort(PREDS)).all()


@pytest.mark.parametrize("kind", ["preds", "probs"])
def test_half_of_a_pair_is_named(folder, kind):
    path = folder / f"vgg16_bn_pytorch_cifar10_top5{kind}.npy"
    path.unlink()
    with pytest.raises(StoreError, match=f"{path} is missing; a run has classes and probabilities"):
        ArrayFolders((folder,)).read(CIFAR)


def test_imagenet_has_a_thousand_classes(tmp_path):
    preds, probs = some(n=50_000)
    preds[7, 2] = 1000
    write(tmp_path / "arrays", preds, probs, stem="vgg16_keras_imagenet")
    arrays = ArrayFolders((tmp_path / "arrays",))
    with pytest.raises(StoreError, match="holds classes from 0 to 1000; expected 0 to 999"):
        arrays.read(arrays.runs(IMAGES)[0])


def test_a_run_of_imagenet_with_too_few_rows_is_left_out(tmp_path):
    write(tmp_path / "arrays", *some(49_999), stem="vgg16_keras_imagenet")
    with pytest.raises(StoreError, match="has 49999 rows for 50000 pictures"):
        aggregate(ArrayFolders((tmp_path / "arrays",)), IMAGES)


def test_unrecorded_fields_are_unknown(folder):
    made = ArrayFolders((folder,)).provenance(CIFAR)
    assert (made.platform, made.executor, made.device, made.started) == (
        *("PyTorch", "imported"),
        *("unknown", "unknown"),
    )
    assert (made.weights, made.versions, made.batch_size) == ({"name": "unknown"}, {}, None)


def test_folders_are_found_below_one(arrays_of_2019, tmp_path):
    assert [path.name for path in folders_below(arrays_of_2019)] == [
        "keras_imagenet",
        "pytorch_imagenet",
    ]
    with pytest.raises(StoreError, match="holds no arrays; expected files such as vgg16_pytorch"):
        folders_below(tmp_path)
    with pytest.raises(StoreError, match="nowhere cannot be read: No such file"):
        folders_below(tmp_path / "nowhere")


def test_the_34_models_are_known_under_their_names():
    names = names_2019()
    assert {platform: len(models) for platform, models in names.items()} == {
        "keras": 13,
        "pytorch": 21,
    }
    assert "mobilenetV2" in names["keras"]
    assert "squeezenet1_0" in names["pytorch"]


def saved(folder, a_provenance, images, model="MobileNetV2", **more):
    run = Run(images.name, "keras", model, "published")
    made = replace(a_provenance(images), platform="Keras")
    said = top_k(np.random.default_rng(1).dirichlet(np.ones(9), 3).astype(np.float32))
    save(
        folder / stem_of(run, images.keys, made),
        run,
        said,
        images.labels,
        made,
        keys=images.keys,
        **more,
    )
    return said, made


def test_what_is_saved_is_read_again_with_how_it_was_made(tmp_path, three_pictures, a_provenance):
    said, made = saved(tmp_path, a_provenance, three_pictures)
    arrays = ArrayFolders((tmp_path,))
    (run,) = arrays.runs("three")
    assert run == Run("three", "keras", "MobileNetV2", "published")
    assert (arrays.classes(run) == said.classes).all()
    assert (arrays.read(run).probabilities == said.probabilities).all()
    assert arrays.labels("three").tolist() == [1, 1, 3]
    assert arrays.provenance(run) == made


def test_files_have_their_names_and_types_of_2019(tmp_path, three_pictures, a_provenance):
    everything = np.full((3, 9), 1 / 9, np.float32)
    saved(tmp_path, a_provenance, three_pictures, probabilities=everything)
    found = {path.name: np.load(path) for path in tmp_path.glob("*.npy")}
    assert {name: (array.dtype.name, array.shape) for name, array in found.items()} == {
        "mobilenetV2_keras_three_top5preds.npy": ("int64", (3, 5)),
        "mobilenetV2_keras_three_top5probs.npy": ("float32", (3, 5)),
        "mobilenetV2_keras_three_labels.npy": ("int64", (3,)),
        "mobilenetV2_keras_three_probs.npy": ("float32", (3, 9)),
    }


def test_arrays_of_other_frameworks_are_refused(tmp_path, three_pictures, a_provenance):
    run = Run("three", "somewhere", "vgg16", "published")
    with pytest.raises(BenchmarkError, match="can be of Keras and PyTorch only, not Abacus"):
        stem_of(run, three_pictures.keys, a_provenance(three_pictures))


@pytest.mark.parametrize(
    "text", ["{", "{}", "[]", '{"run": {}, "provenance": {}}', "[" * 100_000, '{"a":' * 100_000]
)
def test_a_broken_document_beside_the_arrays_is_named(tmp_path, three_pictures, a_provenance, text):
    saved(tmp_path, a_provenance, three_pictures)
    path = tmp_path / "mobilenetV2_keras_three_provenance.json"
    path.write_text(text)
    arrays = ArrayFolders((tmp_path,))
    (run,) = arrays.runs("three")
    with pytest.raises(StoreError, match=f"{path.name} is broken"):
        arrays.provenance(run)
    with pytest.raises(StoreError, match=f"{path.name} is broken"):
        aggregate(arrays, "three")


def test_a_run_in_two_folders_is_refused(tmp_path):
    for name in ("one", "other"):
        write(tmp_path / name, *some())
    arrays = ArrayFolders((tmp_path / "one", tmp_path / "other"))
    with pytest.raises(StoreError, match="are the same run; leave out one folder"):
        arrays.image_sets()


def test_the_document_says_which_run_it_is(tmp_path, three_pictures, a_provenance):
    saved(tmp_path, a_provenance, three_pictures)
    document = json.loads((tmp_path / "mobilenetV2_keras_three_provenance.json").read_text())
    assert document["run"]["recipe"] == "published"


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([True, False]), "holds a mask of True and False; save np.flatnonzero"),
        (np.array([0.5]), "holds float64; expected whole numbers"),
        (np.array([2**64 - 1], np.uint64), "which is no row and no class"),
        (np.zeros((2, 2), int), r"has shape \(2, 2\); expected one row of numbers"),
    ],
)
def test_a_list_of_numbers_is_one_row_of_whole_numbers(tmp_path, array, message):
    np.save(tmp_path / "rows.npy", array)
    with pytest.raises(StoreError, match=message):
        read_integers(tmp_path / "rows.npy")


def test_hidden_files_of_macos_are_not_arrays(folder):
    (folder / "._vgg16_pytorch_cifar10_top5preds.npy").write_bytes(b"?")
    assert ArrayFolders((folder,)).runs("cifar10") == [CIFAR]


def test_an_array_whose_name_is_not_understood_is_left_out_and_named(folder):
    for name in ("my model_pytorch_cifar10_top5preds.npy", "vgg16_caffe_cifar10_top5preds.npy"):
        (folder / name).write_bytes(b"?")
    arrays = ArrayFolders((folder,))
    assert arrays.image_sets() == ["cifar10"]
    first, second = arrays.problems()
    assert "my model_pytorch_cifar10" in first
    assert "cannot name anything here" in first
    assert "vgg16_caffe_cifar10_top5preds.npy is not named as the arrays of 2019" in second


def test_only_the_platform_of_a_folder_is_read(tmp_path):
    write(tmp_path / "arrays", *some())
    write(tmp_path / "arrays", *some(), stem="vgg16_keras_cifar10")
    arrays = ArrayFolders((tmp_path / "arrays",), platforms={tmp_path / "arrays": "keras"})
    assert [run.source for run in arrays.runs("cifar10")] == ["2019-keras"]


def test_rows_in_another_order_are_seen_by_their_labels(folder):
    np.save(folder / "vgg16_bn_pytorch_cifar10_labels.npy", np.arange(6))
    write(folder, *some(), stem="vgg19_bn_pytorch_cifar10")
    np.save(folder / "vgg19_bn_pytorch_cifar10_labels.npy", np.arange(6)[::-1])
    table = aggregate(ArrayFolders((folder,)), "cifar10")
    assert [row.run.model for row in table.rows] == ["vgg16_bn"]
    assert "vgg19_bn_pytorch_cifar10_labels.npy has other labels than cifar10" in table.left_out[0]


def test_a_run_that_is_written_again_leaves_nothing_of_the_first(
    tmp_path, three_pictures, a_provenance
):
    saved(tmp_path, a_provenance, three_pictures, probabilities=np.full((3, 9), 1 / 9, np.float32))
    saved(tmp_path, a_provenance, three_pictures)
    assert not (tmp_path / "mobilenetV2_keras_three_probs.npy").exists()


def test_the_whole_validation_set_has_its_name_of_2019_and_no_other_has(a_provenance, tmp_path):
    keys = [validation_key(row + 1) for row in validation_rows().tolist()]
    made = replace(a_provenance(an_image_set(tmp_path / "p", {"a": 1})), platform="PyTorch")
    run = Run("imagenet-val", "torchvision", "vgg16", "published")
    assert stem_of(run, keys, made) == "vgg16_pytorch_imagenet"
    assert stem_of(run, [key.replace("JPEG", "jpg") for key in keys], made).endswith("_imagenet")
    assert stem_of(run, [f"x{key}" for key in keys], made) == "vgg16_pytorch_imagenet-val"
    part = replace(run, images="imagenet")
    assert stem_of(part, keys[:3], made) == "vgg16_pytorch_part-of-imagenet"


def test_published_figures_are_shown_only_for_the_sets_own_labels(arrays_of_2019):
    arrays = ArrayFolders((arrays_of_2019 / "keras_imagenet",))
    own = every_image(arrays.labels(IMAGES))
    for labels, shown in ((own, True), (own.relabelled(np.zeros(50_000, int)), False)):
        table = aggregate(arrays, IMAGES, labels={"": labels})
        assert all((row.published is not None) is shown for row in table.rows)
