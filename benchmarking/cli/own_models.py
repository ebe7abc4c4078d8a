"""Options of 'predict' that select a checkpoint or model file of the user's own."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    from benchmarking.models.spec import ModelSpec

_OPTIONS_OF = {
    "checkpoint": ("arch", "part"),
    "model_file": ("recipe_file", "recipe_of"),
}
"""Options about a file of the user's, by the option that names the file."""


def add_own_model(parser: argparse.ArgumentParser) -> None:
    """Add what selects a checkpoint or model file of the user's own."""
    add = parser.add_argument
    add(
        "--checkpoint",
        type=expanded,
        metavar="FILE",
        help="a file with your own weights: .pth, .pt, .bin, .ckpt, .tar or .safetensors of "
        "PyTorch, .weights.h5 or .h5 of Keras; needs --arch. Only this model runs, unless you give "
        "--models",
    )
    add(
        "--arch",
        metavar="MODEL",
        help="the listed model whose architecture and preprocessing the checkpoint has, such as "
        "torchvision/resnet50",
    )
    add(
        "--model-file",
        type=expanded,
        metavar="FILE",
        help="a file with your own model: .onnx, .pt2 of torch.export, or .keras, with its recipe "
        "in NAME.recipe.json or NAME.recipe.toml beside it (or see --recipe-file and --recipe-of); "
        "or .py with a function model() that returns a model and its recipe or transform. A .py "
        "file is run, and a .pt2 file can contain code, so use only those that you trust. Only "
        "this model runs, unless you give --models",
    )
    add(
        "--recipe-file",
        type=expanded,
        metavar="FILE",
        help="the preprocessing of the model file, in JSON or TOML",
    )
    add(
        "--recipe-of",
        metavar="MODEL",
        help="a listed model that has the same preprocessing as the model file, such as "
        "torchvision/resnet50",
    )
    add(
        "--name",
        metavar="NAME",
        help="name of the run of the checkpoint or model file (default: after its file)",
    )
    add(
        "--part",
        default="",
        metavar="NAME",
        help="which tensors of the checkpoint to load, such as state_dict_ema; needed only if "
        "several fit",
    )


def own_specs(args: argparse.Namespace) -> list[ModelSpec]:
    """The user's own checkpoint or model file, or none.

    Raises:
        BenchmarkError: the options contradict each other, or the file cannot be used.
    """
    from benchmarking.errors import BenchmarkError

    given = [name for name in _OPTIONS_OF if getattr(args, name) is not None]
    if len(given) > 1:
        raise BenchmarkError(
            "--checkpoint is weights for an architecture of the list, and --model-file is a whole "
            "model; give one of them."
        )
    for option, others in _OPTIONS_OF.items():
        for other in others if option not in given else ():
            if getattr(args, other):
                raise BenchmarkError(
                    f"--{_hyphened(other)} is about a {_hyphened(option, ' ')}; give "
                    f"--{_hyphened(option)} FILE."
                )
    if args.name and not given:
        raise BenchmarkError(
            "--name is about a checkpoint or a model file; give --checkpoint FILE or --model-file "
            "FILE."
        )
    if given and args.weights_dir and not args.models:
        raise BenchmarkError(
            f"--weights-dir has the files of listed models; a {_hyphened(given[0], ' ')} is found "
            "by its own path."
        )
    return [_spec_of(args)] if given else []


def _hyphened(name: str, hyphen: str = "-") -> str:
    return name.replace("_", hyphen)


def _spec_of(args: argparse.Namespace) -> ModelSpec:
    """The spec of the user's own checkpoint or model file."""
    from benchmarking.errors import BenchmarkError
    from benchmarking.models.sources.checkpoint import spec_of_checkpoint
    from benchmarking.models.sources.model_file import spec_of_model_file

    if args.model_file is not None:
        return spec_of_model_file(
            args.model_file,
            name=args.name,
            recipe=args.recipe_of,
            recipe_file=args.recipe_file,
        )
    if args.arch is None:
        raise BenchmarkError(
            f"{args.checkpoint} has no architecture; name one with --arch, such as "
            "torchvision/resnet50 ('imagenet-benchmark models' lists all)."
        )
    return spec_of_checkpoint(args.checkpoint, args.arch, name=args.name, part=args.part)
