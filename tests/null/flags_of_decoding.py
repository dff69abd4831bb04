"""The flags that say how sound becomes text, for each command that takes them: what each does to a text."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from echo import TOKENIZER
from flag_cases import Case, Outcome, Shows, words


def writes(*expected: str) -> Shows:
    """These words are written with the flag alone."""
    return lambda before, after: all(word in after.text and word not in before.text for word in expected)


def in_every_window(word: str) -> Shows:
    """The word is written in each window with the flag, and not without."""
    has = lambda outcome: all(word in segment["text"] for segment in outcome.segments)
    return lambda before, after: len(after.segments) > 1 and has(after) and not has(before)


def no_longer_writes(word: str) -> Shows:
    return lambda before, after: word in before.text and word not in after.text


def becomes_language(code: str) -> Shows:
    return lambda before, after: before.heard["language"] != code == after.heard["language"]


def says_each_segments_language(before: Outcome, after: Outcome) -> bool:
    said = [segment.get("language") for segment in after.segments]
    without = [segment.get("language") for segment in before.segments]
    return set(without) == {None} and (said[0], said[-1]) == ("de", "en")


def has_no_timestamps(before: Outcome, after: Outcome) -> bool:
    has = lambda outcome: any(token >= TOKENIZER.timestamp_begin for token in tokens(outcome))
    return has(before) and not has(after)


def begins_at(seconds: float) -> Shows:
    return lambda before, after: before.segments[0]["start"] < seconds == first_timestamp(after)


def first_timestamp(outcome: Outcome) -> float:
    segment = outcome.segments[0]
    return segment["seek"] / 100 + 0.02 * (segment["tokens"][0] - TOKENIZER.timestamp_begin)


def begins_with_a_blank(before: Outcome, after: Outcome) -> bool:
    blank = TOKENIZER.encode(" ")[0]
    return tokens(before)[0] != blank == tokens(after)[0]


def writes_fewer_tokens_than(n: int) -> Shows:
    return lambda before, after: len(tokens(before)) > n >= len(tokens(after))


def tokens(outcome: Outcome) -> list[int]:
    return [token for segment in outcome.segments for token in segment["tokens"]]


def repeats_no_pair(before: Outcome, after: Outcome) -> bool:
    def repeats(outcome: Outcome) -> bool:
        pairs = [pair for pair in pairwise(tokens(outcome)) if pair[1] < TOKENIZER.eot]
        return len(pairs) > len(set(pairs))

    return repeats(before) and not repeats(after)


def is_kept_at(temperature: float) -> Shows:
    """The text is of another temperature with the flag: of this one."""
    of = lambda outcome: round(outcome.segments[0]["temperature"], 3)
    return lambda before, after: of(before) != temperature == of(after)


def is_likelier(before: Outcome, after: Outcome) -> bool:
    """The more is tried, the likelier is the best of it."""
    return after.segments[0]["avg_logprob"] > before.segments[0]["avg_logprob"]


def is_another_text(before: Outcome, after: Outcome) -> bool:
    return bool(before.text) and bool(after.text) and before.text != after.text


def writes_more(before: Outcome, after: Outcome) -> bool:
    return after.text.count("and") > before.text.count("and")


def writes_less(before: Outcome, after: Outcome) -> bool:
    return writes_more(after, before)


def is_heard(before: Outcome, after: Outcome) -> bool:
    return not before.segments and bool(after.segments)


def skips_the_silence(before: Outcome, after: Outcome) -> bool:
    return before.segments[0]["seek"] == 0 and after.segments[0]["seek"] >= 1000


def times_words(before: Outcome, after: Outcome) -> bool:
    return not before.words and "".join(after.words) == after.text


def has_the_word(word: str) -> Shows:
    return lambda before, after: word in after.words and word not in before.words and bool(before.words)


def second_window(outcome: Outcome) -> int:
    return int(outcome.segments[-1]["seek"])


def hears_the_speech_alone(before: Outcome, after: Outcome) -> bool:
    """What follows the pause of `pause.wav` is a window of its own with the flag."""
    return second_window(before) <= 3000 < second_window(after)


def hears_the_pause_too(before: Outcome, after: Outcome) -> bool:
    return hears_the_speech_alone(after, before)


def begins_earlier(before: Outcome, after: Outcome) -> bool:
    return 3000 < second_window(after) < second_window(before)


def hears_nothing(before: Outcome, after: Outcome) -> bool:
    return bool(before.segments) and not after.segments


def hears_more_windows(before: Outcome, after: Outcome) -> bool:
    of = lambda outcome: len({segment["seek"] for segment in outcome.segments})
    return of(after) > of(before)


ONCE = "--temperature_increment_on_fallback None"
SEQUENTIAL, TOGETHER = "--batch_size 0", "--batch_size 4 --vad_filter False"
GREEDY = "--beam_size None"
ALONE = f"{GREEDY} --condition_on_previous_text False"
MUMBLING = f"{GREEDY} --sample_len 8 --without_timestamps True"
SAMPLING = f"{MUMBLING} {ONCE} --temperature 1"
WORDS = f"{GREEDY} --word_timestamps True"
SPEECH = f"{GREEDY} --language en --vad_filter True"

# flag, sound, what both command lines have, what is given, what it must show
DECODING = [
    ("task", "plain", GREEDY, "--task translate", writes("translate")),
    ("language", "plain", GREEDY, "--language de", becomes_language("de")),
    ("language", "plain", GREEDY, "--language German", writes(" de ")),
    ("languages", "plain", GREEDY, "--languages french,es", becomes_language("fr")),
    ("multilingual", "turning", ALONE, "--multilingual True", says_each_segments_language),
    ("language_detection_segments", "unsure", GREEDY, "--language_detection_segments 1", becomes_language("de")),
    ("language_detection_threshold", "unsure", GREEDY, "--language_detection_threshold 0.5", becomes_language("de")),
    ("initial_prompt", "two", ALONE, "--initial_prompt Ahoy", writes("After Ahoy")),
    (
        "carry_initial_prompt",
        "two",
        f"{ALONE} --initial_prompt Ahoy",
        "--carry_initial_prompt True",
        in_every_window("After Ahoy"),
    ),
    ("hotwords", "two", ALONE, "--hotwords Ahoy", in_every_window("After Ahoy")),
    ("prefix", "two", ALONE, "--prefix Ahoy", in_every_window("From Ahoy")),
    ("condition_on_previous_text", "two", GREEDY, "--condition_on_previous_text False", no_longer_writes("After")),
    ("sample_len", "loop", f"{GREEDY} {ONCE}", "--sample_len 5", writes_fewer_tokens_than(5)),
    ("suppress_tokens", "bracket", GREEDY, ("--suppress_tokens", ""), writes("[", "♪")),
    ("suppress_tokens", "plain", GREEDY, f"--suppress_tokens -1,{TOKENIZER.encode(' en')[0]}", no_longer_writes(" en")),
    ("suppress_blank", "blank", f"{GREEDY} --without_timestamps True", "--suppress_blank False", begins_with_a_blank),
    ("without_timestamps", "plain", GREEDY, "--without_timestamps True", has_no_timestamps),
    ("max_initial_timestamp", "late", GREEDY, "--max_initial_timestamp None", begins_at(5.0)),
    ("max_initial_timestamp", "late", GREEDY, "--max_initial_timestamp 6", begins_at(5.0)),
    ("repetition_penalty", "loop", f"{GREEDY} {ONCE}", "--repetition_penalty 2", writes("yes")),
    ("no_repeat_ngram_size", "loop", f"{GREEDY} {ONCE} --sample_len 6", "--no_repeat_ngram_size 2", repeats_no_pair),
    ("temperature", "plain", GREEDY, "--temperature 0.4", is_kept_at(0.4)),
    ("temperature_increment_on_fallback", "loop", GREEDY, "--temperature_increment_on_fallback 0.3", is_kept_at(0.9)),
    ("temperature_increment_on_fallback", "loop", GREEDY, ONCE, is_kept_at(0.0)),
    ("compression_ratio_threshold", "loop", GREEDY, "--compression_ratio_threshold None", is_kept_at(0.0)),
    ("logprob_threshold", "mumble", MUMBLING, "--logprob_threshold None", is_kept_at(0.0)),
    ("no_speech_threshold", "silent", f"{MUMBLING} {ONCE}", "--no_speech_threshold None", is_heard),
    ("best_of", "mumble", f"{SAMPLING} --best_of None", "--best_of 5", is_likelier),
    ("seed", "mumble", SAMPLING, "--seed 1", is_another_text),
    ("beam_size", "fork", ONCE, GREEDY, writes("trap")),
    ("beam_size", "fork", f"{GREEDY} {ONCE}", "--beam_size 2", is_likelier),
    ("patience", "wordy", "--beam_size 2", "--patience 3", writes_more),
    ("length_penalty", "wordy", "--beam_size 2 --patience 3", "--length_penalty 0", writes_less),
    ("word_timestamps", "plain", GREEDY, "--word_timestamps True", times_words),
    ("prepend_punctuations", "quoted", WORDS, ("--prepend_punctuations", ""), has_the_word(" ¿")),
    ("append_punctuations", "quoted", WORDS, ("--append_punctuations", ""), has_the_word(".")),
    ("clip_timestamps", "two", ALONE, "--clip_timestamps 30", begins_at(30.0)),
    ("batch_size", "talking", GREEDY, "--batch_size 4", no_longer_writes("After")),
    ("batch_size", "talking", GREEDY, "--batch_size auto", no_longer_writes("After")),
    ("vad_filter", "pause", ALONE, "--vad_filter True", hears_the_speech_alone),
    ("vad_threshold", "pause", SPEECH, "--vad_threshold 1", hears_nothing),
    ("vad_neg_threshold", "pause", SPEECH, "--vad_neg_threshold 0", hears_the_pause_too),
    ("vad_min_speech_duration_ms", "pause", SPEECH, "--vad_min_speech_duration_ms 60000", hears_nothing),
    ("vad_max_speech_duration_s", "pause", SPEECH, "--vad_max_speech_duration_s 5", hears_more_windows),
    ("vad_min_silence_duration_ms", "pause", SPEECH, "--vad_min_silence_duration_ms 30000", hears_the_pause_too),
    ("vad_speech_pad_ms", "pause", SPEECH, "--vad_speech_pad_ms 900", begins_earlier),
    ("hallucination_silence_threshold", "ghost", WORDS, "--hallucination_silence_threshold 2", skips_the_silence),
]

# What is about the way itself.
NOT_TOGETHER = {"batch_size", "condition_on_previous_text", "vad_filter"}


def is_handed_on(flag: str) -> Shows:
    """The process that a benchmark runs is told of the flag, and of nothing else."""
    name = "temperature" if flag == "temperature_increment_on_fallback" else flag

    def shows(before: Outcome, after: Outcome) -> bool:
        told = [outcome.handed[0] for outcome in (before, after)]
        without, given = ({**one["options"], "batch_size": one["batch_size"]} for one in told)
        return {one for one in given if given[one] != without[one]} == {name}

    return shows


def decoding_cases() -> list[Case]:
    """Give the cases of `transcribe`, and those of `evaluate`, whose report holds what was heard.

    A benchmark hands the same options to a process of its own; that it is handed them is enough to know here.
    """
    cases = []
    for flag, sound, more, given, shows in DECODING:
        base = f"{SEQUENTIAL} {more}"
        line = (f"IN/{sound}.wav", "-f", "json", *words(base))
        case = Case("transcribe", flag, line, words(given), shows)
        cases.append(case)
        if flag not in NOT_TOGETHER:
            line = (f"IN/{sound}.wav", "-f", "json", *words(f"{TOGETHER} {more}"))
            cases.append(replace(case, base=line))
        if flag != "task":
            line = (f"IN/{sound}.jsonl", "--json", "report.json", *words(base))
            cases.append(replace(case, command="evaluate", base=line, needs=("jiwer", "whisper_normalizer")))
        line = ("IN/plain.wav", "--model", "IN/mine", "--backend", "numpy", "--repeat", "1", *words(base))
        if given != GREEDY:  # which a benchmark is anyhow
            cases.append(replace(case, command="benchmark", base=line, shows=is_handed_on(flag)))
    refused = Case("evaluate", "task", ("IN/plain.jsonl",), ("--task", "translate"), says="--task translate", code=2)
    return [*cases, replace(refused, needs=("jiwer",))]
