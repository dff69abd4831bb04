"""Hugging Face's format: a folder with config.json and safetensors or pytorch_model.bin, in one file or in shards.

A bare `.safetensors` file is read too; its sizes come from its shapes and from a config.json beside it.
Source: transformers, modeling_whisper.py and configuration_whisper.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .openai import named_tensors
from .safetensors_file import is_safetensors, read_safetensors
from .source import Contents, Source, heads_or_none, ids_or_none, int_or_none, read_json
from .stored import RELOAD, StoredTensor, float_entry
from .torch_zip import ZIP_MAGIC, read_torch_zip, refuse_legacy
from .weight_names import from_huggingface

CONFIGS = ("config.json", "generation_config.json")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""Where the weights may lie, best first: safetensors cannot hold code."""

_SIZES = {
    "num_mel_bins": "n_mels",
    "max_source_positions": "n_audio_ctx",
    "encoder_attention_heads": "n_audio_head",
    "encoder_layers": "n_audio_layer",
    "vocab_size": "n_vocab",
    "max_target_positions": "n_text_ctx",
    "decoder_attention_heads": "n_text_head",
    "decoder_layers": "n_text_layer",
}


def matches(source: Source) -> bool:
    """Tell whether the path is such a folder, or a safetensors file."""
    if source.path.is_dir():
        return any((source.path / name).is_file() for name in WEIGHTS)
    return is_safetensors(source.path)


def read(source: Source) -> Contents:
    """Read config and weights. Raises CheckpointError where it is not a Whisper, or broken."""
    path = _weights(source.path)
    configs = [path.parent / name for name in CONFIGS]
    config, generation = (read_json(file) if file.is_file() else {} for file in configs)
    tensors = _read_sharded(path) if path.suffix == ".json" else _read_file(path)
    entries = {}
    for name, tensor in tensors.items():
        # A file may hold OpenAI's names already; a name in neither column, or a second one for the same weight, stays
        # as it is and is reported as extra.
        ours = from_huggingface(name) or name
        entries[name if ours in entries else ours] = float_entry(name, tensor)
    return Contents(
        str(source.path),
        entries,
        _sizes(config, str(configs[0])),
        heads_or_none(generation.get("alignment_heads"), str(configs[1])),
        ids_or_none(generation.get("suppress_tokens") or config.get("suppress_tokens"), str(path.parent)),
    )


def is_complete(folder: Path) -> bool:
    """Tell whether a folder holds all files of one of the forms of weights: a download may have been interrupted."""
    for name in WEIGHTS:
        if (folder / name).is_file():
            shards = _weight_map(folder / name).values() if name.endswith(".json") else ()
            if all((folder / file).is_file() for file in shards):
                return True
    return False


def _weights(path: Path) -> Path:
    """Give the weights file or index: the best one of a folder, a file itself."""
    return next((path / name for name in WEIGHTS if (path / name).is_file()), path)


def _sizes(config: dict[str, Any], where: str) -> dict[str, int]:
    model_type = config.get("model_type", "whisper")
    if model_type != "whisper":
        raise CheckpointError(f"{where} describes a {model_type!r} model, expected 'whisper'")
    sizes = {ours: size for key, ours in _SIZES.items() if (size := int_or_none(config, key, where)) is not None}
    n_state = int_or_none(config, "d_model", where)
    return sizes if n_state is None else {**sizes, "n_audio_state": n_state, "n_text_state": n_state}


def _read_file(path: Path) -> dict[str, StoredTensor]:
    with path.open("rb") as file:
        head = file.read(4)
    if path.suffix == ".safetensors" or is_safetensors(path):
        return read_safetensors(path)
    if head != ZIP_MAGIC:
        raise (
            refuse_legacy(path)
            if head[:1] == b"\x80"
            else CheckpointError(f"{path} starts with {head!r}, expected a file that PyTorch wrote", hint=RELOAD)
        )
    return named_tensors(read_torch_zip(path), path)


def _read_sharded(index: Path) -> dict[str, StoredTensor]:
    weight_map = _weight_map(index)
    missing = [file for file in sorted(set(weight_map.values())) if not (index.parent / file).is_file()]
    if missing:
        raise CheckpointError(f"{index.parent} lacks {', '.join(missing)}, which {index.name} names", hint=RELOAD)
    shards = {file: _read_file(index.parent / file) for file in sorted(set(weight_map.values()))}
    return {name: shards[file][name] for name, file in weight_map.items() if name in shards[file]}


def _weight_map(index: Path) -> dict[str, str]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(file, str) for file in weight_map.values()):
        raise CheckpointError(f"{index} has no weight_map of names to files", hint=RELOAD)
    _check_names(sorted(set(weight_map.values())), index)
    return weight_map


def _check_names(files: Iterable[str], index: Path) -> None:
    # An index comes from the net: it may name files of its own folder, and no others.
    bad = [file for file in files if file in ("", ".", "..") or any(c in file for c in "/\\:\0")]
    if bad:
        raise CheckpointError(f"{index} names files outside its folder: {', '.join(map(repr, bad[:20]))}")
