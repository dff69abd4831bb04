"""From audio features to tokens: the rules, the loops, the choice among candidates; once, for all backends."""

from .batch import Batch
from .decode import Request, decode, start_tokens
from .rules import History, Rules, apply_rules, make_rules

__all__ = ["Batch", "History", "Request", "Rules", "apply_rules", "decode", "make_rules", "start_tokens"]
