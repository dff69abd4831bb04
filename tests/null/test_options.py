"""Options: what is refused, and that each is declared once, completely."""

from __future__ import annotations

from dataclasses import fields

import pytest

from susurrus.errors import OptionError
from susurrus.options import DecodingOptions, SubtitleOptions, TranscribeOptions, make_options


@pytest.mark.parametrize(
    "given",
    [
        {"task": "sing"},
        {"language": "Klingon"},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": ()},
        {"best_of": 0},
        {"beam_size": 2.5},
        {"beam_size": True},
        {"patience": 1.0},
        {"beam_size": 2, "patience": 0.0},
        {"length_penalty": 1.5},
        {"sample_len": -1},
        {"suppress_tokens": "a,b"},
        {"max_initial_timestamp": 31},
        {"repetition_penalty": 0},
        {"no_repeat_ngram_size": -1},
        {"logprob_threshold": "low"},
        {"seed": -1},
        {"clip_timestamps": "1,x"},
        {"clip_timestamps": "20,10"},
        {"clip_timestamps": (-1.0,)},
        {"hallucination_silence_threshold": 2.0},
        {"word_timestamps": True, "hallucination_silence_threshold": -2.0},
        {"carry_initial_prompt": True},
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(given):
    with pytest.raises(OptionError) as caught:
        TranscribeOptions(**given)
    assert list(given)[-1] in str(caught.value)


@pytest.mark.parametrize("given", [{"max_line_count": 2}, {"max_words_per_line": 3, "max_line_width": 40}])
def test_subtitle_options_without_effect_are_refused(given):
    with pytest.raises(OptionError):
        SubtitleOptions(**given)


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(OptionError, match="beam_size"):
        make_options(TranscribeOptions, {"beamsize": 5})


def test_values_are_read_as_openai_reads_them():
    options = TranscribeOptions(language="German", suppress_tokens="-1,50257", clip_timestamps="1,2.5", temperature=0)
    assert options.language == "de"
    assert options.suppress_tokens == (-1, 50257)
    assert options.clip_timestamps == (1.0, 2.5)
    assert options.temperatures == (0.0,)
    assert TranscribeOptions(suppress_tokens="").suppress_tokens == ()


@pytest.mark.parametrize("cls", [DecodingOptions, TranscribeOptions, SubtitleOptions])
def test_every_option_has_a_help_text_and_a_kind(cls):
    for field in fields(cls):
        assert len(field.metadata["help"]) > 10
        assert field.metadata["kind"]
