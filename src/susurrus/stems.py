"""Where the outputs of several inputs go, so that none overwrites another's.

Takes the places inputs come from; gives paths without a format. It looks at no disk.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Devices on Windows, with any suffix. Source: Microsoft, Naming Files, Paths, and Namespaces.
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)

# File systems allow 255 bytes; the format, a temporary file's name and a mark must fit behind.
_MOST_BYTES = 180


@dataclass(frozen=True)
class Place:
    """Where an input comes from: folders and name (without `suffix`); its stem has at least the last `n_parts` of it.

    `mark` tells apart what has the same folders and name: a URL's query.
    """

    parts: tuple[str, ...]
    n_parts: int = 1
    suffix: str = ""
    mark: str = ""

    def stems(self) -> Iterator[tuple[str, ...]]:
        """Give what it may be called, shortest first: with its suffix, then with a folder more, and so on."""
        for n in range(self.n_parts, len(self.parts) + 1):
            parts = self.parts[-n:]
            yield parts
            if self.suffix:
                yield (*parts[:-1], parts[-1] + self.suffix)
        text = "/".join(self.parts) + self.suffix + self.mark
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        yield (*self.parts[-self.n_parts : -1], f"{self.parts[-1]}{self.suffix}-{digest}")


def distinct_stems(places: Sequence[Place]) -> list[Path]:
    """Give each place its stem, no two the same, not even where upper and lower case are one.

    Each has the shortest name that no other wants; the order of the places does not matter.

    >>> places = [Place(("a", "x"), 1, ".mp3"), Place(("b", "x"), 1, ".mp3"), Place(("y",), 1, ".wav")]
    >>> [stem.as_posix() for stem in distinct_stems([*places, Place(("y",), 1, ".mp4"), Place(("c", "z"), 2, ".mp3")])]
    ['a/x', 'b/x', 'y.wav', 'y.mp4', 'c/z']
    """
    candidates = [list(place.stems()) for place in places]
    level = [0] * len(places)
    moved = True
    while moved:
        moved = False
        groups = defaultdict(list)
        for i, (stems, n) in enumerate(zip(candidates, level, strict=True)):
            groups[_folded(stems[n])].append(i)
        for group in groups.values():
            if len(group) > 1:
                # The last name of each has a number nobody can read: it is for those that nothing else tells apart.
                readable = [i for i in group if level[i] + 2 < len(candidates[i])]
                for i in readable or [i for i in group if level[i] + 1 < len(candidates[i])]:
                    level[i] += 1
                    moved = True
    return [Path(*stems[n]) for stems, n in zip(candidates, level, strict=True)]


def _folded(parts: tuple[str, ...]) -> str:
    """Give what is equal for paths that are one on some file system: case and the form of accents do not count."""
    return unicodedata.normalize("NFC", "/".join(parts).casefold())


def safe_name(text: str) -> str:
    """Make a name from elsewhere one that every file system takes and that leads to no other folder.

    >>> safe_name("../a:b\\n?"), safe_name("con.mp3"), safe_name(". ")
    ('_a_b__', '_con.mp3', '_')
    """
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\ud800-\udfff]', "_", unicodedata.normalize("NFC", text))
    name = name.encode()[:_MOST_BYTES].decode("utf-8", "ignore").strip(". ")
    return f"_{name}" if _RESERVED.fullmatch(name) else name or "_"
