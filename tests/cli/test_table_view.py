"""What 'table' shows: columns that fit a terminal, chosen columns, chosen rows, and their order."""

import csv
import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from conftest import an_image_set

from benchmarking.cli import main
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import top_k
from benchmarking.scoring.statistics import wilson_interval

SHIPPED = Path(__file__).parents[2] / "precomputed"
CSV_OF_A_SCORE = ["Acc@1", "Acc@1 low", "Acc@1 high"]


@pytest.fixture
def write(tmp_path, a_provenance):
    """A function that stores a run with a number of right predictions, and returns the store."""
    store = Store(tmp_path / "store")

    def write(model, right, *, n=100, images="some", recipe="published", source="s", **made):
        labels = {f"{i:03d}": i % 10 for i in range(n)}
        pictures = an_image_set(tmp_path / f"pictures{n}", labels, name=images)
        probabilities = np.full((n, 20), 0.02, np.float32)
        guesses = np.where(np.arange(n) < right, pictures.labels, 19)
        probabilities[np.arange(n), guesses] = 0.62
        run = Run(images, source, model, recipe)
        store.write(run, pictures, top_k(probabilities), replace(a_provenance(pictures), **made))
        return store

    return write


@pytest.fixture
def table(capsys):
    """A function that runs 'table' and returns its lines and its messages."""

    def table(store, *arguments, status=0):
        folder = store if isinstance(store, Path) else store.folder
        found = main(["table", "--store", str(folder), *map(str, arguments)])
        out, err = capsys.readouterr()
        assert found == status, err
        return out.splitlines(), err

    return table


def column(lines, heading):
    """The cells below a heading of the first table; columns are two blanks or more apart."""
    at = next(
        i for i, line in enumerate(lines) if re.search(rf"(^|  ){re.escape(heading)}(  |$)", line)
    )
    position = re.split(r" {2,}", lines[at]).index(heading)
    return [re.split(r" {2,}", line)[position] for line in lines[at + 1 :] if "  " in line]


@pytest.mark.parametrize("which_store", ["2019", "shipped"])
def test_the_table_fits_a_terminal_of_80_characters(which_store, table, request):
    store = SHIPPED if which_store == "shipped" else request.getfixturevalue("imported_2019")
    lines, notes = table(store)
    assert len(lines) >= 17
    assert max(map(len, lines + notes.splitlines())) <= 80
    headings = [line for line in lines if line.startswith("Platform")]
    assert {" ".join(line.split()) for line in headings} == {
        "Platform Model Acc@1 ± 95 % CI Acc@5 Rank Tier"
    }


def test_the_number_after_an_accuracy_is_half_of_its_wilson_interval(write, table):
    lines, _ = table(write("m", 7613, n=10000))
    low, high = wilson_interval(7613, 10000)
    assert column(lines, "Acc@1 ± 95 % CI") == [f"76.13 ± {100 * (high - low) / 2:.2f}"]


def test_the_table_does_not_depend_on_the_terminal(table, monkeypatch):
    first = table(SHIPPED)
    monkeypatch.setenv("COLUMNS", "40")
    assert table(SHIPPED) == first


def test_a_long_name_of_a_model_is_not_cut_and_the_numbers_fit_below_it(write, table):
    write("short", 7000, n=10000)
    name = "vit_base_patch16_clip_224.openai_ft_in12k_in1k"
    store = write(name, 8527, n=10000, platform="PyTorch")
    lines, _ = table(store)
    assert max(map(len, lines)) <= 80
    assert [line.split() for line in lines[1:]] == [
        ["Platform", "Model", *["Acc@1", "±", "95", "%", "CI"], "Acc@5", "Rank", "Tier"],
        ["PyTorch", name],
        ["85.27", "±", "0.69", "91.15", "1", "1"],
        ["Abacus", "short", "70.00", "±", "0.90", "82.00", "2", "2"],
    ]
    assert lines[3].index("±") == lines[4].index("±")
    wide, _ = table(store, "--wide")
    assert name in wide[2]
    assert "85.27" in wide[2]


def test_a_long_caption_is_wrapped(table):
    classes = ("n02123045", "n02123159", "n02124075", "n02123394")
    lines, _ = table(SHIPPED, "--images", "imagenet-sample-500", "--only", *classes)
    assert lines[0] == ("imagenet-sample-500, 500 pictures, only n02123045, n02123159, n02124075,")
    assert lines[1] == "  n02123394, fingerprint f47daf477115, recipe published"
    assert column(lines, "n") == ["1"] * 6


def test_the_recipe_is_a_column_if_the_runs_differ_in_it(write, table):
    write("m", 60)
    lines, _ = table(write("m", 50, recipe="other"))
    assert "recipe" not in lines[0]
    assert column(lines, "Recipe") == ["published", "other"]


def test_halves_that_hide_an_asymmetric_interval_have_a_note(write, table):
    assert table(SHIPPED)[1] == (
        "note: the intervals on demo, imagenet-sample-500 are not symmetric; see --wide\n"
    )
    assert table(SHIPPED, "--wide")[1] == ""
    assert table(SHIPPED, "--columns", "Model", "Acc@5")[1] == ""
    assert table(write("m", 7613, n=10000))[1] == ""


def test_wide_shows_the_columns_of_markdown(table, tmp_path):
    lines, _ = table(SHIPPED, "--images", "demo", "--wide")
    table(SHIPPED, "--images", "demo", "-o", tmp_path / "t.md")
    headings = (tmp_path / "t.md").read_text().splitlines()[2].strip("| ").split(" | ")
    assert re.split(r" {2,}", lines[1]) == headings
    assert len(headings) == 10


def test_columns_of_label_sets_and_measures_are_in_the_narrow_table(write, table, tmp_path):
    labels = tmp_path / "mine.csv"
    labels.write_text("000,0\n001,1\n002,5\n")
    asked = ("--labels", "original", "--labels", labels, "--calibration")
    lines, _ = table(write("m", 50), *asked)
    assert re.split(r" {2,}", lines[1]) == [
        *("Platform", "Model", "Acc@1 ± 95 % CI", "mine Acc@1 ± 95 % CI", "Acc@5", "mine Acc@5"),
        *("Rank", "mine Rank", "Tier", "n", "mine n", "ECE [%]"),
    ]


@pytest.mark.parametrize(
    "asked",
    [("Tier,Model", "Acc@1"), ("tier", "MODEL,", "acc@1"), ("Tier, Model, Acc@1 ± 95 % CI",)],
    ids=str,
)
def test_columns_are_chosen_by_name_in_the_given_order(asked, table):
    lines, _ = table(SHIPPED, "--images", "demo", "--columns", *asked)
    assert re.split(r" {2,}", lines[1]) == ["Tier", "Model", "Acc@1 ± 95 % CI"]


def test_names_of_the_csv_file_and_of_the_wide_table_are_columns_too(table):
    asked = ("Acc@1 low", "Acc@1 [95 % interval]", "Rank@5", "Rank to", "Source", "n")
    lines, _ = table(SHIPPED, "--images", "demo", "--columns", *asked)
    row = dict(zip(asked, re.split(r" {2,}", lines[2].strip()), strict=True))
    assert row == {
        **{"Acc@1 low": "69.90", "Acc@1 [95 % interval]": "90.00 [69.90, 97.21]"},
        **{"Rank@5": "1", "Rank to": "6", "Source": "efficientnet-lite-keras", "n": "20"},
    }


@pytest.mark.parametrize("option", ["--columns", "--sort"])
def test_an_unknown_column_is_refused_with_those_that_there_are(option, table):
    _, message = table(SHIPPED, option, "Speed", status=2)
    assert "there is no column 'Speed'. There are Platform, Model, Acc@1 ± 95 % CI, " in message
    assert "Acc@1 [95 % interval]" in message
    assert "Rank from" in message


def test_chosen_columns_are_those_of_files(table, tmp_path):
    asked = ("--images", "demo", "--columns", "Model,Acc@1 [95 % interval]", "Tier")
    for suffix in ("csv", "json", "md", "tex"):
        table(SHIPPED, *asked, "-o", tmp_path / f"t.{suffix}")
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert list(rows[0]) == ["Model", *CSV_OF_A_SCORE, "Tier"]
    (document,) = json.loads((tmp_path / "t.json").read_text())["tables"]
    assert {name: str(value) for name, value in document["chosen"][0].items()} == rows[0]
    assert document["rows"][0]["scores"]["Acc@5"]["n"] == 20
    assert "\n| Model | Acc@1 [95 % interval] | Tier |\n| --- | ---: | ---: |\n" in (
        (tmp_path / "t.md").read_text()
    )
    assert r"\begin{tabular}{lrr}" in (tmp_path / "t.tex").read_text()


def test_a_name_of_the_csv_file_is_one_column_of_it(table, tmp_path):
    table(SHIPPED, "--columns", "Acc@1,Published@1,Model", "-o", tmp_path / "t.csv", status=2)
    table(SHIPPED, "--columns", "Acc@1,Model", "-o", tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().startswith("Acc@1,Model\n0.9,")


def test_a_column_that_only_some_runs_have_keeps_its_place(imported_2019, table, tmp_path):
    asked = ("--columns", "Published,ECE,Model", "--calibration", "--models", "resnet18")
    table(imported_2019, *asked, "-o", tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().startswith("Published@1,ECE,Model\n0.69758,")


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("Acc@1", "cab"),  # from high to low
        ("Acc@1:asc", "bac"),
        ("-Acc@1", "bac"),
        ("Acc@1:desc", "cab"),
        ("Model", "abc"),  # from low to high
        ("-Model", "cba"),
        ("model:desc", "cba"),
        ("Rank", "cab"),
        ("-Rank@1", "bac"),
        ("Ranks", "cab"),
        ("Acc@5", "cab"),  # equal, so in their order
    ],
)
def test_rows_are_sorted_by_a_column(sort, expected, write, table):
    for model, right in (("a", 60), ("b", 30)):
        write(model, right)
    lines, _ = table(write("c", 90), f"--sort={sort}")
    assert "".join(column(lines, "Model")) == expected
    assert dict(zip(column(lines, "Model"), column(lines, "Rank"), strict=True)) == {
        **{"a": "2", "b": "3", "c": "1"}
    }


@pytest.mark.parametrize("sort", ["NLL:asc", "NLL:DESC"])
def test_rows_without_a_value_are_last_in_every_order(sort, write, table, a_provenance, tmp_path):
    store = write("a", 90)
    pictures = an_image_set(tmp_path / "pictures100", {f"{i:03d}": i % 10 for i in range(100)})
    for model, right in (("b", 0.5), ("c", 0.25)):
        everything = np.full((100, 20), (1 - right) / 19, np.float32)
        everything[np.arange(100), pictures.labels] = right
        run = Run("some", "s", model, "published")
        made = store.provenance(Run("some", "s", "a", "published"))
        some = replace(pictures, name="some")
        store.write(run, some, top_k(everything), made, probabilities=everything)
    lines, _ = table(store, "--calibration", "--sort", sort)
    assert column(lines, "Model")[-1] == "a"
    assert "".join(column(lines, "Model")[:2]) == ("bc" if sort == "NLL:asc" else "cb")


def test_ranks_and_tiers_of_chosen_models_are_among_these(write, table):
    for model, right in (("a", 90), ("b", 60), ("bb", 59)):
        write(model, right)
    lines, notes = table(write("c", 58), "--models", "b*", "s/c")
    assert column(lines, "Model") == ["b", "bb", "c"]
    assert column(lines, "Rank") == ["1", "2", "3"]
    assert column(lines, "Tier") == ["1", "1", "1"]
    assert "note: some: ranks and tiers are among the 3 runs selected\n" in notes
    lines, notes = table(write("c", 40, recipe="other"), "--recipe", "other")
    assert column(lines, "Model") == ["c"]
    assert "note: some: ranks and tiers are among the only run selected\n" in notes


def test_a_name_that_no_run_has_is_refused_even_beside_others(table):
    _, message = table(SHIPPED, "--models", "efficientnet-lite0", "resnet5000", status=2)
    assert "has no run of resnet5000" in message


def test_an_image_set_without_a_chosen_run_is_named(write, table):
    write("a", 5)
    lines, notes = table(write("b", 5, images="other"), "--models", "a")
    assert lines[0].startswith("some, 100 pictures")
    assert "note: other is left out: it has no run that was selected.\n" in notes


def test_a_tex_file_says_how_it_was_made(write, table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("a", 90, started="2026-01-05T00:00:00+00:00")
    write("b", 60, started="unknown")
    store = write("c", 50)
    texts = []
    for _ in range(2):
        table(store, "--models", "?", "-o", "t.tex")
        texts.append((tmp_path / "t.tex").read_text())
    assert texts[0] == texts[1]  # it does not depend on the time
    comments = [line for line in texts[0].splitlines() if line.startswith("%")]
    fingerprint = store.provenance(Run("some", "s", "a", "published")).fingerprint
    assert re.fullmatch(r"% made by imagenet-benchmarking \d+\.\d+\.\d+", comments[0])
    assert comments[1:] == [
        "% command: imagenet-benchmark table --store store --models '?' -o t.tex",
        "% images: some, 100 pictures",
        f"% fingerprint: {fingerprint}",
        "% labels: original, n = 100",
        "% runs: 3, made 2026-01-02 to 2026-01-05; date of 1 not recorded",
        "% note: some: ranks and tiers are among the 3 runs selected",
    ]
    assert r"\label{tab:some}" in texts[0]
    assert r"\caption{Accuracy on some (100 pictures) with the recipe published" in texts[0]
    assert "tier are not significantly worse" in texts[0]


def test_the_caption_in_tex_explains_only_the_columns_that_there_are(table, tmp_path):
    table(SHIPPED, "--columns", "Model,Acc@5", "-o", tmp_path / "t.tex")
    captions = re.findall(r"\\caption\{(.*)\}", (tmp_path / "t.tex").read_text())
    assert captions == [
        "Accuracy on demo (20 pictures) with the recipe published, in percent.",
        "Accuracy on imagenet-sample-500 (500 pictures) with the recipe published, in percent.",
    ]


def test_labels_of_tables_in_one_tex_file_differ(write, table, tmp_path):
    write("m", 5, images="a_b")
    table(write("m", 5, images="a-b"), "-o", tmp_path / "t.tex")
    labels = re.findall(r"\\label\{(.*)\}", (tmp_path / "t.tex").read_text())
    assert labels == ["tab:a-b", "tab:a-b-2"]


@pytest.mark.skipif(
    not which("pdflatex"),
    reason="no pdflatex; install it with 'apt-get install texlive-latex-recommended'",
)
@pytest.mark.parametrize("options", [(), ("--wide",)], ids=str)
def test_a_tex_file_compiles(options, write, table, tmp_path):
    write("a_b", 90, platform=r"50% of {A} & B_2 #1 $ ~ ^ \ <b> x--y |")
    (tmp_path / "my_own~50%.csv").write_text("000,0\n001,1\n")
    labels = ("--labels", "original", "--labels", tmp_path / "my_own~50%.csv")
    table(write("m", 5), *labels, *options, "-o", tmp_path / "t.tex")
    (tmp_path / "paper.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{t}\end{document}"
    )
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_script_of_2019_shows_all_columns_and_writes_a_tabular_alone(arrays_of_2019, capsys):
    from benchmarking.cli.scripts_2019.table import main as script

    folders = [f"-{name[0]}={arrays_of_2019 / name}_imagenet" for name in ("keras", "pytorch")]
    assert script([*folders, "-o", "/dev/null"]) == 0
    headings = capsys.readouterr().out.splitlines()[1]
    assert "Acc@1 [95 % interval]" in headings
    assert headings.endswith("Ranks      n  Published  Difference")


def test_the_first_rows_keep_their_ranks_among_all(table):
    whole, _ = table(SHIPPED, "--images", "demo")
    lines, _ = table(SHIPPED, "--images", "demo", "--top", "2")
    assert lines == whole[:4]
