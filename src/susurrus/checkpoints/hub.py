"""The Hugging Face hub: its cache on this machine first, the network only when it is asked for.

Takes a hub id; gives a folder. huggingface_hub is imported when it is needed: it takes 0.35 s.
Large files are fetched by `blobs`, the rest by huggingface_hub; their sums are checked against those the hub states.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import CheckpointError
from .blobs import fetch_blob
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


def download(
    repo_id: str,
    cache_dir: Path | None = None,
    *,
    otherwise: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Fetch a model's config and weights into a cache (None: the hub's own) and give their folder.

    An interrupted download goes on where it stopped; what comes damaged is fetched once more. `otherwise` is another
    way to get the model, for the hint of an error; `on_progress` gets the bytes that are here, and those of the whole.

    Raises CheckpointError where there is no such model, no network, or what came is not what the hub has.
    """
    import huggingface_hub

    def fetch() -> Path:
        checked = _fetch_large(info, [siblings[name] for name in files], cache_dir or cache_folder(), on_progress)
        with _no_bars():
            folder = Path(huggingface_hub.snapshot_download(repo_id, cache_dir=cache_dir, allow_patterns=files))
        for name in files:
            if name not in checked:
                _verify(folder / name, siblings[name])
        return folder

    try:
        info = huggingface_hub.HfApi().model_info(repo_id, files_metadata=True)
        siblings = {sibling.rfilename: sibling for sibling in info.siblings or ()}
        files = choose_files(siblings, repo_id)
        log.info("fetching %s from the Hugging Face hub: %s", repo_id, ", ".join(files))
        try:
            return fetch()
        except CheckpointError as damaged:
            log.warning("%s: it is fetched once more", damaged.message)
            return fetch()
    except _hub_errors() as error:
        raise _explain(repo_id, error, otherwise) from error


def check_cached(folder: Path) -> bool | None:
    """Compare a folder of the hub's cache with the sums its files are stored under, and remove those that are wrong.

    The cache names a file's data by its SHA-256 where it is large, by git's SHA-1 where it is small. None where there
    is nothing to compare with: on a system without links. No network.
    """
    is_whole = None
    for path in sorted(file for file in folder.rglob("*") if file.is_symlink() and file.is_file()):
        blob, sum_ = Blob([path]), path.resolve().name
        if len(sum_) == 64:
            is_right = blob.sha256() == sum_
        elif len(sum_) == 40:
            content = path.read_bytes()
            is_right = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == sum_
        else:
            continue
        is_whole = is_right and is_whole is not False
        if not is_right:
            _remove(path)
    return is_whole


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
    _remove(path)
    raise CheckpointError(f"{path} came damaged: it is {wrong}", hint="it was removed; run it again to fetch it anew")


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        # In the cache the name is a link to the data: both go, so that the next run fetches the file anew.
        path.resolve().unlink()
        path.unlink(missing_ok=True)


def _fetch_large(
    info: Any, siblings: Sequence[Any], cache: Path, on_progress: Callable[[int, int], None] | None
) -> set[str]:
    """Fetch the large files to where huggingface_hub looks for them, which then only links to them; name them."""
    import huggingface_hub

    large = [one for one in siblings if getattr(one.lfs, "sha256", None) and one.size is not None]
    blobs = cache / f"models--{info.id.replace('/', '--')}" / "blobs"
    total, done = sum(one.size for one in large), 0
    fetched = set()
    for one in large:
        target = blobs / one.lfs.sha256
        if not target.exists():
            url = huggingface_hub.hf_hub_url(info.id, one.rfilename, revision=info.sha)
            fetch_blob(
                lambda url=url: _locate(url),  # type: ignore[misc]
                target,
                size=one.size,
                sha256=one.lfs.sha256,
                on_progress=on_progress and (lambda here, before=done: on_progress(before + here, total)),  # type: ignore[misc]
            )
            fetched.add(one.rfilename)
        done += one.size
    return fetched


def _locate(url: str) -> tuple[str, dict[str, str]]:
    """Ask the hub where a file lies: an address that is signed for an hour or so, and the headers to send there."""
    import huggingface_hub
    from huggingface_hub.utils import build_hf_headers

    location = huggingface_hub.get_hf_file_metadata(url).location
    # Another host must not get the user's token, and does not need it.
    return location, build_hf_headers() if urlsplit(location).netloc == urlsplit(url).netloc else {}


@contextlib.contextmanager
def _no_bars() -> Iterator[None]:
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    was_quiet = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not was_quiet:
            enable_progress_bars()
