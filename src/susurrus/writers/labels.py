"""Names of speakers before what they say, and which way that runs.

Text is kept in logical order: whoever shows it turns it round.
"""

from __future__ import annotations

import unicodedata

_RIGHT_TO_LEFT_MARK = "\u200f"


def is_right_to_left(text: str) -> bool:
    """Say whether the first letter that has a direction runs right to left. Source: Unicode Annex 9, rule P2.

    >>> is_right_to_left("(سلام)"), is_right_to_left("well, سلام"), is_right_to_left("42")
    (True, False, False)
    """
    for char in text:
        direction = unicodedata.bidirectional(char)
        if direction in ("L", "R", "AL"):
            return direction != "L"
    return False


def label_in_direction(label: str, text: str) -> str:
    r"""Give a label that leaves the text after it its direction: a player takes the line's from its first letter.

    >>> label_in_direction("[left]: ", "سلام.") == "\u200f[left]: ", label_in_direction("[left]: ", "Hello.")
    (True, '[left]: ')
    """
    return _RIGHT_TO_LEFT_MARK + label if is_right_to_left(text) and not is_right_to_left(label) else label


def one_line_name(speaker: str) -> str:
    r"""Give a name that cannot be taken for the end of a line, or for a line of times.

    >>> one_line_name("a\nb --> c")
    'a b -> c'
    """
    return " ".join(speaker.split()).replace("-->", "->")
