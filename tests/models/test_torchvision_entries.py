"""All classifiers of torchvision, without torch: from the shipped list, or from a newer version."""

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest

from benchmarking.cli import main
from benchmarking.errors import BenchmarkError
from benchmarking.io import user_folders
from benchmarking.io.names import check_name
from benchmarking.models import torchvision_entries
from benchmarking.models.loaded import load
from benchmarking.models.published import published
from benchmarking.models.sources import select, torchvision_models
from benchmarking.models.sources._torchvision_enums import entries
from benchmarking.models.sources.checkpoint import spec_of_checkpoint
from benchmarking.models.torchvision_entries import shipped
from benchmarking.predictions.arrays_2019 import names_2019

SPECS = {spec.name: spec for spec in map(torchvision_models._spec, shipped().entries)}

# A torchvision of the future, without torch.
FAKE = {
    "__init__.py": "from torchvision import models\n__version__ = '99.0+cpu'\n",
    "models.py": """
print("a library may print")
from enum import Enum
from types import SimpleNamespace as Some

class ImageClassification:
    resize_size, crop_size, interpolation = [300], [288], Some(value="bicubic")
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

class Augmented(ImageClassification):
    pass

def weights(transforms, **more):
    meta = {"categories": 1000 * ["c"], "num_params": 7, "_file_size": 1.5, "_ops": 0.2}
    meta["_metrics"] = {"ImageNet-1K": {"acc@1": 91.5, "acc@5": 99.0}}
    return Some(url="https://there/resnet_of_9-0123456789.pth", transforms=transforms,
                meta={**meta, **more})

class Entry(Enum):
    url = property(lambda self: self.value.url)
    transforms = property(lambda self: self.value.transforms)
    meta = property(lambda self: self.value.meta)

class Future(Entry):
    IMAGENET1K_V1 = weights(ImageClassification)
    IMAGENET1K_V3 = weights(Augmented, _metrics={"ImageNet-1K": {"acc@1": float("nan")}})
    FEATURES = weights(ImageClassification, categories=None)

class QuantizedFuture(Entry):
    IMAGENET1K_FBGEMM_V1 = weights(ImageClassification, backend="fbgemm")

class quantization:
    pass

def list_models(module):
    return ["quantized_future9"] if module is quantization else ["future10", "future9"]

def get_model_weights(name):
    return QuantizedFuture if name.startswith("quantized") else Future
""",
}


@pytest.fixture
def future(tmp_path, monkeypatch):
    """A newer torchvision is installed, and nothing is known of it yet; its folder is returned."""
    folder = tmp_path / "site-packages" / "torchvision"
    folder.mkdir(parents=True)
    for name, text in FAKE.items():
        (folder / name).write_text(text)
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda n: "99.0" if n == "torchvision" else real(n))
    monkeypatch.setattr(sys, "path", [str(folder.parent), *sys.path])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    forget()
    yield folder
    forget()


def forget():
    entries.cache_clear()
    torchvision_models.specs.cache_clear()


def test_every_entry_has_a_name_that_can_name_a_file():
    assert len(SPECS) == len(shipped().entries) == 128
    assert [check_name(name) for name in SPECS] == list(SPECS)


def test_a_bare_name_means_the_first_weights_and_others_are_part_of_the_name():
    assert SPECS["resnet50"].weights.name == "IMAGENET1K_V1"
    assert SPECS["resnet50.IMAGENET1K_V2"].weights.file == "resnet50-11ad3fa6.pth"
    assert "regnet_y_128gf" not in SPECS
    for name, spec in SPECS.items():
        assert ("." in name) is (spec.weights.name != "IMAGENET1K_V1")


def test_the_recipe_of_2019_is_that_of_its_21_models_only():
    old = {name for name, spec in SPECS.items() if "northcutt2019" in spec.recipes}
    assert old == set(names_2019()["pytorch"])
    assert {SPECS[name].recipes["northcutt2019"].resize for name in old} == {256}
    assert all("published" in spec.recipes for spec in SPECS.values())


def test_the_last_14_entries_are_quantized_and_their_weights_are_always_named():
    engines = {name: spec.engine for name, spec in SPECS.items() if spec.engine}
    assert list(engines) == list(SPECS)[-14:] == [n for n in SPECS if n.startswith("quantized_")]
    assert all(
        name.endswith((".IMAGENET1K_FBGEMM_V1", ".IMAGENET1K_FBGEMM_V2"))
        for name in engines
        if engines[name] == "fbgemm"
    )
    assert [name for name in engines if engines[name] == "qnnpack"] == [
        f"quantized_{name}.IMAGENET1K_QNNPACK_V1" for name in ("mobilenet_v2", "mobilenet_v3_large")
    ]
    assert set(engines.values()) == {"fbgemm", "qnnpack"}


def test_a_quantized_model_has_its_own_accuracy_and_file_and_the_parameters_of_the_other():
    spec, other = SPECS["quantized_resnet50.IMAGENET1K_FBGEMM_V2"], SPECS["resnet50.IMAGENET1K_V2"]
    assert (spec.published.acc1, other.published.acc1) == (80.282, 80.858)
    assert spec.parameters == other.parameters == 25_557_032
    assert (spec.weights.megabytes, spec.weights.sha256) == (24.953, "23753f79")
    assert published("torchvision", spec.name).acc5 == 94.976


def test_a_quantized_model_runs_on_the_cpu_in_int8_only():
    spec = SPECS["quantized_resnet50.IMAGENET1K_FBGEMM_V2"]
    with pytest.raises(
        BenchmarkError, match="a quantized model runs on the CPU only, not on GPU 0"
    ):
        load(spec, 0, seed=1)
    with pytest.raises(
        BenchmarkError, match="a quantized model does not compute in bf16 here; it has int8"
    ):
        load(spec, None, seed=1, precision="bf16")


def test_a_quantized_model_in_another_precision_is_refused_before_anything_runs(tmp_path, capsys):
    command = ["predict", "demo", "--models", "quantized_resnet18*", "--weights", "random"]
    assert main([*command, "--precision", "bf16", "--store", str(tmp_path)]) == 2
    assert "can be computed in 'bf16'; they have int8." in capsys.readouterr().err


def test_a_checkpoint_of_a_quantized_architecture_is_refused():
    with pytest.raises(BenchmarkError, match="name an architecture in floating point"):
        spec_of_checkpoint("mine.pth", "quantized_resnet18.IMAGENET1K_FBGEMM_V1")


def test_every_file_has_a_digest_and_a_licence_only_if_it_has_its_own():
    """Torchvision, too, checks only digests that follow a hyphen."""
    without = {name for name, spec in SPECS.items() if not spec.weights.sha256}
    assert without == {
        "quantized_mobilenet_v2.IMAGENET1K_QNNPACK_V1",
        *(f"quantized_{one}.IMAGENET1K_FBGEMM_V1" for one in ("resnet18", "resnet50")),
        "quantized_resnext101_32x8d.IMAGENET1K_FBGEMM_V1",
    }
    digests = {len(spec.weights.sha256) for name, spec in SPECS.items() if name not in without}
    assert digests == {8, 10}
    licensed = {name for name, spec in SPECS.items() if spec.weights.licence}
    assert licensed == {name for name in SPECS if "SWAG" in name}


def test_the_published_accuracy_is_known_without_the_library():
    assert published("torchvision", "ResNet50.imagenet1k_v2").acc1 == 80.858
    assert published("2019-pytorch", "resnet50").acc1 == 76.13


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("torchvision/resnet50", ["resnet50"]),
        ("resnet50.imagenet1k_v1", ["resnet50"]),
        ("torchvision/resnet50.*", ["resnet50", "resnet50.IMAGENET1K_V2"]),
        ("vit_h_14*", [f"vit_h_14.IMAGENET1K_SWAG_{kind}_V1" for kind in ("E2E", "LINEAR")]),
    ],
)
def test_weights_can_be_named(pattern, expected):
    assert [spec.name for spec in select([pattern])] == expected


def test_a_bare_name_without_first_weights_is_refused_with_the_weights_there_are():
    with pytest.raises(BenchmarkError, match=r"Did you mean 'vit_h_14.IMAGENET1K_SWAG_E2E_V1'\?"):
        select(["vit_h_14"])


def test_models_says_what_a_bare_name_means_and_names_licences(capsys):
    assert main(["models", "torchvision/vit_b_16*"]) == 0
    out = capsys.readouterr().out
    assert "such as vit_b_16, means IMAGENET1K_V1; other weights are part of the name" in out
    assert "licence of the weights of torchvision/vit_b_16.IMAGENET1K_SWAG_E2E_V1" in out
    assert "224 (vit_b_16.IMAGENET1K_SWAG_LINEAR_V1): shorter side 224, pillow bicubic" in out


def test_models_as_json_has_the_licence_and_the_number_of_multiply_adds(tmp_path):
    path = tmp_path / "models.json"
    assert main(["models", "vit_b_16.*LINEAR*", "-o", str(path)]) == 0
    (model,) = json.loads(path.read_text())["models"]
    assert model["gigamacs"] == 17.564
    assert model["weights"]["licence"].endswith("SWAG/blob/main/LICENSE")


def test_a_newer_torchvision_is_read_and_its_models_are_listed(future, capsys):
    assert [entry.name for entry in entries()] == [
        *("future9", "future9.IMAGENET1K_V3", "future10", "future10.IMAGENET1K_V3"),
        "quantized_future9.IMAGENET1K_FBGEMM_V1",
    ]
    assert [entry.engine for entry in entries()] == ["", "", "", "", "fbgemm"]
    spec = torchvision_models.specs()[0]
    assert (spec.published.acc1, spec.parameters, spec.weights.sha256) == (91.5, 7, "0123456789")
    assert (spec.recipes["published"].resize, spec.recipes["published"].crop) == (300, 288)
    assert main(["models", "future9*"]) == 0
    out = capsys.readouterr().out
    assert "torchvision: no recipe published, because it is not known how" in out
    assert out.splitlines()[2].split() == [
        *("PyTorch", "torchvision/future9.IMAGENET1K_V3", "missing", "2", "7", "0.20"),
        *("-", "-", "-", "-"),
    ]


def test_what_was_read_is_kept_until_it_is_damaged(future, monkeypatch):
    first = entries()
    (kept,) = user_folders.cache().glob("*/torchvision-99.0.json")
    (future / "models.py").write_text("raise SystemExit('it is not read again')")
    forget()
    assert entries() == first
    kept.write_bytes(kept.read_bytes()[:-9])
    (future / "models.py").write_text(FAKE["models.py"])
    forget()
    assert entries() == first
    assert kept.read_bytes() == torchvision_entries.as_json(
        torchvision_entries.Entries("99.0", first)
    )


def test_without_a_cache_the_models_are_listed_all_the_same(future, monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert entries()[0].name == "future9"


def test_a_torchvision_that_cannot_be_imported_is_named(future, capsys):
    (future / "models.py").write_text("raise ImportError('no libtorch.so')")
    assert entries() == shipped().entries
    assert "torchvision cannot be read (ImportError: no libtorch.so)" in capsys.readouterr().err
    assert list(Path(user_folders.cache()).rglob("*.json")) == []
