"""Beam search: keep the few likeliest texts of each window until enough have ended.

The network and the rules run on the device for all beams at once; ranking some thirty numbers a window is the host's.
Source: openai/whisper, decoding.py, BeamSearchDecoder; patience: arxiv 2204.05424.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backends import Backend
from ..types import Array
from .loop import Candidate
from .rules import Rules, apply_rules, history_of


@dataclass
class _Window:
    """The search in one window: its live texts, likeliest first, and those that have ended."""

    live: list[Candidate] = field(default_factory=lambda: [Candidate((), 0.0)])
    ended: list[Candidate] = field(default_factory=list)


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
    ops = backend.ops
    n_wanted = round(beam_size * (patience or 1.0))
    windows = [_Window() for _ in range(logits.shape[0])]

    for i in range(n_max):
        history = history_of(ops, rules, [list(c.tokens) for w in windows for c in w.live], n_max)
        logprobs = ops.log_softmax(apply_rules(ops, rules, logits, history))
        values, ids = (ops.to_numpy(a) for a in ops.top_k(logprobs, beam_size + 1))
        n_live = len(windows[0].live)
        sources: list[int] = []
        for w, window in enumerate(windows):
            rows = slice(w * n_live, (w + 1) * n_live)
            chosen = _advance(window, values[rows], ids[rows], rules.eot, beam_size, n_wanted)
            sources += [w * n_live + row for row in chosen]
        if all(len(window.ended) >= n_wanted for window in windows) or i == n_max - 1:
            break
        cache = backend.select(cache, sources)
        token = np.array([c.tokens[-1] for w in windows for c in w.live], dtype=np.int32)
        logits, cache = backend.step(token, cache)
    return [_finish(window, beam_size) for window in windows]


def _advance(
    window: _Window, values: np.ndarray, ids: np.ndarray, eot: int, beam_size: int, n_wanted: int
) -> list[int]:
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
            if len(window.ended) < n_wanted:
                window.ended.append(Candidate(window.live[row].tokens, score))
            continue
        live.append(Candidate((*window.live[row].tokens, token), score))
        rows.append(row)
        if len(live) == beam_size:
            break
    window.live = live
    return rows


def _finish(window: _Window, beam_size: int) -> list[Candidate]:
    """Give the texts that ended, filled up with the likeliest that did not."""
    return window.ended + window.live[: max(0, beam_size - len(window.ended))]
