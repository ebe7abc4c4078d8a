import csv
import json
from pathlib import Path

import pytest

from benchmarking import BenchmarkError, list_models
from benchmarking.cli import main
from benchmarking.models.sources import all_specs, select

ROOT = Path(__file__).parents[2]


def names(**conditions) -> set[str]:
    return {spec.full_name for spec in list_models(**conditions)}


def test_without_conditions_all_models_are_listed():
    assert list_models() == all_specs()


def test_a_source_and_a_framework_choose_with_wildcards():
    assert names(source="torch*") == {spec.full_name for spec in select(["torchvision"])}
    both = names(framework=["keras", "PyTorch"], models="efficientnet-lite0")
    assert both == {
        *(
            "efficientnet-lite-keras/efficientnet-lite0",
            "efficientnet-lite-pytorch/efficientnet-lite0",
        )
    }


def test_a_smallest_accuracy_leaves_out_lower_and_unpublished_ones():
    found = list_models(source="torchvision", min_acc1=88)
    assert [spec.name for spec in found] == [
        *("regnet_y_128gf.IMAGENET1K_SWAG_E2E_V1", "vit_h_14.IMAGENET1K_SWAG_E2E_V1"),
        "vit_l_16.IMAGENET1K_SWAG_E2E_V1",
    ]
    limit = found[-1].published.acc1
    assert "torchvision/vit_l_16.IMAGENET1K_SWAG_E2E_V1" in names(min_acc1=limit)


def test_a_largest_number_of_parameters_is_itself_included():
    (lite0,) = list_models("efficientnet-lite-pytorch/*0")
    assert lite0.full_name in names(max_parameters=lite0.parameters)
    assert lite0.full_name not in names(max_parameters=lite0.parameters - 1)


def test_an_input_is_that_of_any_recipe():
    assert names(source="efficientnet-lite-keras", input=240) == {
        "efficientnet-lite-keras/efficientnet-lite1"
    }


def test_available_and_missing_weights_divide_the_models(tmp_path):
    (tmp_path / "resnet18-f37072fd.pth").touch()
    resnets = dict(models="torchvision/resnet*", weights_folder=tmp_path)
    available, missing = (names(weights=one, **resnets) for one in ("available", "missing"))
    assert available == {"torchvision/resnet18"}
    assert missing == {spec.full_name for spec in select(["torchvision/resnet*"])} - available


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"source": "tim"}, "there is no source 'tim'; there are .*torchvision"),
        ({"framework": "caffe"}, "there is no framework 'caffe'; there are .*pytorch"),
        ({"models": "resnet5"}, "unknown model 'resnet5'. Did you mean"),
        ({"weights": "here"}, "weights 'here' is none of available, missing"),
        ({"min_acc1": 0.8}, "acc@1 0.8 is not a percentage above 1, such as 80"),
        ({"max_parameters": 0}, "number of parameters 0 is not a whole number from 1 up"),
        ({"input": 0}, "input 0 is not a whole number from 1 up"),
    ],
)
def test_a_condition_without_meaning_is_refused(conditions, message):
    with pytest.raises(BenchmarkError, match=message):
        list_models(**conditions)


def test_if_no_model_is_left_the_error_says_how_many_meet_each_condition():
    with pytest.raises(BenchmarkError) as refusal:
        list_models("torchvision/resnet18", min_acc1=99, input=224)
    assert str(refusal.value).splitlines() == [
        "no model meets all conditions; models that meet each:",
        "  published acc@1 of 99 or more: 0 of 1",
        "  input of 224 pixels: 1 of 1",
    ]


def test_the_command_takes_the_same_conditions(tmp_path, capsys):
    path = tmp_path / "models.json"
    conditions = ["--min-acc1", "80%", "--max-parameters", "30M", "--source", "torchvision"]
    assert main(["models", *conditions, "-o", str(path)]) == 0
    found = {f"{one['source']}/{one['model']}" for one in json.loads(path.read_text())["models"]}
    assert found == names(min_acc1=80, max_parameters=30_000_000, source="torchvision")
    assert main(["models", "resnet50", "--input", "224", "--framework", "pytorch"]) == 0
    assert "torchvision/resnet50 " in capsys.readouterr().out


def test_a_share_is_not_taken_for_a_percentage(capsys):
    with pytest.raises(SystemExit):
        main(["models", "--min-acc1", "0.8"])
    assert "'0.8' is not a percentage above 1, such as 80" in capsys.readouterr().err


def test_the_page_of_all_models_is_that_of_the_command(tmp_path):
    """If it is not: make results."""
    assert main(["models", "-o", str(tmp_path / "all-models.md")]) == 0
    page = (tmp_path / "all-models.md").read_text()
    assert page == (ROOT / "results" / "all-models.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert len(rows) == len(all_specs()) + 2 * page.count("\n## ")


def test_the_list_as_csv_has_recipes_in_full(tmp_path):
    path = tmp_path / "models.csv"
    assert main(["models", "torchvision/resnet50", "keras/ResNet50", "-o", str(path)]) == 0
    keras, torchvision = csv.DictReader(path.read_text().splitlines())
    assert (torchvision["parameters"], torchvision["acc1"]) == ("25557032", "76.13")
    assert keras["digest"] == "md5 2cb95161c43110f7111970584f804107"
    for row, name in ((torchvision, "torchvision/resnet50"), (keras, "keras/ResNet50")):
        (spec,) = select([name])
        assert row["recipes"] == "; ".join(f"{key}: {one}" for key, one in spec.recipes.items())
        assert row["url"] == spec.weights.url


def test_each_model_has_a_line_with_size_operations_recipe_and_licence(capsys):
    assert main(["models", "torchvision/resnet50", "torchvision/vit_l_16.*E2E*"]) == 0
    first, second = capsys.readouterr().out.splitlines()[1:3]
    assert first.split() == [
        *("PyTorch", "torchvision/resnet50", "missing", "98", "25,557,032", "4.09", "76.130"),
        *("92.862", "256", "bilinear,", "crop", "224,", "torch", "scaling", "-"),
    ]
    assert second.endswith("512 bicubic, crop 512, torch scaling   see below")
