"""Where a text may be cut into lines, how good each place is, and how wide characters are.

Takes text of any script, gives places in it; it knows nothing of times or of subtitles. A cut never falls into a
grapheme cluster (a letter with its marks, an emoji with its modifiers), nor into a word of a script that has spaces.
Source: Unicode Standard Annex 14 (line breaking) for the classes; kinsoku as in JIS X 4051.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import regex

from .leaning import TITLES

NARROW, WIDE = 16, 42
"""Widths of characters: a line that holds 42 Latin ones holds 16 Chinese, Japanese or Korean ones.

Source: Netflix, Timed Text Style Guides (42 for English, 16 for Chinese and Korean, 13 to 16 for Japanese).
"""

_GRAPHEME = regex.compile(r"\X")
_WIDE = regex.compile(r"[\p{ea=W}\p{ea=F}]")
# Hangul is as wide, but its words stand between spaces.
_IDEOGRAPHIC = regex.compile(r"(?!\p{Hangul})[\p{ea=W}\p{ea=F}]")
_NO_SPACES = regex.compile(r"\p{lb=SA}")  # Thai, Lao, Khmer, Burmese: the words stand together
_HOLDS_NEXT = regex.compile(r"[\p{lb=OP}\p{lb=PR}\p{Ps}\p{Pi}\p{Logical_Order_Exception}]|.*[\u1039\u17d2]$")
_HOLDS_LAST = regex.compile(
    r"[\p{lb=CL}\p{lb=CP}\p{lb=EX}\p{lb=IS}\p{lb=NS}\p{lb=CJ}\p{lb=IN}\p{lb=PO}\p{lb=SY}\p{Pe}\p{Pf}～"
    r"ะาำๅๆฯະາຳໆຯ]|.\u103a"  # vowels and signs that follow their consonant; a consonant that ends a syllable
)
_CLOSES = regex.compile(r"[\p{lb=CL}\p{lb=CP}\p{lb=EX}\p{lb=IS}\p{Pe}\p{Pf}%]")
_OPENS = regex.compile(r".*[\p{Ps}\p{Pi}]$")
_NO_BREAK_SPACES = "\u00a0\u2007\u202f"

_QUOTES = r"[\"'\p{Pe}\p{Pf}]*$"
_SENTENCE_END = regex.compile(r"[.!?…。．！？｡؟۔।॥။៕։]" + _QUOTES)
_CLAUSE_END = regex.compile(r"[,;:،؛、，；：–—·・､]" + _QUOTES)
_INITIAL = regex.compile(r"(?:^|\W)\p{Lu}\.$")
_HIRAGANA = regex.compile(r"\p{Hiragana}")
_SPEAKS_ON = regex.compile(r"\p{Katakana}|ー|[\p{Latin}\p{Nd}]")
_HONORIFICS = ("お", "ご")  # Japanese, before the noun they honour
_OUTSIDE_WORD = "\"'“”„‘’«»‹›()[]{}¿¡.,;:!?…-–—"


class Quality(IntEnum):
    """How a place to cut reads, the best first."""

    SENTENCE = 0
    CLAUSE = 1
    BEFORE_LEANING = 2
    """Before an article, a preposition, a conjunction; in Japanese, after the kana that end a phrase."""
    WORD = 3
    INSIDE = 4
    """Between characters of a script without spaces."""
    AFTER_LEANING = 5
    """It parts an article, a preposition, a title from what it belongs to."""
    IN_WORD = 6
    FORCED = 7
    """In a word that is longer than a line."""


def width(text: str) -> int:
    """Give how wide a text is, in units of which a Latin character has `NARROW`. Every code point counts, marks too.

    >>> width("hello") // NARROW, width("世界") == 2 * WIDE
    (5, True)
    """
    return NARROW * len(text) + (WIDE - NARROW) * len(_WIDE.findall(text))


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Give the pieces of a text that must not be cut, as start and end offsets, without the space around them.

    >>> [text[a:b] for text in ["Bien sûr !", "「世界」はABC。", "مرحبا بكم"] for a, b in spans(text)]
    ['Bien', 'sûr !', '「世', '界」', 'は', 'ABC。', 'مرحبا', 'بكم']
    """
    start = end = -1
    last, is_after_space = "", False
    for match in _GRAPHEME.finditer(text):
        cluster = match.group()
        if cluster[0].isspace() and cluster[0] not in _NO_BREAK_SPACES:
            is_after_space = True
            continue
        may_cut = _may_cut_at_space(last, cluster) if is_after_space else _may_cut_between(last, cluster)
        if start < 0:
            start = match.start()
        elif may_cut:
            yield start, end
            start = match.start()
        end, last, is_after_space = match.end(), cluster, False
    if start >= 0:
        yield start, end


def clusters(text: str) -> list[str]:
    r"""Give the grapheme clusters: what a reader takes for one character.

    >>> [len(cluster) for cluster in clusters("กำe\u0301👍🏽")]
    [2, 2, 2]
    """
    return _GRAPHEME.findall(text)


def quality(before: str, after: str, has_space: bool, leaning: frozenset[str] = frozenset()) -> Quality:
    """Judge a cut between two pieces of text. `leaning` are the words that belong to what follows, in lower case.

    >>> quality("dinner,", "turnips", True).name, quality("fond", "of", True, frozenset({"of"})).name
    ('CLAUSE', 'BEFORE_LEANING')
    """
    last_word = before.rpartition(" ")[2].strip(_OUTSIDE_WORD)
    if (last_word in TITLES and before.endswith(".")) or _INITIAL.search(before):
        return Quality.AFTER_LEANING
    if _SENTENCE_END.search(before):
        return Quality.SENTENCE
    if _CLAUSE_END.search(before):
        return Quality.CLAUSE
    if has_space:
        if last_word.casefold() in leaning:
            return Quality.AFTER_LEANING
        is_before = after.partition(" ")[0].strip(_OUTSIDE_WORD).casefold() in leaning
        return Quality.BEFORE_LEANING if is_before else Quality.WORD
    if (_SPEAKS_ON.match(before[-1:]) and _SPEAKS_ON.match(after)) or before[-1:] in _HONORIFICS:
        return Quality.IN_WORD
    is_phrase_end = _HIRAGANA.match(before[-1:]) and not _HIRAGANA.match(after)
    return Quality.BEFORE_LEANING if is_phrase_end else Quality.INSIDE


def is_unspaced(text: str) -> bool:
    """Say whether a text begins in a script whose words stand together and only a dictionary can part.

    >>> is_unspaced("สวัสดี"), is_unspaced("世界")
    (True, False)
    """
    return bool(_NO_SPACES.match(text))


def needs_space(before: str, after: str) -> bool:
    """Say whether two texts that follow each other are parted by a space.

    >>> needs_space("well,", "yes"), needs_space("世界。", "你好")
    (True, False)
    """
    if not before or not after:
        return False
    touches = (before[-1], after[0])
    return not any(_IDEOGRAPHIC.match(char) for char in touches) and not all(map(is_unspaced, touches))


def on_one_line(text: str) -> str:
    r"""Join lines, with a space where the script has them.

    >>> on_one_line("Hello,\nworld."), on_one_line("你好，\n世界。")
    ('Hello, world.', '你好，世界。')
    """
    whole = ""
    for line in filter(None, map(str.strip, text.split("\n"))):
        whole += (" " if needs_space(whole, line) else "") + line
    return whole


def _may_cut_at_space(before: str, after: str) -> bool:
    # French sets a space before ! ? : ; and inside « »
    return not _CLOSES.match(after) and not _OPENS.match(before)


def _may_cut_between(before: str, after: str) -> bool:
    if _HOLDS_NEXT.match(before) or _HOLDS_LAST.match(after):
        return False
    if before == "—":
        return after.isalpha()
    if before[-1:].isdecimal() and after[0].isdecimal():
        return False
    if _IDEOGRAPHIC.match(before) or _IDEOGRAPHIC.match(after):
        return True
    return bool(_NO_SPACES.match(before) and _NO_SPACES.match(after))
