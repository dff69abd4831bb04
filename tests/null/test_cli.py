"""The command line without a model: its flags, its defaults, what it refuses, how fast it answers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields

import pytest

from susurrus.cli import build_parser, main
from susurrus.cli.model_flags import dtype
from susurrus.cli.transcribe import make_task, temperatures
from susurrus.errors import OptionError
from susurrus.options import SubtitleOptions, TranscribeOptions

WHISPER_DEFAULTS = {
    "model": "turbo",
    "model_dir": None,
    "output_dir": ".",
    "output_format": "all",
    "verbose": True,
    "task": "transcribe",
    "language": None,
    "temperature": 0.0,
    "best_of": 5,
    "beam_size": 5,
    "patience": None,
    "length_penalty": None,
    "suppress_tokens": "-1",
    "initial_prompt": None,
    "carry_initial_prompt": False,
    "temperature_increment_on_fallback": 0.2,
    "compression_ratio_threshold": 2.4,
    "logprob_threshold": -1.0,
    "no_speech_threshold": 0.6,
    "word_timestamps": False,
    "prepend_punctuations": "\"'“¿([{-",
    "append_punctuations": "\"'.。,，!！?？:：”)]}、",
    "highlight_words": False,
    "max_line_width": None,
    "max_line_count": None,
    "max_words_per_line": None,
    "threads": 0,
    "clip_timestamps": "0",
    "hallucination_silence_threshold": None,
}


def parse(*argv):
    from susurrus.cli.flags import same_name

    return build_parser().parse_args(["transcribe", "a.wav", *map(same_name, argv)])


def test_every_flag_of_whisper_is_there_with_its_default():
    args = vars(parse())
    assert {name: args[name] for name in WHISPER_DEFAULTS} == WHISPER_DEFAULTS
    assert {"device", "fp16", "backend", "dtype"} <= args.keys()


def test_every_option_is_a_flag():
    args = vars(parse())
    for cls in (TranscribeOptions, SubtitleOptions):
        assert {field.name for field in fields(cls)} <= args.keys()


def test_flags_may_have_hyphens_and_optional_values_none():
    args = parse("--word-timestamps", "True", "--beam-size=None", "--patience", "None", "--max-line-width", "42")
    assert (args.word_timestamps, args.beam_size, args.patience, args.max_line_width) == (True, None, None, 42)


def test_temperatures_rise_as_whispers_do():
    assert temperatures(parse()) == (0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0)
    assert temperatures(parse("--temperature", "0.5")) == (0.5, 0.7, 0.9)
    assert temperatures(parse("--temperature_increment_on_fallback", "None")) == (0.0,)
    assert temperatures(parse("--temperature", "1.5")) == (1.5,)
    with pytest.raises(OptionError):
        temperatures(parse("--temperature_increment_on_fallback", "0"))


def test_fp16_is_a_way_to_say_dtype():
    assert dtype(parse()) == "auto"
    assert dtype(parse("--fp16", "False")) == "float32"
    assert dtype(parse("--fp16", "True", "--device", "cuda")) == "float16"
    with pytest.raises(OptionError):
        dtype(parse("--fp16", "True", "--dtype", "float32"))


@pytest.mark.parametrize("flag", ["--max_line_width=40", "--max_words_per_line=3", "--highlight_words=True"])
def test_subtitle_flags_without_word_times_are_refused(flag):
    with pytest.raises(OptionError, match="word_timestamps"):
        make_task(parse(flag))
    assert make_task(parse(flag, "--word_timestamps", "True"))


def test_a_subtitle_preset_has_words_timed_unless_they_are_a_translation():
    assert make_task(parse("--subtitle_preset", "broadcast")).options.word_timestamps
    assert not make_task(parse("--subtitle_preset", "broadcast", "--task", "translate")).options.word_timestamps
    assert not make_task(parse()).options.word_timestamps


def test_subtitle_flags_for_no_subtitles_are_refused():
    with pytest.raises(OptionError, match="changes nothing in txt"):
        make_task(parse("-f", "txt", "--subtitle_preset", "broadcast"))


@pytest.mark.parametrize(("text", "channel"), [("2", 2), ("split", "split"), ("None", None)])
def test_a_channel_is_a_number_or_split(text, channel):
    assert make_task(parse("--channel", text)).channel == channel


def test_skipping_needs_the_journal():
    with pytest.raises(OptionError, match="journal"):
        make_task(parse("--skip_existing", "True", "--resume", "False"))


def test_a_model_of_ones_own_is_known_by_its_files_time(tmp_path):
    (tmp_path / "model.bin").write_text("")
    args = parse("--model", str(tmp_path))
    before = make_task(args).model
    assert make_task(args).model == before
    os.utime(tmp_path / "model.bin", ns=(1, 1))
    os.utime(tmp_path, ns=(1, 1))
    assert make_task(args).model != before


@pytest.mark.parametrize(
    "argv",
    [
        ["transcribe", "a.wav", "--no_such_flag"],
        ["transcribe", "a.wav", "--word_timestamps", "yes"],
        ["transcribe", "a.wav", "--channel", "left"],
        ["transcribe", "a.wav", "--beam_size", "many"],
        ["sing"],
    ],
)
def test_what_is_not_understood_exits_with_2(argv, capsys):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        ["--language", "Klingon"],
        ["-f", "docx"],
        ["--input_list", "no-such-list.txt"],
        ["--subtitle_preset", "cinema"],
        ["--condition_on_previous_text", "True", "--batch_size", "4"],
        ["--batch_size", "0", "--vad_threshold", "0.3"],
        ["--patience", "2", "--beam_size", "None"],
        ["--clip_timestamps", "3,1"],
        ["--max_line_count", "2", "--word_timestamps", "True"],
        ["--carry_initial_prompt", "True"],
        ["--hallucination_silence_threshold", "2"],
        ["--backend", "abacus"],
    ],
)
def test_what_cannot_be_honoured_exits_with_2_and_a_reason(argv, capsys, tmp_path):
    from_here = ["transcribe", "a.wav", "--model", str(tmp_path / "none"), "-o", str(tmp_path), *argv]
    code = main(from_here)
    error = capsys.readouterr().err
    if argv[0] == "--backend":  # judged when the model is loaded, and the model comes first
        assert code in (1, 2)
    else:
        assert code == 2
    assert error.startswith("susurrus: ")


def test_a_command_without_inputs_says_so(capsys):
    assert main(["transcribe"]) == 2
    assert "hint" in capsys.readouterr().err


def test_an_output_folder_that_cannot_be_made_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["transcribe", "a.wav", "-o", str(tmp_path / "file" / "out")]) == 2
    assert "output_dir" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--help"], ["transcribe", "--help"], ["--version"]])
def test_help_imports_no_framework_and_not_even_numpy(argv):
    code = (
        "import sys, contextlib, io\n"
        "from susurrus.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):\n"
        f"    main({argv!r})\n"
        "assert out.getvalue()\n"
        "heavy = {'torch', 'jax', 'mlx', 'numpy', 'av', 'tiktoken', 'huggingface_hub'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_model_folder_with_a_broken_link_has_an_identity(tmp_path):
    (tmp_path / "gone.bin").symlink_to(tmp_path / "nowhere")
    args = build_parser().parse_args(["transcribe", "a.mp3", "--model", str(tmp_path)])
    assert make_task(args).model["model"] == str(tmp_path.resolve())
