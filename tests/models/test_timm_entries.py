"""All pretrained tags of timm, without torch: the shipped list, or that of a newer version."""

import json
import sys
from collections import Counter
from dataclasses import replace
from importlib import metadata

import pytest

from benchmarking.cli import main
from benchmarking.errors import BenchmarkError
from benchmarking.io import user_folders
from benchmarking.io.names import check_name
from benchmarking.models import timm_entries
from benchmarking.models.sources import _timm_configs, select, timm_models
from benchmarking.models.sources._timm_configs import entries
from benchmarking.models.timm_entries import Input, as_json, decoded, recipe_of, shipped

SPECS = {spec.name: spec for spec in map(timm_models._spec, shipped().entries)}
INPUT = Input((3, 224, 224), 0.875, "bicubic", "center", (0.5, 0.4, 0.3), (0.1, 0.2, 0.3))

# A timm of the future, and as much of torch as it needs.
FAKE = {
    "torch.py": """
from contextlib import nullcontext as device
""",
    "timm/__init__.py": """
print("a library may print")
from types import SimpleNamespace as Some
__version__ = "99.0"

class Config(Some):
    def to_dict(self):
        return vars(self)

def config(hub, **more):
    plain = dict(num_classes=1000, hf_hub_id=hub, hf_hub_filename=None, url=None,
                 custom_load=False, license=None, size=(3, 224, 224), crop_mode="center")
    return Config(**{**plain, **more})

CONFIGS = {
    "future_net.b1": config("timm/future_net.b1", license="mit", test=288),
    "future_net.b2": config("timm/future_net.b2", num_classes=21841),
    "resnet18.a1_in1k": config("timm/resnet18.a1_in1k", crop_mode="border"),
    "tall.x": config("someone/tall", size=(3, 224, 448)),
    "elsewhere.x": config(None, url="https://there/elsewhere-0123456789.pth"),
    "other_format.x": config(None, url="https://there/other.npz", custom_load=True),
}

def list_pretrained():
    return list(CONFIGS)

def get_pretrained_cfg(name):
    return CONFIGS[name]

def create_model(name, pretrained):
    assert not pretrained and name != "resnet18.a1_in1k"
    return Some(parameters=lambda: [Some(numel=lambda: 7)])
""",
    "timm/data.py": """
def resolve_data_config(pretrained_cfg, use_test_size):
    size = pretrained_cfg["size"]
    if use_test_size and "test" in pretrained_cfg:
        size = (3, pretrained_cfg["test"], pretrained_cfg["test"])
    return dict(input_size=size, crop_pct=1, interpolation="bicubic", mean=(0, 0, 0),
                crop_mode=pretrained_cfg["crop_mode"], std=(1, 1, 1))
""",
}


@pytest.fixture
def future(tmp_path, monkeypatch):
    """A newer timm is installed, and nothing is known of it yet."""
    folder = tmp_path / "site-packages"
    for name, text in FAKE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda n: "99.0" if n == "timm" else real(n))
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    forget()
    yield
    forget()


def forget():
    entries.cache_clear()
    timm_models.specs.cache_clear()


def test_every_tag_has_a_name_that_can_name_a_file():
    assert len(SPECS) == len(shipped().entries) == 1321
    assert [check_name(name) for name in SPECS] == list(SPECS)


def test_the_shipped_list_is_small_and_written_as_it_is_read():
    text = as_json(shipped())
    assert decoded(text) == shipped()
    assert len(text) < 100_000


def test_another_document_is_refused():
    for other in (b"", b"[]", as_json(shipped())[:-9], b'{"version":"1"}'):
        with pytest.raises(BenchmarkError, match="no entries of timm"):
            decoded(other)


def test_every_tag_has_a_recipe_and_296_have_another_for_tests():
    assert all("published" in spec.recipes for spec in SPECS.values())
    assert sum("published-test-size" in spec.recipes for spec in SPECS.values()) == 296
    recipes = [recipe for spec in SPECS.values() for recipe in spec.recipes.values()]
    assert len(set(recipes)) == 167
    assert len({(one.resize, one.crop, one.interpolation) for one in recipes}) == 117


@pytest.mark.parametrize(
    ("name", "recipe", "expected"),
    [
        ("resnet50.a1_in1k", "published", (235, 224, "bicubic")),
        ("resnet50.a1_in1k", "published-test-size", (288, 288, "bicubic")),
        ("tf_efficientnet_lite4.in1k", "published", (413, 380, "bilinear")),
        ("dm_nfnet_f0.dm_in1k", "published", ((213, 213), 192, "bicubic")),
        ("volo_d4_448.sail_in1k", "published", (389, 448, "bicubic")),
    ],
)
def test_the_resize_is_the_whole_part_of_the_side_by_crop_pct(name, recipe, expected):
    found = SPECS[name].recipes[recipe]
    assert (found.resize, found.crop, found.interpolation) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"size": (3, 224, 320)},
        {"size": (1, 224, 224)},
        {"crop_mode": "border"},
        {"interpolation": "random"},
        {"mean": (0.5,), "std": (0.5,)},
        {"std": (0.0, 0.1, 0.1)},
    ],
)
def test_what_a_recipe_cannot_say_has_none(change):
    assert recipe_of(INPUT).scaling.mean == (0.5, 0.4, 0.3)
    assert recipe_of(replace(INPUT, **change)) is None


def test_licences_are_those_of_the_configs_and_none_is_invented():
    found = Counter(spec.weights.licence for spec in SPECS.values())
    assert (found["cc-by-nc-4.0"], found["none stated"], found["unknown"]) == (45, 12, 11)


def test_weights_are_at_the_hub_but_for_15_that_have_a_digest_in_their_names():
    places = Counter(bool(spec.weights.hub) for spec in SPECS.values())
    assert places == {True: 1306, False: 15}
    lite, legacy = SPECS["tf_efficientnet_lite0.in1k"], SPECS["legacy_seresnet18.in1k"]
    assert lite.weights.url.endswith(
        "/timm/tf_efficientnet_lite0.in1k/resolve/main/model.safetensors"
    )
    assert (lite.weights.file, lite.weights.sha256) == (
        "tf_efficientnet_lite0.in1k.safetensors",
        "",
    )
    assert (legacy.weights.file, legacy.weights.sha256) == ("seresnet18-4bb0ce65.pth", "4bb0ce65")
    assert SPECS["rdnet_tiny.nv_in1k"].weights.hub == "naver-ai/rdnet_tiny.nv_in1k"


def test_an_architecture_without_a_tag_is_refused_with_a_tag():
    with pytest.raises(BenchmarkError, match=r"Did you mean 'timm/convit_base.fb_in1k'\?"):
        select(["timm/convit_base"])


def test_models_shows_sizes_licences_and_the_caveat_of_published_figures(capsys, tmp_path):
    path = tmp_path / "models.json"
    assert main(["models", "timm/resnet50.a1_in1k", "-o", str(path)]) == 0
    (model,) = json.loads(path.read_text())["models"]
    assert model["weights"]["licence"] == "apache-2.0"
    assert model["published"]["acc1"] == 0.80382
    assert "does not record the precision" in model["published"]["caveat"]
    assert main(["models", "timm/resnet50.a1_in1k"]) == 0
    out = capsys.readouterr().out
    line = out.splitlines()[1].split()
    assert line[:5] == ["PyTorch", "timm/resnet50.a1_in1k", "missing", "-", "25,557,032"]
    assert (line[6:8], line[-1]) == (["80.382", "94.598"], "apache-2.0")
    assert "timm, published-test-size, 288: shorter side 288, pillow bicubic" in out


def test_a_list_of_all_models_says_how_to_see_further_recipes_in_full(capsys):
    assert main(["models", "timm"]) == 0
    out = capsys.readouterr().out
    assert "and 293 more have the recipe published-test-size too; 'imagenet-benchmark models" in out
    assert "timm, published, 224" not in out


def test_a_newer_timm_is_read_and_its_new_models_are_counted(future, capsys):
    found = {entry.name: entry for entry in entries()}
    assert list(found) == ["future_net.b1", "resnet18.a1_in1k", "tall.x", "elsewhere.x"]
    assert [entry.parameters for entry in found.values()] == [7, 11_689_512, 7, 7]
    (kept,) = user_folders.cache().glob("*/timm-99.0.json")
    assert kept.read_bytes() == as_json(timm_entries.Entries("99.0", entries()))
    new = timm_models.specs()[0]
    assert (new.weights.licence, new.published) == ("mit", None)
    assert {name: recipe.crop for name, recipe in new.recipes.items()} == {
        "published": 224,
        "published-test-size": 288,
    }
    assert main(["models", "timm"]) == 0
    assert "or no recipe can say it: resnet18.a1_in1k, tall.x" in capsys.readouterr().out


def test_the_library_is_not_asked_if_its_version_is_the_shipped_one(monkeypatch):
    monkeypatch.setattr(_timm_configs._LIBRARY.__class__, "_asked", lambda self: 1 / 0)
    forget()
    assert entries() == shipped().entries
    forget()
