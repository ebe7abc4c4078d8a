"""Several stores read as one, and files of runs outside of a store."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import an_image_set

from benchmarking import BenchmarkError, Stores, compare, score, verify
from benchmarking.errors import StoreError
from benchmarking.predictions.run import Run
from benchmarking.predictions.run_index import RunIndex
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import top_k

LABELS = {f"{n:02d}.png": n % 6 for n in range(60)}
EVEN, ODD = (Run("sixty", "lab", model, "published") for model in ("even", "odd"))


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty current folder, and an empty folder for the user's data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("IMAGENET_BENCHMARK_STORE", raising=False)
    return tmp_path


@pytest.fixture
def put(a_provenance):
    """Store a run that is right in the rows that a slice selects."""

    def put(folder, run, right, *, labels=LABELS, day="01", keep_all=False):
        Path("pictures").mkdir(exist_ok=True)
        images = an_image_set(Path("pictures"), labels, name=run.images)
        guesses = np.full(len(labels), 7)
        guesses[right] = images.labels[right]
        probabilities = np.full((len(labels), 10), 0.05, np.float32)
        probabilities[np.arange(len(labels)), guesses] = 0.5
        made = replace(
            a_provenance(images), platform="Keras", started=f"2026-01-{day}T00:00:00+00:00"
        )
        kept = probabilities if keep_all else None
        return Store(folder).write(run, images, top_k(probabilities), made, probabilities=kept)

    return put


OWN = Path("data/imagenet-benchmarking/precomputed")


def test_without_own_runs_the_table_is_that_of_the_shipped_ones(put, call):
    put("precomputed", EVEN, slice(0, 60, 2))
    assert call("table") == call("table", "--store", "precomputed")


def test_own_and_shipped_runs_are_in_one_table_that_names_the_store_of_each(put, call):
    put("precomputed", EVEN, slice(0, 60, 2))
    put(OWN, ODD, slice(1, 60, 2))
    status, out, err = call("table")
    caption, headings, *lines = out.splitlines()
    assert status == 0
    assert "store" not in caption
    assert [line.split()[1::99] + line.split()[-1:] for line in (headings, *lines)] == [
        ["Model", "Store"],
        ["even", "shipped"],
        ["odd", "own"],
    ]
    assert err.splitlines() == [
        f"note: store own is {OWN.absolute()}",
        "note: store shipped is precomputed",
    ]


def test_models_of_two_stores_are_tested_picture_by_picture(put):
    """The tiers are those of the same runs in one store."""
    for folder, run, right in (("a", EVEN, slice(0, 60, 2)), ("b", ODD, slice(0, 60))):
        put(folder, run, right)
        put("both", run, right)
    places = [[row.place for row in score(store).rows] for store in (Stores("a", "b"), "both")]
    assert places[0] == places[1]
    assert [place.tier for place in places[0]] == [1, 2]


def test_a_run_in_two_stores_with_the_same_predictions_is_shown_once(put, call):
    put("a", EVEN, slice(0, 60, 2))
    put("b", EVEN, slice(0, 60, 2), day="02")
    status, out, err = call("table", "--store", "a", "--store", "b")
    caption, _, line = out.splitlines()
    assert (status, caption.split(", ")[-1], line.split()[1]) == (0, "store a", "even")
    assert err == (
        "note: shown once, because the stores a and b have the same predictions on sixty: "
        "lab/even\n"
    )


def test_messages_about_several_stores_are_about_the_runs_that_were_asked_for(put, call):
    few = {"x": 1, "y": 2, "z": 3}
    for folder in "ab":
        put(folder, EVEN, slice(0, 60, 2))
        put(folder, ODD, slice(1, 60, 2))
    put("c", EVEN, slice(0, 2), labels=few)
    put("d", EVEN, slice(0, 2), labels=few | {"z": 4})
    _, _, err = call("table", "--store", "a", "--store", "b", "--models", "odd")
    assert "on sixty: lab/odd\n" in err
    _, _, err = call("table", "--store", "a", "--store", "b", "--models", "neither")
    assert "a and b have no run of neither" in err
    _, _, err = call("table", "--store", "c", "--store", "d")
    assert "the intervals on sixty are not symmetric" in err


def test_a_run_in_two_stores_with_different_predictions_is_shown_twice(put, call):
    put("a", EVEN, slice(0, 60, 2))
    put("b", EVEN, slice(0, 50, 2))
    status, out, _ = call("table", "--store", "a", "--store", "b")
    lines = [line.split() for line in out.splitlines()[2:]]
    assert status == 0
    assert [(line[1], line[2], line[-1]) for line in lines] == [
        ("even", "50.00", "a"),
        ("even", "41.67", "b"),
    ]


def test_sets_of_one_name_with_other_pictures_have_a_table_each(put, call):
    put("a", EVEN, slice(0, 60, 2))
    put("b", EVEN, slice(0, 3), labels={"x": 1, "y": 2, "z": 3})
    status, out, err = call("table", "--store", "a", "--store", "b")
    assert status == 0
    assert [line.split(",")[1] for line in out.splitlines() if "fingerprint" in line] == [
        " 60 pictures",
        " 3 pictures",
    ]
    assert err == (
        "note: sixty has 2 tables, because its pictures or their classes differ between the "
        "stores\n"
        "note: the intervals on sixty are not symmetric; see --wide\n"
    )
    with pytest.raises(StoreError, match="not the same in the stores a and b; choose one"):
        score(Stores("a", "b"))


@pytest.mark.parametrize("suffix", [".csv", ".json", ".md", ".tex"])
def test_every_format_names_the_store_of_a_row(put, call, suffix):
    put("first-store", EVEN, slice(0, 60, 2))
    put("second-store", ODD, slice(1, 60, 2))
    file = f"t{suffix}"
    assert call("table", "--store", "first-store", "--store", "second-store", "-o", file)[0] == 0
    text = Path(file).read_text()
    assert ("first-store" in text, "second-store" in text) == (True, True)


def test_one_folder_given_twice_is_one_store(put, call):
    put("a", EVEN, slice(0, 60, 2))
    Path("link").symlink_to("a")
    once = call("table", "--store", "a")
    assert call("table", "--store", "a", "--store", "a/", "--store", "link") == once


def test_of_several_stores_that_are_named_none_may_be_empty(put, call):
    put("a", EVEN, slice(0, 60, 2))
    status, out, err = call("table", "--store", "a", "--store", "b")
    assert (status, out) == (2, "")
    assert "there are no stored predictions in b." in err


@pytest.mark.parametrize("command", [("predict", "demo"), ("import",)])
def test_a_command_that_writes_refuses_two_stores(call, command):
    status, _, err = call(*command, "--store", "a", "--store", "b")
    assert status == 2
    assert "predictions are written to one store only, but --store names a and b." in err


def test_a_variable_with_several_folders_is_refused(call, monkeypatch):
    monkeypatch.setenv("IMAGENET_BENCHMARK_STORE", f"a{os.pathsep}b")
    status, _, err = call("table")
    assert status == 2
    assert f"$IMAGENET_BENCHMARK_STORE is 'a{os.pathsep}b', but it can name only one folder" in err


def test_a_store_that_the_variable_names_is_read_alone(put, call, monkeypatch):
    put("precomputed", EVEN, slice(0, 60, 2))
    put("named", ODD, slice(1, 60, 2))
    monkeypatch.setenv("IMAGENET_BENCHMARK_STORE", "named")
    assert call("table") == call("table", "--store", "named")


@pytest.fixture
def homeless(monkeypatch):
    """A user without a home folder, such as an unknown number in a container."""
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.delenv("HOME", raising=False)


def test_without_a_home_folder_the_variables_to_set_are_named(call, homeless):
    for command in (("table",), ("import",)):
        status, _, err = call(*command)
        assert status == 2
        assert "Set HOME or IMAGENET_BENCHMARK_STORE." in err
    assert not Path("~").exists()


def test_without_a_home_folder_shipped_runs_are_read(put, call, homeless):
    put("precomputed", EVEN, slice(0, 60, 2))
    assert call("table")[0] == 0
    assert call("table", "--store", "elsewhere")[0] == 2


def test_a_run_is_compared_with_itself_in_another_store(put, call):
    put("a", EVEN, slice(0, 60, 2))
    put("b", EVEN, slice(0, 50, 2))
    status, out, _ = call("compare", "even", "--store", "a", "--store", "b")
    assert status == 0
    assert "A  lab/even (published) on sixty in a\nB  lab/even (published) on sixty in b\n" in out
    assert "A 50.00 %, B 41.67 %" in out
    status, _, err = call("show", "even", "--store", "a", "--store", "b")
    assert status == 2
    assert "lab/even (published) on sixty in a, lab/even (published) on sixty in b; choose" in err


def test_a_comparison_warns_if_a_picture_has_another_class_in_the_other_store(put, call):
    put("a", EVEN, slice(0, 60, 2))
    put("b", EVEN, slice(0, 60, 2), labels=LABELS | {"00.png": 5})
    for what in (["even"], ["--all"]):
        status, _, err = call("compare", *what, "--store", "a", "--store", "b")
        assert status == 0
        assert "warning: 1 of 60 pictures have other classes in another store" in err


def test_every_pair_across_stores_is_compared(put, call):
    put("a", EVEN, slice(0, 60, 2))
    put("b", EVEN, slice(0, 50, 2))
    put("b", ODD, slice(1, 60, 2))
    status, out, _ = call("compare", "--all", "--store", "a", "--store", "b")
    assert status == 0
    assert "3 pairs" in out
    assert "lab/even in a  lab/odd in b" in out


def test_the_same_model_of_two_stores_is_verified_and_told_apart(put, call):
    put("a", EVEN, slice(0, 60, 2))
    put("b", EVEN, slice(0, 50, 2))
    status, out, _ = call("verify", "--store", "a", "--store", "b")
    assert status == 0
    assert [line.split()[7] for line in out.splitlines()[1:3]] == ["a", "b"]
    found = verify(Stores("a", "b"))
    assert [(str(one.run), round(one.acc1, 4)) for one in found] == [
        ("lab/even (published) on sixty in a", 0.5),
        ("lab/even (published) on sixty in b", 0.4167),
    ]


def test_check_reads_every_file_of_every_store(put, call):
    put("a", EVEN, slice(0, 60, 2))
    copy = put("b", EVEN, slice(0, 60, 2))
    copy.write_bytes(copy.read_bytes()[:-1] + b"!")
    status, out, _ = call("check", "--store", "a", "--store", "b")
    assert status == 1
    assert out.startswith(f"damaged: {copy} is damaged")
    assert out.splitlines()[-2:] == [
        "a: 1 run on 1 image set: all as they were written",
        "b: 1 run on 1 image set: 1 damaged",
    ]


@pytest.mark.parametrize("form", ["csv", "npy"])
def test_runs_of_one_name_are_not_exported_over_each_other(put, call, form):
    put("a", EVEN, slice(0, 60, 2))
    put("b", EVEN, slice(0, 50, 2))
    status, _, err = call("export", "out", "--to", form, "--store", "a", "--store", "b")
    assert status == 2
    assert "in a and lab/even (published) on sixty in b would both be" in err
    assert not Path("out").exists()


def test_two_files_are_compared_wherever_they_are(put, call):
    """Each file says which run it holds; the list of pictures is found by its digest."""
    first, second = put("s", EVEN, slice(0, 60, 2)), put("s", ODD, slice(1, 59, 2))
    expected = call("compare", "even", "odd", "--store", "s")[1]
    shutil.copy(first, "A.safetensors")
    shutil.copy(second, "B.safetensors")
    shutil.copy("s/sixty/images.csv", "images.csv")
    shutil.copy(first, "A.SAFETENSORS")
    for names in ((first, second), ("A.safetensors", "B.safetensors"), ("A.SAFETENSORS", second)):
        status, out, _ = call("compare", *names)
        assert status == 0
        for name in names:
            out = out.replace(f" in {name}", "")
        assert out == expected
    Path("images.csv").unlink()
    assert call("compare", "A.safetensors", "even", "--store", "s")[0] == 0
    status, _, err = call("compare", "A.safetensors", "B.safetensors")
    assert status == 2
    assert err == (
        "imagenet-benchmark: A.safetensors holds the run lab/even (published) on sixty, but the "
        "list of its pictures is not found. Copy sixty/images.csv from the run's store into the "
        "folder of the file, or name that store with --store.\n"
    )


def test_a_list_of_other_pictures_beside_a_file_is_not_used(put, call):
    shutil.copy(put("s", EVEN, slice(0, 60, 2)), "A.safetensors")
    Path("images.csv").write_text("key,class\n" + "".join(f"{n},1\n" for n in range(60)))
    assert "the list of its pictures is not found" in call("show", "A.safetensors")[2]


def test_a_file_can_be_shown_verified_checked_and_exported(put, call):
    shutil.copy(put("s", EVEN, slice(0, 60, 2)), "copy.safetensors")
    shutil.copy("s/sixty/images.csv", "images.csv")
    assert (
        "lab/even (published) on sixty in copy.safetensors" in call("show", "copy.safetensors")[1]
    )
    assert "no reference  50.00" in call("verify", "copy.safetensors")[1]
    assert call("check", "--models", "copy.safetensors")[:2] == (
        0,
        "1 run on 1 image set: all as they were written\n",
    )
    call("export", "out", "--to", "csv", "--models", "copy.safetensors")
    call("export", "expected", "--to", "csv", "--store", "s")
    name = "sixty/lab/even.published.csv"
    assert Path("out", name).read_bytes() == Path("expected", name).read_bytes()


def test_a_file_that_holds_no_run_is_named(call):
    Path("x.safetensors").write_text("<html>")
    assert "x.safetensors is damaged" in call("show", "x.safetensors")[2]
    assert "none.safetensors does not exist" in call("show", "none.safetensors")[2]


COPIES = {
    "under the name of another model": "sixty/lab/other.published.safetensors",
    "under a name that no run has": "sixty/lab/even.published (1).safetensors",
    "in the folder of another source": "sixty/elsewhere/even.published.safetensors",
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_a_copy_in_a_store_is_recognised_and_never_another_model(put, call, copy):
    path = put("s", EVEN, slice(0, 60, 2))
    before = call("table", "--store", "s")[1]
    copy = Path("s", copy)
    copy.parent.mkdir(exist_ok=True)
    shutil.copy(path, copy)
    told = (
        f"{copy} is a copy of the run lab/even (published) on sixty, which has the file {path}; "
        "remove the copy."
    )
    assert call("table", "--store", "s") == (1, before, f"left out: {told}\n")
    status, out, _ = call("check", "--store", "s")
    assert (status, out.splitlines()[0]) == (1, f"damaged: {told}")


def test_a_copy_where_no_run_belongs_is_recognised(put, call):
    path = put("s", EVEN, slice(0, 60, 2))
    shutil.copy(path, "s/backup.safetensors")
    status, out, _ = call("check", "--store", "s")
    assert status == 0
    assert out.splitlines()[0] == (
        "left over: s/backup.safetensors is a copy of the run lab/even (published) on sixty, which "
        f"has the file {path}; remove the copy"
    )


def test_a_run_that_was_renamed_is_told_where_it_belongs(put, call):
    path = put("s", EVEN, slice(0, 60, 2))
    put("s", ODD, slice(1, 60, 2))
    renamed = path.rename(path.with_name("best.published.safetensors"))
    assert call("table", "--store", "s")[2] == (
        f"left out: {renamed} holds the run lab/even (published) on sixty, which this store lacks; "
        f"move it to {path}.\n"
    )


def test_a_copy_with_other_predictions_is_not_to_be_removed(put, call):
    path = put("s", EVEN, slice(0, 60, 2))
    shutil.copy(path, path.with_name("old.published.safetensors"))
    put("s", EVEN, slice(0, 50, 2))
    err = call("table", "--store", "s")[2]
    assert f"but with other predictions than {path}; keep one of them." in err


def test_a_run_that_one_store_has_with_all_probabilities_is_shown_once(put, call):
    put("a", EVEN, slice(0, 60, 2))
    put("b", EVEN, slice(0, 60, 2), keep_all=True)
    both = ("--store", "a", "--store", "b")
    status, out, err = call("table", *both)
    assert status == 0
    assert sum("even" in line for line in out.splitlines()) == 1
    assert "shown once, because the stores a and b have the same predictions" in err
    assert call("show", "even", *both)[0] == 0


def test_a_copy_with_more_arrays_is_not_to_be_removed(put, call):
    path = put("s", EVEN, slice(0, 60, 2), keep_all=True)
    shutil.copy(path, path.with_name("old.published.safetensors"))
    put("s", EVEN, slice(0, 60, 2))
    assert "but with other predictions than" in call("table", "--store", "s")[2]


def test_python_reads_several_stores(put):
    put("a", EVEN, slice(0, 60, 2))
    put("b", ODD, slice(1, 60, 2))
    both = Stores("a", Store("b"))
    assert [(row.run.model, row.store) for row in score(both).rows] == [("even", "a"), ("odd", "b")]
    assert compare(both, "even", "odd").pair.second_only == 30
    assert compare(both, EVEN, ODD).pair.second_only == 30
    assert both.labels("sixty").shape == (60,)
    put("b", EVEN, slice(0, 50, 2))
    with pytest.raises(BenchmarkError, match="in the stores a and b, with different predictions"):
        compare(both, EVEN, ODD)


def test_without_arguments_python_reads_what_commands_read(put):
    put("precomputed", EVEN, slice(0, 60, 2))
    assert Stores().members == {"shipped": Store("precomputed")}
    put(OWN, ODD, slice(1, 60, 2))
    assert list(Stores().members) == ["own", "shipped"]
    assert Store().folder == OWN.absolute()


def test_stores_of_one_folder_list_the_runs_of_that_store(put):
    put("a", EVEN, slice(0, 60, 2))
    assert Stores("a").runs("sixty") == RunIndex("a").runs("sixty") == [EVEN]


def test_the_default_stores_can_be_chosen_by_name(put, call):
    put("precomputed", EVEN, slice(0, 60, 2))
    put(OWN, ODD, slice(1, 60, 2))
    assert call("table", "--store", "shipped")[1] == call("table", "--store", "precomputed")[1]
    assert call("table", "--store", "own")[1] == call("table", "--store", OWN)[1]
    put("own", EVEN, slice(0, 50, 2))  # a folder with this name is meant itself
    assert "even" in call("table", "--store", "own")[1]


def test_two_runs_are_compared_on_the_only_image_set_that_has_both(put, call):
    put("s", EVEN, slice(0, 60, 2))
    put("s", replace(EVEN, images="other"), slice(0, 60, 2))
    put("s", ODD, slice(1, 60, 2))
    status, out, _ = call("compare", "even", "odd", "--store", "s")
    assert (status, out.partition(",")[0]) == (0, "sixty")
    put("s", replace(ODD, images="other"), slice(0, 60, 2))
    status, _, err = call("compare", "even", "odd", "--store", "s")
    assert status == 2
    assert "choose one of the image sets other, sixty with --images" in err


def test_a_table_for_a_paper_has_no_stores(put, call, place):
    put("a", EVEN, slice(0, 60, 2))
    put("b", ODD, slice(1, 60, 2))
    assert call("table", "--store", "a", "--store", "b", "-o", "t.tex")[0] == 0
    text = (place / "t.tex").read_text()
    assert "Store" not in text
    assert "note: store" not in text
    put("b", EVEN, slice(0, 50, 2))
    assert call("table", "--store", "a", "--store", "b", "-o", "t.tex")[0] == 0
    assert "Store" in (place / "t.tex").read_text()
