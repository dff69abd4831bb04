"""What a user names to be transcribed: files, folders, patterns, lists, URLs, standard input.

Takes the words of a command line; gives an `Input` for each sound, which knows its name, where its outputs go and how
to open it. Nothing is opened here before it is asked for, and nothing is known of models and formats of output.
"""

from __future__ import annotations

import contextlib
import glob
import itertools
import logging
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urldefrag, urlsplit

from .cancel import Cancel
from .errors import OptionError
from .stems import Place, distinct_stems
from .types import Progress
from .urls import url_name, url_place

if TYPE_CHECKING:
    from .audio import Recording

logger = logging.getLogger(__name__)

_SUFFIXES = (
    ".3g2 .3gp .aac .ac3 .aif .aifc .aiff .amr .ape .asf .au .avi .awb .caf .dts .eac3 .flac .flv .gsm .m2ts .m4a .m4b "
    ".m4r .m4v .mid3 .mka .mkv .mov .mp1 .mp2 .mp3 .mp4 .mpa .mpeg .mpg .mts .mxf .oga .ogg .ogm .ogv .opus .ra .rm "
    ".rmvb .snd .spx .tak .tta .vob .voc .w64 .wav .wave .webm .wma .wmv .wv"
)
SUFFIXES = frozenset(_SUFFIXES.split())
"""What is taken for sound in folders; a file named by itself may be called anything."""

MAX_DOWNLOAD_MB = 4096
"""10 hours of video in good quality, 35 hours of CD sound compressed to flac."""

Kind = Literal["file", "url", "stdin"]
Downloaded = Callable[[int, "int | None"], object]

_MAGIC = re.compile(r"[*?[]")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


@dataclass(frozen=True)
class Input:
    """One sound to transcribe.

    `name` is for messages and has no password in it. `stem` is where its outputs go, relative to the output folder and
    without a format: no two inputs of a call have the same, and the same call gives the same again.
    """

    name: str
    stem: Path
    kind: Kind
    address: str = field(repr=False)  # may hold a password
    max_download_mb: float | None = MAX_DOWNLOAD_MB

    @property
    def is_url(self) -> bool:
        return self.kind == "url"

    def open(
        self,
        *,
        channel: int | None = None,
        cancel: Cancel | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        on_download: Downloaded | None = None,
    ) -> Recording:
        """Decode it: the mix of its channels, or the one of that number, counted from 1.

        `on_progress` gets the seconds decoded; `on_download` the bytes of a URL that have come and how many there will
        be, None where that is not known. Raises: AudioError, Cancelled.
        """
        from .audio import Recording

        with self._sound(cancel, on_download) as source:
            return Recording.open(source, name=self.name, channel=channel, cancel=cancel, on_progress=on_progress)

    def split(
        self,
        *,
        cancel: Cancel | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        on_download: Downloaded | None = None,
    ) -> list[Recording]:
        """Decode it once, to a recording of each channel; the rest is as in `open`."""
        from .audio import Recording

        with self._sound(cancel, on_download) as source:
            return Recording.split(source, name=self.name, cancel=cancel, on_progress=on_progress)

    def identity(self, *, cancel: Cancel | None = None) -> dict[str, Any] | None:
        """Give what stays the same as long as the sound does, ready for JSON; None where nothing tells.

        A file's size and time; of a URL, which is asked for it, what the server says of the version it would send.
        Raises: Cancelled.
        """
        if self.kind == "url":
            from .downloads import identity

            return identity(self.address, cancel=cancel)
        with contextlib.suppress(OSError, ValueError):
            found = os.stat(self.address)
            if self.kind == "file" and stat.S_ISREG(found.st_mode):
                return {"size": found.st_size, "mtime_ns": found.st_mtime_ns}
        return None

    @contextlib.contextmanager
    def _sound(self, cancel: Cancel | None, on_download: Downloaded | None) -> Iterator[Any]:
        if self.kind == "file":
            yield self.address
        elif self.kind == "stdin":
            yield sys.stdin.buffer
        else:
            from .downloads import download

            limit = None if self.max_download_mb is None else int(self.max_download_mb * 1_000_000)
            with download(self.address, max_bytes=limit, cancel=cancel, on_progress=on_download) as file:
                yield file


def find_inputs(
    arguments: Sequence[str],
    *,
    input_list: str | None = None,
    max_download_mb: float | None = MAX_DOWNLOAD_MB,
) -> list[Input]:
    """Give the inputs that the words of a command mean, in their order, each sound once.

    A word is a file, a folder (searched with all below it), a pattern such as `talks/**/*.mp3`, an http or https URL,
    `-` for standard input (a file of that name is `./-`), or `@list.txt`, which is read as `input_list` is: a word a
    line, relative to the list's folder. What exists under its literal name is that. A file that is missing is an input
    all the same, so that it fails alone. Raises: OptionError for what names nothing.
    """
    if max_download_mb is not None and not max_download_mb > 0:
        raise OptionError(f"max_download_mb={max_download_mb}: expected a number above 0, or None for no limit")
    found = [one for argument in arguments for one in _expand(argument, Path())]
    if input_list is not None:
        if input_list == "-" and "-" in arguments:
            raise OptionError("standard input cannot be both the list and a sound", hint="put the list into a file")
        found += _from_list(input_list)
    if not found:
        raise OptionError("nothing to transcribe", hint="name a file, a folder, a pattern in quotes, a URL, or -")

    first: dict[str, _Found] = {}
    for one in found:
        first.setdefault(one.key(), one)
    unique = list(first.values())
    # With one folder its own name says nothing; with several it is what tells their files apart.
    n_roots = len({os.path.abspath(one.root) for one in unique if one.root is not None})
    stems = distinct_stems([one.place(with_root=n_roots > 1) for one in unique])
    return [
        Input(one.name, stem, one.kind, one.address, max_download_mb) for one, stem in zip(unique, stems, strict=True)
    ]


@dataclass(frozen=True)
class _Found:
    """An input before it is known what the others are. `root` is the folder that was searched for it, if one was."""

    kind: Kind
    address: str
    name: str
    root: Path | None = None

    def key(self) -> str:
        """Give what is equal for two names of one sound."""
        if self.kind == "file":
            with contextlib.suppress(OSError, ValueError):
                return os.path.normcase(os.path.realpath(self.address))
        return self.address

    def place(self, *, with_root: bool) -> Place:
        if self.kind == "stdin":
            return Place(("stdin",))
        if self.kind == "url":
            return url_place(self.address)
        path = Path(os.path.abspath(self.address))
        n_parts = 1
        if self.root is not None and path.is_relative_to(root := os.path.abspath(self.root)):
            n_parts = len(path.relative_to(root).parts) + with_root
        folders = path.parts[1:-1]
        return Place((*folders, path.stem), min(n_parts, len(folders) + 1), path.suffix)


def _expand(argument: str, folder: Path) -> list[_Found]:
    """Give what one word means; paths are relative to `folder`."""
    if argument == "-":
        return [_Found("stdin", "-", "standard input")]
    path = str(folder / argument) if argument else ""
    if os.path.lexists(path):
        return _search(path) if os.path.isdir(path) else [_Found("file", path, path)]
    if scheme := _SCHEME.match(argument):
        return [_url(argument, scheme[1].lower())]
    if argument.startswith("@"):
        return _from_list(str(folder / argument[1:]))
    if _MAGIC.search(argument):
        return _match(argument, folder)
    if not argument:
        raise OptionError("an empty name: expected a file, a folder, a pattern or a URL")
    return [_Found("file", path, path)]


def _url(url: str, scheme: str) -> _Found:
    name = url_name(url)
    if scheme not in ("http", "https"):
        raise OptionError(f"{name}: expected http or https, not {scheme}", hint="fetch it first, then give the file")
    try:
        split = urlsplit(url)
        has_host = bool(split.hostname) and split.port != 0  # a port that is no number is a ValueError
    except ValueError:
        has_host = False
    if not has_host:
        # Not the name: what of it is a password cannot be told.
        raise OptionError(
            f"{scheme}://...: not a URL that can be read", hint="for example https://example.org/talk.mp3"
        )
    return _Found("url", urldefrag(url).url, name)


def _search(folder: str) -> list[_Found]:
    """Give the audio and video files in a folder and below, sorted; hidden ones and links to folders are left out."""

    def unreadable(error: OSError) -> None:
        logger.warning("%s: cannot be searched (%s)", error.filename, error.strerror)

    paths = []
    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [Path(parent, name) for name in names if _is_sound(name)]
    if not paths:
        raise OptionError(
            f"{folder}: no audio or video in this folder", hint="files are known by their suffix, such as .mp3 or .mp4"
        )
    return [_Found("file", str(path), str(path), Path(folder)) for path in sorted(paths)]


def _match(pattern: str, folder: Path) -> list[_Found]:
    """Give the files a pattern matches, sorted: all where it says the suffix, else the audio and video."""
    if os.path.isabs(pattern):
        folder = Path()
    says_suffix = not _MAGIC.search(os.path.splitext(pattern)[1] or "*")
    places = [folder / match for match in glob.glob(pattern, root_dir=folder, recursive=True)]
    paths = sorted(path for path in places if path.is_file() and (says_suffix or _is_sound(path.name)))
    if not paths:
        raise OptionError(f"{pattern}: no file matches this pattern", hint=f"it was looked for in {folder.absolute()}")
    literal = list(itertools.takewhile(lambda part: not _MAGIC.search(part), Path(pattern).parts))
    # With `talks/*.mp3` the files are as if they had been named one by one; `talks/*/a.mp3` searches a folder.
    is_search = len(literal) + 1 < len(Path(pattern).parts) or Path(pattern).name == "**"
    root = folder.joinpath(*literal) if is_search else None
    return [_Found("file", str(path), str(path), root) for path in paths]


def _is_sound(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def _from_list(path: str) -> list[_Found]:
    """Give what the lines of a list file mean; `-` is standard input, whose lines are relative to where we are."""
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OptionError(
            f"{path}: the list cannot be read ({reason})", hint=f"it was looked for from {os.getcwd()}"
        ) from None
    # What Windows' shell writes with `>`; anything else is taken as UTF-8, and other bytes as the file names they are.
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = data.decode(encoding, "replace" if encoding == "utf-16" else "surrogateescape")
    if "\0" in text:
        raise OptionError(f"{path}: not a list but a binary file", hint="a list is text: one file or URL a line")
    lines = [line.strip(" \t\r") for line in text.split("\n")]
    folder = Path() if path == "-" else Path(path).parent
    found = [one for line in lines if line and not line.startswith("#") for one in _expand_line(line, folder)]
    if not found:
        raise OptionError(f"{path}: the list names nothing", hint="one file or URL a line; # begins a comment")
    return found


def _expand_line(line: str, folder: Path) -> list[_Found]:
    """Give what a line of a list means: a word as on the command line, but no further list and no standard input."""
    if line == "-" or line.startswith("@"):
        path = str(folder / line)
        return [_Found("file", path, path)]
    return _expand(line, folder)
