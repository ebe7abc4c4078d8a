"""`imagenet_pytorch_get_predictions.py` and the same for Keras: predict, and write arrays."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarking import cli
from benchmarking.cli.arguments import place, positive
from benchmarking.cli.options import add_store, add_weights
from benchmarking.io.user_folders import expanded
from benchmarking.pictures.sets import default_name, open_pictures
from benchmarking.predictions.arrays_2019 import names_2019
from benchmarking.predictions.run_index import own_place

_DESCRIPTION = """\
Run the {n} {title} models of 2019 on ImageNet's validation pictures, or on a part of them.

For each model, MODEL_{platform}_SET_top5preds.npy and …_top5probs.npy are written to the output
folder, as in 2019, together with the labels and a record of how the predictions were made. SET is
imagenet for the whole validation set. Complete runs are also kept in a store, so after an
interruption the same command resumes."""


@dataclass(frozen=True)
class Script:
    """The properties of one of the two commands.

    Attributes:
        source: source of the models.
        platform: platform in the names of the arrays.
        title: name of the platform for readers.
        batch_size: default number of pictures per forward pass.
    """

    source: str
    platform: str
    title: str
    batch_size: int

    @property
    def program(self) -> str:
        """Name of the command."""
        return f"imagenet_{self.platform}_get_predictions.py"


PYTORCH = Script("torchvision", "pytorch", "PyTorch", 32)
KERAS = Script("keras", "keras", "Keras", 1)


def main(script: Script, argv: Sequence[str] | None = None) -> int:
    """Predict and write arrays; the exit status is that of `imagenet-benchmark predict`."""
    return cli.reported(script.program, lambda: _run(script, _parser(script).parse_args(argv)))


def _run(script: Script, args: argparse.Namespace) -> int:
    images = default_name(args.val_dir, open_pictures(args.val_dir).pictures)
    names = [args.model] if args.model else names_2019()[script.platform]
    models = [f"{script.source}/{name}" for name in names]
    which = ["--images", images, "--models", *models, "--recipe", args.recipe]
    which += ["--weights", args.weights]
    given = [text for one in args.store or () for text in ("--store", str(one))]
    how = {
        "--batch-size": args.batch_size,
        "--gpu": None if args.gpu == "0" else args.gpu,  # GPU 0 if there is one, as in 2019
        "--weights-dir": args.weights_dir,
    }
    everything = ["--save-all-probs"] * args.save_all_probs
    predicted = cli.main(["predict", args.val_dir, *which, *given, *_given(how), *everything])
    if predicted not in (0, 1):
        return predicted
    store = given or ["--store", str(own_place())]  # without it, other stores are read as well
    exported = cli.main(["export", str(args.output_dir), "--to", "npy", *which, *store])
    return max(predicted, exported)


def _given(options: Mapping[str, object]) -> list[str]:
    """The options that have a value, as arguments."""
    return [
        text for name, value in options.items() if value is not None for text in (name, str(value))
    ]


def _parser(script: Script) -> argparse.ArgumentParser:
    names = names_2019()[script.platform]
    about = {"title": script.title, "platform": script.platform, "n": len(names)}
    parser = argparse.ArgumentParser(
        prog=script.program,
        description=_DESCRIPTION.format(**about),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "val_dir",
        type=place,
        help="folder of class folders, flat folder of files, or ILSVRC2012_img_val.tar",
    )
    add(
        "-m",
        "--model",
        choices=names,
        metavar="MODEL",
        help=f"one of {', '.join(names)} (default: all)",
    )
    add(
        "-g",
        "--gpu",
        type=_gpu,
        metavar="ID",
        help="index of the GPU among the visible ones, or 'none' for the CPU (default: 0, or the "
        "CPU if there is no GPU)",
    )
    add(
        "-b",
        "--batch-size",
        type=positive,
        default=script.batch_size,
        metavar="N",
        help="pictures per forward pass (default: %(default)s)",
    )
    add(
        "-o",
        "--output-dir",
        type=expanded,
        default=Path(f"{script.platform}_imagenet"),
        metavar="DIR",
        help="folder for the arrays (default: %(default)s)",
    )
    add("--save-all-probs", action="store_true", help="also write the probabilities of all classes")
    add("--save-labels", action="store_true", help="accepted as in 2019; labels are always written")
    add(
        "--recipe",
        default="published",
        choices=("published", "northcutt2019"),
        help="preprocessing: published, with which the authors of the weights evaluate them (the "
        "default), or northcutt2019, that of the table of 2019",
    )
    add("--weights-dir", type=expanded, metavar="DIR", help="folder with the files of weights")
    add_weights(parser, "'random' tests the pipeline without any file of weights")
    add_store(parser)
    return parser


def _gpu(text: str) -> str:
    if text not in ("none", "cpu") and not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor 'cpu' nor 'none'")
    return text
