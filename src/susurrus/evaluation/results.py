"""Clips -> results: what a model heard in each, and how long it took.

Takes an open model and clips; gives `Result`s. It knows nothing of error rates.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Cancelled, OptionError, SusurrusError
from .manifest import Clip

if TYPE_CHECKING:
    from ..cancel import Cancel
    from ..transcribe import Model


@dataclass(frozen=True)
class Result:
    """What one system heard in a clip. `text` is None where it failed, and `error` says why.

    `segments` are openai-whisper's dicts. `duration` is the clip's, `seconds` what the work took, decoding of the file
    included; both are None where a stored result does not say. `is_detected` is False where the language was given.
    """

    id: str
    text: str | None
    language: str | None = None
    is_detected: bool = True
    segments: tuple[Mapping[str, Any], ...] = ()
    duration: float | None = None
    seconds: float | None = None
    error: str | None = None

    @property
    def words(self) -> list[Mapping[str, Any]]:
        """The timed words, where there are any."""
        return [word for segment in self.segments for word in segment.get("words") or ()]

    def to_dict(self) -> dict[str, Any]:
        """Give plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any], place: str = "result") -> Result:
        """Take plain data, this program's or another's: `id` and `text` are needed, unknown keys are passed over.

        Raises: OptionError where they are missing.
        """
        if not isinstance(row.get("id"), str) or not isinstance(row.get("text"), (str, type(None))):
            raise OptionError(f"{place}: expected an object with `id` and `text`")
        known = {name: row[name] for name in cls.__dataclass_fields__ if name in row}
        return cls(**{**known, "segments": tuple(row.get("segments") or ())})


def transcribe_clips(
    model: Model,
    clips: Iterable[Clip],
    folder: Path,
    options_of: Callable[[Clip], Mapping[str, Any]],
    cancel: Cancel | None = None,
) -> Iterator[Result]:
    """Transcribe the clips, whose paths begin at `folder`; one that is missing or broken is a result with `error`.

    Raises: Cancelled, when the caller asked to stop.
    """
    for clip in clips:
        options = options_of(clip)
        begin = time.perf_counter()
        try:
            transcript = model.transcribe(folder / clip.path, cancel=cancel, **options)
        except Cancelled:
            raise
        except (SusurrusError, OSError) as error:
            reason = error.message if isinstance(error, SusurrusError) else str(error)
            yield Result(clip.id, None, error=reason)
            continue
        yield Result(
            clip.id,
            transcript.text,
            transcript.language,
            model.is_multilingual and options.get("language") is None,
            tuple(segment.to_dict() for segment in transcript.segments),
            transcript.duration,
            time.perf_counter() - begin,
        )
