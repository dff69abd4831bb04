"""OpenAI's format: one `.pt` file with `dims` and `model_state_dict`. Its names are the canonical ones."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from ..types import ModelDimensions
from .source import Contents, Source, int_or_none
from .stored import StoredTensor, float_entry
from .torch_zip import ZIP_MAGIC, is_legacy, read_torch_zip, refuse_legacy


def matches(source: Source) -> bool:
    """Tell whether the path is a file that PyTorch wrote, or a folder with just one such `.pt`."""
    return _file(source.path) is not None


def read(source: Source) -> Contents:
    """Read sizes and weights. Raises CheckpointError where the file is not OpenAI's, or broken."""
    path = _file(source.path) or source.path
    with path.open("rb") as file:
        head = file.read(4)
    if is_legacy(head):
        raise refuse_legacy(path)
    saved = read_torch_zip(path)
    if not isinstance(saved, dict) or not {"dims", "model_state_dict"} <= saved.keys():
        keys = f"the keys {sorted(map(str, saved))[:5]}" if isinstance(saved, dict) else f"a {type(saved).__name__}"
        raise CheckpointError(
            f"{path} holds {keys}, expected `dims` and `model_state_dict`",
            hint="weights of Hugging Face need their folder with config.json: give the folder",
        )
    dims = saved["dims"]
    if not isinstance(dims, dict):
        raise CheckpointError(f"{path}: dims is a {type(dims).__name__}, expected a dict")
    names = [field.name for field in fields(ModelDimensions)]
    sizes = {name: size for name in names if (size := int_or_none(dims, name, f"{path}: dims")) is not None}
    tensors = named_tensors(saved["model_state_dict"], path)
    return Contents(str(path), {name: float_entry(name, tensor) for name, tensor in tensors.items()}, sizes)


def named_tensors(state: Any, path: Path) -> dict[str, StoredTensor]:
    """Give a state dict as names and tensors. Raises CheckpointError where it holds anything else."""
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds a {type(state).__name__} where the weights should be")
    strange = [
        name for name, tensor in state.items() if not (isinstance(name, str) and isinstance(tensor, StoredTensor))
    ]
    if strange:
        raise CheckpointError(f"{path}: not a tensor: {', '.join(map(str, strange[:20]))}")
    return state


def _file(path: Path) -> Path | None:
    if path.is_dir():
        files = [file for file in sorted(path.glob("*.pt")) if _is_torch(file)]
        return files[0] if len(files) == 1 else None
    return path if _is_torch(path) else None


def _is_torch(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4)
    return head == ZIP_MAGIC or is_legacy(head)
