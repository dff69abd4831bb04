"""URLs: how messages show them, and what their outputs are called."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from .stems import Place, safe_name


def url_name(url: str) -> str:
    """Give a URL without what may be secret in it: user, password, and what a query says.

    >>> url_name("https://me:secret@example.org/talk.mp3?token=1#t=5")
    'https://example.org/talk.mp3?...'
    """
    url = re.sub(r"(?<=://)[^/?#]*@", "", url.partition("#")[0])
    before, query, _ = url.partition("?")
    return f"{before}?..." if query else before


def url_place(url: str) -> Place:
    """Give the place of a URL: its host and path as names that any file system takes.

    >>> url_place("https://example.org/a%2Fb/My%20talk.mp3?x=1").parts
    ('example.org', 'a_b', 'My talk')
    """
    split = urlsplit(url)
    host, *names = [safe_name(unquote(part)) for part in (split.hostname or "", *split.path.split("/")) if part]
    if not names:
        return Place((host,), mark=url)
    found = re.fullmatch(r"(.+)(\.\w{1,5})", names[-1])
    stem, suffix = found.groups() if found else (names[-1], "")
    return Place((host, *names[:-1], safe_name(stem)), suffix=suffix, mark=url)
