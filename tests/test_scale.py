"""The sweep on paper: its arithmetic, by hand and against bounds that hold for every schedule."""

from dataclasses import replace
from math import ceil, inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
AMPLE = {"storage": 1e18, "network": 1e18, "disk": 1e18, "checked": 1e18, "decoded": 1e18}


@pytest.fixture(scope="module")
def cluster():
    """The module of the simulation, which is not part of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import _cluster

        yield _cluster


def models_of(cluster, rates):
    return [cluster.Model(str(at), rate, 0, "steps", 224) for at, rate in enumerate(rates)]


def test_one_gpu_takes_the_sum_of_all_units(cluster):
    stages = replace(cluster.Stages(1, start=2, build=3, **AMPLE), hashed=1e6)
    models = [replace(one, weights=5e5) for one in models_of(cluster, [100.0, 50.0])]
    done = cluster.sweep(models, [1000, 500], stages)
    assert done[-1].ended == pytest.approx(2 + 4 * 3.5 + 1500 / 100 + 1500 / 50)
    found = cluster.shares(done, stages)
    assert found.computing == pytest.approx(45 / 61)
    assert found.loading == pytest.approx(14 / 61)
    assert found.pictures == pytest.approx(0)
    assert found.idle == pytest.approx(2 / 61)


@given(
    rates=st.lists(st.floats(1, 1e4), min_size=1, max_size=12),
    sets=st.lists(st.integers(1, 3000), min_size=1, max_size=3),
    gpus=st.integers(1, 9),
)
def test_every_picture_is_computed_once_and_no_gpu_does_two_things(cluster, rates, sets, gpus):
    models = models_of(cluster, rates)
    stages = cluster.Stages(gpus, start=1, build=0.5, **AMPLE)
    done = cluster.sweep(models, sets, stages)
    for number, n in enumerate(sets):
        for model in models:
            mine = [one for one in done if (one.images, one.model) == (number, model)]
            assert sum(one.n for one in mine) == n
            assert all(one.n % cluster.BATCH == 0 for one in mine[:-1])
    for at in {one.begun for one in done}:
        assert sum(one.begun <= at < one.ended for one in done) <= gpus
    work = sum(one.ended - one.begun for one in done)
    last = max(one.ended for one in done)
    assert 1 + work / gpus <= last * (1 + 1e-9)
    longest = max(one.ended - one.begun for one in done)
    assert last <= 1 + work / gpus + len(sets) * longest + 1e-6  # Graham (1969), for each set
    found = cluster.shares(done, stages)
    assert 0 <= found.idle < 1


def test_cores_storage_and_disk_limit_the_pictures(cluster):
    model = cluster.Model("m", inf, 0, "steps", 100)
    base = cluster.Stages(
        16, cores=3, decoded=200, read=5000, picture=1e5, storage=1e9, network=4e8, disk=1.2e9
    )
    assert base.nodes == 2
    assert replace(base, network=inf, storage=inf).supply(model) == 600  # 3 cores
    assert replace(base, storage=inf).supply(model) == 500  # 4e8 / 8 GPUs / 1e5
    assert base.supply(model) == 500
    assert replace(base, storage=4e8).supply(model) == 250  # 4e8 / 16 GPUs / 1e5
    kept = replace(base, crops="kept")
    assert kept.supply(model) == 1.2e9 / 8 / 30_000
    assert replace(kept, disk=inf).supply(model) == 15_000


def test_the_preparation_reads_every_picture_and_crops_it_by_every_recipe(cluster):
    models = [cluster.Model(str(n), 1, 0, steps, 224) for n, steps in enumerate("aab")]
    stages = cluster.Stages(8, cores=2, decoded=100, checked=1000, network=inf, storage=inf)
    assert stages.prepare(models, [1600]) == pytest.approx(1600 / 1000 / 16)
    assert replace(stages, crops="kept").prepare(models, [1600]) == pytest.approx(2.0)


def test_a_driver_that_is_too_slow_falls_behind(cluster):
    stages = cluster.Stages(1, start=0, build=0, **AMPLE)
    done = cluster.sweep(models_of(cluster, [512.0] * 2), [5120], stages)
    quick = cluster.burden(done, stages, cluster.Written(0.1, 0.5, 0.25))
    # 20 checkpoints, one a second, and two runs, the second of which reads the first.
    assert (quick.checkpoints, quick.runs) == (20, 2)
    assert quick.busy == pytest.approx(20 * 0.1 + 0.5 + 0.75)
    assert quick.ended == pytest.approx(20 + 0.1 + 0.75)
    slow = cluster.burden(done, stages, cluster.Written(2.0, 0, 0))
    assert slow.ended == pytest.approx(1 + 20 * 2)
    assert slow.behind == pytest.approx(21)


def test_gpus_that_never_wait_end_when_their_share_of_the_work_is_done(cluster):
    stages = cluster.Stages(3, start=0, build=0, **AMPLE)
    models = models_of(cluster, [256.0] * 7)
    done = cluster.sweep(models, [256 * 30], stages)
    assert max(one.ended for one in done) == pytest.approx(7 * 30 / 3, abs=ceil(30 / 3))
