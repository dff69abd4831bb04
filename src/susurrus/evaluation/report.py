"""Scores -> the report: plain data that JSON holds and that `terminal` and `page` show.

{"format", "config": {...}, "groups": {"total": {"all": {...}}, "kind": {...}, ...},
 "worst": [{"id", "changes": [{"said", "heard", "equal"}, ...], ...}], "failed": [...], "clips": [...]}
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .metrics import Metrics
from .scoring import GROUP_BY, Scored, grouped, summarise
from .stored import FORMAT

if TYPE_CHECKING:
    from ..options import TranscribeOptions
    from ..transcribe import Model


def make_report(
    scored: Sequence[Scored],
    metrics: Metrics,
    config: Mapping[str, Any],
    *,
    group_by: Sequence[str] = GROUP_BY,
    n_worst: int = 10,
) -> dict[str, Any]:
    """Give the whole report. `clips` hold what is needed to score again without decoding again."""
    return {
        "format": FORMAT,
        "config": dict(config),
        "normalisation": metrics.versions,
        "groups": {
            columns: {name: summarise(members) for name, members in groups.items()}
            for columns, groups in grouped(scored, group_by).items()
        },
        "run": summarise(scored),
        "worst": [_worst(one, metrics) for one in worst(scored, n_worst)],
        "failed": [{"id": one.clip.id, "error": one.result.error} for one in scored if one.result.error],
        "clips": [one.to_dict() for one in scored],
    }


def worst(scored: Sequence[Scored], n: int) -> list[Scored]:
    """Give the clips with the most errors, invented words among them: those that weigh most in the rates."""
    bad = [one for one in scored if one.score.words is not None and one.score.words.errors]
    return sorted(bad, key=lambda one: (-_errors(one), one.clip.id))[:n]


def run_config(model: Model, options: TranscribeOptions, **rest: Any) -> dict[str, Any]:
    """Say what was run: the model, on what, with which options, by which version."""
    from importlib.metadata import version

    import numpy as np

    return {
        "susurrus": version("susurrus"),
        "model": model.name,
        "backend": model.backend.name,
        "device": str(model.backend.device),
        "dtype": str(model.backend.dtype),
        **rest,
        "options": asdict(options),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _worst(one: Scored, metrics: Metrics) -> dict[str, Any]:
    score = one.score
    assert score.words is not None
    changes = metrics.changes(score.reference or "", score.hypothesis or "")
    return {
        "id": one.clip.id,
        "path": one.clip.path,
        "words": score.words.to_dict(),
        "loops": [list(loop) for loop in score.loops],
        "language": {"said": one.clip.language, "heard": one.result.language},
        "changes": [
            {"said": " ".join(said), "heard": " ".join(heard), "equal": equal} for said, heard, equal in changes
        ],
    }


def _errors(one: Scored) -> int:
    return one.score.words.errors if one.score.words is not None else 0
