"""The pretrained tags of the installed timm, from their configs.

As a command, this module prints them; see `_library_listing`.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from benchmarking.models.sources._library_listing import Library, print_listing
from benchmarking.models.timm_entries import Entries, Entry, Input, as_json, decoded, shipped

_CLASSES = 1000
_LIBRARY = Library("timm", __name__, shipped, as_json, decoded)


@cache
def entries() -> tuple[Entry, ...]:
    """The tags of the installed timm; those that come with this package if there is none.

    If the installed timm cannot be imported, a notice says so.
    """
    return _LIBRARY.listing().entries


def read() -> Entries:
    """Read the tags from the configs of the installed timm, which imports torch.

    Configs do not have the number of parameters. So a tag that is not in the shipped list is built,
    without values.
    """
    import timm

    counts = {entry.name: entry.parameters for entry in shipped().entries}
    configs = ((name, timm.get_pretrained_cfg(name)) for name in timm.list_pretrained())
    found = (
        _entry(name, config, counts.get(name))
        for name, config in configs
        if config.num_classes == _CLASSES and _is_published(config)
    )
    return Entries(timm.__version__, tuple(found))


def parameters(name: str) -> int:
    """Number of parameters of a model of timm, counted without values in memory."""
    import timm
    import torch

    try:
        with torch.device("meta"):
            model = timm.create_model(name, pretrained=False)
    except (RuntimeError, NotImplementedError):  # its constructor needs values
        model = timm.create_model(name, pretrained=False)
    return sum(one.numel() for one in model.parameters())


def _is_published(config: Any) -> bool:
    """Whether the config says where tensors of PyTorch are: at the hub, or at an address."""
    return bool(_hub(config)) or bool(config.url) and not config.custom_load


def _hub(config: Any) -> str:
    """The repository that has the weights under the usual name; empty if there is none."""
    return "" if config.hf_hub_filename else config.hf_hub_id or ""


def _entry(name: str, config: Any, count: int | None) -> Entry:
    hub = _hub(config)
    default, test = (_input(config, use_test_size=which) for which in (False, True))
    return Entry(
        name,
        parameters(name) if count is None else count,
        config.license or "",
        hub,
        "" if hub else config.url,
        default,
        None if test == default else test,
    )


def _input(config: Any, *, use_test_size: bool) -> Input:
    from timm.data import resolve_data_config

    found = resolve_data_config(pretrained_cfg=config.to_dict(), use_test_size=use_test_size)
    mean, std = (tuple(map(float, found[name])) for name in ("mean", "std"))
    return Input(
        tuple(found["input_size"]),
        float(found["crop_pct"]),
        found["interpolation"],
        found["crop_mode"],
        mean,
        std,
    )


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"  # read before timm is imported: nothing is asked for
    print_listing(lambda: as_json(read()))
