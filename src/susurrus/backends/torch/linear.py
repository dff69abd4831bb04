"""The product with a weight matrix, laid out for the processor once and not at every call."""

from __future__ import annotations

import logging
import platform
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Linear:
    """weight [n_out, n_in] and bias [n_out] in the network's dtype; a packed weight only oneDNN can read."""

    weight: Tensor
    bias: Tensor | None
    is_packed: bool = False

    def __call__(self, x: Tensor) -> Tensor:
        if self.is_packed:
            return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return F.linear(x, self.weight, self.bias)


def make_linear(weight: Tensor, bias: Tensor | None = None) -> Linear:
    """Give the product with a weight, packed where that is quicker.

    `F.linear` gives oneDNN a bfloat16 weight as it is, and float32 to MKL. Packed for oneDNN, on one thread of an EPYC,
    the products of a step of 8 rows of base take 0.4 of the time in float32 and 0.5 in bfloat16, the encoder's 0.4 and
    0.9 (PyTorch 2.13).
    """
    if weight.device.type != "cpu" or not _can_pack(weight.dtype):
        return Linear(weight, bias)
    return Linear(torch.ops.mkldnn._reorder_linear_weight(weight, N_ROWS), bias, is_packed=True)


N_ROWS = 8
"""Rows the packed form is chosen for: a step's; the encoder's 1,500 lose nothing by it."""


@cache
def _can_pack(dtype: torch.dtype) -> bool:
    """Say whether oneDNN packs weights of that dtype here, and gets a product right.

    The two operations are those PyTorch's own compiler uses on a CPU; no public name leads to them. So they are tried.
    """
    if platform.machine().lower() not in ("x86_64", "amd64") or not torch.backends.mkldnn.is_available():
        return False
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(*shape, generator=generator).to(dtype) for shape in ((3, 64), (96, 64), (96,)))
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, N_ROWS)
        product = torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
    except Exception as error:  # whatever this PyTorch raises, the plain product is there
        _log.debug("weights of %s are not packed: %s", dtype, error)
        return False
    return torch.allclose(product.float(), F.linear(x.float(), weight.float(), bias.float()), rtol=2e-2, atol=2e-1)
