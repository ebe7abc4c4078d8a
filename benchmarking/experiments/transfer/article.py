"""The protocol of an article: what two notebooks of 2018 do, each in its own framework.

Both squash pictures to the model's square, shear, zoom and flip them at random, and train a head of
128 and 2 outputs on a frozen ResNet-50 with Adam, 3 epochs of batches of 32. All else is what each
framework offers, so the two sides differ in many ways:

- Keras resizes to the nearest pixel, PyTorch by bilinear interpolation;
- Keras zooms each axis by a factor of its own and repeats the edge, torchvision zooms both by the
  same factor and fills with black; the sign of a zoom is reversed;
- initial heads, shuffling and Adam's epsilon are each framework's own;
- PyTorch's loop puts the whole model into training mode, where the statistics of its frozen batch
  normalisation move, and each batch is normalised by its own.

Source: github.com/deepsense-ai/Keras-PyTorch-AvP-transfer-learning at aafe0c4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, requires
from benchmarking.experiments import Model
from benchmarking.experiments.transfer import in_keras, in_pytorch
from benchmarking.experiments.transfer.features import batched, moved
from benchmarking.experiments.transfer.heads import Learnt, Step, scores_of, softmax
from benchmarking.experiments.transfer.networks import Backbone, backbone_of, recipe_of
from benchmarking.experiments.transfer.plan import Trained, Training, TrainingPlan, own_plan
from benchmarking.experiments.transfer.task import Part, Task
from benchmarking.io.prefetch import prefetched
from benchmarking.models.frameworks import _keras, frameworks
from benchmarking.pictures.crop_stream import crop_of
from benchmarking.pictures.recipe import Crops, Interpolation, Preprocessing, Scaling

FILTERS: dict[str, Interpolation] = {in_pytorch.NAME: "bilinear", in_keras.NAME: "nearest"}
"""How each notebook's framework resizes by default."""
SHEAR, ZOOM = 10.0, 0.2
"""In degrees, and as a relative change of the size."""
EXTRA = "transfer"


@dataclass(frozen=True)
class ArticleTest:
    """A head that is trained on pixels, as a notebook trains it.

    Attributes:
        model: the model, of PyTorch or of Keras on TensorFlow.
        task: what is learned.
        training: how the head is trained.
        seed: the seed.
    """

    model: Model
    task: Task
    training: Training
    seed: int

    @property
    def recipe(self) -> Preprocessing:
        """The preprocessing before the random changes."""
        squashed = recipe_of(self.model.spec, "squash")
        return replace(squashed, interpolation=FILTERS[self.model.spec.framework])

    def plan(self, features: int) -> TrainingPlan:
        """Its plan, which leaves all to the framework."""
        found = own_plan(self.training, seed=self.seed, classes=len(self.task.classes))
        return replace(found, protocol="article")


def articles(tests: Sequence[ArticleTest]) -> Iterator[Step | Learnt]:
    """Train heads on the pixels, all on one model; yield every step, and each result.

    Raises:
        BenchmarkError: the model cannot be loaded, or a picture not be decoded.
    """
    for test in tests:
        start = perf_counter()
        backbone = backbone_of(test.model)  # loaded again: training may have changed it
        before = backbone.tensors()
        side = _SIDES[test.model.spec.framework](test, backbone)
        first, losses, scores, logits = side.head(), [], [], np.empty((0, 0))
        for _ in range(test.training.epochs):
            for loss in side.epoch():
                losses.append(loss)
                yield Step(loss)
            logits = side.logits(test.task.validation)
            scores.append(scores_of(logits, test.task.validation.labels))
        trained = Trained(
            losses=np.array(losses),
            before=first,
            after=side.head(),
            probabilities=softmax(logits),
            changed=tuple(moved(before, backbone.tensors())),
            tensors=len(before),
            versions=frameworks()[test.model.spec.framework].versions(),
            seconds=perf_counter() - start,
            epochs=np.array(scores),
        )
        yield Learnt(test.plan(0), trained)


class InPyTorch:
    """The notebook's loop in PyTorch."""

    def __init__(self, test: ArticleTest, backbone: Backbone) -> None:
        """Freeze the backbone's parameters, and put a head on it."""
        import torch

        torch.manual_seed(test.seed)
        self._test, self._device = test, backbone.loaded.device.address
        training, features = test.plan(0).training, _width(test, backbone)
        backbone.module.requires_grad_(False)
        self._head = in_pytorch.new_head(training, features, len(test.task.classes))
        self._whole = in_pytorch.whole(backbone.module, self._head).to(self._device)
        self._optimizer = in_pytorch.optimizer(self._head, training)
        self._loss = torch.nn.CrossEntropyLoss()

    def epoch(self) -> Iterator[float]:
        """Train on every picture once, in the order of PyTorch's own loader."""
        from torch.utils.data import DataLoader

        self._whole.train()  # also the backbone, whose statistics then move
        rows = _Rows(self._test)
        for pixels, labels in DataLoader(rows, self._test.training.batch_size, shuffle=True):
            self._optimizer.zero_grad()
            loss = self._loss(self._whole(pixels.to(self._device)), labels.to(self._device))
            loss.backward()
            self._optimizer.step()
            yield float(loss.item())

    def logits(self, part: Part) -> NDArray[np.floating[Any]]:
        """Outputs for pictures that are only resized and scaled, (n, classes)."""
        import torch

        self._whole.eval()
        found = []
        for crops in _crops(self._test, part):
            pixels = torch.stack([_tensor(crop, self._test.recipe.scaling) for crop in crops])
            with torch.inference_mode():
                found.append(self._whole(pixels.to(self._device)).cpu().numpy())
        return np.concatenate(found)

    def head(self) -> dict[str, NDArray[np.floating[Any]]]:
        """The tensors of the head."""
        return in_pytorch.read(self._head)


class _Rows:
    """The training pictures as torchvision changes them, for PyTorch's loader."""

    def __init__(self, test: ArticleTest) -> None:
        with requires("pytorch"):
            from torchvision.transforms import Compose, RandomAffine, RandomHorizontalFlip

        self._test, self._labels = test, test.task.train.labels
        affine = RandomAffine(0, shear=SHEAR, scale=(1 - ZOOM, 1 + ZOOM))
        self._changed = Compose([affine, RandomHorizontalFlip()])

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        from torchvision.transforms.functional import to_pil_image

        crop = crop_of(self._test.task.train.pictures[row], self._test.recipe)
        changed = np.asarray(self._changed(to_pil_image(crop)))
        return _tensor(changed, self._test.recipe.scaling), int(self._labels[row])


class InKeras:
    """The notebook's model in Keras, with Keras' own generator of changed pictures."""

    def __init__(self, test: ArticleTest, backbone: Backbone) -> None:
        """Freeze the backbone's layers, and put a head on it."""
        with requires(EXTRA):
            import scipy  # noqa: F401 - the generator needs it
        import keras
        from keras.src.legacy.preprocessing.image import ImageDataGenerator

        keras.utils.set_random_seed(test.seed)
        self._test = test
        training, features = test.plan(0).training, _width(test, backbone)
        backbone.module.trainable = False
        self._head = in_keras.new_head(training, features, len(test.task.classes))
        inputs = keras.Input(backbone.module.input_shape[1:])
        self._whole = keras.Model(inputs, self._head(backbone.module(inputs)))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self._whole.compile(in_keras.optimizer(training), loss)
        self._generator = ImageDataGenerator(
            shear_range=SHEAR, zoom_range=ZOOM, horizontal_flip=True
        )

    def epoch(self) -> Iterator[float]:
        """Train on every picture once, in a random order as Keras' iterator draws it."""
        part, size = self._test.task.train, self._test.training.batch_size
        order = np.random.permutation(len(part))  # noqa: NPY002 - the generator that Keras seeds
        labels = part.labels[order]
        with prefetched(
            lambda row: crop_of(part.pictures[row], self._test.recipe),
            order.tolist(),
            self._test.model.workers,
        ) as crops:
            for at, batch in enumerate(batched(crops, size)):
                self._whole.reset_metrics()  # else the loss is the mean of all steps so far
                pixels = np.stack([self._changed(crop) for crop in batch])
                yield float(
                    self._whole.train_on_batch(pixels, labels[at * size : at * size + size])
                )

    def logits(self, part: Part) -> NDArray[np.floating[Any]]:
        """Outputs for pictures that are only resized and scaled, (n, classes)."""
        scaling = self._test.recipe.scaling
        found = [
            self._whole.predict_on_batch(_keras.scaled(crops, scaling))
            for crops in _crops(self._test, part)
        ]
        return np.concatenate(found)

    def head(self) -> dict[str, NDArray[np.floating[Any]]]:
        """The tensors of the head."""
        return in_keras.read(self._head)

    def _changed(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        changed = self._generator.random_transform(crop.astype(np.float32))
        scaled: NDArray[np.float32] = _keras.scaled(changed, self._test.recipe.scaling)
        return scaled


_SIDES: dict[str, Any] = {in_pytorch.NAME: InPyTorch, in_keras.NAME: InKeras}


def refuse_other_frameworks(model: Model) -> None:
    """Refuse a model of another framework than those of the two notebooks.

    Raises:
        BenchmarkError: it is one.
    """
    if model.spec.framework not in _SIDES:
        raise BenchmarkError(
            f"the article has a notebook for PyTorch and one for Keras on TensorFlow, but none for "
            f"{model.spec.framework}; choose another protocol."
        )


def _crops(test: ArticleTest, part: Part) -> Iterator[Crops]:
    """Yield crops of pictures in batches, in order."""
    with prefetched(
        lambda one: crop_of(one, test.recipe), part.pictures, test.model.workers
    ) as crops:
        yield from batched(crops, test.training.batch_size)


def _width(test: ArticleTest, backbone: Backbone) -> int:
    """Number of features of a backbone."""
    side = test.recipe.crop
    empty = np.zeros((1, side, side, 3), np.uint8)
    return int(backbone.outputs(test.recipe.scaling)(empty).shape[1])


def _tensor(crop: NDArray[np.uint8], scaling: Scaling) -> Any:
    """Scaled pixels, (3, h, w), as the notebook's last transforms make them."""
    import torch

    return torch.from_numpy(_keras.scaled(crop, scaling)).permute(2, 0, 1)
