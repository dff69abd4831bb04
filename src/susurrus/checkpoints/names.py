"""The models that have a name: their sizes, where they are published, and which heads follow the sound.

Data only: nothing here reads a file or asks the network.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from ..types import ModelDimensions

Heads = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ModelEntry:
    """A model with a name. `hub_id` is where it is fetched from; the cache may hold it under `other_hub_ids` too.

    `alignment_heads` are (layer, head) pairs, None where its makers named none.
    """

    name: str
    hub_id: str
    dims: ModelDimensions
    alignment_heads: Heads | None = None
    other_hub_ids: tuple[str, ...] = ()

    @property
    def n_languages(self) -> int:
        """How many languages it transcribes: 1 for the `.en` models, and for the distilled ones, trained on English."""
        if self.name.startswith("distil-"):
            return 1
        return self.dims.n_vocab - 51766 if self.dims.is_multilingual else 1  # 51865 has 99, large-v3's 51866 has 100


def _dims(n_state: int, n_audio_layer: int, n_text_layer: int, n_vocab: int, n_mels: int = 80) -> ModelDimensions:
    return ModelDimensions(
        n_mels=n_mels,
        n_audio_ctx=1500,
        n_audio_state=n_state,
        n_audio_head=n_state // 64,
        n_audio_layer=n_audio_layer,
        n_vocab=n_vocab,
        n_text_ctx=448,
        n_text_state=n_state,
        n_text_head=n_state // 64,
        n_text_layer=n_text_layer,
    )


# Source: openai/whisper, __init__.py, _ALIGNMENT_HEADS (base85 of gzip of a boolean [n_text_layer, n_text_head]).
# fmt: off
_HEADS: dict[str, Heads] = {
    "tiny.en": ((1, 0), (2, 0), (2, 5), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4)),
    "tiny": ((2, 2), (3, 0), (3, 2), (3, 3), (3, 4), (3, 5)),
    "base.en": ((3, 3), (4, 7), (5, 1), (5, 5), (5, 7)),
    "base": ((3, 1), (4, 2), (4, 3), (4, 7), (5, 1), (5, 2), (5, 4), (5, 6)),
    "small.en": (
        (6, 6), (7, 0), (7, 3), (7, 8), (8, 2), (8, 5), (8, 7), (9, 0), (9, 4), (9, 8), (9, 10), (10, 0), (10, 1),
        (10, 2), (10, 3), (10, 6), (10, 11), (11, 2), (11, 4),
    ),
    "small": ((5, 3), (5, 9), (8, 0), (8, 4), (8, 7), (8, 8), (9, 0), (9, 7), (9, 9), (10, 5)),
    "medium.en": (
        (11, 4), (14, 1), (14, 12), (14, 14), (15, 4), (16, 0), (16, 4), (16, 9), (17, 12), (17, 14), (18, 7),
        (18, 10), (18, 15), (20, 0), (20, 3), (20, 9), (20, 14), (21, 12),
    ),
    "medium": ((13, 15), (15, 4), (15, 15), (16, 1), (20, 0), (23, 4)),
    "large-v1": ((9, 19), (11, 2), (11, 4), (11, 17), (22, 7), (22, 11), (22, 17), (23, 2), (23, 15)),
    "large-v2": (
        (10, 12), (13, 17), (16, 11), (16, 12), (16, 13), (17, 15), (17, 16), (18, 4), (18, 11), (18, 19), (19, 11),
        (21, 2), (21, 3), (22, 3), (22, 9), (22, 12), (23, 5), (23, 7), (23, 13), (25, 5), (26, 1), (26, 12), (27, 15),
    ),
    "large-v3": (
        (7, 0), (10, 17), (12, 18), (13, 12), (16, 1), (17, 14), (19, 11), (21, 4), (24, 1), (25, 6),
    ),
    "large-v3-turbo": ((2, 4), (2, 11), (3, 3), (3, 6), (3, 11), (3, 14)),
}

# Sizes: openai/whisper model card; distil-whisper: config.json of each model.
# Other ids: the CTranslate2 conversions that faster-whisper fetches (faster_whisper/utils.py).
_PUBLISHED = (
    ("tiny", "openai/whisper-tiny", _dims(384, 4, 4, 51865), "Systran/faster-whisper-tiny"),
    ("tiny.en", "openai/whisper-tiny.en", _dims(384, 4, 4, 51864), "Systran/faster-whisper-tiny.en"),
    ("base", "openai/whisper-base", _dims(512, 6, 6, 51865), "Systran/faster-whisper-base"),
    ("base.en", "openai/whisper-base.en", _dims(512, 6, 6, 51864), "Systran/faster-whisper-base.en"),
    ("small", "openai/whisper-small", _dims(768, 12, 12, 51865), "Systran/faster-whisper-small"),
    ("small.en", "openai/whisper-small.en", _dims(768, 12, 12, 51864), "Systran/faster-whisper-small.en"),
    ("medium", "openai/whisper-medium", _dims(1024, 24, 24, 51865), "Systran/faster-whisper-medium"),
    ("medium.en", "openai/whisper-medium.en", _dims(1024, 24, 24, 51864), "Systran/faster-whisper-medium.en"),
    ("large-v1", "openai/whisper-large", _dims(1280, 32, 32, 51865), "Systran/faster-whisper-large-v1"),
    ("large-v2", "openai/whisper-large-v2", _dims(1280, 32, 32, 51865), "Systran/faster-whisper-large-v2"),
    ("large-v3", "openai/whisper-large-v3", _dims(1280, 32, 32, 51866, 128), "Systran/faster-whisper-large-v3"),
    ("large-v3-turbo", "openai/whisper-large-v3-turbo", _dims(1280, 32, 4, 51866, 128),
     "mobiuslabsgmbh/faster-whisper-large-v3-turbo"),
    ("distil-small.en", "distil-whisper/distil-small.en", _dims(768, 12, 4, 51864),
     "Systran/faster-distil-whisper-small.en"),
    ("distil-medium.en", "distil-whisper/distil-medium.en", _dims(1024, 24, 2, 51864),
     "Systran/faster-distil-whisper-medium.en"),
    ("distil-large-v2", "distil-whisper/distil-large-v2", _dims(1280, 32, 2, 51865),
     "Systran/faster-distil-whisper-large-v2"),
    ("distil-large-v3", "distil-whisper/distil-large-v3", _dims(1280, 32, 2, 51866, 128),
     "Systran/faster-distil-whisper-large-v3"),
    ("distil-large-v3.5", "distil-whisper/distil-large-v3.5", _dims(1280, 32, 2, 51866, 128),
     "distil-whisper/distil-large-v3.5-ct2"),
)
# fmt: on

MODELS: dict[str, ModelEntry] = {
    name: ModelEntry(name, hub_id, dims, _HEADS.get(name), (other,)) for name, hub_id, dims, other in _PUBLISHED
}
"""Every model with a name, from small to large."""

ALIASES = {"large": "large-v3", "turbo": "large-v3-turbo"}
"""Names that stand for another one."""


def known_names() -> tuple[str, ...]:
    """Give every name that can be asked for, aliases last."""
    return (*MODELS, *ALIASES)


def find_model(name: str) -> ModelEntry | None:
    """Give the model of a name, an alias or a hub id; None for any other.

    >>> find_model("turbo").name, find_model("openai/whisper-large").name
    ('large-v3-turbo', 'large-v1')
    """
    if "/" in name:
        return next((entry for entry in MODELS.values() if entry.hub_id == name), None)
    return MODELS.get(ALIASES.get(name, name))


def nearest_names(name: str) -> list[str]:
    """Give the known names most like this one, best first.

    >>> nearest_names("larg-v3")[0]
    'large-v3'
    """
    return difflib.get_close_matches(name, known_names(), n=3, cutoff=0.6)


def default_alignment_heads(name: str, dims: ModelDimensions) -> Heads:
    """Give the heads of a checkpoint that names none of its own.

    Those OpenAI found for a model of the same sizes; large-v1 and large-v2 have the same, so there the name decides,
    and v2 where it says nothing. Any other model: all heads of the upper half of the decoder's layers.
    Source: openai/whisper, model.py, Whisper.__init__.
    """
    alike = [entry for entry in MODELS.values() if entry.dims == dims and entry.alignment_heads]
    for entry in alike:
        if entry.name in name and entry.alignment_heads:
            return entry.alignment_heads
    if alike and alike[-1].alignment_heads:
        return alike[-1].alignment_heads
    layers = range(dims.n_text_layer // 2, dims.n_text_layer)
    return tuple((layer, head) for layer in layers for head in range(dims.n_text_head))
