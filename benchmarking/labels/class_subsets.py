"""Lists of classes that picture sets with fewer than 1,000 classes have."""

from __future__ import annotations

from functools import cache

from benchmarking.io.files import shipped_rows


@cache
def class_subset(name: str) -> tuple[int, ...]:
    """The classes of a picture set, sorted.

    Args:
        name: name of the list, such as "imagenet-a".

    >>> len(class_subset("imagenet-a")), class_subset("imagenet-a")[:3]
    (200, (6, 11, 13))
    """
    lists = {row["set"]: row["classes"] for row in shipped_rows("class_subsets.csv")}
    return tuple(map(int, lists[name].split()))
