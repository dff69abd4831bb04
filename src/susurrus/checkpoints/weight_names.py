"""One table of what every format calls each weight, read both ways.

The columns: OpenAI's name (the canonical one), Hugging Face's, CTranslate2's. CTranslate2 lays query, key and value
into one matrix, so its column says which part of how many a weight is.
Source: the state dicts of openai/whisper (model.py), transformers (modeling_whisper.py), CTranslate2
(specs/whisper_spec.py); checked weight by weight on tiny.en and base in all three formats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PROJECTION = "proj_out.weight"
"""The output projection of formats that store one. OpenAI's has none: it is the token embedding."""

ENCODER_POSITIONS = "encoder.positional_embedding"


@dataclass(frozen=True)
class _Row:
    openai: str
    huggingface: str
    ctranslate2: str
    part: int = 0
    n_parts: int = 1


_LAYER = (
    _Row("attn.query", "self_attn.q_proj", "self_attention/linear_0", 0, 3),
    _Row("attn.key", "self_attn.k_proj", "self_attention/linear_0", 1, 3),
    _Row("attn.value", "self_attn.v_proj", "self_attention/linear_0", 2, 3),
    _Row("attn.out", "self_attn.out_proj", "self_attention/linear_1"),
    _Row("attn_ln", "self_attn_layer_norm", "self_attention/layer_norm"),
    _Row("cross_attn.query", "encoder_attn.q_proj", "attention/linear_0"),
    _Row("cross_attn.key", "encoder_attn.k_proj", "attention/linear_1", 0, 2),
    _Row("cross_attn.value", "encoder_attn.v_proj", "attention/linear_1", 1, 2),
    _Row("cross_attn.out", "encoder_attn.out_proj", "attention/linear_2"),
    _Row("cross_attn_ln", "encoder_attn_layer_norm", "attention/layer_norm"),
    _Row("mlp.0", "fc1", "ffn/linear_0"),
    _Row("mlp.2", "fc2", "ffn/linear_1"),
    _Row("mlp_ln", "final_layer_norm", "ffn/layer_norm"),
)
_OUTER = (
    _Row("encoder.conv1", "encoder.conv1", "encoder/conv1"),
    _Row("encoder.conv2", "encoder.conv2", "encoder/conv2"),
    _Row("encoder.ln_post", "encoder.layer_norm", "encoder/layer_norm"),
    _Row("decoder.token_embedding", "decoder.embed_tokens", "decoder/embeddings"),
    _Row("decoder.ln", "decoder.layer_norm", "decoder/layer_norm"),
    _Row("proj_out", "proj_out", "decoder/projection"),
)
_POSITIONS = (
    _Row(ENCODER_POSITIONS, "encoder.embed_positions.weight", "encoder/position_encodings/encodings"),
    _Row("decoder.positional_embedding", "decoder.embed_positions.weight", "decoder/position_encodings/encodings"),
)
_LEAF_TO_CTRANSLATE2 = {("ln", "weight"): "gamma", ("ln", "bias"): "beta"}


@dataclass(frozen=True)
class Place:
    """Where a weight lies in a CTranslate2 file: part `part` of `n_parts` equal groups of rows of a variable."""

    variable: str
    part: int
    n_parts: int


def to_huggingface(name: str) -> str | None:
    """Give Hugging Face's name of a canonical one, without the `model.` before it; None for a name not in the table.

    >>> to_huggingface("decoder.blocks.3.cross_attn.key.weight")
    'decoder.layers.3.encoder_attn.k_proj.weight'
    """
    return _TO_HUGGINGFACE(name)


def from_huggingface(name: str) -> str | None:
    """Give the canonical name of Hugging Face's, with or without the `model.` before it; None if it has none.

    >>> from_huggingface("model.decoder.layers.3.fc1.bias")
    'decoder.blocks.3.mlp.0.bias'
    """
    return _FROM_HUGGINGFACE(name.removeprefix("model."))


def to_ctranslate2(name: str) -> Place | None:
    """Give the place of a canonical name in a CTranslate2 file; None for a name not in the table.

    >>> to_ctranslate2("encoder.blocks.0.attn.value.bias")
    Place(variable='encoder/layer_0/self_attention/linear_0/bias', part=2, n_parts=3)
    """
    for row in _POSITIONS:
        if name == row.openai:
            return Place(row.ctranslate2, 0, 1)
    module, _, leaf = name.rpartition(".")
    layer = re.fullmatch(r"(encoder|decoder)\.blocks\.(\d+)\.(.+)", module)
    rows, key, prefix = (_LAYER, layer[3], f"{layer[1]}/layer_{layer[2]}/") if layer else (_OUTER, module, "")
    for row in rows:
        if row.openai == key and leaf in ("weight", "bias"):
            return Place(f"{prefix}{row.ctranslate2}/{_ctranslate2_leaf(row, leaf)}", row.part, row.n_parts)
    return None


def from_ctranslate2(variable: str) -> list[tuple[str, Place]]:
    """Give the canonical names that lie in a CTranslate2 variable, in the order of their rows.

    >>> [name for name, _ in from_ctranslate2("decoder/layer_1/attention/linear_1/weight")]
    ['decoder.blocks.1.cross_attn.key.weight', 'decoder.blocks.1.cross_attn.value.weight']
    """
    for row in _POSITIONS:
        if variable == row.ctranslate2:
            return [(row.openai, Place(variable, 0, 1))]
    module, _, leaf = variable.rpartition("/")
    layer = re.fullmatch(r"(encoder|decoder)/layer_(\d+)/(.+)", module)
    rows, key, prefix = (_LAYER, layer[3], f"{layer[1]}.blocks.{layer[2]}.") if layer else (_OUTER, module, "")
    found = []
    for row in rows:
        for canonical_leaf in ("weight", "bias"):
            if row.ctranslate2 == key and _ctranslate2_leaf(row, canonical_leaf) == leaf:
                name = f"{prefix}{row.openai}.{canonical_leaf}"
                found.append((name, Place(variable, row.part, row.n_parts)))
    return found


def _ctranslate2_leaf(row: _Row, leaf: str) -> str:
    kind = "ln" if row.ctranslate2.endswith("layer_norm") else "linear"
    return _LEAF_TO_CTRANSLATE2.get((kind, leaf), leaf)


class _Renaming:
    """The table's OpenAI and Hugging Face columns, in one direction."""

    def __init__(self, *, to_huggingface: bool) -> None:
        def pair(row: _Row) -> tuple[str, str]:
            return (row.openai, row.huggingface) if to_huggingface else (row.huggingface, row.openai)

        self._whole = dict(map(pair, _POSITIONS))
        self._outer = dict(map(pair, _OUTER))
        self._layer = dict(map(pair, _LAYER))
        self._from, self._to = ("blocks", "layers") if to_huggingface else ("layers", "blocks")

    def __call__(self, name: str) -> str | None:
        if name in self._whole:
            return self._whole[name]
        module, _, leaf = name.rpartition(".")
        if leaf not in ("weight", "bias"):
            return None
        if module in self._outer:
            return f"{self._outer[module]}.{leaf}"
        layer = re.fullmatch(rf"(encoder|decoder)\.{self._from}\.(\d+)\.(.+)", module)
        if layer and layer[3] in self._layer:
            return f"{layer[1]}.{self._to}.{layer[2]}.{self._layer[layer[3]]}.{leaf}"
        return None


_TO_HUGGINGFACE = _Renaming(to_huggingface=True)
_FROM_HUGGINGFACE = _Renaming(to_huggingface=False)
