"""The 100 languages of Whisper: ISO codes and English names, in the order of their token ids.

Takes what a user types for a language, gives its code. It knows nothing of tokens beyond their order, and imports
nothing heavy: the options and the command line's help need it at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from .errors import OptionError

# The order is the data: the n-th language has the n-th token id after <|startoftranscript|>, so a line never moves.
# yue came with large-v3; every vocabulary before it ends at su. jw (ISO says jv) is OpenAI's spelling.
# Source: openai/whisper, tokenizer.py, LANGUAGES.
_TABLE = """
en english, zh chinese, de german, es spanish, ru russian, ko korean, fr french, ja japanese, pt portuguese, tr turkish,
pl polish, ca catalan, nl dutch, ar arabic, sv swedish, it italian, id indonesian, hi hindi, fi finnish, vi vietnamese,
he hebrew, uk ukrainian, el greek, ms malay, cs czech, ro romanian, da danish, hu hungarian, ta tamil, no norwegian,
th thai, ur urdu, hr croatian, bg bulgarian, lt lithuanian, la latin, mi maori, ml malayalam, cy welsh, sk slovak,
te telugu, fa persian, lv latvian, bn bengali, sr serbian, az azerbaijani, sl slovenian, kn kannada, et estonian,
mk macedonian, br breton, eu basque, is icelandic, hy armenian, ne nepali, mn mongolian, bs bosnian, kk kazakh,
sq albanian, sw swahili, gl galician, mr marathi, pa punjabi, si sinhala, km khmer, sn shona, yo yoruba, so somali,
af afrikaans, oc occitan, ka georgian, be belarusian, tg tajik, sd sindhi, gu gujarati, am amharic, yi yiddish, lo lao,
uz uzbek, fo faroese, ht haitian creole, ps pashto, tk turkmen, nn nynorsk, mt maltese, sa sanskrit, lb luxembourgish,
my myanmar, bo tibetan, tl tagalog, mg malagasy, as assamese, tt tatar, haw hawaiian, ln lingala, ha hausa, ba bashkir,
jw javanese, su sundanese, yue cantonese
"""


def _read_table(table: str) -> dict[str, str]:
    pairs = (entry.split(maxsplit=1) for entry in table.split(","))
    return {code: name.strip() for code, name in pairs}


LANGUAGES: Mapping[str, str] = MappingProxyType(_read_table(_TABLE))
"""Code -> English name in lower case, in the order of the token ids."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "burmese": "my",
        "valencian": "ca",
        "flemish": "nl",
        "haitian": "ht",
        "letzeburgesch": "lb",
        "pushto": "ps",
        "panjabi": "pa",
        "moldavian": "ro",
        "moldovan": "ro",
        "sinhalese": "si",
        "castilian": "es",
        "mandarin": "zh",
    }
)
"""Other names -> code. Source: openai/whisper, tokenizer.py, TO_LANGUAGE_CODE."""

_CODES = MappingProxyType({**{code: code for code in LANGUAGES}, **{n: c for c, n in LANGUAGES.items()}, **ALIASES})


def language_code(name_or_code: str) -> str:
    """Give the code of a language, named by its code, its English name or an alias, in any case.

    Raises: OptionError with the nearest known name.

    >>> language_code("EN"), language_code("English"), language_code("mandarin")
    ('en', 'en', 'zh')
    """
    wanted = name_or_code.lower() if isinstance(name_or_code, str) else ""
    if wanted in _CODES:
        return _CODES[wanted]
    near = difflib.get_close_matches(wanted, _CODES, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "a code such as 'en' or an English name such as 'english'"
    raise OptionError(f"language={name_or_code!r}: expected one of Whisper's {len(LANGUAGES)} languages", hint=hint)


def language_name(code: str) -> str:
    """Give the English name of a language in lower case; a name or an alias is taken as well as a code.

    Raises: OptionError with the nearest known name.

    >>> language_name("ht"), language_name("flemish")
    ('haitian creole', 'dutch')
    """
    return LANGUAGES[language_code(code)]
