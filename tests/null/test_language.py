"""Which language is spoken, told from scripted probabilities: in a file, from window to window, on the whole line."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from fakes import DIMS, FakeBackend

from susurrus.checkpoints import random_checkpoint
from susurrus.errors import OptionError
from susurrus.language import combine, detect_in_file, detect_language, places_to_listen
from susurrus.longform import LongForm
from susurrus.multilingual import WindowLanguage, most_spoken, window_language
from susurrus.options import TranscribeOptions
from susurrus.tokenizer import Tokenizer
from susurrus.transcribe import Model
from susurrus.types import Decoded, ModelDimensions, Saved, Window

TOKENIZER = Tokenizer.for_model(51865)
SMALL = ModelDimensions(80, 1500, 64, 1, 1, 51865, 448, 64, 1, 1)
EVERYWHERE = lambda start, stop: [(start, stop)]


def of(code, prob, other="la"):
    """Give the probabilities of a window that is `prob` sure of one language, likeliest first."""
    return dict(sorted({code: prob, other: 1 - prob}.items(), key=lambda item: -item[1]))


# One window


def test_an_allowed_set_is_chosen_from_before_the_probabilities_are_made():
    def logits_of(tokens):
        logits = np.zeros(51865)
        logits[[TOKENIZER.language_token(code) for code in ("de", "en", "fr")]] = 9.0, 5.0, 4.0
        return logits

    backend = FakeBackend(logits_of)
    assert next(iter(detect_language(backend, TOKENIZER, None))) == "de"
    probs = detect_language(backend, TOKENIZER, None, ("fr", "en"))
    assert list(probs) == ["en", "fr"]
    assert probs["en"] == pytest.approx(1 / (1 + np.exp(-1)))


# A file


def test_windows_are_combined_so_that_no_single_one_decides():
    assert combine([of("de", 1.0, "en"), of("en", 0.99, "de"), of("en", 0.99, "de"), of("en", 0.99, "de")])["en"] > 0.7


@pytest.mark.parametrize(
    ("heard", "given", "language", "n_heard"),
    [
        ([of("de", 0.95, "en"), of("en", 0.99, "de")], {"n_windows": 4, "threshold": 0.9}, "de", 1),
        ([of("de", 0.6, "en"), of("en", 0.99, "de")], {"n_windows": 4, "threshold": 0.9}, "en", 2),
        ([of("de", 0.6, "en"), of("en", 0.99, "de")], {"n_windows": 1, "threshold": 0.9}, "de", 1),
        ([of("de", 0.95, "en"), of("en", 0.99, "de")], {"n_windows": 4, "threshold": None}, "en", 2),
    ],
)
def test_a_file_is_listened_to_until_it_is_sure(heard, given, language, n_heard):
    seeks = []

    def listen(seek):
        seeks.append(seek)
        return heard[len(seeks) - 1]

    assert next(iter(detect_in_file(listen, range(len(heard)), **given))) == language
    assert len(seeks) == n_heard


def test_places_hold_speech_and_are_spread():
    assert list(places_to_listen([(0, 2900)], 2900, EVERYWHERE)) == [0]
    assert list(places_to_listen([(0, 12000)], 12000, EVERYWHERE)) == [0, 6000, 3000, 9000]
    assert list(places_to_listen([(0, 12000)], 12000)) == [0, 6000, 3000, 9000]
    late = lambda start, stop: [(max(start, 95.5), stop)] if stop > 95.5 else []
    assert list(places_to_listen([(0, 12000)], 12000, late)) == [9550]
    blip = lambda start, stop: [(start, start + 1.0)]
    assert list(places_to_listen([(0, 12000)], 12000, blip)) == [0]


def test_places_lie_in_the_clips():
    assert list(places_to_listen([(1000, 5000), (8000, 99999)], 9000, EVERYWHERE)) == [1000, 8000, 4000]
    assert list(places_to_listen([(50000, 60000)], 9000, EVERYWHERE)) == [0]
    assert list(places_to_listen([(0, 0)], 0, EVERYWHERE)) == [0]


def test_speech_is_looked_for_no_further_than_asked():
    asked = []
    places = places_to_listen([(0, 10**6)], 10**6, lambda start, stop: asked.append(start) or [(start, stop)])
    next(places)
    assert asked == [0.0]


# From window to window

SPEECH = list(itertools.pairwise([0, 500, 900, 1400, 1900, 2300, 2700, 3000]))


def spoken(*changes):
    """Give a `listen` for a timeline `(frame, code), ...`: a stretch sounds like what most of it is."""

    def listen(seek, n_frames):
        frames = [0] * len(changes)
        for i, (start, _) in enumerate(changes):
            stop = changes[i + 1][0] if i + 1 < len(changes) else 10**9
            frames[i] = max(0, min(seek + n_frames, stop) - max(seek, start))
        shares = {code: n / n_frames for n, (_, code) in zip(frames, changes, strict=True)}
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    return listen


def language_of(listen, language="en", heard=None, *, is_first=False, speech=SPEECH):
    window = Window(0, 3000)
    return window_language(window, language, heard, listen(0, 3000), is_first=is_first, speech=speech, listen=listen)


def test_one_language_needs_one_more_stretch():
    calls = []
    listen = spoken((0, "en"))
    counted = lambda seek, n_frames: calls.append(seek) or listen(seek, n_frames)
    assert language_of(counted) == WindowLanguage("en")
    assert len(calls) == 2  # the window itself, and its tail


def test_a_window_ends_where_another_language_begins():
    assert language_of(spoken((0, "en"), (1900, "de"))) == WindowLanguage("en", 1900)
    assert language_of(spoken((0, "en"), (500, "de"))) == WindowLanguage("en", 500)
    assert language_of(spoken((0, "en"), (900, "de"), (1900, "fr"))).end == 900
    assert language_of(spoken((0, "en"), (1900, "de")), is_first=True, language="de") == WindowLanguage("en", 1900)


def test_without_a_pause_a_window_stays_whole():
    assert language_of(spoken((0, "en"), (1900, "de")), speech=[(0, 3000)]) == WindowLanguage("en")
    assert language_of(
        spoken(
            (0, "de"),
        ),
        speech=[(0, 3000)],
    ) == WindowLanguage("de")


def test_a_change_at_a_window_s_head_is_taken_when_sure_or_when_two_agree():
    assert language_of(spoken((0, "de"))) == WindowLanguage("de")
    unsure = lambda seek, n_frames: {"nn": 0.5, "en": 0.2, "no": 0.3}
    first = language_of(unsure)
    assert first == WindowLanguage("en", heard="nn")
    assert language_of(unsure, heard=first.heard).language == "nn"
    assert language_of(unsure, heard="fr").language == "en"


def test_noise_changes_nothing():
    assert language_of(spoken((0, "de")), heard="fr", speech=[]) == WindowLanguage("en", heard="fr")
    quiet_head = spoken((0, "de"), (1400, "en"))
    assert language_of(quiet_head, speech=SPEECH[3:]) == WindowLanguage("en")


def test_neighbours_do_not_flicker():
    language, heard, languages = "no", None, []
    for probs in [{"nn": 0.55, "no": 0.45}, {"nn": 0.6, "no": 0.4}, {"no": 0.9, "nn": 0.1}, {"nn": 0.6, "no": 0.38}]:
        found = language_of(lambda seek, n_frames, probs=probs: probs, language, heard)
        language, heard = found.language, found.heard
        languages.append(language)
    assert languages == ["no"] * 4


# The walk

BEGIN = TOKENIZER.timestamp_begin
HELLO = TOKENIZER.encode(" Hello.")


def walk(n_frames=9000, **options):
    made = TranscribeOptions(multilingual=True, **options)
    return LongForm(n_frames, Tokenizer.for_model(51865, task=made.task), made)


def say(work, seconds=2.0, tokens=HELLO):
    decoded = Decoded((BEGIN, *tokens, BEGIN + round(seconds * 50)), "", work.tokenizer.language, 0.0, -0.2, 1.0, 0.0)
    return work.accept(decoded)


def test_a_change_of_language_drops_the_prompt():
    work = walk()
    work.hear(WindowLanguage("en"))
    [segment] = say(work)
    assert segment.language == "en"
    work.hear(WindowLanguage("en"))
    assert work.window().prompt
    work.hear(WindowLanguage("de"))
    assert work.window().prompt == ()
    assert work.tokenizer.sot_sequence[1] == TOKENIZER.language_token("de")
    [segment] = say(work)
    assert (segment.language, segment.to_dict()["language"]) == ("de", "de")


def test_what_is_no_text_in_another_language_stays_the_prompt():
    work = walk(initial_prompt="Grimmelshausen")
    work.hear(WindowLanguage("de"))
    assert work.window().prompt
    work = walk(task="translate")
    work.hear(WindowLanguage("en"))
    say(work)
    work.hear(WindowLanguage("de"))
    assert work.window().prompt


def test_a_window_is_cut_and_heard_once():
    work = walk()
    assert work.wants_language
    work.hear(WindowLanguage("en", 1200))
    assert work.window() == Window(0, 1200)
    decoded = Decoded((BEGIN, *HELLO, BEGIN + 400, BEGIN + 400, *HELLO), "", "en", 0.0, -0.2, 1.0, 0.0)
    work.accept(decoded)
    assert (work.window().seek, work.window().n_frames) == (800, 400)
    assert not work.wants_language
    say(work)
    assert (work.window().seek, work.window().n_frames) == (1200, 3000)
    assert work.wants_language


def test_a_walk_taken_up_from_its_marks_speaks_the_same_languages():
    work = walk()
    found = [WindowLanguage("en"), WindowLanguage("de", 4000, "nl"), None]
    marks = []
    for one in found[:2]:
        work.hear(one)
        marks.append(work.mark(say(work)))
    again = walk()
    again.take_up(marks)
    assert again.state == work.state
    assert again.tokenizer.language == "de"
    assert again.window() == work.window()
    assert (again.state.heard_language, again.state.language_end) == ("nl", 4000)


def test_the_transcript_is_in_the_language_spoken_longest():
    work = walk()
    segments = []
    for code, seconds in (("en", 2.0), ("de", 5.0), ("en", 2.5)):
        work.hear(WindowLanguage(code))
        segments += say(work, seconds)
    assert most_spoken(segments, "fr") == "de"
    assert most_spoken([], "fr") == "fr"


# Options


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"languages": "klingon"}, "klingon"),
        ({"languages": ()}, "languages"),
        ({"languages": ","}, "languages"),
        ({"languages": 5}, "languages"),
        ({"languages": "en,de", "language": "fr"}, "language='fr'"),
        ({"language_detection_segments": 0}, "language_detection_segments"),
        ({"language_detection_threshold": 1.5}, "language_detection_threshold"),
        ({"language": "en", "multilingual": True}, "multilingual"),
        ({"language": "en", "language_detection_segments": 8}, "language_detection_segments"),
        ({"language": "en", "language_detection_threshold": None}, "language_detection_threshold"),
    ],
)
def test_what_cannot_be_honoured_is_refused(given, named):
    with pytest.raises(OptionError, match=named):
        TranscribeOptions(**given)


def test_languages_are_read_as_a_list():
    assert TranscribeOptions(languages="German, en,de").languages == ("de", "en")
    assert TranscribeOptions(languages=["fr"]).languages == ("fr",)
    assert TranscribeOptions(languages="en,de", language="de").language == "de"


@pytest.mark.parametrize("given", [{"multilingual": True}, {"languages": "de"}, {"language_detection_segments": 2}])
def test_an_english_model_refuses_to_choose(given):
    model = Model(random_checkpoint(DIMS), FakeBackend(None))
    with pytest.raises(OptionError, match="knows only English"):
        model.options(**given)
    assert model.options(languages="de,en").language == "en"
    assert model.detect_language(np.zeros(160, np.float32)) == {"en": 1.0}


def test_a_model_refuses_languages_it_does_not_have():
    with pytest.raises(OptionError, match="yue"):
        Model(random_checkpoint(SMALL), LoudnessBackend()).options(languages="zh,yue")


# The whole line: what is loud is German, what is quiet French, and silence sounds like English


class LoudnessBackend(FakeBackend):
    def __init__(self):
        super().__init__(None, SMALL)
        self.n_encoded = 0

    def encode(self, mel):
        self.n_encoded += 1
        return float(np.median(mel[0].max(axis=0)[:100]))

    def prefill(self, loudness, tokens, lengths, at):
        self.logits_of = lambda row: self._logits(loudness, row)
        return super().prefill(loudness, tokens, lengths, at)

    def _logits(self, loudness, row):
        logits = np.zeros(51865)
        script = [BEGIN, *HELLO, BEGIN + 200]
        if row[-1] == TOKENIZER.sot:
            code, sure = ("de", 20.0) if loudness > 0.7 else ("fr", 20.0) if loudness > 0 else ("en", 20.0)
            logits[TOKENIZER.language_token(code)] = sure
        else:
            written = len(row) - 1 - row.index(TOKENIZER.transcribe)
            logits[script[written] if written < len(script) else TOKENIZER.eot] = 20.0
        return logits


@pytest.fixture
def model(monkeypatch):
    def speech_regions(recording, options, start, end, *, cancel=None):
        """Give a region for each second that is not silent."""
        seconds = [s for s in range(int(start), int(end)) if recording.read(s * 16000, s * 16000 + 16000).any()]
        return [type("Region", (), {"start": float(s), "end": s + 1.0}) for s in seconds]

    monkeypatch.setattr("susurrus.transcription.speech_regions", speech_regions)
    return Model(random_checkpoint(SMALL), LoudnessBackend())


def sound(*parts):
    rng = np.random.default_rng(0)
    return np.concatenate([level * rng.normal(size=seconds * 16000) for level, seconds in parts]).astype(np.float32)


LOUD, QUIET, SILENCE = 0.3, 0.02, 0.0
GREEDY = {
    "batch_size": 0,
    "temperature": 0.0,
    "sample_len": 12,
    "no_speech_threshold": None,
    "logprob_threshold": None,
}


def test_silence_at_the_head_does_not_decide(model):
    waveform = sound((SILENCE, 40), (LOUD, 60))
    transcript = model.transcribe(waveform, **GREEDY)
    assert transcript.language == "de"
    assert transcript.language_probability > 0.9
    assert transcript.to_dict()["language_probability"] == transcript.language_probability
    assert model.transcribe(waveform, language_detection_segments=1, **GREEDY).language == "en"
    assert model.transcribe(waveform, languages="fr,en", language_detection_segments=1, **GREEDY).language == "en"
    assert next(iter(model.detect_language(waveform))) == "de"
    assert next(iter(model.detect_language(waveform, language_detection_segments=1))) == "en"
    assert model.detect_language(waveform, language="fr") == {"fr": 1.0}


def test_a_sure_head_is_encoded_once(model):
    model.transcribe(sound((LOUD, 40)), **GREEDY)
    assert model.backend.n_encoded == 2


def test_a_given_language_has_no_probability(model):
    assert model.transcribe(sound((LOUD, 5)), language="fr", **GREEDY).language_probability is None


@pytest.mark.parametrize("n_done", [1, 2, 3, 4])
def test_each_segment_says_its_language_and_an_interruption_changes_nothing(model, n_done):
    waveform = sound((LOUD, 40), (SILENCE, 61), (QUIET, 100))
    marks = []
    with model.stream(waveform, multilingual=True, on_mark=marks.append, **GREEDY) as stream:
        whole = stream.transcript()
    languages = [segment.language for segment in whole.segments]
    assert languages == sorted(languages)
    assert set(languages) == {"de", "fr"}
    # The window from 90 s on is silent until 101 s, and French then.
    assert all((segment.language == "de") == (segment.start < 90) for segment in whole.segments)
    assert whole.language == "fr"
    assert whole.language_probability is None  # it was German that was detected

    saved = Saved(stream.language, stream.language_probability, tuple(marks[:n_done]))
    with model.stream(waveform, multilingual=True, saved=saved, **GREEDY) as stream:
        assert stream.transcript() == whole
