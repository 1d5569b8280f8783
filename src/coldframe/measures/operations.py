"""Multiply-accumulate operations of one forward pass: right, or not at all.

torch's counter sees the operators that reach the dispatcher. Fused kernels hide their products from it: with gradients
off, ``nn.MultiheadAttention`` runs as one operator that the counter does not know, and ViT-B/32 comes out at 2.95
instead of 4.41 GMACs. Here that fast path is closed and attention runs on the kernel made of plain products; if an
operator that multiplies still goes uncounted, there is no number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

_MULTIPLIES = re.compile(
    r"attention|multi_head|encoder_layer|(?<!bi)linear|conv|matmul|(^|_)(b|add|addb|badd|baddb)?m[mv](_|$)|rnn|lstm|(^|_)gru(_|$)"
)
"""Names of operators that are matrix products, or hold some."""


class _Seen(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Note the operators that run."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operators: set[Any] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operators.add(func._overloadpacket)
        return func(*args, **(kwargs or {}))


def macs(forward: Callable[[Tensor], object], x: Tensor) -> tuple[int | None, list[str]]:
    """Return the multiply-accumulates of ``forward(x)``: half of its floating-point operations, products alone.

    Args:
        forward: anything that runs on tensors, not compiled.
        x: the input; give one image [1, 3, S, S] for MACs an image.

    Returns:
        The count and an empty list; or None and the names of operators that multiply and could not be counted.

    Example:
        >>> macs(torch.nn.Linear(10, 3), torch.ones(1, 10))
        (30, [])
    """
    from torch.utils.flop_counter import FlopCounterMode  # imports triton, for a question that is rarely put

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, _Seen() as seen:
            forward(x)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    hidden = uncounted(seen.operators, counter.flop_registry)
    return (None, hidden) if hidden else (counter.get_total_flops() // 2, [])


def uncounted(operators: set[Any], counted: Any) -> list[str]:
    """Return the names of operators that multiply matrices and that the counter has no rule for."""
    names = {str(op).rpartition(".")[2] for op in operators if op not in counted}
    return sorted(name for name in names if _MULTIPLIES.search(name) and "upsample" not in name)
