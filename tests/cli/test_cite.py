"""What 'cite' prints: works, and how the accuracies were computed, as far as it was recorded."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import an_image_set

from benchmarking import Run, Store, score
from benchmarking.cli import main
from benchmarking.io.files import shipped_rows
from benchmarking.models.sources import all_specs
from benchmarking.pictures.image_set import without_pictures
from benchmarking.pictures.sets import published_sets
from benchmarking.predictions.own_outputs import import_outputs
from benchmarking.predictions.top_k import top_k
from benchmarking.reports.bibliography import (
    THIS_PACKAGE,
    Work,
    bibtex,
    papers_of,
    papers_of_set,
    plain,
    work,
)
from benchmarking.reports.citation import cite, works
from benchmarking.scoring.aggregate import aggregate

SHIPPED = Path(__file__).parents[2] / "precomputed"
REQUIRED = {
    "article": {"author", "title", "journal", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "misc": {"title"},
}


def parsed(text):
    """Fields by key of a BibTeX file; fails if it is not well formed."""
    found = {}
    comment, *entries = text.split("@")
    assert all(line.startswith("%") for line in comment.splitlines() if line)
    for entry in entries:
        kind, key, body = re.fullmatch(r"(\w+)\{([\w-]+),\n(.*)\}\s*", entry, re.DOTALL).groups()
        assert key not in found
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},$", body, re.MULTILINE))
        assert len(fields) == body.count("\n")
        assert fields.keys() >= REQUIRED[kind]
        found[key] = fields
        assert text.isascii()
        for name, value in fields.items():
            plain = re.sub(r"\\[&%$#_{}]", "", value)
            assert plain.count("{") == plain.count("}")
            if name != "doi":  # which is read character by character, as an address is
                assert not re.search(r"(?<!\\)[&%$#_]", re.sub(r"https?://\S+", "", value))
    return found


@pytest.fixture
def call(capsys):
    def call(store, *arguments, status=0):
        folder = store if isinstance(store, Path) else store.folder
        found = main(["cite", "--store", str(folder), *map(str, arguments)])
        out, err = capsys.readouterr()
        assert found == status, err
        return out, err

    return call


@pytest.fixture
def write(tmp_path, a_provenance):
    """A function that stores a run of ten pictures, made as the arguments say."""
    store = Store(tmp_path / "store")
    pictures = an_image_set(tmp_path / "ten", {f"{i}": i for i in range(10)}, name="ten")

    def write(model, source="s", **made):
        said = top_k(np.eye(10, 20, dtype=np.float32))
        run = Run("ten", source, model, "published")
        store.write(run, pictures, said, replace(a_provenance(pictures), **made))
        return store

    return write


def flat(text):
    """The text of a comment without its line breaks."""
    return re.sub(r"\s+", " ", re.sub(r"^% ?", "", text, flags=re.MULTILINE))


def test_every_model_of_the_package_has_the_papers_of_its_architecture():
    without = [spec for spec in all_specs() if not papers_of(spec.source, spec.name)]
    assert {spec.source for spec in without} == {"timm"}  # whose architectures have no list yet
    assert [row for row in shipped_rows("papers_of_models.csv") if not row["stated_by"]] == []


def test_every_work_is_a_well_formed_entry_of_bibtex():
    keys = [row["key"] for row in shipped_rows("works.csv")]
    found = parsed("\n\n".join(bibtex(work(key)) for key in keys))
    assert list(found) == keys
    assert [
        key for key, fields in found.items() if not fields.keys() & {"eprint", "doi", "url"}
    ] == ["krizhevsky2012imagenet"]


def test_every_work_is_cited_for_something():
    cited = {key for row in shipped_rows("papers_of_models.csv") for key in row["works"].split()}
    labels = {"beyer2020imagenet", "northcutt2021pervasive"}
    others = {"russakovsky2015imagenet", "northcutt2019benchmarking", "wightman2019pytorch"}
    sets = {key for row in shipped_rows("papers_of_sets.csv") for key in row["works"].split()}
    assert {row["key"] for row in shipped_rows("works.csv")} == cited | labels | others | sets


def test_every_published_picture_set_has_a_paper():
    without = [name for name in published_sets() if not papers_of_set(name)]
    assert without == []
    assert {row["set"] for row in shipped_rows("papers_of_sets.csv")} == {*published_sets()}


def test_the_paper_of_a_picture_set_is_cited(call, write):
    made = {"images": {"name": "ten", "fingerprint": "f" * 64, "picture_set": "imagenet-v2"}}
    out, _ = call(write("m", **made))
    assert "recht2019imagenet" in parsed(out)


def test_the_library_of_a_model_is_cited_where_its_authors_ask_for_it(call, write):
    out, _ = call(write("vit_tiny_patch16_224.augreg_in21k_ft_in1k", source="timm"))
    assert "wightman2019pytorch" in parsed(out)
    out, _ = call(write("mine", source="checkpoint", weights={"architecture": "timm/x"}), "mine")
    assert "wightman2019pytorch" in parsed(out)


def test_characters_are_escaped_for_latex():
    strange = Work(
        "k",
        "misc",
        ("Hénaff, Ångstrøm", "The & authors"),
        "50 % of {A}_#1 $ ~ ^ \\ <b>",
        note="a_b",
    )
    assert bibtex(strange).splitlines()[1:4] == [
        r"  author = {H{\'e}naff, {\r A}ngstrøm and {The \& authors}},",
        r"  title = {{50 \% of \{A\}\_\#1 \$ \textasciitilde{} \textasciicircum{} "
        r"\textbackslash{} \textless{}b\textgreater{}}},",
        r"  note = {a\_b},",
    ]


def test_a_reference_in_plain_text_reads_as_it_should():
    assert plain(work("russakovsky2015imagenet")).endswith(
        "A. C. Berg, L. Fei-Fei. ImageNet Large Scale Visual Recognition Challenge. International "
        "Journal of Computer Vision 115(3):211-252. 2015. doi:10.1007/s11263-015-0816-y."
    )
    assert plain(work("sandler2018mobilenetv2")).startswith("M. Sandler, A. Howard, M. Zhu, A. Zh")
    assert "L. C. Chen." in plain(work("sandler2018mobilenetv2"))


def test_without_stored_runs_the_package_and_imagenet_are_cited(call, tmp_path):
    out, err = call(tmp_path / "nothing")
    assert list(parsed(out)) == [THIS_PACKAGE.key, "russakovsky2015imagenet"]
    assert "there are no stored runs in" in err


def test_the_papers_of_the_models_are_cited_each_once_in_a_stable_order(call, imported_2019):
    out, _ = call(imported_2019, "*/resnet*", "alexnet", "vgg16", "mobilenetV2")
    assert list(parsed(out)) == [
        *("imagenet-benchmarking", "russakovsky2015imagenet", "northcutt2019benchmarking"),
        *("he2016deep", "krizhevsky2012imagenet", "krizhevsky2014weird"),
        *("sandler2018mobilenetv2", "simonyan2015very"),
    ]
    everything, _ = call(imported_2019)
    assert len(parsed(everything)) == 15
    assert "No paper is known" not in everything


def test_labels_of_others_are_cited():
    table = aggregate(Store(SHIPPED), "demo")
    for name, key in (("ReaL", "beyer2020imagenet"), ("corrected", "northcutt2021pervasive")):
        with_labels = replace(table, label_sets=(name,))
        assert key in [one.key for one in works([with_labels])]
        assert key not in [one.key for one in works([table])]
        assert f"scored with the {name} labels of 20 pictures" in flat(cite([with_labels]))


def test_labels_of_a_file_are_named_with_their_number(call, write, tmp_path):
    (tmp_path / "mine.csv").write_text("0,0\n1,1\n")
    labels = ("--labels", "original", "--labels", tmp_path / "mine.csv")
    out, _ = call(write("m"), *labels)
    assert (
        "scored with the original labels of 10 pictures and with the labels of mine of 2 pictures."
    ) in flat(out)


def test_a_model_without_a_known_paper_is_named_and_nothing_is_invented(call, write):
    out, _ = call(write("resnet50", source="mine"))
    assert "No paper is known for the architecture of mine/resnet50." in flat(out)
    assert list(parsed(out)) == [THIS_PACKAGE.key, "russakovsky2015imagenet"]


def test_a_checkpoint_is_cited_by_its_architecture(call, write):
    weights = {"name": "checkpoint", "file": "mine.pth", "architecture": "torchvision/resnet50"}
    out, _ = call(write("resnet50", source="checkpoint", weights=weights | {"sha256": "0a" * 32}))
    assert "he2016deep" in parsed(out)
    assert (
        "Weights: a checkpoint of our own for the architecture torchvision/resnet50 (sha256 "
        "0a0a0a0a0a0a)."
    ) in flat(out)
    assert "No paper is known" not in out
    out, _ = call(write("listed"))
    assert "torchvision/resnet50 (sha256 0a0a0a0a0a0a) for resnet50." in flat(out)


def test_a_table_tells_a_checkpoint_from_published_weights_of_its_name(write, tmp_path, capsys):
    weights = {"name": "checkpoint", "file": "resnet50.pth", "architecture": "torchvision/resnet50"}
    store = write("resnet50", source="checkpoint", weights=weights)
    files = [("-o", tmp_path / f"t.{suffix}") for suffix in ("md", "tex")]
    for output in ((), ("--wide",), *files):
        assert main(["table", "--store", str(store.folder), *map(str, output)]) == 0
        text = output[1].read_text() if len(output) == 2 else capsys.readouterr().out
        assert "checkpoint/resnet50" in text


def test_the_methods_say_what_was_recorded(call):
    run = "efficientnet-lite-pytorch/efficientnet-lite0"
    out, _ = call(SHIPPED, run, "--images", "demo", "--format", "text")
    methods, _, references = out.partition("References\n")
    version = THIS_PACKAGE.note.removeprefix("Version ")
    assert flat(methods).strip() == (
        f"Top-1 and top-5 accuracies were computed with imagenet-benchmarking {version} from the "
        "stored top-5 predictions of 1 model on the 20 pictures of demo (fingerprint "
        "ec8fe97936a1). The predictions were scored with the original labels of 20 pictures. "
        "Preprocessing: recipe published (shorter side 256, pillow bicubic, centre crop 224, "
        "scaling tf). "
        "PyTorch: imagenet-benchmarking 0.1.0; python 3.11.7; numpy 2.4.6; "
        "efficientnet-lite-pytorch 0.1.0; torch 2.14.1+cu130; Pillow 13.0.0; libjpeg-turbo 3.2.0; "
        "device cpu; precision float32; batch size 32; date 2026-11-23. "
        "Confidence intervals are 95 % Wilson score intervals."
    )
    assert "M. Tan, Q. V. Le. EfficientNet: Rethinking Model Scaling" in flat(references)
    assert max(map(len, out.splitlines())) <= 80


def test_versions_that_differ_are_listed_with_their_models(call, write):
    write("a", versions={"abacus": "1.0"})
    write("b", versions={"abacus": "2.0", "beads": "7"})
    write("c", versions={"abacus": "2.0"}, batch_size=None, started="2026-02-02T00:00:00+00:00")
    out, _ = call(write("d", versions={}), "--format", "text")
    assert (
        "Abacus: abacus 1.0 for a and abacus 2.0 for b, c; beads 7 for b; versions not recorded "
        "for d; device beads; precision float32; batch size 2 for a, b, d and batch size not "
        "recorded for c; date 2026-01-02 for a, b, d and date 2026-02-02 for c."
    ) in flat(out)


def test_models_of_one_name_are_named_with_their_sources(call, write):
    write("m", source="s", versions={"abacus": "1.0"})
    out, _ = call(write("m", source="t", versions={"abacus": "2.0"}))
    assert "abacus 1.0 for s/m and abacus 2.0 for t/m;" in flat(out)


def test_what_was_not_recorded_is_said_to_be_so(call, imported_2019):
    out, _ = call(imported_2019, "vgg11", "--format", "text")
    assert "on the 50,000 pictures of imagenet-val-2019 (fingerprint not recorded)" in flat(out)
    assert "PyTorch: versions, device, precision, batch size, date: not recorded." in flat(out)


def test_steps_of_a_recipe_that_were_not_recorded_are_not_invented(call, write):
    out, _ = call(write("m", preprocessing={}))
    assert "Preprocessing: recipe published (steps not recorded)." in flat(out)
    out, _ = call(write("n", preprocessing={"resize": 256}), "n")
    assert "Preprocessing: recipe published (resize 256)." in flat(out)


def test_a_comment_has_no_sign_that_begins_an_entry(call, write):
    out, _ = call(write("m", platform="@misc{k, title={x}}"))
    assert list(parsed(out)) == [THIS_PACKAGE.key, "russakovsky2015imagenet"]


@pytest.mark.parametrize(
    ("name", "options", "start"),
    [
        ("paper.bib", (), "% Top-1"),
        ("paper.txt", (), "Top-1"),
        ("paper.MD", (), "Top-1"),
        ("paper.txt", ("--format", "bibtex"), "% Top-1"),
        ("paper", ("--format", "text"), "Top-1"),
    ],
)
def test_the_format_follows_the_option_or_the_suffix(name, options, start, call, tmp_path):
    out, err = call(SHIPPED, "-o", tmp_path / name, *options)
    assert (out, err) == ("", f"wrote {tmp_path / name}\n")
    assert (tmp_path / name).read_text().startswith(start)


def test_a_suffix_without_a_format_is_refused(call, tmp_path):
    _, err = call(SHIPPED, "-o", tmp_path / "paper.doc", status=2)
    assert "paper.doc has no known suffix; use one of .bib, .txt, .md, or --format." in err


def test_a_pattern_without_a_run_is_refused_even_beside_others(call):
    _, err = call(SHIPPED, "efficientnet-lite0", "resnet5000", status=2)
    assert "has no run of resnet5000" in err


def test_a_damaged_run_is_left_out_and_named(call, write):
    write("whole")
    store = write("damaged", source="mine")
    path = store.path(Run("ten", "mine", "damaged", "published"))
    path.write_bytes(path.read_bytes()[:99])
    out, err = call(store, status=1)
    assert err.startswith(f"left out: {path}")
    assert "predictions of 1 model on the 10 pictures" in flat(out)
    assert "mine/damaged" not in out
    path.rename(path.with_name("no run.safetensors"))
    assert "no run.safetensors is not named like a stored run" in call(store, status=1)[1]


def test_python_gives_what_the_command_gives(call):
    out, _ = call(SHIPPED, "--images", "demo")
    assert score(SHIPPED, "demo").cite() == out
    out, _ = call(SHIPPED, "--images", "demo", "--format", "text")
    assert score(SHIPPED, "demo").cite("text") == out


def test_imported_outputs_are_called_so_and_claim_no_top_5_without_five_classes(call, tmp_path):
    store = tmp_path / "store"
    labels = 3 * np.arange(20)[::-1]
    images = without_pictures("twenty", [f"{label}.png" for label in labels], labels)
    np.save(tmp_path / "one.npy", labels)
    np.save(tmp_path / "five.npy", labels[:, None] + np.arange(5))
    for model in ("one", "five"):
        import_outputs(tmp_path / f"{model}.npy", model=model, images=images, store=store)
    made = "imported from classes that another program computed"
    out, _ = call(store, "one", "--format", "text")
    text = " ".join(out.split())
    assert text.startswith("Top-1 accuracies were computed")
    assert "the stored predictions of 1 model" in text
    assert f"Predictions: {made}." in text
    out, _ = call(store, "--format", "text")
    text = " ".join(out.split())
    assert text.startswith("Top-1 and top-5 accuracies were computed")
    assert "1 of 2 runs have fewer than five predictions per picture" in text
