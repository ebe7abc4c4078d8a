"""A pretrained model that is loaded in this process and called with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.inference.outputs import ProbabilitiesOf
from benchmarking.inference.predict import predict
from benchmarking.io.prefetch import cores
from benchmarking.io.user_folders import expanded
from benchmarking.models.available import find_weights
from benchmarking.models.loaded import Loaded, load
from benchmarking.models.own.recipes import RECIPE
from benchmarking.models.sources import check_installed, the_spec
from benchmarking.models.sources.checkpoint import spec_of_checkpoint
from benchmarking.models.sources.model_file import is_model_file, spec_of_model_file
from benchmarking.models.spec import ModelSpec, Probabilities
from benchmarking.pictures.crop_stream import crops
from benchmarking.pictures.image_set import FilePart, Picture
from benchmarking.pictures.recipe import Crops, Preprocessing
from benchmarking.predictions.top_k import TopK, join, top_k


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A loaded model, which can be called with pictures.

    Attributes:
        spec: name, weights and recipes.
        recipe: the preprocessing of its pictures.
    """

    spec: ModelSpec
    recipe: Preprocessing
    _loaded: Loaded = field(repr=False)

    def __call__(self, pictures: Sequence[Picture | str | Path], *, k: int = 5) -> TopK:
        """The k most probable classes of each picture, best first.

        Args:
            pictures: pictures of an image set, or paths of files.
            k: number of classes.

        Raises:
            PictureError: a picture cannot be read or decoded.
            BenchmarkError: there are no pictures.
        """
        if isinstance(pictures, str | Path):
            pictures = [pictures]
        for one in pictures:
            if not isinstance(one, Picture | str | Path):
                raise BenchmarkError(
                    f"{one!r:.40} is no picture; give pictures of an image set, or "
                    "paths. Crops are for probabilities()."
                )
        found = [one if isinstance(one, Picture) else _picture(one) for one in pictures]
        if not found:
            raise BenchmarkError("there are no pictures to predict; give one or more.")
        predictor = self._loaded.predictor(self.recipe.scaling)
        with crops(found, self.recipe, cores()) as seen:
            batches = predict(predictor, seen, self._loaded.batch_size, self.spec.classes)
            return join([top_k(batch.probabilities, k) for batch in batches])

    def probabilities(self, crops: Crops) -> Probabilities:
        """Probabilities (n, classes) of unscaled uint8 crops (n, height, width, 3).

        Your own functions can use it, for example to average two models.
        """
        outputs = self._loaded.predictor(self.recipe.scaling)(crops)
        return ProbabilitiesOf(self.spec.classes)(outputs, len(crops))

    def __repr__(self) -> str:
        device = self._loaded.device.title
        return f"<{self.spec.full_name} on {device}: {self.recipe}>"


def load_model(
    name: str | Path,
    *,
    recipe: str | Preprocessing | Any = "published",
    gpu: int | None = None,
    weights_folder: Path | None = None,
    checkpoint: str | Path | None = None,
    part: str = "",
) -> LoadedModel:
    """Load a pretrained model in this process; missing weights are downloaded, all are verified.

    Its framework is set up for reproducible results in the whole process: deterministic
    algorithms, and float32 without TF32.

    Args:
        name: "source/name", as `imagenet-benchmark models` lists them, or a name that only one
            source has; or the file of your own model, see `spec_of_model_file`.
        recipe: name of one of its recipes; for a model in a file, see `predict`.
        gpu: number of the GPU; None uses the first one, else the CPU; -1 uses the CPU.
        weights_folder: folder with the weight file; None uses the folder of its framework.
        checkpoint: file with your own weights for this architecture; None uses the published ones.
        part: which tensors of the checkpoint are meant, as the start of their names.

    Raises:
        BenchmarkError: the name matches no model or several, or the model cannot be loaded.
    """
    if part and checkpoint is None:
        raise BenchmarkError("part names tensors of a checkpoint; give checkpoint= as well.")
    if is_model_file(name):
        spec = spec_of_model_file(name, recipe=None if recipe == RECIPE else recipe)
        used = RECIPE
    else:
        spec, used = the_spec(str(name)), str(recipe)
    if checkpoint is not None:
        spec = spec_of_checkpoint(checkpoint, spec.full_name, part=part)
    try:
        preprocessing = spec.recipe(used)
    except BenchmarkError as error:
        raise BenchmarkError(f"{spec.full_name}: {error}") from error
    check_installed(spec)
    folder = None if weights_folder is None else expanded(weights_folder)
    find_weights(spec, folder)
    loaded = load(spec, gpu, weights_folder=folder)
    return LoadedModel(spec, preprocessing, loaded)


def _picture(path: str | Path) -> Picture:
    return Picture(Path(path).name, 0, FilePart(str(expanded(path))))
