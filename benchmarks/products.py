"""The matrix products of a piece of torch code: recorded while it runs, and run again without the rest of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_FACTORS = {"mm": (0, 1), "addmm": (1, 2), "bmm": (0, 1), "baddbmm": (1, 2)}  # by aten's name: places of the arguments
_ATTENTION, _BACKWARD = "_scaled_dot_product_", "_backward"


@dataclass(frozen=True)
class Product:
    """``batch`` products of [rows, inner] and [inner, columns].

    Attributes:
        batch: how many at a time.
        rows: of the first matrix.
        inner: its columns.
        columns: of the second matrix.
        dtype: of both.
    """

    batch: int
    rows: int
    inner: int
    columns: int
    dtype: torch.dtype

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.batch * self.rows * self.inner * self.columns

    @property
    def bytes(self) -> int:
        """What must be read and written at least: both factors and the product once."""
        numbers = self.rows * self.inner + self.inner * self.columns + self.rows * self.columns
        return self.batch * numbers * int(self.dtype.itemsize)


class Products(TorchDispatchMode):
    """Records the products of what runs inside, backward passes included.

    Attention kernels count as the products that they cannot do without: two forward, four backward.

    Attributes:
        counts: how often each product was computed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[Product] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Called for every operation."""
        name = func.overloadpacket.__name__
        if name in _FACTORS:
            first, second = (args[place] for place in _FACTORS[name])
            batch = first.shape[0] if first.dim() == 3 else 1
            rows, inner = first.shape[-2:]
            self.counts[Product(batch, rows, inner, second.shape[-1], first.dtype)] += 1
        elif name.startswith(_ATTENTION):
            backward = _BACKWARD in name  # whose first argument is the output's gradient
            query, key, value = args[1:4] if backward else args[:3]
            self.counts += _attention(query, key, value, 2 if backward else 1)
        return func(*args, **(kwargs or {}))

    @property
    def flops(self) -> int:
        """Of all products."""
        return sum(product.flops * count for product, count in self.counts.items())

    @property
    def bytes(self) -> int:
        """That all products must move."""
        return sum(product.bytes * count for product, count in self.counts.items())


def _attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, times: int) -> Counter[Product]:
    """Scores, and the values' weighted sum, of [rows, heads, tokens, width]."""
    rows, heads, tokens, width = query.shape
    others, batch = key.shape[2], rows * heads
    return Counter({Product(batch, tokens, width, others, query.dtype): times}) + Counter(
        {Product(batch, tokens, others, value.shape[3], query.dtype): times}
    )


def again(counts: Counter[Product], device: str) -> Callable[[], None]:
    """Makes a function that computes the products once more, on random numbers."""
    calls = [(*_operands(product, device), count) for product, count in counts.items()]

    def compute() -> None:
        for first, second, result, count in calls:
            multiply = torch.bmm if first.dim() == 3 else torch.mm
            for _ in range(count):
                multiply(first, second, out=result)

    return compute


def _operands(product: Product, device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    shapes = ((product.rows, product.inner), (product.inner, product.columns), (product.rows, product.columns))
    tensors = (torch.randn((product.batch, *shape) if product.batch > 1 else shape, device=device) for shape in shapes)
    first, second, result = (tensor.to(product.dtype) for tensor in tensors)
    return first, second, result
