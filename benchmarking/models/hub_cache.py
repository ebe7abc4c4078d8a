"""The cache of the Hugging Face hub on this machine, read without its library and its network.

The layout is FOLDER/models--OWNER--NAME: refs/main has the commit that the branch had at the last
download, and snapshots/COMMIT/FILE is a link to blobs/DIGEST. The digest of a large file is its
sha256. Source: "Understand caching" in the documentation of huggingface_hub.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from benchmarking.io import files
from benchmarking.io.user_folders import expanded, home

WEIGHTS = "model.safetensors"
"""The usual name of a model's weights at the hub."""
_MOST_BYTES = 1000
"""Largest size of a file with the name of a commit."""


def address(repository: str) -> str:
    """Address of the weights in a repository of the hub, or of the mirror that HF_ENDPOINT names.

    >>> address("timm/resnet50.a1_in1k")
    'https://huggingface.co/timm/resnet50.a1_in1k/resolve/main/model.safetensors'
    """
    hub = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    return f"{hub.rstrip('/')}/{repository}/resolve/main/{WEIGHTS}"


def is_offline() -> bool:
    """Whether the user has told the hub's library, and with it this package, to ask no network."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def cache_folder() -> Path:
    """The folder of the cache, which need not exist.

    Raises:
        BenchmarkError: the user's home folder is unknown.
    """
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if named := os.environ.get(name):
            return expanded(named)
    if named := os.environ.get("HF_HOME"):
        return expanded(named) / "hub"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (expanded(cache) if cache else home("HF_HOME") / ".cache") / "huggingface" / "hub"


def cached(repository: str, folder: Path) -> Path | None:
    """Path of a repository's weights in a cache; None if they are not in it."""
    place = folder / f"models--{repository.replace('/', '--')}"
    try:
        commit = files.read_regular(place / "refs" / "main", _MOST_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError):
        return None
    path = place / "snapshots" / commit / WEIGHTS
    return path if re.fullmatch(r"[0-9a-f]{6,64}", commit) and path.is_file() else None


def recorded_sha256(path: Path) -> str:
    """The sha256 that a cache has recorded for a file in the name of its blob; empty if unknown."""
    name = path.resolve().name
    return name if path.is_symlink() and re.fullmatch(r"[0-9a-f]{64}", name) else ""
