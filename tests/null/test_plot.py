"""Pictures of hand-made transcripts: what is drawn stands where it should, files are whole, errors are clear."""

from __future__ import annotations

import json
import math
import sys
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from susurrus.align import WordTiming
from susurrus.audio import Recording
from susurrus.backends import open_backend
from susurrus.checkpoints import random_checkpoint
from susurrus.cli import main
from susurrus.errors import OptionError, OutputError, SusurrusError
from susurrus.plot import align_window, draw_alignment, draw_words, page_spans, save_figures
from susurrus.plot.fonts import choose_fonts
from susurrus.plot.page import DPI
from susurrus.transcribe import Model
from susurrus.types import ModelDimensions, Segment, Transcript, Word

SIGNATURES = {"png": b"\x89PNG\r\n", "svg": b"<?xml", "pdf": b"%PDF"}


def transcript(*words, text=None, **given):
    """Make a transcript of one segment: words are (text, start, end, probability)."""
    made = tuple(Word(*word) for word in words)
    text = "".join(word.word for word in made) if text is None else text
    end = max([12.0, *(word.end for word in made)])
    segment = Segment(3, 0, 1.0, end, text, (), 0.0, math.log(0.7), 1.0, 0.0, made or None, **given)
    return Transcript(text, "en", (segment,), end)


SPOKEN = transcript(
    (" Ask", 1.0, 1.5, 0.95), (" not", 1.5, 2.0, 0.3), (" what", 9.8, 10.4, 0.8), (" so", 11, 11.4, 1.0)
)


@pytest.fixture
def recording():
    sound = np.zeros(16000 * 12, np.float32)
    sound[16000:32000] = 0.5 * np.sin(np.arange(16000) / 5)
    with Recording.open(sound) as opened:
        yield opened


def rows(figure):
    """Give the axes of the rows: those that have a time axis."""
    return [axes for axes in figure.axes if axes.get_xlim() != (0, 1)]  # the scale of the colours goes from 0 to 1


def texts(axes):
    return {text.get_text(): text for text in axes.texts if text.get_text()}


def bars(axes):
    """Give (start, end, face colour) of what is filled below the sound."""
    found = []
    for collection in axes.collections:
        box = collection.get_paths()[0].get_extents()
        if box.height == pytest.approx(0.13):
            found.append((box.x0, box.x1, tuple(collection.get_facecolor()[0])))
    return sorted(found)


def test_words_are_bars_at_their_times_in_the_colour_of_their_probability():
    [row] = rows(draw_words(SPOKEN))
    drawn = bars(row)
    assert [bar[:2] for bar in drawn] == [(1.0, 1.5), (1.5, 2.0), (9.8, 10.4), (11.0, 11.4)]
    lightness = [sum(bar[2][:3]) for bar in drawn]
    assert sorted(lightness, reverse=True) == [lightness[i] for i in (3, 0, 2, 1)]
    assert {"Ask", "not (0.30)", "what", "so"} <= texts(row).keys()


def test_probabilities_that_are_not_known_are_no_low_ones():
    [row] = rows(draw_words(transcript((" Ask", 1.0, 1.5, 0.0), (" not", 1.5, 2.0, 0.0))))
    assert {"Ask", "not"} <= texts(row).keys()
    grey = 0xD9 / 255
    assert {color for *_, color in bars(row)} == {(grey, grey, grey, 1.0)}


def test_rows_are_ten_seconds_and_a_word_is_written_once():
    long = transcript((" one", 9.0, 10.5, 0.9), (" two", 25.0, 26.0, 0.9))
    made = rows(draw_words(long, row_seconds=10))
    assert [axes.get_xlim() for axes in made] == [(0, 10), (10, 20), (20, 30)]
    assert [["one" in texts(axes), "two" in texts(axes)] for axes in made] == [[1, 0], [0, 0], [0, 1]]
    assert [len(bars(axes)) for axes in made] == [1, 1, 1]


def test_words_close_together_do_not_lie_on_each_other():
    figure = draw_words(transcript(*((f" incomprehensible{i}", 1 + i / 4, 1.25 + i / 4, 0.9) for i in range(20))))
    [row] = rows(figure)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in row.texts if text.get_text().startswith("incomp")]
    assert len(boxes) == 20
    by_line = {}
    for box in boxes:
        by_line.setdefault(round(box.y0), []).append((box.x0, box.x1))
    assert len(by_line) > 1
    for line in by_line.values():
        for before, after in pairwise(sorted(line)):
            assert before[1] < after[0]


def test_segments_and_silences_are_marked():
    [row] = rows(draw_words(SPOKEN))
    assert any(text.startswith("3   0:01.00 to 0:12.00") for text in texts(row))
    assert {"1.0 s", "7.8 s"} <= texts(row).keys()  # before the first word, and between the second and the third
    assert "0.6 s" in texts(row)
    hatched = [collection for collection in row.collections if collection.get_hatch()]
    assert len(hatched) == 4


def test_a_segment_says_its_speaker_and_another_language():
    [row] = rows(draw_words(transcript((" Ja", 2.0, 3.0, 0.9), speaker="left", language="de")))
    assert any(text.startswith("3 left de ") for text in texts(row))


def test_without_words_the_segments_are_drawn_with_their_text():
    text = "Ask not what your country can do for you. " * 8
    [row] = rows(draw_words(transcript(text=text)))
    assert [bar[:2] for bar in bars(row)] == [(1.0, 12.0)]
    written = sorted((t for t in row.texts if t.get_text()[:3] in text), key=lambda t: -t.get_position()[1])
    assert " ".join(t.get_text() for t in written) == text.strip()
    assert len(written) > 1


@pytest.mark.parametrize("view", ["waveform", "mel"])
def test_the_sound_is_drawn_where_it_is(recording, view):
    [row] = rows(draw_words(SPOKEN, recording, view=view))
    if view == "mel":
        [image] = row.images
        assert list(image.get_extent())[:2] == [0, 12]
        loud = image.get_array().mean(axis=0)
        assert loud[110:190].min() > loud[300:].max()
        return
    wave = max(row.collections, key=lambda c: len(c.get_paths()[0].vertices))
    x, y = wave.get_paths()[0].vertices.T
    heights = [np.ptp(y[(x > start) & (x < start + 0.9)]) for start in (1.05, 3.0)]
    assert heights[0] > 0.6 > 0.01 > heights[1]


def test_a_silent_recording_is_drawn():
    with Recording.open(np.zeros(16000, np.float32)) as silence:
        draw_words(Transcript("", "en", (), 1.0), silence)


@pytest.mark.parametrize("format", SIGNATURES)
def test_files_are_whole_and_the_same_each_time(format, tmp_path):
    paths = save_figures([draw_words(SPOKEN)], tmp_path / f"words.{format}")
    assert paths == [tmp_path / f"words.{format}"]
    data = paths[0].read_bytes()
    assert data.startswith(SIGNATURES[format])
    save_figures([draw_words(SPOKEN)], paths[0])
    assert paths[0].read_bytes() == data
    assert sorted(tmp_path.iterdir()) == paths


def test_several_pages_are_numbered_files_or_one_pdf(tmp_path):
    figures = [draw_words(SPOKEN, end=end) for end in (3.0, 6.0)]
    names = [path.name for path in save_figures(iter(figures), tmp_path / "words.svg")]
    assert names == ["words-001.svg", "words-002.svg"]
    [document] = save_figures(figures, tmp_path / "words.pdf")
    assert document.read_bytes().count(b"/Type /Page ") == 2


def test_a_png_is_as_wide_as_the_page(tmp_path):
    [path] = save_figures([draw_words(SPOKEN)], tmp_path / "words.png")
    assert int.from_bytes(path.read_bytes()[16:20], "big") == 14 * DPI


def test_text_is_never_taken_for_mathematics(tmp_path):
    save_figures(
        [draw_words(transcript((" $5_{", 1.0, 2.0, 0.9), (" \\frac$", 2.0, 3.0, 0.9)), title="$a")], tmp_path / "a.png"
    )


def test_every_script_is_drawn_or_said_to_have_no_font(tmp_path, caplog):
    said = transcript(
        (" مرحبا", 1.0, 2.0, 0.9), (" שלום", 2.0, 3.0, 0.9), ("你好", 3.0, 4.0, 0.9), ("\U000e0041𐎠", 5.0, 6.0, 0.9)
    )
    save_figures([draw_words(said)], tmp_path / "a.png")
    _, missing = choose_fonts(said.text)
    assert not missing & set("مرحباשלום")
    for character in missing:
        assert ("Cjk" if character in "你好" else "Old") in caplog.text
    assert caplog.text.count("no font here") == bool(missing)
    caplog.clear()
    save_figures([draw_words(said)], tmp_path / "a.svg")
    assert caplog.text == ""
    assert "你好" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_pages_follow_each_other():
    assert page_spans(5, 12.0) == [(5, 12.0)]
    assert page_spans(0, 25, row_seconds=1) == [(0, 12), (12, 24), (24, 25)]


@pytest.mark.parametrize(
    "given",
    [
        {"start": 30.0},
        {"start": 3.0, "end": 3.0},
        {"start": -1.0},
        {"view": "mel"},
        {"view": "sonogram"},
        {"row_seconds": 0.0},
        {"end": 130.0},
    ],
)
def test_what_cannot_be_drawn_is_refused(given):
    with pytest.raises(OptionError):
        draw_words(SPOKEN, **given)


@pytest.mark.parametrize("name", ["words", "words.jpeg", "words.txt"])
def test_another_suffix_is_refused(name, tmp_path):
    with pytest.raises(OptionError, match="png"):
        save_figures([], tmp_path / name)


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="words"):
        save_figures([draw_words(SPOKEN)], tmp_path / "none" / "words.png")


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SusurrusError, match=r"susurrus\[plot\]"):
        draw_words(SPOKEN)


@pytest.fixture(scope="module")
def model():
    checkpoint = random_checkpoint(ModelDimensions(80, 1500, 64, 1, 1, 51865, 448, 64, 1, 2))
    with Model(checkpoint, open_backend("numpy", checkpoint)) as model:
        yield model


def test_the_alignment_is_of_the_transcripts_own_window(model, recording):
    window = align_window(model, recording, transcript=SPOKEN)
    assert (window.start, window.end, window.language) == (0.0, 12.0, "en")
    assert window.labels == ("␣Ask", "␣not", "␣what", "␣so", "end")
    assert [word.word for word in window.words] == [" Ask", " not", " what", " so"]
    alignment = window.alignment
    assert alignment.matrix.shape == (5, 600)
    assert (alignment.path_tokens[0], alignment.path_positions[0]) == (0, 0)
    assert (alignment.path_tokens[-1], alignment.path_positions[-1]) == (4, 599)
    assert [word.start for word in window.words] == alignment.starts[:4].tolist()


def test_the_alignment_begins_where_the_window_did(model, recording):
    moved = SPOKEN.segments[0]
    later = Transcript("", "en", (Segment(0, 400, 5.0, 6.0, " Ask", (), 0, -1, 1, 0),), 12.0)
    assert align_window(model, recording, transcript=later, start=5.5).start == 4.0
    # another program's file has no window in it: the segment's own start
    foreign = Transcript("", "en", (Segment(0, 0, 5.0, 6.0, " Ask", (), 0, -1, 1, 0), moved), 12.0)
    assert align_window(model, recording, transcript=foreign, start=5.5).end == 12.0
    with pytest.raises(OptionError, match="no text after"):
        align_window(model, recording, transcript=SPOKEN, start=12.5)
    with pytest.raises(OptionError, match="no sound"):
        align_window(model, recording, start=12.5)


def test_without_a_transcript_the_model_writes_the_text(model, recording):
    window = align_window(model, recording, start=1.0, end=3.0)
    assert (window.start, window.end) == (1.0, 3.0)
    assert window.alignment.matrix.shape == (len(window.labels), 100)
    assert align_window(model, recording, start=1.0, end=3.0, language="German").language == "de"


def test_the_alignment_is_drawn_with_its_path(model, recording):
    window = align_window(model, recording, transcript=SPOKEN)
    figure = draw_alignment(window, recording, title="a")
    matrix = next(axes for axes in figure.axes if axes.images and axes.get_yticklabels())
    assert matrix.images[0].get_array().shape == (5, 600)
    assert [label.get_text() for label in matrix.get_yticklabels()] == list(window.labels)
    path = max(matrix.lines, key=lambda line: len(line.get_xdata()))
    assert path.get_ydata().tolist() == window.alignment.path_tokens.tolist()
    assert path.get_xdata()[-1] == pytest.approx(11.99)


def test_word_timing_is_what_align_gives(model, recording):
    window = align_window(model, recording, transcript=SPOKEN)
    assert all(isinstance(word, WordTiming) for word in window.words)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "talk.json"
    path.write_text(json.dumps(SPOKEN.to_dict()))
    return path


def test_the_command_draws_and_names_the_file(saved, capsys, caplog):
    assert main(["plot", str(saved)]) == 0
    assert capsys.readouterr().out.split() == [str(saved.with_suffix(".png"))]
    assert "no sound beside" in caplog.text


def test_the_command_finds_the_sound_beside_the_transcript(saved, recording, caplog):
    import wave

    with wave.open(str(saved.with_suffix(".wav")), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((recording.read(0, 16000) * 32767).astype("<i2").tobytes())
    assert main(["plot", str(saved), "--view", "mel", "-o", str(saved.with_suffix(".svg"))]) == 0
    assert caplog.text == ""
    assert saved.with_suffix(".svg").exists()


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "needs a transcript"),
        (["--kind", "alignment"], "needs a transcript or --audio"),
        (["{json}", "--start", "20"], "nothing to draw"),
        (["{json}", "--row_seconds", "0"], "row_seconds"),
        (["{json}", "-o", "words.docx"], "png"),
        (["{json}", "--view", "mel"], "--audio"),
        (["{json}", "--kind", "alignment"], "--audio"),
        (["{json}", "--model", "tiny"], "--model does nothing"),
        (["{json}", "--language", "en"], "--language does nothing"),
        (["{json}", "--kind", "alignment", "--view", "mel"], "--view does nothing"),
        (["{json}", "--audio", "{json}"], "talk.json"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(argv, says, saved, capsys):
    code = main(["plot", *(word.format(json=saved) for word in argv)])
    assert code in (1, 2)
    assert says in capsys.readouterr().err
