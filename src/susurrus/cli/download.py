"""`susurrus download`: models to this machine, whole and checked. An interrupted download goes on where it stopped."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .download_bar import download_bar
from .flags import read_bool
from .model_flags import add_place_flags
from .table import megabytes

if TYPE_CHECKING:
    from ..checkpoints.inventory import Fetched

SUMMARY = "fetch models, and check those that are here"
DESCRIPTION = (
    "Fetch models from the Hugging Face hub. What is here already is compared with the sums its publisher gives; a "
    "damaged download is fetched again, an interrupted one goes on where it stopped."
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("name", nargs="+", help="names (susurrus models lists them) or hub ids")
    add_place_flags(parser)
    parser.add_argument(
        "--offline", type=read_bool, metavar="True|False", help="never use the network: only check what is here"
    )


def run(args: argparse.Namespace) -> int:
    """Fetch each; 0 when all are here and right, 1 when one is not."""
    from ..checkpoints.inventory import fetch
    from ..errors import CheckpointError

    folder = Path(args.model_dir).expanduser() if args.model_dir is not None else None
    failed = []
    try:
        for name in args.name:
            try:
                with download_bar(name) as show:
                    fetched = fetch(name, cache_dir=folder, offline=args.offline, on_progress=show)
            except (CheckpointError, OSError) as error:
                print(f"{name}: {error}", file=sys.stderr)
                failed.append(name)
                continue
            print(_told(fetched), flush=True)
    except KeyboardInterrupt:
        print("susurrus: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    if failed and len(args.name) > 1:
        print(f"{len(args.name) - len(failed)} of {len(args.name)} are here; not: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _told(fetched: Fetched) -> str:
    what = "already here" if fetched.was_here else "fetched"
    checked = f"agrees with {fetched.checked}" if fetched.checked else "nothing to check it with"
    return f"{fetched.name}: {what}, {checked}: {fetched.place.path} ({megabytes(fetched.place.n_bytes)})"
