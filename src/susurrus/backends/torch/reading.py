"""How the decoder reads: whole texts at once, or one token more for each row of a cache."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import attend, attend_few, attend_sound
from .network import Decoder, merge_heads, split_heads


def read_texts(
    decoder: Decoder,
    cross: Sequence[Tensor],
    tokens: np.ndarray,
    *,
    past: Tensor | None = None,
    heads: Sequence[tuple[int, int]] = (),
) -> tuple[Tensor, dict[tuple[int, int], Tensor]]:
    """Read whole texts i32[B, T] from their first token on -> f32[B, T, n_text_state].

    Writes keys and values into `past`, where there is one. Gives also the cross-attention scores
    f32[B, T, n_audio_ctx] of the (layer, head) pairs asked for.
    """
    n_head, n_tokens = decoder.n_head, tokens.shape[1]
    scores: dict[tuple[int, int], Tensor] = {}
    ids = torch.tensor(tokens, device=decoder.token_embedding.device)
    x = decoder.embed(ids, decoder.positional_embedding[:n_tokens])
    for i, (layer, heard) in enumerate(zip(decoder.layers, cross, strict=True)):
        assert layer.cross is not None
        query, key, value = split_heads(layer.qkv(layer.attn_ln(x)), 3, n_head)  # [B, n_head, T, d_head]
        if past is not None:
            past[i, 0, :, :, :n_tokens] = key
            past[i, 1, :, :, :n_tokens] = value
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=1.0)
        x += layer.out(merge_heads(attended))
        (query,) = split_heads(layer.cross.query(layer.cross.ln(x)), 1, n_head)
        attended = attend(query, heard[0], heard[1], has_fast_fused=decoder.has_fast_fused)
        x += layer.cross.out(merge_heads(attended))
        for head in (head for of_layer, head in heads if of_layer == i):
            scores[i, head] = query[:, head].float() @ heard[0, :, head].float().transpose(1, 2)
        x += layer.mlp(x)
    return x, scores


def read_next(decoder: Decoder, cross: Sequence[Tensor], past: Tensor, tokens: Tensor, places: Tensor) -> Tensor:
    """Read one token more in each row: tokens [R] at places i64[R] -> logits f32[R, n_vocab].

    past [n_text_layer, 2, R, n_text_head, room, d_head] is written in place. A row that is full writes over its last
    place: its own affair, and that of no other row. Nothing here waits for the device, so this can be recorded.
    """
    n_rows, n_head, room, d_head = past.shape[2:]
    place = places.clamp(max=room - 1)
    rows = torch.arange(n_rows, device=past.device)
    unseen = torch.arange(room, device=past.device) > place[:, None]  # [R, room]
    mask = torch.zeros_like(unseen, dtype=past.dtype).masked_fill_(unseen, -torch.inf)[:, None, None]

    x = decoder.embed(tokens, decoder.positional_embedding[place])  # f32[R, n_text_state]
    for layer, kept, heard in zip(decoder.layers, past.unbind(0), cross, strict=True):
        assert layer.cross is not None
        qkv = layer.qkv(layer.attn_ln(x)).view(n_rows, 3, n_head, d_head)
        kept[:, rows, :, place] = qkv[:, 1:]
        attended = attend_few(qkv[:, 0].unsqueeze(2), kept[0], kept[1], mask)
        x += layer.out(attended.flatten(1))
        query = layer.cross.query(layer.cross.ln(x))
        x += layer.cross.out(attend_sound(query, heard))
        x += layer.mlp(x)
    return decoder.logits(x)
