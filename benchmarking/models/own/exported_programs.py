"""Run programs that torch.export has saved (.pt2) as the models of PyTorch that they came from.

PyTorch unpickles parts of such a file, so that it can contain any code: load only files of people
that you trust.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarking.errors import BenchmarkError, WeightsError, requires
from benchmarking.models.signatures import Signature, Tensor, signature_of

if TYPE_CHECKING:
    import torch


def check_file(path: Path) -> None:
    """Check that a file can be a program, without PyTorch.

    Raises:
        WeightsError: it is damaged, or something else.
    """
    if not zipfile.is_zipfile(path):
        raise WeightsError(
            f"{path.name} is damaged, or torch.export.save has not written it: it is no archive."
        )


class Program:
    """An exported program in place of a module; it takes float32 pixels (n, 3, height, width).

    Attributes:
        signature: its input and output.
        fixed_batch_size: number of pictures that it takes at once; None for several numbers.
    """

    def __init__(self, path: Path) -> None:
        """Load a program.

        Raises:
            WeightsError: the file is damaged, or is no classifier in evaluation mode.
            MissingDependency: PyTorch is not installed.
        """
        with requires("pytorch"):
            import torch

        check_file(path)
        try:
            self._program = torch.export.load(path)
        except Exception as error:  # a file of another version or kind may cause any
            raise WeightsError(
                f"{path.name} is damaged, or torch.export.save of another version has written it: "
                f"{type(error).__name__}: {str(error).partition(chr(10))[0]:.200}"
            ) from error
        self.signature = _signature(path.name, self._program)
        self.fixed_batch_size = self.signature.batch_size
        self._least, self._most = _batch_sizes(self._program, self.signature)
        _refuse_training(path.name, self._program)
        _refuse_half(path.name, self._program)
        self._module, self._device = self._program.module(), ""

    def to(self, device: str, memory_format: torch.memory_format) -> Program:
        """The program on a device, with its weights in a layout of memory."""
        from torch.export.passes import move_to_device_pass

        if device != self._device:
            self._program = move_to_device_pass(self._program, device)
            self._module = self._program.module().to(memory_format=memory_format)
            self._device = device
        return self

    def eval(self) -> Program:
        """The program, which has been exported in evaluation mode."""
        return self

    def named_modules(self) -> Iterator[tuple[str, Any]]:
        """No modules: a program has operations instead."""
        return iter(())

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """The program's output for a batch.

        Raises:
            BenchmarkError: the pictures have another size, or are too many.
        """
        import torch

        self.signature.check_crop(*pixels.shape[-2:])
        if self.fixed_batch_size is None and len(pixels) > self._most:
            raise BenchmarkError(
                f"{self.signature.file} takes at most {self._most} pictures at once; give that as "
                "--batch-size, or batch_size= in Python."
            )
        if self.signature.layout == "NHWC":
            pixels = pixels.permute(0, 2, 3, 1)
        pixels = pixels.to(getattr(torch, self.signature.dtype))
        size = self.fixed_batch_size or max(len(pixels), self._least)
        parts = [self._padded(part, size) for part in pixels.split(size)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _padded(self, pixels: torch.Tensor, size: int) -> torch.Tensor:
        """Output for a batch that is filled up with copies of its last picture."""
        import torch

        n, missing = len(pixels), size - len(pixels)
        if missing:
            pixels = torch.cat([pixels, pixels[-1:].expand(missing, -1, -1, -1)])
        output: torch.Tensor = self._module(pixels)[:n]
        return output


def _signature(file: str, program: Any) -> Signature:
    nodes = {node.name: node for node in program.graph.nodes}
    named = program.graph_signature
    inputs = [_tensor(nodes[name], name) for name in named.user_inputs if name in nodes]
    outputs = [_tensor(nodes[name], name) for name in named.user_outputs if name in nodes]
    return signature_of(file, inputs, outputs)


def _tensor(node: Any, name: str) -> Tensor:
    value = node.meta.get("val")
    if not hasattr(value, "dtype"):
        return Tensor(name, type(value).__name__, ())
    shape = tuple(side if isinstance(side, int) else None for side in value.shape)
    return Tensor(name, str(value.dtype).removeprefix("torch."), shape)


def _batch_sizes(program: Any, signature: Signature) -> tuple[int, float]:
    """The least and the largest number of pictures that a program takes at once."""
    if signature.batch_size is not None:
        return signature.batch_size, signature.batch_size
    (node,) = (one for one in program.graph.nodes if one.name == signature.input)
    bounds = program.range_constraints.get(node.meta["val"].shape[0].node.expr)
    if bounds is None:
        return 1, math.inf
    return max(1, int(bounds.lower)), int(bounds.upper) if bounds.upper < 2**31 else math.inf


def _refuse_training(file: str, program: Any) -> None:
    """Refuse a program whose output depends on chance or on the other pictures of a batch."""
    import torch

    for node in program.graph.nodes:
        schema = getattr(node.target, "_schema", None)
        if node.op != "call_function" or schema is None:
            continue
        names = [argument.name for argument in schema.arguments]
        given = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
        switches = [given.get(name) for name in ("train", "training", "dropout_p") if name in names]
        is_random = torch.Tag.nondeterministic_seeded in node.target.tags
        if any(switches) or (is_random and not switches):
            raise WeightsError(
                f"{file} was exported in training mode: its {node.target} makes the output depend "
                "on chance or on the batch. Call model.eval() before torch.export.export."
            )


def _refuse_half(file: str, program: Any) -> None:
    """Refuse weights of another precision, as the run would be recorded as float32."""
    found = {
        str(one.dtype).removeprefix("torch.")
        for one in program.state_dict.values()
        if one.is_floating_point()
    }
    if others := sorted(found - {"float32"}):
        raise WeightsError(
            f"{file} has weights in {', '.join(others)}; export the model in float32, and use "
            "--precision, or precision= in Python, for lower ones."
        )
