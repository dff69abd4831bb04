"""What the flags of commands promise: how an outcome with one differs from that without."""

from __future__ import annotations

import json
import re
from typing import Any

from flag_cases import Outcome, Shows


def prints(*expected: str) -> Shows:
    """This stands in what is printed with the flag alone."""
    return lambda before, after: all(text in after.out and text not in before.out for text in expected)


def no_longer_prints(text: str) -> Shows:
    return lambda before, after: text in before.out and text not in after.out


def warns(text: str) -> Shows:
    return lambda before, after: text in after.log and text not in before.log


def no_longer_warns(text: str) -> Shows:
    return lambda before, after: text in before.log and text not in after.log


def prints_json(before: Outcome, after: Outcome) -> bool:
    return not is_json(before.out) and is_json(after.out)


def prints_lines_of_json(before: Outcome, after: Outcome) -> bool:
    events = [json.loads(line)["event"] for line in after.out.splitlines() if is_json(line)]
    return len(events) == len(after.out.splitlines()) and events[-1] == "summary" and not is_json(before.out)


def is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (list, dict))
    except ValueError:
        return False


def writes_files(*names: str) -> Shows:
    """These files are written instead of the others."""
    return lambda before, after: outputs(after) == set(names) != outputs(before)


def writes_into(folder: str) -> Shows:
    def is_there(outcome: Outcome) -> bool:
        return bool(outputs(outcome)) and all(name.startswith(f"{folder}/") for name in outputs(outcome))

    return lambda before, after: is_there(after) and not is_there(before)


def writes_too(pattern: str) -> Shows:
    has = lambda outcome: any(re.fullmatch(pattern, name) for name in outputs(outcome))
    return lambda before, after: has(after) and not has(before)


def outputs(outcome: Outcome) -> set[str]:
    """What was written, but for journals and inputs."""
    return {name for name in outcome.files if ".susurrus/" not in name and name not in ("talk.json", "talk.wav")}


def keeps_no_journal(before: Outcome, after: Outcome) -> bool:
    has = lambda outcome: any(name.startswith(".susurrus/") for name in outcome.files)
    return has(before) and not has(after) and outputs(before) == outputs(after)


def decodes_nothing(before: Outcome, after: Outcome) -> bool:
    return bool(before.models) and not after.models


def skips_what_is_there(before: Outcome, after: Outcome) -> bool:
    return decodes_nothing(before, after) and "skipped" in after.err


def shows_nothing(before: Outcome, after: Outcome) -> bool:
    return bool(before.out and before.err) and not (after.out or after.err) and outputs(before) == outputs(after)


def hears_a_second_voice(before: Outcome, after: Outcome) -> bool:
    of = lambda outcome: [segment.get("speaker") for segment in outcome.segments]
    return len(set(of(after))) == 2 and set(of(before)) == {None}


def becomes_text(text: str) -> Shows:
    return lambda before, after: before.heard["text"].strip() != text == after.heard["text"].strip()


def in_file(suffix: str, text: str) -> Shows:
    """This stands in the file with the flag alone."""
    return lambda before, after: text in after.file(suffix) and text not in before.file(suffix)


def lines_at_most(n: int) -> Shows:
    def longest(outcome: Outcome) -> int:
        return max(map(len, cue_lines(outcome)))

    return lambda before, after: longest(after) <= n < longest(before)


def one_line_a_cue(before: Outcome, after: Outcome) -> bool:
    def most(outcome: Outcome) -> int:
        return max(len(cue.splitlines()) - 2 for cue in outcome.file(".srt").strip().split("\n\n"))

    return most(after) == 1 < most(before)


def words_a_line_at_most(n: int) -> Shows:
    most = lambda outcome: max(len(line.split()) for line in cue_lines(outcome))
    return lambda before, after: most(after) <= n < most(before)


def cue_lines(outcome: Outcome) -> list[str]:
    lines = outcome.file(".srt").splitlines()
    return [line for line in lines if line and "-->" not in line and not line.isdecimal()]


def loads(**expected: str) -> Shows:
    """The model is another one with the flag, or runs otherwise."""
    has = lambda outcome: any(expected.items() <= model.items() for model in outcome.models)
    return lambda before, after: has(after) and not has(before)


def is_as_high_as(n_rows: int) -> Shows:
    """The picture has so many rows of words with the flag, and another number without."""
    return lambda before, after: rows(after) == n_rows != rows(before)


def has_images(n: int) -> Shows:
    """A row's sound is an image with the flag; the scale of the colours is one always."""
    of = lambda outcome: outcome.file(".svg").count("<image")
    return lambda before, after: of(after) == n > of(before)


def rows(outcome: Outcome) -> int:
    return len(set(re.findall(r'id="(axes_\d+)"', outcome.file(".svg")))) - 1  # the scale of the colours


def ran(outcome: Outcome) -> list[str]:
    """The files that Susurrus ran on in a benchmark, without the first time, which does not count."""
    return ["+".join(file.rpartition("/")[2] for file in files) for files in outcome.handed[0].get("ran", ())][1:]


def runs(*names: str) -> Shows:
    return lambda before, after: ran(after) == list(names) != ran(before)


def systems(outcome: Outcome) -> list[str]:
    return [one["system"] for one in outcome.handed]


def runs_beside(name: str) -> Shows:
    return lambda before, after: name in systems(after) and name not in systems(before)


def runs_no_more(name: str) -> Shows:
    return lambda before, after: runs_beside(name)(after, before)


def is_told(**expected: Any) -> Shows:
    has = lambda outcome: expected.items() <= outcome.handed[0].items()
    return lambda before, after: has(after) and not has(before)
