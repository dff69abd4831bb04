"""The Hugging Face hub: its cache on this machine first, the network only when it is asked for.

Takes a hub id; gives a folder. huggingface_hub is imported when it is needed: it takes 0.35 s.
It resumes interrupted downloads; the sums of what it fetched are checked here against those the hub states.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .huggingface import CONFIGS, WEIGHTS, is_complete
from .stored import Blob

log = logging.getLogger(__name__)

_SHARDS = {
    "model.safetensors.index.json": re.compile(r"model-\d+-of-\d+\.safetensors"),
    "pytorch_model.bin.index.json": re.compile(r"pytorch_model-\d+-of-\d+\.bin"),
}


def is_offline(offline: bool | None) -> bool:
    """Tell whether the network must not be touched: asked for, or HF_HUB_OFFLINE or SUSURRUS_OFFLINE is set."""
    names = ("HF_HUB_OFFLINE", "SUSURRUS_OFFLINE")
    return bool(offline) or any(os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in names)


def cache_folder() -> Path:
    """Give the folder of the hub's cache on this machine."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def cached_folder(repo_id: str, cache_dir: Path) -> Path | None:
    """Give the folder of a model that lies whole in a cache; None where it does not. No network."""
    # Not to import huggingface_hub's machinery for a model that is not there.
    if not (cache_dir / f"models--{repo_id.replace('/', '--')}").is_dir():
        return None
    import huggingface_hub

    try:
        # config.json alone: with other patterns huggingface_hub misses the forms of weights that nobody fetched.
        found = huggingface_hub.snapshot_download(
            repo_id, cache_dir=cache_dir, local_files_only=True, allow_patterns=[CONFIGS[0]]
        )
    except _hub_errors():
        return None
    folder = Path(found)
    return folder if (folder / "model.bin").is_file() or is_complete(folder) else None


def download(repo_id: str, cache_dir: Path | None = None, *, otherwise: str | None = None) -> Path:
    """Fetch a model's config and weights into a cache (None: the hub's own) and give their folder.

    `otherwise` is another way to get the model, for the hint of an error.

    Raises CheckpointError where there is no such model, no network, or what came is not what the hub has.
    """
    import huggingface_hub

    try:
        info = huggingface_hub.HfApi().model_info(repo_id, files_metadata=True)
        siblings = {sibling.rfilename: sibling for sibling in info.siblings or ()}
        files = choose_files(siblings, repo_id)
        log.info("fetching %s from the Hugging Face hub: %s", repo_id, ", ".join(files))
        folder = Path(huggingface_hub.snapshot_download(repo_id, cache_dir=cache_dir, allow_patterns=files))
    except _hub_errors() as error:
        raise _explain(repo_id, error, otherwise) from error
    for name in files:
        _verify(folder / name, siblings[name])
    return folder


def choose_files(names: Collection[str], repo_id: str) -> list[str]:
    """Choose what to fetch of a repository's files: the configs and one form of the weights, safetensors if there are.

    >>> choose_files(["README.md", "config.json", "model.safetensors", "pytorch_model.bin"], "me/mine")
    ['config.json', 'model.safetensors']
    """
    configs = [name for name in CONFIGS if name in names]
    for weights in (*WEIGHTS, "model.bin"):
        if weights in names:
            pattern = _SHARDS.get(weights)
            shards = sorted(name for name in names if pattern.fullmatch(name)) if pattern else []
            return [*configs, weights, *shards]
    held = ", ".join(sorted(names)[:20]) or "nothing"
    raise CheckpointError(
        f"{repo_id} on the Hugging Face hub holds no weights that are read, only {held}",
        hint=f"one of {', '.join(WEIGHTS)} or model.bin was expected",
    )


def _hub_errors() -> tuple[type[Exception], ...]:
    # The HTTP library differs between versions of huggingface_hub; its errors module has the right base class.
    from huggingface_hub import errors

    return OSError, ValueError, errors.HTTPError


def _explain(repo_id: str, error: Exception, otherwise: str | None) -> CheckpointError:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return CheckpointError(
            f"{repo_id} asks its users to accept terms first",
            hint="accept them on its page of the hub, then run: hf auth login",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return CheckpointError(
            f"the Hugging Face hub has no model {repo_id}, or not for you",
            hint="check the spelling; for a private model run: hf auth login",
        )
    cause = next(iter(str(error).strip().splitlines()), "")
    return CheckpointError(
        f"{repo_id} could not be fetched from the Hugging Face hub: {type(error).__name__}: {cause}",
        hint="check the network and the space on the disk, then run it again: it goes on where it stopped"
        + (f"; or without the hub: {otherwise}" if otherwise else ""),
    )


def _verify(path: Path, sibling: Any) -> None:
    """Compare a fetched file with the size and the SHA-256 that the hub states for large files; remove a wrong one."""
    expected = getattr(sibling.lfs, "sha256", None)
    blob = Blob([path])
    wrong = None
    if sibling.size not in (None, blob.size):
        wrong = f"{blob.size} bytes long, expected {sibling.size}"
    elif expected is not None and (found := blob.sha256()) != expected:
        wrong = f"of SHA-256 {found}, expected {expected}"
    if wrong is None:
        return
    with contextlib.suppress(OSError):
        # In the cache the name is a link to the data: both go, so that the next run fetches the file anew.
        path.resolve().unlink()
        path.unlink(missing_ok=True)
    raise CheckpointError(f"{path} came damaged: it is {wrong}", hint="it was removed; run it again to fetch it anew")
