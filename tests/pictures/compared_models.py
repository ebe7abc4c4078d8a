"""Models whose recipes are compared with many kinds of pictures."""

from benchmarking.models.sources import all_specs

MODELS = [
    spec for spec in all_specs() if spec.source != "torchvision" or "northcutt2019" in spec.recipes
]
"""Of torchvision, the models of 2019; test_torchvision_library.py compares the others' recipes."""
