"""Pictures of a transcript: when each word was said and how sure it is, and the attention that its times come from.

Takes a `Transcript` and its `Recording`, gives matplotlib figures and files. matplotlib (the extra `plot`) is imported
when a figure is made; pyplot never is, so no display is needed and nothing global is changed.

    from susurrus.plot import draw_words, save_figures
    save_figures([draw_words(transcript)], "words.png")
"""

from .alignment import WindowAlignment, align_window, draw_alignment
from .page import FORMATS, need_matplotlib, picture_format, save_figures
from .words import VIEWS, draw_words, page_spans, transcript_length

__all__ = [
    "FORMATS",
    "VIEWS",
    "WindowAlignment",
    "align_window",
    "draw_alignment",
    "draw_words",
    "need_matplotlib",
    "page_spans",
    "picture_format",
    "save_figures",
    "transcript_length",
]
