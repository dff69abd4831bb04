"""`susurrus models`: the models that have a name, and which of them are on this machine. No network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .flags import read_bool
from .model_flags import add_place_flags
from .stdout import show_json
from .table import megabytes, print_table

if TYPE_CHECKING:
    from ..checkpoints import ModelEntry

SUMMARY = "list the models: sizes, languages, where they lie on this machine"
DESCRIPTION = "List the models that have a name. Nothing is fetched; any hub id or path of a Whisper model works too."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "--json", type=read_bool, default=False, metavar="True|False", help="print JSON (default: False)"
    )
    add_place_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Print the list; 0."""
    from ..checkpoints import MODELS

    folder = Path(args.model_dir).expanduser() if args.model_dir is not None else None
    rows = [describe(entry, folder) for entry in MODELS.values()]
    if args.json:
        show_json(rows, indent=2)
    else:
        _print(rows)
    return 0


def describe(entry: ModelEntry, folder: Path | None) -> dict[str, Any]:
    """Give what there is to know of a model without the network."""
    from ..checkpoints import ALIASES
    from ..checkpoints.inventory import download_bytes, n_parameters, places
    from ..errors import CheckpointError

    here, problem = [], None
    try:
        here = [
            {"kind": place.kind, "path": str(place.path), "bytes": place.n_bytes}
            for place in places(entry.name, folder)
        ]
    except (CheckpointError, OSError) as error:
        problem = error.message if isinstance(error, CheckpointError) else str(error)
    return {
        "name": entry.name,
        "aliases": [alias for alias, name in ALIASES.items() if name == entry.name],
        "hub_id": entry.hub_id,
        "parameters": n_parameters(entry),
        "download_bytes": download_bytes(entry),
        "languages": entry.n_languages,
        "places": here,
        "problem": problem,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    table = [("name", "parameters", "download", "languages", "here")]
    for row in rows:
        kinds = ", ".join(dict.fromkeys(place["kind"] for place in row["places"]))
        table.append(
            (
                ", ".join([row["name"], *row["aliases"]]),
                f"{row['parameters'] / 1e6:,.0f} M",
                megabytes(row["download_bytes"]) if row["download_bytes"] else "?",
                "English" if row["languages"] == 1 else str(row["languages"]),
                "damaged" if row["problem"] else kinds or "-",
            )
        )
    print_table(table, right=(1, 2, 3))
    print()
    for row in rows:
        for place in row["places"]:
            print(f"{row['name']}: {place['path']} ({megabytes(place['bytes'])})")
        if row["problem"]:
            print(f"{row['name']}: {row['problem']}")
    print("to fetch one: susurrus download NAME")
