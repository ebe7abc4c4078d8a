"""What is run in a soak: commands over one store, and what comes of them where nobody disturbs."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarking.predictions.store import Store
from torture.victims import OWN, as_asked, contents

MODELS = ("one", "two", "three")
SHARDS = 2
_BATCH = 20
"""Pictures per batch, also of the undivided runs."""


@dataclass(frozen=True)
class Task:
    """A command of a player.

    Attributes:
        name: of the command.
        arguments: of it.
        makes: image sets with models whose predictions are stored if it ends well.
    """

    name: str
    arguments: tuple[str, ...]
    makes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Place:
    """Where the commands work, or those of the undisturbed store.

    Attributes:
        folder: for the store and all that is made from it.
        pictures: that are predicted.
        arrays: that are imported.
        crops: for crops that are kept.
    """

    folder: Path
    pictures: Path
    arrays: Path
    crops: Path

    @property
    def store(self) -> Path:
        """The store."""
        return self.folder / "store"

    @property
    def shards(self) -> Path:
        """The store of runs on shards."""
        return self.folder / "shards"

    @property
    def merged(self) -> Path:
        """The store of runs that are merged of shards."""
        return self.folder / "merged"

    @property
    def stores(self) -> tuple[Path, ...]:
        """All stores."""
        return self.store, self.shards, self.merged

    def predict(self, images: str, *models: str, more: Sequence[str] = ()) -> Task:
        """Predictions; the model `three` keeps all probabilities."""
        every = ["--save-all-probs"] if "three" in models else []
        names = [f"numbered/{model}" for model in models]
        given = ["predict", str(self.pictures), "--images", images, "--models", *names]
        made = tuple((images, model) for model in models)
        name = "predict --gpu cpu,cpu" if "cpu,cpu" in more else "predict"
        return Task(name, (*given, "--store", str(self.store), *every, *more), made)

    def shard(self, images: str, number: int) -> Task:
        """Predictions of a shard by two models."""
        names = ["numbered/one", "numbered/two"]
        given = ["predict", str(self.pictures), "--images", images, "--models", *names]
        which = f"{number}/{SHARDS}"
        how = ("--shard", which, "--batch-size", str(_BATCH), "--store", str(self.shards))
        return Task("predict --shard", (*given, *how))

    def merge(self) -> Task:
        """The shards of all image sets, put together."""
        return Task("merge", ("merge", str(self.shards), "--store", str(self.merged)))

    def all_of(self, images: str) -> list[Task]:
        """Commands that make all that there is in the end of an image set."""
        stored = ("--images", images, "--store", str(self.store))
        crops = ("--crop-cache", str(self.crops))
        table = ("-o", str(self.folder / "tables" / f"{images}.md"))
        return [
            self.predict(images, "one", "two"),
            self.predict(images, "three", more=crops),
            Task("table", ("table", *stored, *table)),
            Task("export", ("export", str(self.folder / "npy"), "--to", "npy", *stored)),
            Task("export", ("export", str(self.folder / "csv"), "--to", "csv", *stored)),
            *(self.shard(images, number + 1) for number in range(SHARDS)),
        ]

    def imports(self) -> Task:
        """Two runs of arrays."""
        return Task("import", ("import", str(self.arrays), "--store", str(self.store)))

    def check(self) -> Task:
        """All runs against their digests."""
        return Task("check", ("check", "--store", str(self.store)))

    def any(self, chance: random.Random, images: str, complete: Sequence[str]) -> Task:
        """A command at random: on an image set, or on one of those that are complete."""
        if chance.random() < 0.12:
            return self.shard(images, chance.randint(1, SHARDS))
        if chance.random() < 0.06:
            return self.merge()
        if chance.random() < 0.55 or not complete:
            models = chance.choice([("one",), ("two",), ("one", "two"), ("two", "one"), ("three",)])
            crops = chance.choice([(), (), ("--crop-cache", str(self.crops))])
            again = ("--again",) if chance.random() < 0.3 else ()
            devices = ("--gpu", "cpu,cpu") if chance.random() < 0.25 else ()
            return self.predict(images, *models, more=(*crops, *again, *devices))
        images = chance.choice(complete)
        stored = ("--images", images, "--store", str(self.store))
        tasks = [
            *self.all_of(images)[2:],
            self.imports(),
            self.check(),
            Task("check", ("check", *stored)),
            Task("compare", ("compare", "--all", *stored)),
            Task("compare", ("compare", "numbered/one", "numbered/two", *stored)),
            Task("verify", ("verify", *stored)),
            Task("show", ("show", "numbered/two", *stored)),
            Task("table", ("table", *stored)),
        ]
        return chance.choice(tasks)


def tree(folder: Path) -> set[Path]:
    """Folders below a folder."""
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_dir()}


def made(folder: Path) -> dict[str, object]:
    """Every file below a folder; of provenance, what two runs of the same thing have alike."""
    found = contents(folder, as_asked)
    for path in [path for path in found if path.endswith("provenance.json")]:
        document = json.loads((folder / path).read_bytes())
        for name in OWN:
            del document["provenance"][name]
        found[path] = document
    return found


def odd_times(folder: Path, longest: float) -> list[str]:
    """Runs that took less than no time or more than there was, in seconds, though clocks jump."""
    store, found = Store(folder), []
    for images in store.image_sets():
        for run in store.runs(images):
            seconds = store.provenance(run).seconds
            if run.source == "numbered" and not 0 <= seconds <= longest:
                found.append(f"{run} took {seconds:,.0f} s")
    return found


def below(found: dict[str, object], folder: str) -> dict[str, object]:
    """The files of one folder."""
    start = f"{folder}/"
    return {path.removeprefix(start): one for path, one in found.items() if path.startswith(start)}
