"""Models whose recipes are compared with many kinds of pictures."""

from benchmarking.models.sources import all_specs

MODELS = [
    spec
    for spec in all_specs()
    if spec.source not in ("torchvision", "timm") or "northcutt2019" in spec.recipes
]
"""Of torchvision, the models of 2019. The recipes of the others, and of timm, are compared in
test_torchvision_library.py and test_timm_library.py."""
