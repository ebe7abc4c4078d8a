"""Weights at the Hugging Face hub, whose publisher gives no digest: found, checked and recorded."""

import hashlib
from pathlib import Path

import pytest

from benchmarking.cli import main
from benchmarking.errors import WeightsError
from benchmarking.io import user_folders
from benchmarking.models import first_use, hub_cache, loaded
from benchmarking.models.sources import spec_of, weights_path
from benchmarking.models.weights import verified_sha256

NAME = "tf_efficientnet_lite0.in1k"
DATA, OTHER = b"tensors", b"other tensors"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SPEC = spec_of("timm", NAME)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put(cache: Path, data: bytes = DATA, commit: str = COMMIT) -> Path:
    """A cache as huggingface_hub writes it."""
    folder = cache / f"models--timm--{NAME}"
    for name in ("refs", "blobs", f"snapshots/{commit}"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text(commit)
    (folder / "blobs" / sha256(data)).write_bytes(data)
    path = folder / "snapshots" / commit / "model.safetensors"
    path.symlink_to(f"../../blobs/{sha256(data)}")
    return path


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Empty folders of the user."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.mark.parametrize(
    ("variable", "below"),
    [("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "hub"), (None, None)],
)
def test_weights_are_found_where_the_library_of_the_hub_looks(
    tmp_path, monkeypatch, variable, below
):
    from huggingface_hub import try_to_load_from_cache

    cache = tmp_path / "cache" / "huggingface" / "hub"
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "mine"))
        cache = tmp_path / "mine" / below
    path = put(cache)
    assert weights_path(SPEC, None) == path
    assert try_to_load_from_cache(f"timm/{NAME}", "model.safetensors", cache) == str(path)


def test_the_commit_of_the_last_download_is_used(tmp_path):
    put(tmp_path, OTHER)
    newer = put(tmp_path, DATA, commit="f" * 40)
    assert hub_cache.cached(f"timm/{NAME}", tmp_path) == newer


@pytest.mark.parametrize("commit", ["", "../../elsewhere", COMMIT[:-1] + "g", "0" * 40])
def test_a_cache_without_the_file_has_no_weights(tmp_path, commit):
    put(tmp_path)
    folder = tmp_path / f"models--timm--{NAME}"
    for place in (tmp_path / "elsewhere", folder / "snapshots"):
        place.mkdir(exist_ok=True)
        (place / "model.safetensors").write_bytes(OTHER)
    (folder / "refs" / "main").write_text(commit)
    assert hub_cache.cached(f"timm/{NAME}", tmp_path) is None


def test_a_file_named_after_the_tag_comes_first_and_a_named_folder_can_be_a_cache(tmp_path):
    kept = put(tmp_path)
    assert weights_path(SPEC, tmp_path) == kept
    path = tmp_path / f"{NAME}.safetensors"
    path.write_bytes(DATA)
    assert weights_path(SPEC, tmp_path) == path


def test_missing_weights_are_named_with_their_address_and_folder(tmp_path):
    put(tmp_path / "elsewhere")
    with pytest.raises(WeightsError) as error:
        weights_path(SPEC, None)
    address = f"https://huggingface.co/timm/{NAME}/resolve/main/model.safetensors"
    folder = tmp_path / "cache" / "torch" / "hub" / "checkpoints"
    assert str(error.value) == (
        f"{NAME}.safetensors is missing; download {address} into {folder} as {NAME}.safetensors."
    )


def test_the_address_can_be_that_of_a_mirror(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert hub_cache.address("timm/x") == (
        "https://mirror.example/timm/x/resolve/main/model.safetensors"
    )


def test_a_file_of_the_cache_must_have_the_digest_that_the_hub_gave(tmp_path):
    path = put(tmp_path)
    assert verified_sha256(path, SPEC.weights) == sha256(DATA)
    path.resolve().write_bytes(OTHER)
    with pytest.raises(WeightsError, match=f"the hub gave {sha256(DATA)} for it: it is damaged"):
        verified_sha256(path, SPEC.weights)


class Built:
    """A source whose models are built of any file that does not say BAD."""

    @staticmethod
    def build(spec, weights):
        if weights.read_bytes() == b"BAD":
            raise WeightsError("the file is damaged.")


@pytest.fixture
def use(monkeypatch):
    """A function that loads a file as the weights of a model."""
    monkeypatch.setattr(loaded, "source_of", lambda spec: Built)
    monkeypatch.setattr(loaded.framework_of(SPEC), "prepare", lambda gpu, precision: None)

    def use(folder: Path, content: bytes, spec=SPEC):
        (folder / spec.weights.file).write_bytes(content)
        return loaded.load(spec, None, weights_folder=folder).sha256

    return use


def test_the_digest_of_a_first_use_is_recorded_and_another_file_is_refused(tmp_path, use):
    assert use(tmp_path, DATA) == use(tmp_path, DATA) == sha256(DATA)
    record = user_folders.data() / "weights" / "timm" / f"{NAME}.sha256"
    assert record.read_text() == f"{sha256(DATA)}  {NAME}.safetensors\n"
    with pytest.raises(WeightsError) as error:
        use(tmp_path, OTHER)
    assert f"timm/{NAME} was first used here with {sha256(DATA)}" in str(error.value)
    assert f"remove {record} and run again" in str(error.value)
    record.unlink()
    assert use(tmp_path, OTHER) == sha256(OTHER)


def test_a_file_of_which_no_model_can_be_built_is_not_recorded(tmp_path, use):
    with pytest.raises(WeightsError, match="damaged"):
        use(tmp_path, b"BAD")
    assert use(tmp_path, DATA) == sha256(DATA)


def test_only_published_weights_without_a_digest_are_recorded(tmp_path):
    lite = spec_of("efficientnet-lite-keras", "efficientnet-lite0")
    for spec in (spec_of("torchvision", "resnet18"), lite):
        first_use.record(spec, sha256(DATA))
    assert not (tmp_path / "data").exists()
    first_use.record(spec_of("keras", "MobileNetV2"), sha256(DATA))
    assert first_use.recorded(spec_of("keras", "MobileNetV2")) == sha256(DATA)


def test_without_a_folder_for_data_weights_are_used_all_the_same(tmp_path, use):
    (tmp_path / "data").write_text("a file where the folder should be")
    assert use(tmp_path, DATA) == sha256(DATA)


def test_the_list_of_weights_says_whether_a_file_is_that_of_its_first_use(tmp_path, capsys):
    path = tmp_path / f"{NAME}.safetensors"
    path.write_bytes(DATA)
    listed = ["models", "--files", f"timm/{NAME}", "--weights-dir", str(tmp_path)]
    states = []
    for content in (DATA, DATA, OTHER):
        path.write_bytes(content)
        assert main(listed) == 0
        states.append(capsys.readouterr().out.splitlines()[1].split("  ")[1])
        first_use.record(SPEC, sha256(DATA))
    assert states == [
        *(
            "available, no digest published",
            "available, as at first use",
            "not the file of its first use",
        )
    ]


def test_only_a_link_to_a_blob_records_a_digest(tmp_path):
    blob, plain = tmp_path / sha256(DATA), tmp_path / "plain.safetensors"
    for file in (blob, plain):
        file.write_bytes(DATA)
        (tmp_path / f"link-{file.name}").symlink_to(file)
    assert hub_cache.recorded_sha256(tmp_path / f"link-{blob.name}") == sha256(DATA)
    assert hub_cache.recorded_sha256(tmp_path / f"link-{plain.name}") == ""
    assert hub_cache.recorded_sha256(blob) == ""
