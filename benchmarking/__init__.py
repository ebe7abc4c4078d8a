"""Accuracy of pretrained image classifiers on ImageNet, with confidence intervals.

The names below are the public interface. Each is imported when it is first used, so that
`import benchmarking` costs milliseconds and loads no framework.

    from benchmarking import Store, load_model, open_images, predict, score

    images = open_images("/path/to/val")
    store = Store("mine")
    predict("torchvision/resnet50", images, store)
    print(score(store, images, labels="real"))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarking.errors import BenchmarkError
    from benchmarking.experiments.transfer.verbs import transfer
    from benchmarking.inference.model import LoadedModel, load_model
    from benchmarking.inference.plan import Options
    from benchmarking.inference.verbs import predict, sweep
    from benchmarking.labels.label_set import LabelSet
    from benchmarking.models.listing import list_models
    from benchmarking.pictures.image_set import ImageSet, Picture
    from benchmarking.pictures.recipe import SCALINGS, Preprocessing, Scaling
    from benchmarking.pictures.recipe import Preprocessing as Recipe
    from benchmarking.pictures.sets import open_images
    from benchmarking.predictions.merge import merge
    from benchmarking.predictions.own_outputs import import_outputs
    from benchmarking.predictions.remote_store import open_store
    from benchmarking.predictions.run import Run
    from benchmarking.predictions.store import Store
    from benchmarking.predictions.stores import Stores
    from benchmarking.predictions.top_k import TopK
    from benchmarking.reports.shown_table import Table, evaluate, score
    from benchmarking.scoring.compare import Comparison, compare
    from benchmarking.scoring.verify import Verification, verify

__version__ = "0.1.0"

_PLACES = {
    "BenchmarkError": "errors",
    "Comparison": "scoring.compare",
    "ImageSet": "pictures.image_set",
    "LabelSet": "labels.label_set",
    "LoadedModel": "inference.model",
    "Options": "inference.plan",
    "Picture": "pictures.image_set",
    "Preprocessing": "pictures.recipe",
    "Recipe": "pictures.recipe",
    "Run": "predictions.run",
    "SCALINGS": "pictures.recipe",
    "Scaling": "pictures.recipe",
    "Store": "predictions.store",
    "Stores": "predictions.stores",
    "Table": "reports.shown_table",
    "TopK": "predictions.top_k",
    "Verification": "scoring.verify",
    "compare": "scoring.compare",
    "evaluate": "reports.shown_table",
    "import_outputs": "predictions.own_outputs",
    "list_models": "models.listing",
    "load_model": "inference.model",
    "merge": "predictions.merge",
    "open_images": "pictures.sets",
    "open_store": "predictions.remote_store",
    "predict": "inference.verbs",
    "score": "reports.shown_table",
    "sweep": "inference.verbs",
    "transfer": "experiments.transfer.verbs",
    "verify": "scoring.verify",
}
_NAMES_THERE = {"Recipe": "Preprocessing"}

__all__ = [
    "SCALINGS",
    "BenchmarkError",
    "Comparison",
    "ImageSet",
    "LabelSet",
    "LoadedModel",
    "Options",
    "Picture",
    "Preprocessing",
    "Recipe",
    "Run",
    "Scaling",
    "Store",
    "Stores",
    "Table",
    "TopK",
    "Verification",
    "__version__",
    "compare",
    "evaluate",
    "import_outputs",
    "list_models",
    "load_model",
    "merge",
    "open_images",
    "open_store",
    "predict",
    "score",
    "sweep",
    "transfer",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_PLACES[name]}")
    found = globals()[name] = getattr(module, _NAMES_THERE.get(name, name))
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
