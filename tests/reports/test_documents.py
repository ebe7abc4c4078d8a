"""JSON documents and JUnit XML of commands: their schemas, and the numbers of the text."""

import csv
import json
import re
import runpy
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
from conftest import an_image_set

from benchmarking.labels.imagenet import validation_key, validation_labels
from benchmarking.models.spec import Published
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import top_k
from benchmarking.reports.documents import as_json
from benchmarking.reports.documents.compare import CompareDocument
from benchmarking.reports.junit import junit
from benchmarking.scoring.compare import Pair
from benchmarking.scoring.verify import Cause, Verdict, Verification

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "benchmarking" / "data" / "schemas"
N = 400


@pytest.fixture
def store(tmp_path, a_provenance, monkeypatch):
    """Pictures with names of the validation set, a model that reproduces and one that does not."""
    monkeypatch.chdir(tmp_path)
    labels = {validation_key(n + 1): int(validation_labels()[n]) for n in range(N)}
    images = an_image_set(tmp_path / "pictures", labels, name="part")
    store = Store("store")
    for source, model, share in (
        ("torchvision", "vgg16", 0.715),
        ("torchvision", "vgg19", 0.3),
        ("lab", "mine", 0.5),
    ):
        guesses = np.where(np.arange(N) < share * N, images.labels, 7)
        probabilities = np.full((N, 1000), 0.0005, np.float32)
        probabilities[np.arange(N), guesses] = 0.5005
        made = replace(a_provenance(images), preprocessing={})
        run = Run("part", source, model, "published")
        store.write(run, images, top_k(probabilities), made)
    return store


COMMANDS = {
    "verify": ("verify", "--store", "store"),
    "verify with a reference required": ("verify", "--require-reference", "--store", "store"),
    "compare": ("compare", "vgg16", "vgg19", "--store", "store"),
    "compare all": ("compare", "--all", "--store", "store"),
    "show": ("show", "vgg16", "--store", "store"),
    "check": ("check", "--store", "store"),
    "models": ("models", "efficientnet-lite0"),
    "models with weights": ("models", "efficientnet-lite0", "vgg16", "--files"),
    "doctor": ("doctor", "pictures"),
    "doctor, quick": ("doctor", "pictures", "--quick"),
}


def document(command: tuple[str, ...], call) -> dict:
    """The document of a command, checked against the schema that the package ships."""
    found = json.loads(call(*command, "-o", "-")[1], parse_constant=pytest.fail)
    jsonschema.validate(found, json.loads((SCHEMAS / f"{command[0]}.json").read_text()))
    return found


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_document_has_its_schema_and_neither_text_nor_status_change(store, command, call):
    status, text, _ = call(*command)
    found = document(command, call)
    assert found["schema"] == f"imagenet-benchmark/{command[0]}"
    assert found["version"] == 1
    assert re.fullmatch(r"imagenet-benchmarking \d+\.\d+\.\d+", found["made_by"])
    assert call(*command, "-o", "out.json")[:2] == (status, text)
    assert json.loads(Path("out.json").read_text()) == found


def test_a_field_more_or_less_is_against_the_schema(store, call):
    schema = json.loads((SCHEMAS / "verify.json").read_text())
    for change in (lambda run: run.pop("ece"), lambda run: run.update(more=1)):
        found = document(COMMANDS["verify"], call)
        change(found["runs"][0])
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(found, schema)


def test_names_of_fields_are_snake_case(store, call):
    free = {"versions", "weights", "preprocessing", "origin", "images", "recipes"}

    def check(value):
        if isinstance(value, dict):
            for name, part in value.items():
                assert re.fullmatch("[a-z][a-z0-9_]*", name)
                check(part if name not in free or not isinstance(part, dict) else None)
        elif isinstance(value, list):
            for part in value:
                check(part)

    for command in COMMANDS.values():
        check({k: v for k, v in document(command, call).items() if k != "facts"})


TABLES = {
    "plain": (),
    "calibration": ("--calibration",),
    "labels": ("--labels", "original", "--labels", "mine.csv"),
    "columns": ("--columns", "Model", "Acc@1", "Tier", "ECE", "--calibration"),
    "several sets": ("--store", "other"),
    "a plain table of several stores": ("--store", "other", "--images", "part"),
}


@pytest.mark.parametrize("options", TABLES.values(), ids=TABLES)
def test_a_table_has_its_schema_and_the_numbers_of_the_csv_file(store, call, options):
    second = an_image_set(Path("pictures"), {"a": 1, "b": 2}, name="two")
    shutil.copytree("store", "other")
    probabilities = np.eye(2, 1000, dtype=np.float32)  # NLL and ECE of certain, wrong guesses
    Store("other").write(
        Run("two", "lab", "mine", "published"),
        second,
        top_k(probabilities),
        store.provenance(Run("part", "lab", "mine", "published")),
        probabilities=probabilities,
    )
    Path("mine.csv").write_text(f"{validation_key(1)},7\n")
    for path in ("t.json", "t.csv"):
        assert call("table", "--store", "store", *options, "-o", path)[0] == 0
    found = json.loads(Path("t.json").read_text(), parse_constant=pytest.fail)
    jsonschema.validate(found, json.loads((SCHEMAS / "table.json").read_text()))
    rows = [row for table in found["tables"] for row in table["rows"]]
    lines = list(csv.DictReader(Path("t.csv").read_text().splitlines()))
    assert [row["model"] for row in rows] == [line["Model"] for line in lines]
    for row, line in zip(rows, lines, strict=True):
        score = row["scores"]["Acc@1"]
        assert str(score["share"]) == line["Acc@1"]
        assert score["low"] <= score["share"] <= score["high"]
        assert (row["store"] or "") == line.get("Store", "")
        if row["published"] and "Published@1" in line:
            assert row["published"]["acc1"] == float(line["Published@1"])
    chosen = [line for table in found["tables"] for line in table["chosen"] or ()]
    assert len(chosen) == (len(rows) if "--columns" in options else 0)


def test_verify_gives_the_numbers_of_its_text(store, call):
    status, text, _ = call(*COMMANDS["verify"])
    found = document(COMMANDS["verify"], call)
    assert (status, found["passed"]) == (1, False)
    assert found["verdicts"] == {
        "reproduced": 0,
        "within_backend_noise": 0,
        "consistent": 1,
        "not_reproduced": 1,
        "no_reference": 1,
    }
    lines = {line.split()[2]: line for line in text.splitlines()[1:4]}
    assert len(found["runs"]) == 3
    for run in found["runs"]:
        line = lines[run["run"]["model"]]
        assert run["verdict"] in line
        assert line.endswith(run["reason"])
        assert f" {100 * run['acc1']:.2f} " in line
        assert f" {100 * run['ece']:.1f} " in line
        low, high = run["interval"]
        assert low < run["acc1"] < high
        if run["published"]:
            assert f" {100 * run['published']['acc1']:.2f} " in line
            assert f" {100 * run['difference']:+.2f} " in line
            assert run["difference"] == pytest.approx(run["acc1"] - run["published"]["acc1"])
        else:
            assert run["difference"] is None
    assert found["runs"][0]["weights_sha256"] == "0" * 64


def test_compare_gives_the_numbers_of_its_text(store, call):
    text = call(*COMMANDS["compare"])[1]
    found = document(COMMANDS["compare"], call)
    (pair,) = found["pairs"]
    low, high = pair["interval"]
    for part in (
        f"{found['images']}, {pair['n']} pictures, fingerprint {found['fingerprints'][0][:12]}",
        f"A {100 * pair['first_acc1']:.2f} %, B {100 * pair['second_acc1']:.2f} %",
        f"{100 * pair['difference']:+.2f} points, 95 % interval "
        f"[{100 * low:+.2f}, {100 * high:+.2f}]",
        f"p = {pair['p_value']:.2g}",
        f"{100 * pair['same_answer']:.1f} % of the pictures",
        f"{pair['kappa']:.3f}, of which",
    ):
        assert part in text
    assert pair["n"] == sum(
        pair[name] for name in ("both_right", "first_only", "second_only", "neither_right")
    )
    gains = sum(one["first"] - one["second"] for one in found["classes"])
    assert gains == pair["first_only"] - pair["second_only"]


def test_every_pair_is_in_the_document_in_the_order_of_the_text(store, call):
    lines = call(*COMMANDS["compare all"])[1].splitlines()[3:-2]
    found = document(COMMANDS["compare all"], call)
    assert found["classes"] is None
    assert [f"{p['first']['source']}/{p['first']['model']}" for p in found["pairs"]] == [
        line.split()[0] for line in lines
    ]
    assert [f"{p['adjusted_p_value']:.2g}" for p in found["pairs"]] == [
        line.split()[-4] for line in lines
    ]


def test_what_is_not_a_number_is_null():
    always = Pair(*2 * [Run("i", "s", "m", "r")], 9, 0, 0, 0, 9, 1.0, 1.0)
    from benchmarking.reports.documents.compare import compared

    text = as_json(CompareDocument("i", (), "original", "", (compared(always),), None, (), ()))
    assert np.isnan(always.kappa)
    assert json.loads(text)["pairs"][0]["kappa"] is None
    assert "NaN" not in text


def test_check_names_what_is_damaged_and_left_over(store, call):
    path = store.path(Run("part", "lab", "mine", "published"))
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    Path("store/notes.txt").touch()
    found = document(COMMANDS["check"], call)
    (only,) = found["stores"]
    assert (found["passed"], only["runs"], only["image_sets"]) == (False, 3, 1)
    damaged = [file for file in only["files"] if file["status"] != "undamaged"]
    assert [(f["file"], f["status"], f["run"]["model"]) for f in damaged] == [
        (str(path), "damaged", "mine")
    ]
    assert str(path) in damaged[0]["problem"]
    assert [file["file"] for file in found["left_over"]] == ["store/notes.txt"]


def test_runs_of_several_stores_have_the_name_of_their_store(store, call):
    shutil.copytree("store", "other")
    shutil.rmtree("other/part/torchvision")
    Path("store/part/lab/mine.published.safetensors").unlink()
    for command in ("verify", "compare all", "check"):
        found = json.dumps(document((*COMMANDS[command], "--store", "other"), call))
        assert '"store": "other"' in found
        assert '"store": "store"' in found


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_an_unknown_suffix_is_refused_before_anything_is_computed(command, call, tmp_path):
    """There is no store in the current folder, so computing anything would be another error."""
    status, out, err = call(*command, "-o", tmp_path / "out.yaml")
    others = {
        "compare": ".json or .csv",
        "verify": ".json or .xml",
        "models": ".json or .md or .csv",
    }
    known = others.get(command[0], ".json")
    assert (status, out) == (2, "")
    assert err == f"imagenet-benchmark: {tmp_path / 'out.yaml'} has no known suffix; use {known}.\n"


def test_a_file_that_cannot_be_written_is_an_error(store, call):
    status, _, err = call(*COMMANDS["show"], "-o", "/dev/null/x.json")
    assert status == 2
    assert "/dev/null/x.json" in err


def test_the_schemas_and_the_page_are_those_of_the_code():
    """To renew them: python docs/schemas.py."""
    made = runpy.run_path(str(ROOT / "docs" / "schemas.py"))
    assert {path.name: path.read_text() for path in SCHEMAS.iterdir()} == made["schemas"]()
    assert (ROOT / "docs" / "json.md").read_text() == made["page"]()
    for text in made["schemas"]().values():
        jsonschema.Draft202012Validator.check_schema(json.loads(text))


def suite(text: str) -> ElementTree.Element:
    """The test suite of a JUnit document, with the counts of its attributes checked."""
    root = ElementTree.fromstring(text)  # noqa: S314 - our own text
    assert [root.tag, *(part.tag for part in root)] == ["testsuites", "testsuite"]
    found = root[0]
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(found.get(name)) == len(found.findall(f"testcase/{tag}"))
    assert int(found.get("tests")) == len(found.findall("testcase"))
    assert float(found.get("time")) >= 0
    return found


def test_verdicts_are_tests_of_a_ci_service(store, call):
    path = store.path(Run("part", "lab", "mine", "published"))
    status, text, _ = call(*COMMANDS["verify"])
    assert call(*COMMANDS["verify"], "-o", "j.xml")[:2] == (status, text)
    found = suite(Path("j.xml").read_text())
    cases = {case.get("name"): case for case in found}
    assert [part.tag for part in cases["vgg16 (published)"]] == []
    (failure,) = cases["vgg19 (published)"]
    assert (failure.tag, failure.get("type")) == ("failure", "not reproduced")
    assert "acc@1 30.25 %, published 72.38 %" in failure.get("message")
    (skipped,) = cases["mine (published)"]
    assert (skipped.tag, skipped.get("message")) == ("skipped", "no published accuracy")
    assert cases["mine (published)"].get("classname") == "part.lab"
    call("verify", "--require-reference", "--store", "store", "-o", "j.xml")
    assert suite(Path("j.xml").read_text()).get("failures") == "2"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    call(*COMMANDS["verify"], "-o", "j.xml")
    (error,) = suite(Path("j.xml").read_text()).findall("testcase/error")
    assert str(path) in error.get("message")


@pytest.mark.parametrize(
    "text", ["]]>", "\x00\x1b[2J", "\ud800", "\ufffe", "<a&b>\"'", "caf\udce9", "€", "a\nb\rc"]
)
def test_hostile_text_stays_valid_xml(text):
    published = Published(70.0, text)
    causes = (Cause(text, text),)
    run = Run("i", "s", "m", "r")
    verdicts = (Verdict.NOT_REPRODUCED, Verdict.NO_REFERENCE)
    found = [
        Verification(run, text, 0.1, 9, 0.0, published, verdict, causes, text)
        for verdict in verdicts
    ]
    xml = junit(found, [text], failing=frozenset(verdicts[:1]), seconds=0.0)
    assert len(suite(xml)) == 3
    assert xml.isascii()
