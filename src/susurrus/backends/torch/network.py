"""Whisper's network on a PyTorch device: the encoder, and the pieces of a decoder layer.

Takes canonical weights; gives tensors. Knows nothing of caches, rows or windows' order: `model.py` keeps those.
`NumpyBackend` is the same network written to be read; here what is done together is multiplied together.

In bfloat16 and float16 the products are computed in that dtype, and what is summed up from layer to layer (x, the
normalisation, the logits) in float32, so that the rounding of one layer is not carried through all the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...types import ModelDimensions, Weights
from .attention import attend
from .devices import has_fast_fused_attention
from .linear import Linear, make_linear


@dataclass(frozen=True)
class LayerNorm:
    """Normalise in float32 and hand on in the network's dtype."""

    weight: Tensor
    bias: Tensor
    dtype: torch.dtype

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.bias.shape, self.weight, self.bias, 1e-5).to(self.dtype)


@dataclass(frozen=True)
class Layer:
    """A layer of the encoder or, where it has cross-attention, of the decoder.

    `qkv` is query, key and value in one product. Queries come scaled by d_head ** -0.5, so attention scales nothing.
    """

    attn_ln: LayerNorm
    qkv: Linear
    out: Linear
    mlp_ln: LayerNorm
    mlp_in: Linear
    mlp_out: Linear
    cross: CrossAttention | None = None

    def mlp(self, x: Tensor) -> Tensor:
        return self.mlp_out(F.gelu(self.mlp_in(self.mlp_ln(x))))


@dataclass(frozen=True)
class CrossAttention:
    """`kv` is key and value in one product, of the sound; `query` is of the text."""

    ln: LayerNorm
    query: Linear
    kv: Linear
    out: Linear


@dataclass(frozen=True)
class Encoder:
    """Encode windows: [B, n_mels, 2 * n_audio_ctx] -> [B, n_audio_ctx, n_audio_state] in the network's dtype."""

    conv1: Linear
    conv2: Linear
    positional_embedding: Tensor  # f32[n_audio_ctx, n_audio_state]
    layers: tuple[Layer, ...]
    ln_post: LayerNorm
    n_head: int
    has_fast_fused: bool

    def __call__(self, mel: Tensor) -> Tensor:
        x = mel.to(self.ln_post.dtype).transpose(1, 2)  # [B, 2 * n_audio_ctx, n_mels]
        x = F.gelu(_conv1d(self.conv1, x, stride=1))
        x = F.gelu(_conv1d(self.conv2, x, stride=2))  # [B, n_audio_ctx, n_audio_state]
        x = x + self.positional_embedding  # f32 from here on
        for layer in self.layers:
            query, key, value = split_heads(layer.qkv(layer.attn_ln(x)), 3, self.n_head)
            x += layer.out(merge_heads(attend(query, key, value, has_fast_fused=self.has_fast_fused)))
            x += layer.mlp(x)
        return self.ln_post(x)


@dataclass(frozen=True)
class Decoder:
    """The decoder's weights; token_embedding [n_vocab, n_text_state] is in the network's dtype.

    `vocabulary` is the product with it, which may hold it a second time in a layout of its own.
    """

    token_embedding: Tensor
    vocabulary: Linear
    positional_embedding: Tensor  # f32[n_text_ctx, n_text_state]
    layers: tuple[Layer, ...]
    ln: LayerNorm
    n_head: int
    has_fast_fused: bool

    def embed(self, tokens: Tensor, positional_embedding: Tensor) -> Tensor:
        return F.embedding(tokens, self.token_embedding) + positional_embedding

    def logits(self, x: Tensor) -> Tensor:
        """Compare with the embedding of each token: f32[..., n_text_state] -> f32[..., n_vocab]."""
        return self.vocabulary(self.ln(x)).float()


def split_heads(x: Tensor, n: int, n_head: int) -> tuple[Tensor, ...]:
    """Part what was multiplied together: [B, T, n * n_state] -> n times [B, n_head, T, d_head]."""
    n_windows, n_tokens, _ = x.shape
    return x.view(n_windows, n_tokens, n, n_head, -1).permute(2, 0, 3, 1, 4).unbind(0)


def merge_heads(x: Tensor) -> Tensor:
    """[B, n_head, T, d_head] -> [B, T, n_state]."""
    return x.transpose(1, 2).flatten(2)


def _conv1d(linear: Linear, x: Tensor, *, stride: int) -> Tensor:
    """Convolve over time with a kernel of 3, padded by 1: [B, T, n_in] -> [B, T // stride, n_out].

    One matrix product: three neighbours in time lie behind each other in memory, so they are one vector [3 * n_in].
    """
    padded = F.pad(x, (0, 0, 1, 1))
    neighbours = padded.unfold(1, 3, stride).transpose(2, 3).flatten(2)  # [B, T // stride, 3 * n_in], a view
    return linear(neighbours)


def load_network(
    weights: Weights, dims: ModelDimensions, device: torch.device, dtype: torch.dtype
) -> tuple[Encoder, Decoder]:
    """Put canonical weights on a device, one tensor at a time."""
    loader = _Loader(weights, device, dtype)
    encoder = Encoder(
        conv1=loader.conv("encoder.conv1"),
        conv2=loader.conv("encoder.conv2"),
        positional_embedding=loader.tensor("encoder.positional_embedding", torch.float32),
        layers=tuple(
            loader.layer(f"encoder.blocks.{i}", dims.n_audio_head, is_decoder=False) for i in range(dims.n_audio_layer)
        ),
        ln_post=loader.ln("encoder.ln_post"),
        n_head=dims.n_audio_head,
        has_fast_fused=has_fast_fused_attention(device, dtype),
    )
    token_embedding = loader.tensor("decoder.token_embedding.weight")
    decoder = Decoder(
        token_embedding=token_embedding,
        vocabulary=make_linear(token_embedding),
        positional_embedding=loader.tensor("decoder.positional_embedding", torch.float32),
        layers=tuple(
            loader.layer(f"decoder.blocks.{i}", dims.n_text_head, is_decoder=True) for i in range(dims.n_text_layer)
        ),
        ln=loader.ln("decoder.ln"),
        n_head=dims.n_text_head,
        has_fast_fused=has_fast_fused_attention(device, dtype),
    )
    return encoder, decoder


@dataclass(frozen=True)
class _Loader:
    """Reads weights by their canonical names."""

    weights: Weights
    device: torch.device
    dtype: torch.dtype

    def tensor(self, name: str, dtype: torch.dtype | None = None) -> Tensor:
        return self._put(self._read(name), dtype)

    def ln(self, name: str) -> LayerNorm:
        weight, bias = (self.tensor(f"{name}.{part}", torch.float32) for part in ("weight", "bias"))
        return LayerNorm(weight, bias, self.dtype)

    def conv(self, name: str) -> Linear:
        weight = self._read(f"{name}.weight")  # [n_out, n_in, 3]
        by_time = weight.transpose(0, 2, 1).reshape(len(weight), -1)  # [n_out, 3 * n_in]
        return make_linear(self._put(by_time), self.tensor(f"{name}.bias"))

    def layer(self, name: str, n_head: int, *, is_decoder: bool) -> Layer:
        return Layer(
            attn_ln=self.ln(f"{name}.attn_ln"),
            qkv=self._joined(f"{name}.attn", ("query", "key", "value"), n_head),
            out=self._joined(f"{name}.attn", ("out",), n_head),
            mlp_ln=self.ln(f"{name}.mlp_ln"),
            mlp_in=self._joined(f"{name}.mlp", ("0",), n_head),
            mlp_out=self._joined(f"{name}.mlp", ("2",), n_head),
            cross=self._cross(name, n_head) if is_decoder else None,
        )

    def _cross(self, name: str, n_head: int) -> CrossAttention:
        return CrossAttention(
            ln=self.ln(f"{name}.cross_attn_ln"),
            query=self._joined(f"{name}.cross_attn", ("query",), n_head),
            kv=self._joined(f"{name}.cross_attn", ("key", "value"), n_head),
            out=self._joined(f"{name}.cross_attn", ("out",), n_head),
        )

    def _joined(self, name: str, parts: tuple[str, ...], n_head: int) -> Linear:
        """Lay the weights of several products under each other; queries are scaled, keys get a bias of zero."""
        rows, biases = [], []
        for part in parts:
            weight = self._read(f"{name}.{part}.weight")
            has_bias = f"{name}.{part}.bias" in self.weights.shapes
            bias = self._read(f"{name}.{part}.bias") if has_bias else np.zeros(len(weight), dtype=np.float32)
            # A power of two for every published model (d_head is 64), so that no dtype rounds anything by it.
            scale = np.float32((len(weight) // n_head) ** -0.5 if part == "query" else 1.0)
            rows.append(weight * scale)
            biases.append(bias * scale)
        return make_linear(self._put(np.concatenate(rows)), self._put(np.concatenate(biases)))

    def _read(self, name: str) -> np.ndarray:
        return np.asarray(self.weights[name], dtype=np.float32)

    def _put(self, values: np.ndarray, dtype: torch.dtype | None = None) -> Tensor:
        # torch.tensor copies: the values may lie in a file that is mapped into memory and closed later.
        return torch.tensor(values, dtype=dtype or self.dtype, device=self.device)
