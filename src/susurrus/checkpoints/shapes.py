"""What a Whisper of given sizes is made of, and whether a checkpoint is made of just that.

Takes names and shapes; reads no file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from ..errors import CheckpointError
from ..types import Array, ModelDimensions
from .weight_names import ENCODER_POSITIONS

Shape = tuple[int, ...]

_LISTED = 20
"""How many names of each kind an error lists: enough for a layer, too few to flood a terminal."""

_LIMITS = {
    "n_mels": 1024,
    "n_audio_ctx": 1 << 16,
    "n_text_ctx": 1 << 16,
    "n_audio_state": 1 << 14,
    "n_text_state": 1 << 14,
    "n_audio_head": 1 << 10,
    "n_text_head": 1 << 10,
    "n_audio_layer": 256,
    "n_text_layer": 256,
    "n_vocab": 1 << 20,
}
"""Far above any Whisper (large: 1280 states, 32 layers, 51866 tokens): beyond them a file lies or is broken."""


def expected_shapes(dims: ModelDimensions) -> dict[str, Shape]:
    """Give every weight of a Whisper of these sizes: canonical name -> shape.

    Source: openai/whisper, model.py. Key projections have no bias; the output projection is the token embedding.
    """
    shapes: dict[str, Shape] = {
        ENCODER_POSITIONS: (dims.n_audio_ctx, dims.n_audio_state),
        "encoder.conv1.weight": (dims.n_audio_state, dims.n_mels, 3),
        "encoder.conv1.bias": (dims.n_audio_state,),
        "encoder.conv2.weight": (dims.n_audio_state, dims.n_audio_state, 3),
        "encoder.conv2.bias": (dims.n_audio_state,),
    }
    for i in range(dims.n_audio_layer):
        shapes |= _block(f"encoder.blocks.{i}", dims.n_audio_state, has_cross=False)
    shapes |= _affine("encoder.ln_post", (dims.n_audio_state,))
    shapes["decoder.positional_embedding"] = (dims.n_text_ctx, dims.n_text_state)
    shapes["decoder.token_embedding.weight"] = (dims.n_vocab, dims.n_text_state)
    for i in range(dims.n_text_layer):
        shapes |= _block(f"decoder.blocks.{i}", dims.n_text_state, has_cross=True)
    return shapes | _affine("decoder.ln", (dims.n_text_state,))


def _affine(name: str, weight: Shape) -> dict[str, Shape]:
    return {f"{name}.weight": weight, f"{name}.bias": weight[:1]}


def _block(prefix: str, n_state: int, *, has_cross: bool) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    for attn in ("attn", "cross_attn") if has_cross else ("attn",):
        shapes |= _affine(f"{prefix}.{attn}.query", (n_state, n_state))
        shapes[f"{prefix}.{attn}.key.weight"] = (n_state, n_state)
        shapes |= _affine(f"{prefix}.{attn}.value", (n_state, n_state))
        shapes |= _affine(f"{prefix}.{attn}.out", (n_state, n_state))
        shapes |= _affine(f"{prefix}.{attn}_ln", (n_state,))
    shapes |= _affine(f"{prefix}.mlp.0", (4 * n_state, n_state))
    shapes |= _affine(f"{prefix}.mlp.2", (n_state, 4 * n_state))
    return shapes | _affine(f"{prefix}.mlp_ln", (n_state,))


def dims_from(shapes: Mapping[str, Shape], known: Mapping[str, int], where: str) -> ModelDimensions:
    """Find the sizes: those in `known` (a config's) first, the others from the shapes of the weights.

    Heads cannot be seen in shapes; every Whisper has 64 states a head. Raises CheckpointError where a size is in
    neither, or is absurd.
    """
    sizes = {**_sizes_from_shapes(shapes), **known}
    for side in ("audio", "text"):
        if f"n_{side}_state" in sizes:
            sizes.setdefault(f"n_{side}_head", max(sizes[f"n_{side}_state"] // 64, 1))
    names = [field.name for field in fields(ModelDimensions)]
    unknown = [name for name in names if name not in sizes]
    if unknown:
        raise CheckpointError(
            f"{where}: the sizes {', '.join(unknown)} are neither stated nor seen in its weights",
            hint="this is not a whole Whisper model; a folder needs its config.json",
        )
    dims = ModelDimensions(**{name: sizes[name] for name in names})
    _check_dims(dims, where)
    return dims


def _sizes_from_shapes(shapes: Mapping[str, Shape]) -> dict[str, int]:
    sizes = {"n_audio_ctx": 1500, "n_text_ctx": 448}  # every Whisper's; the weights overrule
    for name, rank, axes in (
        ("encoder.conv1.weight", 3, ("n_audio_state", "n_mels")),
        (ENCODER_POSITIONS, 2, ("n_audio_ctx",)),
        ("decoder.positional_embedding", 2, ("n_text_ctx",)),
        ("decoder.token_embedding.weight", 2, ("n_vocab", "n_text_state")),
    ):
        if len(shapes.get(name, ())) == rank:
            sizes |= dict(zip(axes, shapes[name], strict=False))
    for side, size in (("encoder", "n_audio_layer"), ("decoder", "n_text_layer")):
        layers = [int(m[1]) for name in shapes if (m := re.match(rf"{side}\.blocks\.(\d{{1,9}})\.", name))]
        if layers:
            sizes[size] = 1 + max(layers)
    return sizes


def _check_dims(dims: ModelDimensions, where: str) -> None:
    problems = [
        f"{name} = {getattr(dims, name)!r} (expected 1 to {limit})"
        for name, limit in _LIMITS.items()
        if type(getattr(dims, name)) is not int or not 1 <= getattr(dims, name) <= limit
    ]
    if not problems:
        if dims.n_audio_state != dims.n_text_state:
            problems.append(f"n_audio_state {dims.n_audio_state} and n_text_state {dims.n_text_state} are not equal")
        for side, n_state, n_head in (
            ("audio", dims.n_audio_state, dims.n_audio_head),
            ("text", dims.n_text_state, dims.n_text_head),
        ):
            if n_state % n_head:
                problems.append(f"n_{side}_state {n_state} is not a multiple of n_{side}_head {n_head}")
    if problems:
        raise CheckpointError(
            f"{where}: the sizes are not a Whisper model's: {'; '.join(problems)}",
            hint="look at config.json or `dims` of the checkpoint",
        )


def check_shapes(shapes: Mapping[str, Shape], dims: ModelDimensions, where: str) -> None:
    """Compare with `expected_shapes(dims)`. Raises one CheckpointError that lists all that is wrong."""
    expected = expected_shapes(dims)
    missing = [name for name in expected if name not in shapes]
    extra = [name for name in shapes if name not in expected]
    misshaped = [
        f"{name} {list(shapes[name])}, expected {list(shape)}"
        for name, shape in expected.items()
        if name in shapes and tuple(shapes[name]) != shape
    ]
    found = (("missing", missing), ("not Whisper's", extra), ("of another shape", misshaped))
    if not (missing or extra or misshaped):
        return
    lines = [f"{where} does not fit a Whisper model of these sizes: {dims}"]
    for label, names in found:
        if names:
            lines += [f"{len(names)} {label}:", *(f"  {name}" for name in names[:_LISTED])]
            if len(names) > _LISTED:
                lines.append(f"  ... and {len(names) - _LISTED} more")
    raise CheckpointError("\n".join(lines), hint="the checkpoint is incomplete, or its config is another model's")


def sinusoids(n_ctx: int, n_state: int) -> Array:
    """Give the encoder's positions f32[n_ctx, n_state]: sines, then cosines, of wavelengths from 2 pi to 20000 pi.

    Source: openai/whisper, model.py, `sinusoids`.
    """
    # One pair of states has one wavelength only, and no step between wavelengths.
    step = np.log(10000.0) / max(n_state // 2 - 1, 1)
    angles = np.arange(n_ctx)[:, None] * np.exp(-step * np.arange(n_state // 2))[None, :]  # [n_ctx, n_state / 2]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)
