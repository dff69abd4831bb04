"""Transcripts of channels put together as one."""

from __future__ import annotations

from susurrus.channels import merge_channels
from susurrus.types import Segment, Skipped, Transcript


def segment(start, text):
    return Segment(0, 0, start, start + 1.0, text, (), 0.0, -0.1, 1.0, 0.0)


def test_nothing_of_a_channel_is_lost():
    left = Transcript(" Hi. Bye.", "en", (segment(0.0, " Hi."), segment(4.0, " Bye.")), 6.0, ("cut off",), 0.9)
    right = Transcript(
        " Hello.", "en", (segment(2.0, " Hello."),), 6.0, ("cut off",), 0.8, (Skipped(3.0, 6.0, "no speech"),)
    )
    merged = merge_channels([left, right])
    assert [(one.id, one.speaker, one.text) for one in merged.segments] == [
        (0, "channel 1", " Hi."),
        (1, "channel 2", " Hello."),
        (2, "channel 1", " Bye."),
    ]
    assert merged.text == " Hi. Hello. Bye."
    assert (merged.language, merged.language_probability, merged.warnings) == ("en", 0.8, ("cut off",))
    assert merged.skipped == (Skipped(3.0, 6.0, "no speech on channel 2"),)
