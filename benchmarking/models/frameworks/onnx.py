"""ONNX Runtime, which runs models that any framework has exported to ONNX files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, WeightsError, requires
from benchmarking.io.prefetch import cores
from benchmarking.models.frameworks import NO_GPU, Device, choose_gpu
from benchmarking.models.signatures import Signature, arranged, in_batches
from benchmarking.models.spec import Predictor, Scores
from benchmarking.pictures.recipe import Crops, Scaling

NAME = "onnx"
TITLE = "ONNX Runtime"
MODULES = ("onnxruntime", "onnx", "PIL")
EXTRA = "onnx"
EXECUTOR = "worker-process"
# The file decides the precision of each operation.
PRECISIONS = ("its own",)
BATCH_SIZES = {"cpu": 8, "gpu": 64}

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_ERROR = 3
"""Level of the messages that ONNX Runtime writes; it warns of much that changes no result."""


@dataclass(eq=False)
class OnnxModel:
    """A model in an ONNX file.

    Attributes:
        path: the file.
        signature: its input and output.
    """

    path: Path
    signature: Signature
    _sessions: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def fixed_batch_size(self) -> int | None:
        """Number of pictures that it takes at once; None for any number."""
        return self.signature.batch_size

    def session(self, device: Device) -> Any:
        """The file's session on a device, which is started once.

        Raises:
            WeightsError: ONNX Runtime cannot run the file.
        """
        if device.address not in self._sessions:
            self._sessions[device.address] = _session(self.path, device)
        return self._sessions[device.address]


def prepare(gpu: int | None, precision: str = "its own") -> Device:
    """Choose the device; a GPU needs the distribution onnxruntime-gpu.

    Raises:
        BenchmarkError: there is no such GPU, or ONNX Runtime cannot use it.
        MissingDependency: ONNX Runtime is not installed.
    """
    with requires(EXTRA):
        import onnxruntime

    asked = 0 if gpu is None else gpu
    works = asked != NO_GPU and _CUDA in onnxruntime.get_available_providers() and _works_on(asked)
    number = choose_gpu(gpu, asked + 1 if works else 0, f"{TITLE} (without onnxruntime-gpu)")
    if number is None:
        return Device("cpu", "cpu", "cpu")
    return Device(f"cuda:{number}", "gpu", "CUDA GPU")


def seed(number: int) -> None:
    """Do nothing: a file has its own weights."""


def predictor(
    model: OnnxModel, scaling: Scaling, device: Device, precision: str = "its own"
) -> Predictor:
    """The model as a function of crops, which are scaled in float32; its output is unchanged.

    Raises:
        BenchmarkError: the scaling does not suit the type of the input.
    """
    signature = model.signature
    signature.check_scaling(scaling)
    session = model.session(device)

    def run(pixels: NDArray[Any]) -> NDArray[Any]:
        found: NDArray[Any] = session.run([signature.output], {signature.input: pixels})[0]
        return found

    def predict(crops: Crops) -> Scores:
        signature.check_crop(*crops.shape[1:3])
        try:
            outputs = in_batches(run, arranged(crops, scaling, signature), signature.batch_size)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise BenchmarkError(
                f"{signature.file} failed on a batch of {len(crops)} pictures: {_line(error)}. If "
                "it was exported for another batch size, name that with --batch-size, or "
                "batch_size= in Python."
            ) from error
        return np.asarray(outputs, dtype=np.float32)

    return predict


def layer_outputs(
    model: OnnxModel, scaling: Scaling, device: Device, crops: Crops
) -> Mapping[str, NDArray[np.float32]]:
    """Return nothing: a file gives only its output."""
    return {}


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error means that the device or the machine is out of memory."""
    text = str(error)
    return "Failed to allocate memory" in text or "bad_alloc" in text


def versions() -> dict[str, str]:
    """Versions of the libraries that compute the predictions."""
    import onnxruntime

    return {"onnxruntime": onnxruntime.__version__}


def _session(path: Path, device: Device) -> Any:
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(
            path, session_options(), providers=[_provider(device)], enable_fallback=0
        )
    except Exception as error:  # its errors have no common class
        if is_out_of_memory(error):
            raise
        raise WeightsError(f"{path.name} cannot be run by {TITLE}: {_line(error)}.") from error
    if device.kind == "gpu" and _CUDA not in session.get_providers():
        raise BenchmarkError(f"{TITLE} cannot run {path.name} on {device.address}; use --gpu cpu.")
    return session


def session_options() -> Any:
    """Deterministic, and one thread for each core that this process may use."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.use_deterministic_compute = True
    # Without a number it would also tie threads to cores, some of which a container may not have.
    options.intra_op_num_threads = cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERROR
    # Threads that wait in a loop would take time from those that decode pictures.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _provider(device: Device) -> Any:
    """The provider of a device; GPUs without TF32 and with a fixed choice of algorithms."""
    if device.kind == "cpu":
        return _CPU
    number = device.address.partition(":")[2]
    chosen = {"device_id": number, "use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"}
    return _CUDA, chosen


def _works_on(number: int) -> bool:
    """Whether ONNX Runtime can use a GPU; if not, it would use the CPU without a word."""
    import onnx
    import onnxruntime

    value = [onnx.helper.make_tensor_value_info(name, 1, [1]) for name in "xy"]
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "identity", value[:1], value[1:])
    opset = [onnx.helper.make_opsetid("", 13)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    device = Device(f"cuda:{number}", "gpu", "")
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(),
            session_options(),
            providers=[_provider(device)],
            enable_fallback=0,
        )
    except Exception:  # such as an unknown device
        return False
    return _CUDA in session.get_providers()


def _line(error: Exception) -> str:
    """The first line of an error of ONNX Runtime, without its kind and number."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error))
    return text.partition("\n")[0].strip().rstrip(".")[:300]
