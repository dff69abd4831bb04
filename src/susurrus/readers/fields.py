"""What JSON may hold, checked as it is taken: a value of the wrong kind is a TranscriptError that names its place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import OptionError, TranscriptError
from ..languages import language_code

UNKNOWN_LANGUAGE = "und"
"""ISO 639's code for what nobody determined."""

_LONGEST = 1e7  # seconds, 115 days: what is more is no time


class Fields:
    """An object of a file, with its place in it."""

    def __init__(self, values: Mapping[str, Any], place: str) -> None:
        self._values = values
        self._place = place

    def list_of(self, key: str) -> Iterator[Fields]:
        """Give the objects of a list; none where it is absent. Raises: TranscriptError."""
        values = self._values.get(key)
        if values is None:
            return
        if not isinstance(values, list):
            raise self._wrong(key, "a list")
        for i, value in enumerate(values):
            if not isinstance(value, Mapping):
                raise self._wrong(f"{key}[{i}]", "an object", value)
            yield Fields(value, f"{self._place}: {key}[{i}]")

    def has(self, key: str) -> bool:
        """Say whether there is a value, null not being one."""
        return self._values.get(key) is not None

    def inner(self, key: str) -> Fields:
        """Give the object under a key, an empty one where there is none."""
        value = self._values.get(key)
        return Fields(value if isinstance(value, Mapping) else {}, f"{self._place}: {key}")

    def text(self, *keys: str) -> str:
        """Give the text under the first of the keys that is there. Raises: TranscriptError when none is a text."""
        for key in keys:
            if self.has(key):
                value = self._values[key]
                if not isinstance(value, str):
                    raise self._wrong(key, "a text")
                return whole_characters(value)
        raise TranscriptError(f"{self._place}: no {' or '.join(keys)} in it")

    def time(self, key: str) -> float | None:
        """Give seconds, None where absent or not a number (whisperX writes NaN). Raises: TranscriptError."""
        return self.as_time(self._values.get(key), key)

    def as_time(self, value: Any, key: str) -> float | None:
        """Check a time that was found under a key. One before the start is the start."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        if not isinstance(value, (int, float)) or isinstance(value, bool) or abs(value) > _LONGEST:
            raise self._wrong(key, "seconds", value)
        return max(float(value), 0.0)

    def pair(self, key: str) -> tuple[Any, Any]:
        """Give a list of two. Raises: TranscriptError."""
        value = self._values.get(key)
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise self._wrong(key, "a list of two")
        return value[0], value[1]

    def number(self, key: str, neutral: float) -> float:
        """Give a finite number, the neutral one where there is none."""
        value = self._values.get(key)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return float(value) if is_number and abs(value) < 1e300 else neutral  # type: ignore[arg-type]

    def whole(self, key: str, neutral: int) -> int:
        """Give a whole number, the neutral one where there is none."""
        value = self._values.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else neutral

    def ids(self, key: str) -> tuple[int, ...]:
        """Give token ids; none unless all are whole numbers."""
        values = self._values.get(key)
        if not isinstance(values, list) or not all(type(value) is int for value in values):
            return ()
        return tuple(values)

    def label(self, key: str) -> str | None:
        """Give a name or number as text, None where there is none."""
        value = self._values.get(key)
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            return None
        return whole_characters(str(value)).strip() or None

    def language(self, key: str) -> str | None:
        """Give a language's code; what Whisper does not know stays as it is."""
        name = self.label(key)
        if name is None:
            return None
        try:
            return language_code(name)
        except OptionError:
            return name

    def _wrong(self, key: str, expected: str, value: Any = ...) -> TranscriptError:
        got = repr(self._values.get(key) if value is ... else value)
        got = got if len(got) <= 60 else got[:57] + "..."
        return TranscriptError(f"{self._place}: {key}: expected {expected}, got {got}")


def whole_characters(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can hold and no file can."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
