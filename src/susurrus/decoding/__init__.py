"""From audio features to tokens: the rules, the loops, the choice among candidates; once, for all backends."""

from .decode import decode, start_tokens
from .rules import History, Rules, apply_rules, make_rules

__all__ = ["History", "Rules", "apply_rules", "decode", "make_rules", "start_tokens"]
