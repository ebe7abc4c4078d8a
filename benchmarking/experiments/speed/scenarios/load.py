"""Loading: how long from a new process to the first answer?"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.experiments import all_crops
from benchmarking.experiments.speed import Side, Trial
from benchmarking.experiments.speed.engines import check_mode, engine_of
from benchmarking.experiments.speed.scenarios import Clock
from benchmarking.experiments.speed.timing import fetched
from benchmarking.experiments.speed.work import Prepared, answers_of, loaded_model
from benchmarking.models.sources import framework_of, precisions_of
from benchmarking.predictions.speed_runs import Measured

NAME = "load"
HELP = "from a new process to the first answer: import, build with weights, first call"


def sides(chosen: Sequence[Side]) -> Sequence[Side]:
    """All sides."""
    return chosen


def batch_sizes(asked: Sequence[int]) -> Sequence[int]:
    """One picture."""
    return (1,)


def measure(trial: Trial, clock: Clock) -> Measured:
    """Import, build and call once; there is nothing to repeat in one process."""
    check_mode(trial.side)
    spec, options = trial.side.spec, trial.options
    recipe = spec.recipe("published")
    crops = all_crops(options.pictures, recipe, options.threads)
    start = clock()
    framework_of(spec).prepare(options.gpu, options.precision or precisions_of(spec)[0])
    imported = clock()
    loaded = loaded_model(trial)
    built = clock()
    ready = engine_of(spec).forward(loaded, recipe.scaling, trial.side.mode)
    fetched(ready.forward(ready.inputs(crops[:1])))
    end = clock()
    parts = {"import": imported - start, "build": built - imported, "first answer": end - built}
    answers = answers_of(ready, Prepared(trial, loaded, recipe, crops))
    facts = {"layout": ready.layout, "device": loaded.device.title}
    return Measured(end - built, (), (end - start,), True, 1, parts, (), answers, facts)
