"""What is asked of a GPU's libraries, with stand-ins for their calls, since tests need no GPU."""

import sys
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarking.experiments.speed.accelerator import (
    device_clock,
    largest_memory,
    power_and_clock,
    seconds_between_events,
)
from benchmarking.experiments.speed.timing import DEVICE_CALLS, Pace, timed
from benchmarking.models.backends import on_backend
from benchmarking.models.frameworks import Device
from benchmarking.models.sources import the_spec

CPU, GPU = Device("cpu", "cpu", "cpu"), Device("cuda:1", "gpu", "a GPU")


class Stream:
    """A stand-in for `torch.cuda`: work is queued, and takes its time when it is waited for."""

    def __init__(self) -> None:
        self.now = 0.0  # milliseconds
        self.queue: list[object] = []
        self.chosen: list[str] = []

    @contextmanager
    def device(self, address: str):
        self.chosen.append(address)
        yield

    def synchronize(self) -> None:
        for job in self.queue:
            self.now += job if isinstance(job, float) else 0.0
            if not isinstance(job, float):
                job.at = self.now
        self.queue.clear()

    def Event(self, enable_timing: bool) -> SimpleNamespace:
        assert enable_timing
        event = SimpleNamespace(at=None, synchronize=self.synchronize)
        event.record = lambda: self.queue.append(event)
        event.elapsed_time = lambda end: end.at - event.at
        return event


def test_events_time_the_work_of_a_call_and_nothing_that_was_queued_before():
    cuda = Stream()
    cuda.queue.append(500.0)
    assert seconds_between_events(cuda, "cuda:1", lambda: cuda.queue.append(20.0)) == 0.02
    assert cuda.chosen == ["cuda:1"]


def test_a_clock_of_events_is_for_frameworks_that_run_on_pytorch_on_a_gpu():
    keras = the_spec("keras/VGG16")
    pytorch, on_pytorch = the_spec("torchvision/resnet50"), on_backend(keras, "torch")
    assert [device_clock(one, CPU) for one in (keras, pytorch, on_pytorch)] == [None] * 3
    assert [device_clock(one, GPU) for one in (keras, on_backend(keras, "jax"))] == [None] * 2
    pytest.importorskip("torch")
    assert [device_clock(one, GPU).args[1] for one in (pytorch, on_pytorch)] == ["cuda:1"] * 2


def test_calls_on_the_device_are_further_calls_and_never_among_the_times():
    now, calls = [0.0], []

    def step() -> np.ndarray:
        calls.append(now[0])
        now[0] += 0.01
        return np.zeros(1)

    def device(step: object) -> float:
        step()
        return 7.0

    plain = timed(step, lambda: now[0], Pace(0.1), pictures=1)
    n = len(calls)
    found = timed(step, lambda: now[0], Pace(0.1), pictures=1, device=device)
    assert (plain.device_times, found.device_times) == ((), (7.0,) * DEVICE_CALLS)
    assert len(calls) == 2 * n + DEVICE_CALLS
    assert found.times == pytest.approx(plain.times)


def test_memory_is_that_of_the_framework_which_runs_the_model_on_its_gpu():
    asked: list[object] = []
    torch = SimpleNamespace(cuda=SimpleNamespace(max_memory_allocated=[10, 11].__getitem__))
    told = {"peak": 30, "current": 1}
    config = SimpleNamespace(get_memory_info=lambda name: asked.append(name) or told)
    tensorflow = SimpleNamespace(config=SimpleNamespace(experimental=config))
    device = SimpleNamespace(platform="gpu", memory_stats=lambda: {"peak_bytes_in_use": 40})
    cpu = SimpleNamespace(platform="cpu", memory_stats=lambda: None)
    jax = SimpleNamespace(devices=lambda: [cpu, device])
    modules = {"torch": torch, "tensorflow": tensorflow, "jax": jax}
    assert largest_memory(("torch", "PIL"), None, modules) == 10
    assert largest_memory(("keras", "torch"), 1, modules) == 11
    assert largest_memory(("keras", "tensorflow"), 1, modules) == 30
    assert asked == ["GPU:0"]  # the only one that TensorFlow sees
    assert largest_memory(("keras", "jax"), None, modules) == 40
    assert largest_memory(("keras", "jax"), 3, modules) is None
    assert largest_memory(("onnxruntime",), None, modules) is None


def test_a_library_that_refuses_to_tell_its_memory_costs_no_round():
    def refuse(number: int) -> int:
        raise RuntimeError("invalid device")

    modules = {"torch": SimpleNamespace(cuda=SimpleNamespace(max_memory_allocated=refuse))}
    assert largest_memory(("torch",), 0, modules) is None


@pytest.fixture
def nvml(monkeypatch):
    """A function that puts a stand-in for NVML with so many GPUs in place of the library."""

    def put(gpus: int, problem: str = "") -> list[str]:
        called: list[str] = []

        def init() -> None:
            called.append("init")
            if problem:
                raise library.NVMLError(problem)

        library = SimpleNamespace(
            NVMLError=type("NVMLError", (Exception,), {}),
            NVML_CLOCK_SM=1,
            nvmlInit=init,
            nvmlShutdown=lambda: called.append("shutdown"),
            nvmlDeviceGetCount=lambda: gpus,
            nvmlDeviceGetHandleByIndex=lambda number: number,
            nvmlDeviceGetPowerUsage=lambda gpu: 301_400,
            nvmlDeviceGetEnforcedPowerLimit=lambda gpu: 700_000,
            nvmlDeviceGetClockInfo=lambda gpu, kind: 1755,
            nvmlDeviceGetMaxClockInfo=lambda gpu, kind: 1980,
        )
        monkeypatch.setitem(sys.modules, "pynvml", library)
        return called

    return put


def test_power_and_clock_are_told_with_their_limits(nvml):
    called = nvml(1)
    assert power_and_clock("a GPU") == {
        "power at the end": "301 W of 700 W",
        "clock at the end": "1755 MHz of 1980 MHz",
    }
    assert called == ["init", "shutdown"]


def test_of_several_gpus_none_is_guessed(nvml):
    called = nvml(8)
    assert power_and_clock("a GPU") == {
        "NVML": "not asked: which of its 8 GPUs was used is not certain"
    }
    assert called == ["init", "shutdown"]


def test_why_power_is_not_known_is_told(nvml, monkeypatch):
    nvml(1, "no driver")
    assert power_and_clock("a GPU") == {"NVML": "failed: no driver"}
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert power_and_clock("a GPU") == {"NVML": "not tried: nvidia-ml-py is not installed"}
    assert power_and_clock("cpu") == {"NVML": "not tried: the device is the CPU"}
