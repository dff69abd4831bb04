"""What PyTorch does on a CPU and the contract's small model does not reach: blocks of queries, packed weights."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
attention = pytest.importorskip("susurrus.backends.torch.attention")
cache = pytest.importorskip("susurrus.backends.torch.cache")
devices = pytest.importorskip("susurrus.backends.torch.devices")
linear = pytest.importorskip("susurrus.backends.torch.linear")


@pytest.mark.parametrize("n_queries", [1, 32, 33, 1100])
@pytest.mark.parametrize("has_fast_fused", [True, False])
@pytest.mark.parametrize(("dtype", "atol"), [("float32", 1e-5), ("bfloat16", 3e-2)])
def test_attention_is_the_same_every_way(n_queries, has_fast_fused, dtype, atol):
    generator = torch.Generator().manual_seed(n_queries)
    query, key, value = (
        torch.randn(2, n, 3, 16, generator=generator).to(getattr(torch, dtype)).transpose(1, 2)
        for n in (n_queries, 1100, 1100)
    )
    query /= 4  # queries come scaled
    made = attention.attend(query, key, value, has_fast_fused=has_fast_fused)
    want = (query.double() @ key.double().transpose(-1, -2)).softmax(dim=-1) @ value.double()
    assert made.dtype == query.dtype
    assert (made.double() - want).abs().max() < atol


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("has_bias", [True, False])
def test_packed_weights_give_the_product(dtype, has_bias):
    generator = torch.Generator().manual_seed(1)
    weight, bias, x = (torch.randn(*shape, generator=generator) for shape in ((70, 40), (70,), (2, 5, 40)))
    weight, bias, x = (tensor.to(getattr(torch, dtype)) for tensor in (weight, bias, x))
    made = linear.make_linear(weight, bias if has_bias else None)(x)
    want = x.double() @ weight.double().t() + (bias.double() if has_bias else 0)
    assert made.shape == (2, 5, 70)
    assert (made.double() - want).abs().max() < (1e-4 if dtype == "float32" else 0.2)


@pytest.mark.parametrize("fault", ["raises", "is wrong"])
def test_weights_are_not_packed_where_that_goes_wrong(monkeypatch, fault):
    class Ops:
        @staticmethod
        def _reorder_linear_weight(weight, n_rows):
            if fault == "raises":
                raise RuntimeError("no such operation")
            return weight

        @staticmethod
        def _linear_pointwise(x, weight, bias, *rest):
            return x @ weight.t()  # forgets the bias

    monkeypatch.setattr(torch.ops, "mkldnn", Ops)
    linear._can_pack.cache_clear()
    try:
        made = linear.make_linear(torch.eye(3), torch.ones(3))
        assert not made.is_packed
        assert made(torch.zeros(3)).tolist() == [1, 1, 1]
    finally:
        linear._can_pack.cache_clear()


@pytest.mark.parametrize(("granted", "asked", "want"), [(None, 0, 6), (2, 0, 2), (64, 0, 6), (2, 5, 5)])
def test_threads_are_lowered_to_what_is_granted(monkeypatch, granted, asked, want):
    n_threads = [6]
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads[-1])
    monkeypatch.setattr(torch, "set_num_threads", n_threads.append)
    monkeypatch.setattr(devices, "usable_cores", lambda: granted)
    devices.choose_threads(asked, torch.device("cpu"))
    assert n_threads[-1] == want


@pytest.mark.parametrize(("flags", "want"), [("", "float32"), ("avx512_bf16", "float32"), ("amx_bf16", "bfloat16")])
def test_auto_is_bfloat16_where_the_processor_multiplies_it(monkeypatch, flags, want):
    monkeypatch.setattr(devices, "_has_instructions", lambda asked, flag: flag in flags.split())
    assert devices.choose_dtype("auto", torch.device("cpu")) == getattr(torch, want)
    fused = devices.has_fast_fused_attention(torch.device("cpu"), torch.bfloat16)
    assert fused == (flags == "amx_bf16")


def test_a_cache_has_no_nan_where_it_grows():
    grown = cache.longer(torch.full((2, 3), 5.0), 1, 2000)
    assert grown.shape == (2, 2000)
    assert grown[:, 3:].count_nonzero() == 0
    assert cache.longer(grown, 1, 7) is grown
