"""Counts of PyTorch's modules, Keras models on PyTorch among them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarking.models.counts._products import Product, refuse_unknown_product

if TYPE_CHECKING:
    import torch


def weights(model: torch.nn.Module) -> tuple[int, int]:
    """Number of trainable floating-point values, and of others that are saved."""
    parameters = list(model.parameters())
    trainable = sum(value.numel() for value in parameters if value.requires_grad)
    saved = model.state_dict().keys()
    buffers = [value for name, value in model.named_buffers() if name in saved]
    others = [value for value in parameters if not value.requires_grad]
    others += [value for value in buffers if value.is_floating_point()]
    return trainable, sum(value.numel() for value in others)


def products(model: torch.nn.Module, shape: tuple[int, ...]) -> list[Product]:
    """The products of one forward pass in evaluation mode.

    Each operation is seen when PyTorch dispatches it, so that functions count like modules. The
    numbers are those of PyTorch's own registry of formulas, which counts two per multiply-add.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    found: list[Product] = []

    class Watch(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(
            self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = kwargs or {}
            name = operation.overloadpacket
            if name not in flop_registry:
                refuse_unknown_product(str(name).partition(".")[2])
                return operation(*args, **kwargs)
            output = operation(*args, **kwargs)
            flops = flop_registry[name](*args, **kwargs, out_val=output)
            found.append(Product(flops // 2, output.numel()))
            return output

    first = next(model.parameters(), torch.empty(0))
    pixels = torch.zeros(shape, dtype=first.dtype, device=first.device)
    with torch.no_grad(), _evaluation(model), _plain_attention(), Watch():
        model(pixels)
    return found


@contextmanager
def _evaluation(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode, module by module, since some may be frozen in it already."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Attention as two products, not as one operation that differs between devices."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
