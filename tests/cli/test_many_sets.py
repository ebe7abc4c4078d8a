"""`predict` on several image sets at once."""

import shutil

import pytest

from benchmarking.cli import main
from benchmarking.io import files
from benchmarking.labels.imagenet import validation_key, validation_labels, wnids
from benchmarking.predictions.store import Store, bytes_needed


@pytest.fixture
def predict(light, tmp_path):
    """The command with a light model and a store."""
    folder = tmp_path / "store"

    def predict(*arguments) -> tuple[int, Store]:
        given = ["predict", *map(str, arguments), "--models", "steady", "--store", str(folder)]
        return main(given), Store(folder)

    return predict


@pytest.fixture
def other(tree, tmp_path):
    """The same pictures without those of one class."""
    copy = tmp_path / "other"
    shutil.copytree(tree, copy)
    shutil.rmtree(sorted(copy.iterdir())[0])
    return copy


def test_several_places_are_several_image_sets(predict, tree, other):
    status, store = predict("--images", f"val={tree}", f"v2={other}")
    assert status == 0
    (val,), (v2,) = store.runs("val"), store.runs("v2")
    assert len(store.rows("val")) > len(store.rows("v2")) > 0
    assert store.provenance(val).fingerprint != store.provenance(v2).fingerprint


def test_each_set_has_the_predictions_that_it_has_alone(predict, tree, other, tmp_path, light):
    _, store = predict("--images", f"val={tree}", f"v2={other}")
    alone = tmp_path / "alone"
    main(["predict", str(other), "--images", "v2", "--models", "steady", "--store", str(alone)])
    (run,) = store.runs("v2")
    assert (store.classes(run) == Store(alone).classes(run)).all()


def test_places_without_names_have_their_usual_names(predict, tree, other):
    _, store = predict(tree, other)
    assert store.image_sets() == sorted([tree.name, "other"])


def test_all_sets_are_checked_before_the_first_prediction(predict, tree, other, capsys):
    next(other.glob("*/*")).write_bytes(b"no picture")
    status, store = predict("--images", f"val={tree}", f"v2={other}")
    assert status == 2
    assert "1 of" in capsys.readouterr().err
    assert store.runs("val") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no pictures are given"),
        (("--images", "val=/a", "val=/b"), "--images val names 2 places; name each once"),
        (("--images", "=/a"), "--images =/a lacks its name; expected NAME=PICTURES"),
        (("--images", "val="), "--images val= lacks its place; expected NAME=PICTURES"),
        (("--images", "val"), "give each name with its place: --images val=PICTURES"),
        (("/a", "/b", "--images", "val"), "--images val names one place of pictures"),
    ],
)
def test_names_and_places_that_do_not_fit_are_refused(arguments, message, predict, capsys):
    assert predict(*arguments)[0] == 2
    assert message in capsys.readouterr().err


def test_two_places_of_one_name_are_refused(predict, tree, tmp_path, capsys):
    copy = tmp_path / "copy" / tree.name
    shutil.copytree(tree, copy)
    assert predict(tree, copy)[0] == 2
    assert f"would both be the image set {tree.name}; name them: " in capsys.readouterr().err


def test_results_and_warnings_say_which_of_several_sets_they_are_of(
    predict, tree, other, tmp_path, capsys
):
    (other / "notes.txt").touch()
    predict("--images", f"val={tree}", f"v2={other}")
    out, err = capsys.readouterr()
    assert [one for one in out.splitlines() if "image set" in one or "acc@1" in one] == [
        "image set 1 of 2: val",
        *(one for one in out.splitlines() if "acc@1" in one and "6 images" in one),
        "image set 2 of 2: v2",
        *(one for one in out.splitlines() if "acc@1" in one and "6 images" not in one),
    ]
    assert err.index(f"{other}:\n") < err.index("left out: notes.txt")


def test_other_pictures_under_the_name_of_a_later_set_are_refused_before_the_first_prediction(
    predict, tree, other, capsys
):
    predict("--images", f"v2={tree}")
    status, store = predict("--images", f"val={tree}", f"v2={other}")
    assert status == 2
    assert "image set 'v2' is stored with fingerprint" in capsys.readouterr().err
    assert store.runs("val") == []


def test_the_disk_needs_space_for_the_runs_on_all_sets(predict, tree, other, monkeypatch, capsys):
    needed = bytes_needed(6)
    monkeypatch.setattr(files, "free", lambda folder: needed + 1)  # enough for either alone
    assert predict("--images", f"val={tree}", f"v2={other}")[0] == 2
    assert "free; these runs need up to" in capsys.readouterr().err


def test_a_variant_is_not_stored_under_the_name_of_another(predict, tree, tmp_path, capsys):
    """Runs are scored by the name of their set: V2 by verify, ImageNet-C in the mCE."""
    folder = tmp_path / "imagenet-c" / "fog" / "1"
    folder.parent.mkdir(parents=True)
    for number, file in enumerate(sorted(tree.glob("*/*"))[:2]):
        path = folder / wnids()[int(validation_labels()[number])] / validation_key(number + 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.read_bytes())
    assert predict("--images", f"imagenet-c-fog-3={folder}")[0] == 2
    told = capsys.readouterr().err
    assert "1 is imagenet-c-fog-1, and 'imagenet-c-fog-3' is the name of another" in told
    assert predict("--images", f"mine={folder}")[0] == 0
