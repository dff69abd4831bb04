"""Beam search: keep the few likeliest texts of each window until enough have ended.

The network and the rules run on the device for all beams at once; ranking some thirty numbers a window is the host's.
Source: openai/whisper, decoding.py, BeamSearchDecoder; patience: arxiv 2204.05424.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backends import Backend
from ..types import Array
from .loop import Candidate
from .rules import Rules, apply_rules, history_of


@dataclass
class Search:
    """The search in one window: its live texts, likeliest first, and those that have ended."""

    beam_size: int
    n_wanted: int
    n_max: int
    live: list[Candidate] = field(default_factory=lambda: [Candidate((), 0.0)])
    ended: list[Candidate] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Enough texts have ended, or the live ones are as long as they may get."""
        return len(self.ended) >= self.n_wanted or len(self.live[0].tokens) >= self.n_max

    def candidates(self) -> list[Candidate]:
        """Give the texts that ended, filled up with the likeliest that did not."""
        return self.ended + self.live[: max(0, self.beam_size - len(self.ended))]


def beam_search(
    backend: Backend,
    logits: Array,
    cache: Any,
    rules: Rules,
    *,
    beam_size: int,
    patience: float | None,
    n_max: int,
) -> list[list[Candidate]]:
    """Search each window: logits f32[B, n_vocab] of the next token and a cache of one row a window -> candidates.

    The first step has one row a window; its likeliest continuations become the beams.
    """
    windows = [Search(beam_size, round(beam_size * (patience or 1.0)), n_max) for _ in range(logits.shape[0])]
    while True:
        rows = advance(backend, rules, windows, logits)
        if all(window.is_over for window in windows):
            return [window.candidates() for window in windows]
        logits, cache = backend.step(last_tokens(windows), backend.select(cache, rows))


def advance(backend: Backend, rules: Rules, windows: Sequence[Search], logits: Array) -> list[int]:
    """Take a step in each window that is not over; give the row that each row of the next step goes on from.

    logits f32[R, n_vocab]: the live texts of all windows, equally many in each.
    """
    ops = backend.ops
    n_live, n_max = len(windows[0].live), max(window.n_max for window in windows)
    history = history_of(ops, rules, [list(c.tokens) for w in windows for c in w.live], n_max)
    logprobs = ops.log_softmax(apply_rules(ops, rules, logits, history))
    values, ids = (ops.to_numpy(a) for a in ops.top_k(logprobs, windows[0].beam_size + 1))
    sources: list[int] = []
    for w, window in enumerate(windows):
        rows = slice(w * n_live, (w + 1) * n_live)
        chosen = range(n_live) if window.is_over else _advance(window, values[rows], ids[rows], rules.eot)
        sources += [w * n_live + row for row in chosen]
    return sources


def last_tokens(windows: Sequence[Search]) -> np.ndarray:
    """Give the last token of each live text, i32[R]."""
    return np.array([c.tokens[-1] for w in windows for c in w.live], dtype=np.int32)


def _advance(window: Search, values: np.ndarray, ids: np.ndarray, eot: int) -> list[int]:
    """Replace the window's live texts by their likeliest continuations; give the row that each came from.

    values f32[n_live, beam_size + 1] and ids are the likeliest next tokens of each live text. With beam_size + 1 of
    them a text that ends never leaves too few that go on.
    """
    sums = np.array([c.sum_logprob for c in window.live], dtype=np.float32)
    scores = (sums[:, None] + values).ravel()
    live: list[Candidate] = []
    rows: list[int] = []
    for place in np.argsort(-scores, kind="stable"):
        row, column = divmod(int(place), ids.shape[1])
        token, score = int(ids[row, column]), float(scores[place])
        if token == eot:
            if len(window.ended) < window.n_wanted:
                window.ended.append(Candidate(window.live[row].tokens, score))
            continue
        live.append(Candidate((*window.live[row].tokens, token), score))
        rows.append(row)
        if len(live) == window.beam_size:
            break
    window.live = live
    return rows
