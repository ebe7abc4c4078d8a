import argparse
import io
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from benchmarking.cli import main
from benchmarking.cli.options import chosen_store, chosen_stores
from benchmarking.labels.imagenet import wnids
from benchmarking.pictures.crop_cache import CropFile, Unfinished
from benchmarking.pictures.image_set import FilePart
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store

ROOT = Path(__file__).parents[2]


def call(*arguments) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def predict(light, tree, store):
    """`imagenet-benchmark predict` with the light models."""

    def predict(*arguments, models=("steady",)):
        return call(
            "predict",
            tree,
            "--store",
            store.folder,
            "--models",
            *models,
            "--images",
            "grey",
            *arguments,
        )

    return predict


def test_without_a_command_the_help_is_pointed_to(capsys):
    with pytest.raises(SystemExit) as end:
        call()
    assert end.value.code == 2
    assert "the following arguments are required: COMMAND" in capsys.readouterr().err


def test_help_names_every_command_and_gives_examples(capsys):
    with pytest.raises(SystemExit) as end:
        call("--help")
    assert end.value.code == 0
    text = capsys.readouterr().out
    for word in ("predict", "table", "models", "imagenet-benchmark predict demo"):
        assert word in text


def test_predict_says_what_will_run_and_then_how_it_went(predict, store, capsys):
    assert predict() == 0
    plan, result = capsys.readouterr().out.splitlines()
    assert plan == (
        "1 model (1 Arithmetic), recipe published, 6 pictures of grey; up to 4 kB into "
        f"{store.folder}"
    )
    assert result == "steady (Arithmetic): acc@1 83.33 %, acc@5 83.33 %, 6 images, 0 s"
    assert store.runs("grey") == [Run("grey", "brightness", "steady", "published")]


def test_the_table_shows_what_predict_stored(predict, store, capsys):
    predict()
    capsys.readouterr()
    assert call("table", "--store", store.folder) == 0
    assert "Arithmetic  steady    83.33 ± 26.67" in capsys.readouterr().out


def test_a_complete_run_is_skipped_unless_again(predict, store, capsys):
    predict()
    before = store.path(store.runs("grey")[0]).stat().st_mtime_ns
    assert predict() == 0
    assert "steady (Arithmetic): complete since 2" in capsys.readouterr().out
    assert store.path(store.runs("grey")[0]).stat().st_mtime_ns == before
    assert predict("--again") == 0
    assert store.path(store.runs("grey")[0]).stat().st_mtime_ns > before


def test_a_failed_model_is_reported_and_the_others_continue_with_status_1(predict, store, capsys):
    assert predict(models=("shaky", "steady")) == 1
    out, err = capsys.readouterr()
    assert "steady (Arithmetic): acc@1" in out
    assert "failed: brightness/shaky: out of memory: MemoryError: too heavy" in err
    assert [run.model for run in store.runs("grey")] == ["steady"]


def test_a_requested_model_without_weights_is_a_failure(predict, capsys):
    assert predict(models=("weightless", "steady")) == 1
    out, err = capsys.readouterr()
    assert "weights missing for 1" in out
    assert "failed: brightness/weightless: weightless.bin is missing; run: make weightl" in err


def test_a_recipe_that_a_model_lacks_is_named_with_those_it_has(predict, capsys):
    assert predict(models=("squashing",)) == 2
    assert "no recipe 'published'; it has squash" in capsys.readouterr().err


def test_a_limit_gives_another_image_set(predict, store):
    assert predict("--limit", 2) == 0
    assert predict() == 0
    assert store.image_sets() == ["grey", "grey-limit-2"]
    assert len(store.rows("grey-limit-2")) == 2


def test_a_limit_beyond_the_pictures_is_the_whole_set(predict, store):
    assert predict("--limit", 6) == 0
    assert store.image_sets() == ["grey"]


def test_stored_probabilities_are_not_replaced_by_a_run_without_them(predict, store):
    predict()
    assert predict("--save-all-probs") == 0
    assert predict("--again") == 0
    assert store.keeps_all_probabilities(store.runs("grey")[0])


def test_other_pictures_under_a_known_name_are_refused_before_anything_runs(
    predict, tree, store, capsys
):
    predict()
    Image.new("RGB", (30, 20), "white").save(next(tree.glob("*/a.png")))
    before = store.path(store.runs("grey")[0]).read_bytes()
    assert predict(models=("shaky",)) == 2  # the model would fail with 1 if it were run
    assert "'grey' is stored with fingerprint" in capsys.readouterr().err
    assert store.path(store.runs("grey")[0]).read_bytes() == before


def test_a_broken_run_is_computed_again(predict, store):
    predict()
    path = store.path(store.runs("grey")[0])
    whole = store.read(store.runs("grey")[0]).classes
    path.write_bytes(path.read_bytes()[:60])
    assert predict() == 0
    assert (store.read(store.runs("grey")[0]).classes == whole).all()


def test_a_store_that_cannot_be_written_is_refused_before_anything_runs(predict, store, capsys):
    store.folder.write_text("a file")
    assert predict(models=("shaky",)) == 2  # the model would fail with 1 if it were run
    assert "cannot be written: " in capsys.readouterr().err


def test_an_invalid_name_is_refused_before_pictures_are_read(predict, tree, capsys):
    next(tree.glob("*/a.png")).chmod(0)
    assert predict("--images", "my set") == 2
    out, err = capsys.readouterr()
    assert "'my set' cannot name anything here" in err
    assert out == ""


def test_on_a_terminal_a_bar_shows_speed_and_time_left(predict, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("benchmarking.io.progress.INTERVAL", 0)
    predict()
    shown = terminal.getvalue()
    assert "reading: 100%" in shown
    assert "steady (Arithmetic):   0%" in shown
    assert "loading" in shown
    assert re.search(r"6/6 \[00:00<00:00, .* images/s\]", shown)


def test_recorded_arguments_hold_no_folders_of_the_users(predict, store, tree, monkeypatch):
    monkeypatch.chdir(tree.parent)
    predict(f"--store={store.folder}", "--workers=1")
    recorded = store.provenance(store.runs("grey")[0]).arguments
    assert "--store=store" in recorded
    assert "--workers=1" in recorded
    assert "tree" in recorded
    assert not any("/" in argument for argument in recorded)


@pytest.mark.parametrize("wrong", [["--limit", "0"], ["--batch-size", "-1"], ["--workers", "x"]])
def test_invalid_numbers_are_refused(predict, wrong, capsys):
    with pytest.raises(SystemExit) as end:
        predict(*wrong)
    assert end.value.code == 2
    assert f"argument {wrong[0]}" in capsys.readouterr().err


def test_an_unknown_model_is_refused_with_advice(predict, capsys):
    assert predict(models=("stedy",)) == 2
    assert "unknown model 'stedy'. Did you mean 'steady'?" in capsys.readouterr().err


def test_models_says_which_weights_are_missing_and_how_to_get_them(light, capsys):
    assert call("models", "brightness") == 0
    text = capsys.readouterr().out
    assert "Arithmetic  brightness/steady      available" in text
    assert "Arithmetic  brightness/weightless  missing" in text
    assert "weightless.bin is missing; run: make weightless" in text
    assert (
        "brightness, squash, 8: shorter side 10, pillow nearest, centre crop 8, scaling tf" in text
    )


def test_an_empty_store_says_what_to_do_next(store, capsys):
    assert call("table", "--store", store.folder) == 2
    assert "Make some with 'imagenet-benchmark predict demo'" in capsys.readouterr().err


def test_an_unknown_image_set_is_refused_with_the_known_ones(predict, store, capsys):
    predict()
    assert call("table", "--store", store.folder, "--images", "val") == 2
    assert f"there is no image set 'val' in {store.folder}, only grey" in capsys.readouterr().err


def test_a_table_goes_to_a_file_in_the_format_of_its_suffix(predict, store, tmp_path, capsys):
    predict()
    capsys.readouterr()
    assert call("table", "--store", store.folder, "-o", tmp_path / "new" / "t.md") == 0
    assert (tmp_path / "new" / "t.md").read_text().startswith("## grey, 6 pictures, fingerprint ")
    assert capsys.readouterr().out == ""


def test_a_closed_output_pipe_ends_the_command_quietly():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "benchmarking", "table"]
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    ("option", "environment", "expected"),
    [
        ("given", {"IMAGENET_BENCHMARK_STORE": "named"}, "given"),
        (None, {"IMAGENET_BENCHMARK_STORE": "named"}, "named"),
    ],
)
def test_the_store_is_the_option_else_the_environment(
    tmp_path, option, environment, expected, monkeypatch
):
    (tmp_path / "precomputed").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IMAGENET_BENCHMARK_STORE", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    args = argparse.Namespace(store=option and [Path(option)])
    assert chosen_store(args).folder == Store(option).folder == Path(expected)
    assert chosen_stores(args).members == {expected: Store(expected)}


@pytest.mark.skipif(sys.platform != "linux", reason="folders of other systems")
def test_by_default_the_store_is_in_the_users_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.delenv("IMAGENET_BENCHMARK_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "precomputed").mkdir()
    assert Store().folder == Path("/data/imagenet-benchmarking/precomputed")


def test_predict_warns_of_problems_in_names(predict, tree, capsys):
    (tree / wnids()[5]).mkdir()
    assert predict() == 0
    assert "warning: empty-folder" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="names of other systems are Unicode")
def test_a_picture_whose_name_is_not_utf8_is_predicted_and_kept(predict, tree, store):
    path = os.fsencode(tree / wnids()[1]) + b"/caf\xe9.png"
    shutil.copy(tree / wnids()[1] / "a.png", path)
    assert predict() == 0
    assert os.fsdecode(b"caf\xe9.png") in store.rows("grey").keys


@pytest.fixture
def spoilt(tree):
    """The tree of six pictures, one of them truncated and one replaced by text."""
    cut, text = next(tree.glob("*/d.png")), next(tree.glob("*/a.png"))
    cut.write_bytes(cut.read_bytes()[:60])
    text.write_text("not a picture")
    return cut, text


def test_bad_pictures_stop_a_run_before_its_first_prediction_with_the_whole_list(
    predict, store, spoilt, capsys
):
    assert predict() == 2
    err = capsys.readouterr().err
    assert "2 of 6 pictures cannot be used:" in err
    for path in spoilt:
        assert str(path) in err
    assert "--on-bad-image skip" in err
    assert not store.folder.exists()


def test_bad_pictures_can_be_left_out_which_makes_another_set(predict, store, spoilt, capsys):
    assert predict("--on-bad-image", "skip") == 0
    err = capsys.readouterr().err
    for path in spoilt:
        assert str(path) in err
    assert "4 pictures remain: image set grey-without-2" in err
    assert store.image_sets() == ["grey-without-2"]
    assert store.rows("grey-without-2").keys == ("c.png", "b.png", "e.png", "f.png")
    (run,) = store.runs("grey-without-2")
    assert len(store.read(run)) == 4


def test_if_every_picture_is_bad_none_is_predicted(predict, tree, store, capsys):
    for path in tree.glob("*/*.png"):
        path.write_bytes(b"")
    assert predict("--on-bad-image", "skip") == 2
    assert "6 of 6 pictures cannot be used" in capsys.readouterr().err
    assert not store.folder.exists()


def test_shared_crops_are_removed_when_the_sweep_ends(predict, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    complete = []
    remove = CropFile.remove
    monkeypatch.setattr(
        CropFile, "remove", lambda file: complete.append(file.is_complete) or remove(file)
    )
    predict(models=("steady", "steadier"))
    assert complete == [True, False]  # and once more, in case it was made again
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_crops_stay_in_a_folder_that_the_user_names(predict, tmp_path):
    predict("--crop-cache", tmp_path / "mine")
    (file,) = (tmp_path / "mine").glob("*.crops")
    assert file.stat().st_size == 6 * (8 * 8 * 3 + 4)


def test_crops_are_not_cached_if_the_user_wants_none(predict, monkeypatch):
    monkeypatch.setattr(CropFile, "crops", None)
    monkeypatch.setattr(CropFile, "begin", None)
    assert predict("--crop-cache", "none") == 0


@pytest.mark.parametrize("models", [("steady",), ("steady", "steadier", "darker")])
def test_no_picture_is_read_twice(predict, models, monkeypatch):
    """Neither by the check and the first model, nor by other models with the same crops."""
    read = Counter()
    plain = FilePart.read

    def counted(self):
        data = plain(self)
        read[self.file] += len(data)
        return data

    monkeypatch.setattr(FilePart, "read", counted)
    assert predict(models=models) == 0
    assert len(read) == 6
    assert read == {path: Path(path).stat().st_size for path in read}


def test_a_picture_is_read_again_only_if_crops_may_not_be_kept(predict, monkeypatch):
    read = Counter()
    plain = FilePart.read
    monkeypatch.setattr(FilePart, "read", lambda self: read.update([self.file]) or plain(self))
    assert predict("--crop-cache", "none") == 0
    assert set(read.values()) == {2}


def test_a_complete_run_keeps_no_crops(predict, monkeypatch):
    assert predict() == 0
    monkeypatch.setattr(CropFile, "begin", None)
    assert predict() == 0


def test_predictions_are_the_same_with_crops_of_the_check(predict, store, tmp_path):
    predict()
    (run,) = store.runs(*store.image_sets())
    kept = store.read(run)
    predict("--crop-cache", "none", "--again")
    again = store.read(run)
    assert (kept.classes == again.classes).all()
    assert (kept.probabilities == again.probabilities).all()


def test_nothing_is_left_of_crops_if_a_picture_is_broken(predict, tree, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    next(tree.glob("*/*.png")).write_bytes(b"no picture")
    assert predict() == 2
    assert predict("--on-bad-image", "skip") == 0
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_full_disk_costs_only_the_second_reading(predict, monkeypatch):
    def full(self, row, pixels):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Unfinished, "write", full)
    assert predict() == 0


def test_a_model_fails_if_its_framework_lacks_the_precision(predict, capsys):
    assert predict("--precision", "bf16") == 2
    assert "none of these models can be computed in 'bf16'; they have" in capsys.readouterr().err


def test_runs_in_another_precision_have_a_store_of_their_own(tmp_path):
    def place(**options):
        return chosen_store(argparse.Namespace(store=[tmp_path / "s"], **options)).folder.name

    assert place(precision="bf16") == "s-bf16"
    assert place(precision=None, weights="published") == "s"
    assert place(precision="float32") == "s"  # what it is without --precision
    assert place(precision="tf32", weights="random") == "s-random-tf32"


def test_a_full_disk_is_detected_before_anything_is_read(predict, store, monkeypatch, capsys):
    monkeypatch.setattr("benchmarking.io.files.free", lambda folder: 4000)
    assert predict() == 2
    err = capsys.readouterr().err
    assert f"the disk of {store.folder} has 4 kB free; these runs need up to 4 kB." in err
    assert not store.folder.exists()


def test_a_removed_folder_is_named_without_a_traceback(tmp_path):
    code = (
        "import os, sys; os.rmdir(os.getcwd()); from benchmarking.cli import main; "
        "sys.exit(main(['table', '-o', 't.md']))"
    )
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "gone",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "imagenet-benchmark: the current folder was removed; change to another one.\n"
    )
