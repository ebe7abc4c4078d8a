"""Models of several sources that have the same weights under different names.

Two files with the same published digest are the same (digest). data/same_weights.csv has files that
were converted: timm's config names torchvision's file (origin), or a tag says whose weights they
are: `tv_in1k` torchvision's first ones, `tf_efficientnet_lite…` Google's, as those of the packages
(tag).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarking.io.files import shipped_rows
from benchmarking.models.spec import ModelSpec


@dataclass(frozen=True)
class Same:
    """Another model with the same weights.

    Attributes:
        model: source and name.
        evidence: how it is known: "digest", "origin" or "tag"; several steps are joined by commas.
    """

    model: str
    evidence: str


def same_weights(specs: Sequence[ModelSpec]) -> dict[str, tuple[Same, ...]]:
    """The other models with the same weights, by source and name; only models that have some.

    Args:
        specs: every model of every source.
    """
    known = {spec.full_name for spec in specs}
    pairs = [
        (row["model"], row["same_as"], row["evidence"])
        for row in shipped_rows("same_weights.csv")
        if {row["model"], row["same_as"]} <= known
    ]
    first_of: dict[str, str] = {}
    for spec in specs:
        if spec.weights.sha256:
            first = first_of.setdefault(spec.weights.sha256, spec.full_name)
            if first != spec.full_name:
                pairs.append((first, spec.full_name, "digest"))
    beside: dict[str, dict[str, str]] = defaultdict(dict)
    for one, other, evidence in pairs:
        beside[one][other] = beside[other][one] = evidence
    return {name: tuple(_reached(name, beside)) for name in beside}


def _reached(name: str, beside: dict[str, dict[str, str]]) -> list[Same]:
    """Every model that is the same as another one, or as one that is the same."""
    found: dict[str, tuple[str, ...]] = {name: ()}
    waiting = [name]
    while waiting:
        one = waiting.pop()
        for other, evidence in beside[one].items():
            if other not in found:
                found[other] = tuple(dict.fromkeys([*found[one], evidence]))
                waiting.append(other)
    return [Same(other, ", ".join(how)) for other, how in sorted(found.items()) if how]
