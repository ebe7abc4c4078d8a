"""Progress bars on a terminal or in a notebook; nothing is written to a file or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")

INTERVAL = 0.5
"""Seconds between two updates of a bar."""


def bar(
    items: Iterable[T] | None = None,
    *,
    title: str,
    total: int | None,
    unit: str = "it",
    is_bytes: bool = False,
) -> tqdm[T]:
    """A bar that advances with each item, or when its `update(n)` is called.

    Args:
        items: the items to count; None for a bar that advances by `update` only.
        title: the text before the bar.
        total: the number of items; None if it is unknown.
        unit: the name of what is counted.
        is_bytes: whether bytes are counted, shown in kB, MB and so on.
    """
    options: dict[str, Any] = {"leave": False, "dynamic_ncols": True, "mininterval": INTERVAL}
    if is_in_notebook():
        if find_spec("ipywidgets"):
            from tqdm.notebook import tqdm as tqdm_class
        else:
            from tqdm import tqdm as tqdm_class
        options |= {"disable": False}  # standard error is visible there, though not a terminal
    else:
        from tqdm import tqdm as tqdm_class

        options |= {"disable": None}  # no bar if standard error is a file or a pipe
    return tqdm_class(items, desc=title, total=total, unit=unit, unit_scale=is_bytes, **options)


def line(text: str) -> None:
    """Print a line on standard output at once, without breaking a progress bar."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()


def notice(text: str) -> None:
    """Print a message on standard error without breaking a progress bar."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)


def silent(text: str) -> None:
    """Take a message and print nothing."""


def is_in_notebook() -> bool:
    """Whether this process is the kernel of a Jupyter notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config
