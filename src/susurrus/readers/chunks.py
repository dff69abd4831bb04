"""`chunks`, each with a `timestamp` of two and `text`: what transformers' pipeline and whisper-jax give.

With `return_timestamps="word"` a chunk is a word. Nothing says so, but such chunks have no space inside, most have one
before, and most do not end a sentence; they become one segment for each sentence.
"""

from __future__ import annotations

from ..types import Transcript
from .fields import UNKNOWN_LANGUAGE, Fields
from .fill import Draft, DraftWord, finished, segment_of

_SENTENCE_ENDS = tuple(".!?…。！？؟।")


def read(fields: Fields) -> Transcript:
    """Give the transcript."""
    words = [_word(one) for one in fields.list_of("chunks")]
    languages = {one.language("language") for one in fields.list_of("chunks")} - {None}
    if _are_words([word.text for word in words]):
        drafts = [_sentence(own, i) for i, own in enumerate(_sentences(words))]
    else:
        drafts = [Draft(word.span, segment_of(word.text, id=i)) for i, word in enumerate(words)]
    segments = finished(drafts)
    text = fields.text("text") if fields.has("text") else "".join(segment.text for segment in segments)
    language = fields.language("language") or (languages.pop() if len(languages) == 1 else None) or UNKNOWN_LANGUAGE
    return Transcript(text, language, segments, max((segment.end for segment in segments), default=0.0))


def _word(fields: Fields) -> DraftWord:
    start, end = fields.pair("timestamp")
    return DraftWord(fields.text("text"), (fields.as_time(start, "timestamp"), fields.as_time(end, "timestamp")))


def _are_words(texts: list[str]) -> bool:
    n = len(texts)
    n_ends = sum(text.rstrip().endswith(_SENTENCE_ENDS) for text in texts)
    n_spaced = sum(text[:1].isspace() for text in texts)
    return n > 1 and 2 * n_ends <= n and 2 * n_spaced >= n and not any(" " in text.strip() for text in texts)


def _sentences(words: list[DraftWord]) -> list[list[DraftWord]]:
    sentences: list[list[DraftWord]] = [[]]
    for word in words:
        sentences[-1].append(word)
        if word.text.rstrip().endswith(_SENTENCE_ENDS):
            sentences.append([])
    return [sentence for sentence in sentences if sentence]


def _sentence(words: list[DraftWord], i: int) -> Draft:
    return Draft((None, None), segment_of("".join(word.text for word in words), id=i), words)
