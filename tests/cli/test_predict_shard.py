"""`predict --shard` and `merge`, as a user calls them."""

import os
import subprocess

import pytest

from benchmarking.labels.imagenet import wnids
from benchmarking.predictions.store import Store

SLURM = "--shard $((SLURM_ARRAY_TASK_ID + 1))/$SLURM_ARRAY_TASK_COUNT"
"""What a task of a SLURM array writes."""


@pytest.fixture
def predict(light, tree, tmp_path, call):
    """The command with a light model on six pictures, into the store `parts`."""

    def predict(*arguments, models=("steady",)):
        store = tmp_path / "parts"
        return call("predict", tree, "--models", *models, "--store", store, *arguments)

    return predict


@pytest.fixture
def parts(tmp_path):
    return Store(tmp_path / "parts")


def test_tasks_predict_their_shards_and_merge_puts_them_together(
    predict, parts, tree, tmp_path, call
):
    for number in (1, 2):
        status, out, err = predict("--shard", f"{number}/2")
        assert status == 0, err
        assert f"tree-shard-{number}-of-2; up to" in out
    status, out, err = call("merge", parts.folder, "--store", tmp_path / "whole")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "brightness/steady (published) on tree: merged of 2 shards, 6 pictures",
        f"1 of 1 runs are in {tmp_path / 'whole'}",
    ]
    whole = Store(tmp_path / "whole")
    (run,) = whole.runs("tree")
    assert "--shard" not in whole.provenance(run).arguments
    status, out, _ = call(
        *("predict", tree, "--models", "steady", "--store", whole.folder),
    )
    assert status == 0
    since = whole.provenance(run).started.partition("T")[0]
    assert f"complete since {since}; --again computes it again" in out
    status, out, _ = call("merge", parts.folder, "--store", whole.folder)
    assert f"complete since {since}; --again merges it again" in out
    status, out, _ = call("merge", parts.folder, "--store", whole.folder, "--again")
    assert "merged of 2 shards" in out
    assert call("check", "--store", whole.folder)[0] == 0


def test_each_of_several_places_is_divided(predict, parts, tree, tmp_path, call):
    status, _, err = call(
        *("predict", "--images", f"val={tree}", f"v2={tree}", "--models", "steady"),
        *("--shard", "2/2", "--store", parts.folder),
    )
    assert status == 0, err
    assert parts.image_sets() == ["v2-shard-2-of-2", "val-shard-2-of-2"]


def test_what_cannot_be_merged_is_told_after_the_others_are(predict, parts, tmp_path, call):
    predict("--shard", "1/2", models=("steady", "darker"))
    predict("--shard", "2/2")
    status, out, err = call("merge", parts.folder, "--store", tmp_path / "whole")
    assert status == 1
    assert err == (
        "failed: brightness/darker (published) on tree: shard 2 of 2 is missing; 'predict' with "
        "--shard 2/2 makes it\n"
    )
    assert out.splitlines()[-1] == f"1 of 2 runs are in {tmp_path / 'whole'}"


def test_a_file_that_is_no_run_is_left_out_by_name(predict, parts, tmp_path, call):
    predict("--shard", "1/1")
    (folder,) = parts.folder.glob("*/brightness")
    (folder / "what.safetensors").touch()
    status, out, err = call("merge", parts.folder, "--store", tmp_path / "whole")
    assert status == 1
    assert err.startswith(f"left out: {folder / 'what.safetensors'} is not named like a stored run")
    assert "1 of 1 runs are in" in out


def test_stores_without_shards_are_an_error(predict, parts, tmp_path, call):
    status, _, err = call("merge", tmp_path / "gone", "--store", tmp_path / "whole")
    assert (status, "gone is not a folder; expected a store with shards" in err) == (2, True)
    predict()
    status, _, err = call("merge", parts.folder, "--store", tmp_path / "whole")
    assert status == 2
    assert f"there are no shards in {parts.folder}; 'imagenet-benchmark predict' with" in err


@pytest.mark.parametrize(
    ("shard", "message"),
    [
        ("0/3", "argument --shard: there is no shard 0/3; expected I/N with I from 1 to N, such"),
        ("0/3", "If your numbers begin at 0, add 1"),
        ("4/3", "argument --shard: there is no shard 4/3"),
        ("1/0", "argument --shard: there is no shard 1/0"),
        ("1-3", "argument --shard: '1-3' is no shard; expected I/N, such as 2/8 for the second"),
        ("/", "argument --shard: '/' is no shard"),
    ],
)
def test_what_is_no_shard_is_refused(predict, capsys, shard, message):
    with pytest.raises(SystemExit) as end:
        predict("--shard", shard)
    assert end.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--limit", 3), "--limit 3 takes some of all pictures, and --shard 1/2 is a part of all"),
        (("--estimate", 5), "--estimate 5 takes some of all pictures, and --shard 1/2 is"),
        (("--until", 1), "--until 1 chooses pictures from all, and --shard 1/2 is a part of all"),
        (("--on-bad-image", "skip"), "so that the shards are not all pictures of the set"),
        (("--batch-size", 4, "--shard", "1/3"), "6 pictures cannot be divided into 3 shards of"),
    ],
)
def test_options_that_contradict_a_shard_are_refused(predict, parts, arguments, message):
    status, _, err = predict("--shard", "1/2", *arguments)
    assert status == 2
    assert message in err
    assert parts.image_sets() == []


def test_the_help_has_the_expression_for_slurm_which_gives_shards(predict, parts, call, capsys):
    with pytest.raises(SystemExit):
        call("predict", "--help")
    assert SLURM in " ".join(capsys.readouterr().out.split())
    for task in ("0", "1"):
        said = subprocess.run(
            ["sh", "-c", f"echo {SLURM}"],
            env={**os.environ, "SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_COUNT": "2"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert predict(*said.split())[0] == 0
    assert parts.image_sets() == ["tree-shard-1-of-2", "tree-shard-2-of-2"]


def test_a_broken_picture_stops_only_its_shard(predict, parts, tree):
    (tree / wnids()[7] / "f.png").write_text("no picture")
    assert predict("--shard", "1/2")[0] == 0
    status, _, err = predict("--shard", "2/2")
    assert status == 2
    assert "1 of 2 pictures cannot be used" in err
    assert parts.image_sets() == ["tree-shard-1-of-2"]


def test_a_table_of_shards_says_once_how_they_become_one(predict, parts, call):
    for number in (1, 2):
        predict("--shard", f"{number}/2")
    status, out, err = call("table", "--store", parts.folder)
    assert status == 0
    assert "tree-shard-1-of-2, 4 pictures" in out
    assert "tree-shard-2-of-2, 2 pictures" in out
    note = (
        "note: shards of tree are image sets of their own here; 'imagenet-benchmark merge' puts "
        "their runs together as runs on tree"
    )
    assert err.count(note) == 1
    status, _, err = call("table", "--store", parts.folder, "--images", "tree")
    assert status == 2
    assert f"'imagenet-benchmark merge {parts.folder} --store NEW' makes tree of its shards" in err
    status, _, err = call("table", "--store", parts.folder, "--images", "shrub")
    assert status == 2
    assert "merge" not in err
