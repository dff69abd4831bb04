"""The flags that say which model runs, and on what: the same for every command that loads one."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from ..errors import OptionError
from .flags import optional, read_bool

if TYPE_CHECKING:
    from ..transcribe import Model

DTYPES = ("auto", "float32", "bfloat16", "float16")

logger = logging.getLogger(__name__)


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a model to a command."""
    model = parser.add_argument_group("model")
    model.add_argument("--model", default="turbo", help="name, hub id or path of the model (default: turbo)")
    add_place_flags(model)
    model.add_argument("--backend", default="auto", help="auto, torch or numpy (default: auto)")
    model.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps, xpu (default: auto)")
    model.add_argument("--dtype", default=None, choices=DTYPES, help="precision (default: what suits the device)")
    model.add_argument("--fp16", type=optional(read_bool), metavar="True|False", help="float16, or else float32")
    model.add_argument("--threads", type=optional(int), default=0, metavar="N", help="CPU threads (default: all)")
    model.add_argument("--offline", type=read_bool, default=None, metavar="True|False", help="never use the network")


def add_place_flags(parser: argparse._ActionsContainer) -> None:
    """Add the flag that says where models are kept."""
    parser.add_argument("--model_dir", help="folder to keep downloaded models in, and to look for them first")


def load_model(args: argparse.Namespace) -> Model:
    """Load the model that the flags name."""
    from ..transcribe import load
    from .download_bar import download_bar

    with download_bar(args.model) as show:
        return load(
            args.model,
            backend=args.backend,
            device=args.device,
            dtype=dtype(args),
            model_dir=args.model_dir,
            offline=args.offline,
            threads=args.threads or 0,
            on_download=None if getattr(args, "verbose", True) is None else show,
        )


def dtype(args: argparse.Namespace) -> str:
    """Give the precision that --dtype or whisper's --fp16 ask for."""
    if args.fp16 is None:
        return args.dtype or "auto"
    if args.dtype is not None:
        raise OptionError("--fp16 and --dtype both name a precision", hint="leave --fp16 out")
    if args.fp16 and _device(args) == "cpu":
        logger.warning("float16 is slow on a CPU: float32 is used instead")
        return "float32"
    return "float16" if args.fp16 else "float32"


def _device(args: argparse.Namespace) -> str:
    """Give the device of the flags; of `auto`, the one that the backend will take."""
    if args.device != "auto":
        return str(args.device)
    from ..backends import PREFERENCE, availability

    names = PREFERENCE if args.backend == "auto" else (args.backend,)
    return next((device for name in names for device in availability(name).devices), "cpu")
