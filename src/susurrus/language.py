"""Which language is spoken: the distribution of the first token after sot.

Source: openai/whisper, decoding.py, detect_language.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .backends import Backend
from .tokenizer import Tokenizer


def detect_language(backend: Backend, tokenizer: Tokenizer, audio_features: Any) -> dict[str, float]:
    """Give each language's probability in the one window of `audio_features`, likeliest first."""
    sot = np.array([[tokenizer.sot]], dtype=np.int32)
    one, first = np.ones(1, dtype=np.int32), np.zeros((1, 1), dtype=np.int32)
    logits, _ = backend.prefill(audio_features, sot, one, first)
    ids = np.asarray(tokenizer.all_language_tokens)
    of_languages = backend.ops.to_numpy(logits)[0, 0, ids].astype(np.float64)
    weights = np.exp(of_languages - of_languages.max())
    probs = weights / weights.sum()
    order = np.argsort(-probs, kind="stable")
    return {tokenizer.all_language_codes[i]: float(probs[i]) for i in order}
