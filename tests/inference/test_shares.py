import os
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from benchmarking.inference.executors import Accepted, Failed, Finished, Output
from benchmarking.inference.job import Done, Environment, Job
from benchmarking.inference.shares import Shares, balanced_slices, usual_batch_size
from benchmarking.models.sources import spec_of
from benchmarking.predictions.run import Run


def environment(batch_size=2, device="abacus"):
    return Environment("", {}, device, "exact", batch_size, os.getpid())


def a_job(model="a", n=12, **changes):
    """A job of n pictures, in batches of two."""
    run = Run("grey", "brightness", model, "published")
    job = Job(run, None, (None,) * n, batch_size=2, gpu=None, workers=8)
    return replace(job, **changes)


def batches(jobs, environment):
    """Every batch that these jobs compute."""
    size = environment.batch_size
    return [
        range(first, min(first + size, rows.stop))
        for job in jobs
        for rows in job.missing(environment)
        for first in range(rows.start, rows.stop, size)
    ]


@given(
    n=st.integers(1, 60),
    workers=st.integers(1, 9),
    multiple=st.integers(1, 20),
    batch_size=st.integers(1, 20),
    cuts=st.lists(st.integers(0, 60), max_size=6, unique=True).map(sorted),
    others=st.sets(st.integers(0, 2)),
)
def test_slices_have_exactly_the_batches_of_the_whole_run(
    n, workers, multiple, batch_size, cuts, others
):
    """Whatever the batch size, and whatever earlier attempts have computed."""
    done = tuple(
        Done(
            range(min(first, n), min(last, n)),
            environment(batch_size, "another" if number in others else "abacus"),
        )
        for number, (first, last) in enumerate(zip(cuts[::2], cuts[1::2], strict=False))
    )
    whole, now = a_job(n=n, done=done), environment(batch_size)
    found = balanced_slices(whole, workers, multiple)
    assert len(found) <= workers
    slices = [replace(whole, only=rows) for rows in found]
    assert batches(slices, now) == batches([whole], now)


def test_slices_have_equally_many_rows_that_are_not_done():
    done = (Done(range(0, 12), environment()), Done(range(16, 20), environment()))
    assert balanced_slices(a_job(n=24, done=done), 2, 2) == [range(0, 20), range(20, 24)]
    assert balanced_slices(a_job(n=24), 3, 4) == [range(0, 8), range(8, 16), range(16, 24)]
    assert balanced_slices(a_job(n=3), 5, 2) == [range(0, 2), range(2, 3)]
    everything = (Done(range(24), environment()),)
    assert balanced_slices(a_job(n=24, done=everything), 3, 2) == [range(24)]


class Workers:
    """Shares of jobs for several workers, and what is told of them."""

    def __init__(self, jobs, n):
        self.told, self.taken = [], []
        self.shares = Shares(self._taken(jobs), range(n), self.told.append)

    def _taken(self, jobs):
        for job in jobs:
            self.taken.append(job.run.model)
            yield job

    def given(self, *idle):
        """Model and rows of the unit of each idle worker that gets one."""
        units = self.shares.units(idle)
        return {n: (unit.run.model, unit.only) for n, unit in units.items()}

    def after(self, worker, event, *values):
        return list(self.shares.take(worker, event(None, *values)))


def models(names):
    return [a_job(name) for name in names]


def test_models_are_whole_while_as_many_wait_as_there_are_workers():
    workers = Workers(models("abcdefg"), 3)
    assert workers.given(0, 1, 2) == {0: ("a", None), 1: ("b", None), 2: ("c", None)}
    workers.after(1, Finished)
    assert workers.given(1) == {1: ("d", None)}


def test_as_many_models_as_workers_are_not_divided():
    workers = Workers(models("abc"), 3)
    assert workers.given(0, 1, 2) == {0: ("a", None), 1: ("b", None), 2: ("c", None)}


def test_the_last_models_are_divided_the_last_one_among_all_workers():
    workers = Workers(models("abcde"), 3)
    workers.given(0, 1, 2)
    seen = []
    for _ in range(5):
        workers.after(0, Finished)
        seen += workers.given(0).values()
    assert seen[:2] == [("d", range(0, 6)), ("d", range(6, 12))]
    assert seen[2:] == [("e", range(0, 4)), ("e", range(4, 8)), ("e", range(8, 12))]
    workers.after(0, Finished)
    assert workers.given(0) == {}


def test_a_single_model_is_divided_at_once():
    workers = Workers(models("a"), 4)
    thirds = [range(0, 4), range(4, 8), range(8, 12)]
    assert workers.given(0, 1, 2, 3) == {n: ("a", rows) for n, rows in enumerate(thirds)}


def test_one_job_for_each_worker_is_taken_before_it_is_needed():
    workers = Workers(models("abcdefgh"), 2)
    assert workers.taken == []
    workers.given(0, 1)
    assert workers.taken == ["a", "b"]
    workers.after(0, Finished)
    workers.given(0)
    assert workers.taken == ["a", "b", "c", "d"]


def test_a_unit_has_its_gpu_and_its_share_of_the_threads():
    (unit,) = Shares([a_job()], (3, 5), print).units([1]).values()
    assert (unit.gpu, unit.workers) == (5, 4)


def test_a_job_has_one_beginning_and_one_end_however_it_is_divided():
    workers = Workers(models("a"), 2)
    workers.given(0, 1)
    (first,) = workers.after(1, Accepted)
    assert first.job.only is None
    assert workers.after(0, Accepted) == []
    (output,) = workers.after(0, Output, environment())
    assert output.job is first.job
    assert workers.after(0, Finished) == []
    (end,) = workers.after(1, Finished)
    assert isinstance(end, Finished)
    assert end.job is first.job


def test_a_slice_that_fails_ends_its_job_when_the_others_that_run_have_ended():
    job = a_job()
    workers = Workers([job], 4)
    workers.given(0, 1)  # two slices wait
    assert workers.after(0, Failed, "no luck", "why", "memory") == []
    assert workers.given(0) == {}
    (output,) = workers.after(1, Output, environment())
    assert output.job is job
    (end,) = workers.after(1, Finished)
    assert (end.job, end.reason, end.details, end.cause) == (job, "no luck", "why", "memory")


def test_a_worker_of_another_kind_gives_its_slice_back():
    workers = Workers(models("ab"), 3)
    given = workers.given(0, 1)
    assert given == {0: ("a", range(0, 6)), 1: ("a", range(6, 12))}
    workers.after(0, Output, environment())
    assert workers.after(1, Output, environment(device="slide rule")) == []
    assert not workers.shares.is_running(1)
    assert workers.told == [
        "a: workers differ in their device, so only those like the first one compute it"
    ]
    assert workers.given(1) == {1: ("b", range(0, 4))}
    assert workers.after(0, Finished) == []
    assert workers.given(0) == {0: ("a", range(6, 12))}


def test_slices_end_with_a_batch_of_the_usual_size():
    job = a_job(spec=spec_of("torchvision", "resnet18"), batch_size=None)
    assert (usual_batch_size(job, -1), usual_batch_size(job, 3)) == (8, 256)
    assert usual_batch_size(replace(job, batch_size=5), 3) == 5
