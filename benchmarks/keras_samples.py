"""Keras, one picture at a time, on the CPU: ours against the ways that Keras offers itself.

First in one process, pixels to probabilities: `predict`, `model(x)` and `predict_on_batch` for each
picture, and `predict` in batches. All that see one picture at a time must say the same to the last
bit. Then whole processes, from files to answers: our command against a plain process for each
model, which loops over `load_img` and `predict`. Random weights of the same seed.

Usage: python benchmarks/keras_samples.py [OUT.md] [--pictures DIR] [--count N] [--small]
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _measure import (
    Cost,
    against,
    chosen_pictures,
    cores,
    cost,
    costs,
    in_turn,
    linked,
    machine,
    middle,
    must_hold,
    options,
    our_answers,
    our_command,
    publish,
    ratio,
    seconds,
    table,
)
from numpy.typing import NDArray

from benchmarking.models.frameworks import NO_GPU
from benchmarking.models.frameworks import keras as framework
from benchmarking.models.sources import source_of, spec_of
from benchmarking.models.spec import Probabilities
from benchmarking.pictures.crop_stream import crops
from benchmarking.pictures.image_set import Picture
from benchmarking.pictures.recipe import Crops
from benchmarking.predictions.top_k import top_k

if TYPE_CHECKING:
    import keras

MODELS = {"MobileNet": "mobilenet", "MobileNetV2": "mobilenet_v2", "ResNet50": "resnet50"}
"""Models by name, with the module of keras.applications that has the model and its scaling."""

GOALS = {"MobileNet": 4.0, "ResNet50": 1.7}
# The preprocessing of load_img: nearest filter, without keeping the aspect ratio.
RECIPE = "northcutt2019"
SAMPLE, TURNS, REPEATS, BATCH = 32, 5, 2, 32
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

PLAIN = """
import sys
from pathlib import Path
import keras
import numpy as np
folder, name, module, out = sys.argv[1:]
keras.utils.set_random_seed(0)
model = getattr(keras.applications, name)(weights=None)
preprocess_input = getattr(keras.applications, module).preprocess_input
found = []
for path in sorted(Path(folder).glob("*/*")):
    picture = keras.utils.load_img(path, target_size=model.input_shape[1:3])
    pixels = preprocess_input(keras.utils.img_to_array(picture)[np.newaxis])
    found.append(model.predict(pixels, verbose=0))
np.save(out, np.concatenate(found))
"""

Way = Callable[[Crops], Probabilities]


def built(name: str) -> tuple[keras.Model, Way]:
    """A model with random weights, and our predictor for it."""
    spec = spec_of("keras", name)
    device = framework.prepare(NO_GPU)
    framework.seed(0)
    model = source_of(spec).build(spec, None)
    scaling = spec.recipes[RECIPE].scaling
    return model, framework.predictor(model, scaling, device)


def ways(name: str) -> dict[str, Way]:
    """All methods from a few crops to probabilities; all but the last take one crop at a time."""
    import keras

    model, ours = built(name)
    scaled = getattr(keras.applications, MODELS[name]).preprocess_input

    def one_by_one(way: Callable[[NDArray[np.float32]], object]) -> Way:
        def all_of(seen: Crops) -> Probabilities:
            single = (scaled(seen[n : n + 1].astype(np.float32)) for n in range(len(seen)))
            return np.concatenate([np.asarray(way(pixels)) for pixels in single])

        return all_of

    return {
        "ours": lambda seen: np.concatenate([ours(seen[n : n + 1]) for n in range(len(seen))]),
        "predict": one_by_one(lambda pixels: model.predict(pixels, verbose=0)),
        "model(x)": one_by_one(lambda pixels: model(pixels, training=False)),
        "predict_on_batch": one_by_one(model.predict_on_batch),
        f"predict, batches of {BATCH}": lambda seen: model.predict(
            scaled(seen.astype(np.float32)), batch_size=BATCH, verbose=0
        ),
    }


def samples(name: str, pictures: Sequence[Picture], turns: int) -> list[list[str]]:
    """Lines of the table for one model in one process."""
    recipe = spec_of("keras", name).recipes[RECIPE]
    with crops(pictures, recipe, cores()) as found:
        seen = np.stack(list(found))
    known = ways(name)
    said = {way: function(seen) for way, function in known.items()}  # also compiles
    apart = {way: float(np.abs(answer - said["ours"]).max()) for way, answer in said.items()}
    for way in ("predict", "model(x)", "predict_on_batch"):
        must_hold((said[way] == said["ours"]).all(), f"{name}, {way}: up to {apart[way]:.1e}")
    timed = {way: _timed(function, seen) for way, function in known.items()}
    taken = in_turn(timed, turns)
    lines = []
    for way, times in taken.items():
        by_ours = ratio(times, taken["ours"])
        has_goal = way == "predict" and name in GOALS
        shown = against(by_ours, GOALS[name]) if has_goal else f"{by_ours:.2f}"
        same = f"within {apart[way]:.0e}" if apart[way] else "to the bit"
        lines.append([f"{name}, {way}", middle(times, 1), shown, same])
    return lines


def _timed(way: Way, seen: Crops) -> Callable[[], float]:
    return lambda: 1000 * seconds(lambda: way(seen)) / len(seen)


def processes(
    folder: Path, work: Path, models: Mapping[str, str], repeats: int
) -> dict[str, list[Cost]]:
    """Measure whole processes, and check that their predictions are identical."""
    store = work / "store"
    environment = QUIET | {"XDG_CACHE_HOME": str(work / "cache")}
    ours = our_command(folder, store, [f"keras/{name}" for name in models], "--recipe", RECIPE)
    plain = [
        [sys.executable, "-c", PLAIN, folder, name, module, work / f"{name}.npy"]
        for name, module in models.items()
    ]
    found = in_turn(
        {"our command": lambda: cost(ours, environment), "plain": lambda: costs(plain, QUIET)},
        repeats,
    )
    for name in models:
        here = our_answers(store, "keras", name, RECIPE)
        there = top_k(np.load(work / f"{name}.npy"), k=5)
        same = (here.classes == there.classes) & (here.probabilities == there.probabilities)
        must_hold(bool(same.all()), f"{name}: {int((~same).any(axis=1).sum())} pictures")
    return found


def told(single: list[list[str]], whole: dict[str, list[Cost]]) -> list[str]:
    """Both tables."""
    ours, plain = ([one.seconds for one in costs] for costs in whole.values())
    peaks = [f"{max(one.mebibytes for one in costs):,.0f}" for costs in whole.values()]
    return [
        *table(["One process", "ms per picture", "Times ours", "Answers as ours"], single),
        "",
        *table(
            ["Whole processes", "Seconds", "Largest process, MiB", "Times as fast"],
            [
                ["Our command", middle(ours, 1), peaks[0], f"{ratio(plain, ours):.2f}"],
                ["load_img and predict, a process per model", middle(plain, 1), peaks[1], "1.00"],
            ],
        ),
    ]


def main() -> None:
    """Measure, and publish the results."""
    parser = options(__doc__)
    parser.add_argument(
        "--count", type=int, default=500, metavar="N", help="pictures for whole processes (500)"
    )
    args = parser.parse_args()
    models = {"MobileNet": MODELS["MobileNet"]} if args.small else MODELS
    turns, repeats = (1, 1) if args.small else (TURNS, REPEATS)
    heading = machine("tensorflow", "keras", "pillow")
    chosen = chosen_pictures(args)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        count = len(linked(chosen, work / "pictures", min(args.count, len(chosen))))
        whole = processes(work / "pictures", work, models, repeats)
    os.environ.update(QUIET)
    sample = chosen[: 4 if args.small else SAMPLE]
    timed = [model for model in models if model in GOALS]
    single = [line for model in timed for line in samples(model, sample, turns)]
    about = (
        f"{len(sample)} pictures {turns} times in one process; whole processes: {count} pictures, "
        f"{', '.join(models)}, {repeats} times; medians of interleaved repeats (least-most), made "
        "by benchmarks/keras_samples.py. Answers of whole processes are equal to the bit."
    )
    publish([heading, "", about, "", *told(single, whole)], args.out)


if __name__ == "__main__":
    main()
