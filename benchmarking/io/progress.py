"""Progress of long work: a bar on a terminal or in a notebook, nothing in a file or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")

INTERVAL = 0.5
"""Seconds between two changes of a bar."""


def bar(
    items: Iterable[T] | None = None,
    *,
    title: str,
    total: int | None,
    unit: str = "it",
    is_bytes: bool = False,
) -> tqdm[T]:
    """A bar that counts items as they are iterated, or as its `update(n)` says.

    Args:
        items: what to count; None for a bar that is moved by hand.
        title: what stands before the bar.
        total: how many there will be; None if nobody knows.
        unit: what is counted.
        is_bytes: whether sizes are counted, shown in kB, MB and so on.
    """
    options: dict[str, Any] = {"leave": False, "dynamic_ncols": True, "mininterval": INTERVAL}
    if is_in_notebook():
        if find_spec("ipywidgets"):
            from tqdm.notebook import tqdm as tqdm_class
        else:
            from tqdm import tqdm as tqdm_class
        options |= {"disable": False}  # a notebook's standard error is no terminal, yet it is seen
    else:
        from tqdm import tqdm as tqdm_class

        options |= {"disable": None}  # none where standard error is a file or a pipe
    return tqdm_class(items, desc=title, total=total, unit=unit, unit_scale=is_bytes, **options)


def notice(text: str) -> None:
    """Tell the user something on standard error, beside the bar if there is one."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)


def is_in_notebook() -> bool:
    """Whether this process is the kernel of a Jupyter notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config
