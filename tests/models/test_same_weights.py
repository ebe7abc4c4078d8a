"""One model, two names: which models of different sources have the same weights."""

import json

from benchmarking.cli import main
from benchmarking.io.files import shipped_rows
from benchmarking.models.same_weights import Same, same_weights
from benchmarking.models.sources import all_specs, select

FOUND = same_weights(all_specs())


def test_a_digest_an_origin_and_a_tag_are_evidence():
    assert FOUND["timm/resnet50.tv2_in1k"] == (
        Same("torchvision/resnet50.IMAGENET1K_V2", "origin"),
    )
    assert FOUND["torchvision/resnet50"] == (Same("timm/resnet50.tv_in1k", "origin"),)
    assert FOUND["timm/vgg16_bn.tv_in1k"] == (Same("torchvision/vgg16_bn", "tag"),)
    assert "timm/resnet50.a1_in1k" not in FOUND


def test_what_is_the_same_as_the_same_is_the_same():
    assert FOUND["timm/tf_efficientnet_lite1.in1k"] == (
        Same("efficientnet-lite-keras/efficientnet-lite1", "tag, digest"),
        Same("efficientnet-lite-pytorch/efficientnet-lite1", "tag"),
    )


def test_the_list_names_models_that_exist_with_as_many_parameters():
    specs = {spec.full_name: spec for spec in all_specs()}
    rows = shipped_rows("same_weights.csv")
    assert len(rows) == 53
    differ = {
        row["model"]
        for row in rows
        if specs[row["model"]].parameters != specs[row["same_as"]].parameters
    }
    # timm builds it without the auxiliary classifier.
    assert differ == {"timm/inception_v3.tv_in1k"}


def test_models_that_are_not_listed_are_not_named():
    assert same_weights(select(["timm"])) == {}


def test_models_says_so_in_a_line_and_in_its_json(capsys, tmp_path):
    path = tmp_path / "models.json"
    assert main(["models", "timm/resnet50.tv_in1k", "-o", str(path)]) == 0
    (model,) = json.loads(path.read_text())["models"]
    assert model["same_weights"] == [{"model": "torchvision/resnet50", "evidence": "origin"}]
    assert main(["models", "timm/resnet50.tv_in1k"]) == 0
    line = "the same weights: timm/resnet50.tv_in1k = torchvision/resnet50 (known by origin)"
    assert line in capsys.readouterr().out
    assert main(["models"]) == 0
    assert "53 groups of models have the same weights, such as " in capsys.readouterr().out
