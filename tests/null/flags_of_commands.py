"""The flags of each command beside those of decoding: what is read, what runs it, what is written and shown."""

from __future__ import annotations

from typing import Any

from flag_cases import Case, Shows, words
from flag_effects import (
    becomes_text,
    decodes_nothing,
    has_images,
    hears_a_second_voice,
    in_file,
    is_as_high_as,
    is_told,
    keeps_no_journal,
    lines_at_most,
    loads,
    no_longer_prints,
    no_longer_warns,
    one_line_a_cue,
    prints,
    prints_json,
    prints_lines_of_json,
    runs,
    runs_beside,
    runs_no_more,
    shows_nothing,
    skips_what_is_there,
    warns,
    words_a_line_at_most,
    writes_files,
    writes_into,
    writes_too,
)

FAST = "--beam_size None --batch_size 0"
TEXT = f"IN/plain.wav -f txt {FAST}"
JSON = f"IN/stereo.wav -f json {FAST}"
SHORT = "--batch_size 0 --sample_len 4 --temperature_increment_on_fallback None --beam_size None --language en"

TRANSCRIBE: list[tuple[Any, ...]] = [
    ("audio", TEXT, "IN/german.wav", writes_files("plain.txt", "german.txt")),
    ("audio", TEXT, "-", writes_files("plain.txt", "stdin.txt")),
    ("audio", f"IN/german.wav -f txt {FAST}", "@IN/list.txt", writes_files("plain.txt", "german.txt")),
    ("audio", TEXT, "IN/*man.wav", writes_files("plain.txt", "german.txt")),
    ("input_list", f"IN/german.wav -f txt {FAST}", "--input_list IN/list.txt", writes_files("plain.txt", "german.txt")),
    ("max_download_mb", "HUB/plain.wav -f txt", "--max_download_mb 0.01", "larger than the 0.01 MB", 1),
    ("max_download_mb", TEXT, "--max_download_mb 0", "max_download_mb"),
    ("channel", JSON, "--channel 2", becomes_text("de transcribe.")),
    ("channel", JSON, "--channel split", hears_a_second_voice),
    ("channel", JSON, "--channel 3", "channel", 1),
    ("output_dir", TEXT, "--output_dir elsewhere", writes_into("elsewhere")),
    ("output_dir", TEXT, "-o elsewhere", writes_into("elsewhere")),
    ("output_dir", TEXT, "-o IN/plain.wav", "--output_dir"),
    *(
        ("output_format", f"IN/plain.wav {FAST}", f"--output_format {one}", writes_files(f"plain.{one}"))
        for one in ("txt", "vtt", "srt", "tsv", "json", "csv", "lrc", "ass")
    ),
    ("output_format", TEXT, "-f all", writes_files(*(f"plain.{one}" for one in ("txt", "vtt", "srt", "tsv", "json")))),
    ("output_format", TEXT, "-f docx", "docx"),
    ("batch_size", TEXT, "--batch_size many", "--batch_size"),
    ("verbose", TEXT, "--verbose False", no_longer_prints("transcribe")),
    ("verbose", TEXT, "--verbose None", shows_nothing),
    ("json_progress", TEXT, "--json_progress True", prints_lines_of_json),
    ("resume", TEXT, "--resume False", keeps_no_journal),
    ("skip_existing", TEXT, "--skip_existing True --resume False", "skip_existing"),
]

AGAIN: list[tuple[Any, ...]] = [("skip_existing", TEXT, "--skip_existing True", skips_what_is_there)]

SUBTITLES: list[tuple[Any, ...]] = [
    ("highlight_words", "", "--highlight_words True", in_file(".srt", "<u>")),
    ("max_line_width", "", "--max_line_width 11", lines_at_most(11)),
    ("max_line_count", "--max_line_width 11", "--max_line_count 1", one_line_a_cue),
    ("max_words_per_line", "", "--max_words_per_line 1", words_a_line_at_most(1)),
    ("subtitle_preset", "", "--subtitle_preset cinema", "subtitle_preset"),
    ("highlight_words", "-f txt", "--highlight_words True", "highlight_words"),
    ("max_line_width", "-f json", "--max_line_width 11", "max_line_width"),
    ("max_line_count", "", "--max_line_count 1", "max_line_count"),
    ("max_words_per_line", "--max_line_width 11", "--max_words_per_line 1", "max_words_per_line"),
    ("subtitle_preset", "-f txt", "--subtitle_preset broadcast", "subtitle_preset"),
]

MODEL: list[tuple[Any, ...]] = [
    ("model", "", "--model IN/other", loads(name="other")),
    ("model", "", "--model tinny", "tiny", 1),
    ("model_dir", "--model me/mine", "--model_dir elsewhere", writes_too("elsewhere/.*")),
    ("backend", "", "--backend abacus", "backend='abacus'"),
    ("device", "", "--device cuda", "device='cuda'", 1),
    ("dtype", "", "--dtype bfloat16", "dtype='bfloat16'"),
    ("dtype", "", "--dtype int4", "--dtype"),
    ("fp16", "", "--fp16 True --device cpu", warns("float16 is slow on a CPU")),
    ("fp16", "", "--fp16 True --device cuda", "device='cuda'", 1),
    ("fp16", "", "--fp16 True", warns("float16 is slow on a CPU")),
    ("fp16", "", "--fp16 False --dtype float32", "--fp16"),
    ("threads", "", "--threads 2", "threads=2"),
    ("threads", "", "--threads -1", "threads=-1"),
    ("offline", "--model me/mine", "--offline True", "off limits", 1),
]

DETECT: list[tuple[Any, ...]] = [
    ("audio", "IN/plain.wav", "IN/german.wav", prints("German (de) 98.0 %")),
    ("json", "IN/plain.wav", "--json True", prints_json),
    ("languages", "IN/plain.wav", "--languages fr,german", prints("French (fr) 100.0 %")),
    ("languages", "IN/plain.wav", "--languages klingon", "klingon"),
    ("language_detection_segments", "IN/unsure.wav", "--language_detection_segments 1", prints("German (de) 60.0 %")),
    (
        "language_detection_threshold",
        "IN/unsure.wav",
        "--language_detection_threshold 0.5",
        prints("German (de) 60.0 %"),
    ),
    ("clip_timestamps", "IN/turning.wav", "--clip_timestamps 30", prints("English (en) 99.0 %")),
]

PLOT: list[tuple[Any, ...]] = [
    ("transcript", "talk.json -o p.svg", "talk.wav -o p.svg", "talk.wav", 1, True),
    ("output", "talk.json", "-o elsewhere.pdf", writes_files("elsewhere.pdf")),
    ("output", "talk.json", "-o p.docx", "docx"),
    ("kind", "talk.json", "--kind alignment", writes_files("talk.alignment.png")),
    ("audio", "talk.json -o p.svg", "--audio nowhere.wav", "nowhere.wav", 1),
    ("audio", "IN/kept/alone.json -o p.svg", "--audio IN/talk.wav", no_longer_warns("no sound beside")),
    ("start", "talk.json -o p.svg --row_seconds 5", "--start 5", is_as_high_as(2)),
    ("end", "talk.json -o p.svg --row_seconds 5", "--end 8", is_as_high_as(2)),
    ("row_seconds", "talk.json -o p.svg", "--row_seconds 5", is_as_high_as(3)),
    ("row_seconds", "talk.json --kind alignment", "--row_seconds 5", "--row_seconds"),
    ("view", "talk.json -o p.svg", "--view mel", has_images(2)),
    ("view", "talk.json --kind alignment", "--view mel", "--view"),
    ("language", "talk.json", "--language de", "--language"),
    ("language", "--audio IN/plain.wav --kind alignment -o p.svg", "--language de", in_file(".svg", "language de")),
]

RENDER: list[tuple[Any, ...]] = [
    ("transcripts", "talk.json", "-f srt IN/talk.json gone.json", "gone.json", 1),
    ("output_dir", "talk.json", "-o elsewhere", writes_into("elsewhere")),
    *(
        ("output_format", "talk.json -f txt", f"-f {one}", writes_files(f"talk.{one}"))
        for one in ("vtt", "srt", "tsv", "csv", "lrc", "ass")
    ),
    ("output_format", "talk.json", "-f docx", "docx"),
    ("subtitle_preset", "talk.json -f srt", "--subtitle_preset broadcast", lines_at_most(42)),
]

MODELS: list[tuple[Any, ...]] = [
    ("json", "", "--json True", prints_json),
    ("model_dir", "", "--model_dir IN/kept", prints("tiny: ")),
]

DOWNLOAD: list[tuple[Any, ...]] = [
    ("name", "me/mine", "me/other", prints("me/other: fetched")),
    ("model_dir", "me/mine", "--model_dir elsewhere", writes_too("elsewhere/.*safetensors")),
    ("offline", "me/mine", "--offline True", "off limits", 1),
]

DOCTOR: list[tuple[Any, ...]] = [
    ("json", "", "--json True", prints_json),
    ("speed", "", "--speed False", no_longer_prints("12.5x real time")),
    ("model_dir", "", "--model_dir IN/kept", prints("models: ", "tiny (")),
    ("output_dir", "", "--output_dir elsewhere", prints("elsewhere")),
]

COMPLETION: list[tuple[Any, ...]] = [
    ("shell", "bash", "zsh", prints("#compdef susurrus"), 0, True),
    ("shell", "bash", "fish", prints("complete -c susurrus"), 0, True),
    ("shell", "bash", "powershell", "powershell", 2, True),
]

CLIPS = f"IN/clips.jsonl {FAST}"
STORED = ((*words(CLIPS), "--json", "a.json"), (*words(CLIPS), "--json", "b.json", "--prefix", "Ahoy"))

EVALUATE: list[tuple[Any, ...]] = [
    ("manifest", CLIPS, f"IN/plain.jsonl {FAST}", no_longer_prints("german"), 0, True),
    ("where", CLIPS, "--where kind=read", no_longer_prints("hard")),
    ("where", CLIPS, "--where colour=red", "colour"),
    ("group_by", CLIPS, "--group_by kind+language", prints("hard fr")),
    ("group_by", CLIPS, "--group_by colour", "colour"),
    ("json", CLIPS, "--json report.json", writes_files("report.json")),
    ("html", CLIPS, "--html report.html", writes_files("report.html")),
    ("worst", CLIPS, "--worst 0", no_longer_prints("most errors")),
    ("worst", CLIPS, "--worst -1", "--worst"),
    ("give_language", f"{CLIPS} --json r.json", "--give_language True", in_file(".json", '"text": " fr transcribe."')),
    ("give_language", CLIPS, "--give_language True --language en", "--give_language"),
    ("reference", CLIPS, "--reference IN/theirs.jsonl", prints("beside theirs.jsonl")),
]

ON_STORED: list[tuple[Any, ...]] = [
    ("results", CLIPS, "IN/clips.jsonl --results a.json", decodes_nothing, 0, True),
    ("compare", CLIPS, "--compare a.json b.json", decodes_nothing, 0, True),
    ("worst", "--results a.json", "--worst 0", no_longer_prints("most errors")),
    ("beam_size", "--results a.json", "--beam_size 3", "--beam_size is for decoding"),
    ("model", "--compare a.json b.json", "--model base", "--model is for decoding"),
    ("worst", "--compare a.json b.json", "--worst 3", "--worst"),
    ("where", "--compare a.json b.json", "--where kind=read", no_longer_prints("hard")),
]

MINE = "--model IN/mine --backend numpy --repeat 1"
BENCH = f"IN/plain.wav {MINE}"

BENCHMARK: list[tuple[Any, ...]] = [
    ("audio", BENCH, "IN/german.wav", runs("plain.wav", "german.wav")),
    ("against", BENCH, "--against IN/peers", runs_beside("faster-whisper")),
    ("against", BENCH, "--against IN/kept", "--against"),
    ("peers", f"{BENCH} --against IN/peers", "--peers faster-whisper", runs_no_more("openai-whisper")),
    ("peers", BENCH, "--peers faster-whisper", "--peers"),
    ("repeat", BENCH, "--repeat 3", runs("plain.wav", "plain.wav", "plain.wav")),
    ("repeat", BENCH, "--repeat 0", "--repeat"),
    ("reference", BENCH, "--reference IN/said.txt", prints("WER")),
    ("manifest", BENCH, "--manifest IN/plain.jsonl", prints("WER")),
    ("where", f"--manifest IN/clips.jsonl {MINE}", "--where kind=hard", runs("german.wav")),
    ("where", BENCH, "--where kind=hard", "--where"),
    ("together", f"{BENCH} IN/german.wav", "--together True", runs("plain.wav+german.wav")),
    ("timeout", BENCH, "--timeout 7", is_told(timeout=7.0)),
    ("timeout", BENCH, "--timeout 0", "--timeout"),
    ("output", BENCH, "--output report.md,report.json", writes_files("report.md", "report.json")),
    ("output", BENCH, "-o report.docx", "docx"),
]

# What each command needs besides, so that its model flags say something. numpy is there wherever Susurrus is.
RUNS_A_MODEL = {
    "transcribe": f"IN/plain.wav -f txt {SHORT}",
    "detect-language": "IN/plain.wav",
    "plot": "talk.json --kind alignment",
    "evaluate": f"IN/plain.jsonl {SHORT}",
    "benchmark": "IN/plain.wav --repeat 1",
}

CONFIG: dict[str, tuple[str, Shows]] = {
    "transcribe": (TEXT, writes_into("elsewhere")),
    "render": ("talk.json", writes_into("elsewhere")),
    "detect-language": ("IN/plain.wav", prints_json),
    "plot": ("talk.json -o p.svg", is_as_high_as(3)),
    "models": ("", prints_json),
    "download": ("me/mine", writes_too("elsewhere/.*")),
    "doctor": ("", prints_json),
    "evaluate": (CLIPS, no_longer_prints("most errors")),
    "benchmark": ("IN/plain.wav --model IN/mine --backend numpy", runs("plain.wav", "plain.wav")),
}

_METRICS = ("jiwer", "whisper_normalizer")
NEEDS = {"plot": ("matplotlib",), "evaluate": _METRICS, "benchmark": _METRICS, "completion": ("shtab",)}


def command_cases() -> list[Case]:
    """Give the cases of all commands."""
    tables = {"transcribe": TRANSCRIBE, "detect-language": DETECT, "plot": PLOT, "models": MODELS, "render": RENDER}
    tables |= {"download": DOWNLOAD, "doctor": DOCTOR, "completion": COMPLETION, "evaluate": EVALUATE}
    tables |= {"benchmark": BENCHMARK}
    cases = [_case(command, *row) for command, table in tables.items() for row in table]
    cases += [_case("evaluate", *row, before=STORED) for row in ON_STORED]
    cases += [_case("transcribe", *row, before=(words(TEXT),)) for row in AGAIN]
    for command, base in RUNS_A_MODEL.items():
        for flag, more, given, expected, *rest in MODEL:
            # What a model refuses in a process of its own, a benchmark gives as a failure of that process.
            by_worker = command == "benchmark" and isinstance(expected, str) and not expected.startswith("--")
            rest = [1] if by_worker else rest
            cases.append(_case(command, flag, f"{base} --model IN/mine --backend numpy {more}", given, expected, *rest))
    for command, line in (("transcribe", f"IN/plain.wav --word_timestamps True {FAST}"), ("render", "talk.json")):
        cases += [_case(command, flag, f"{line} -f srt {more}", *rest) for flag, more, *rest in SUBTITLES]
    for command, (base, shows) in CONFIG.items():
        cases.append(_case(command, "config", base, "--config IN/defaults.toml", shows))
        is_told = prints("nowhere.toml: no such file") if command == "doctor" else "--config nowhere.toml"
        cases.append(_case(command, "config", base, "--config nowhere.toml", is_told))
    return cases


def _case(
    command: str,
    flag: str,
    base: str,
    given: str,
    expected: Shows | str,
    code: int | None = None,
    is_instead: bool = False,
    *,
    before: tuple[tuple[str, ...], ...] = (),
) -> Case:
    """Make a case: what is expected is what it shows, or a word of the error it is refused with."""
    how: dict[str, Any] = {"before": before, "is_instead": is_instead, "needs": NEEDS.get(command, ())}
    if isinstance(expected, str):
        return Case(command, flag, words(base), words(given), says=expected, code=2 if code is None else code, **how)
    return Case(command, flag, words(base), words(given), expected, **how)
