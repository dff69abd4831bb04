"""The languages, their order, and what users call them."""

import pytest

from susurrus.errors import OptionError
from susurrus.languages import ALIASES, LANGUAGES, language_code, language_name

# The order of the token ids. Source: openai/whisper 20250625, tokenizer.py, LANGUAGES.
CODES = """
en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy sk
te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo
ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue
"""


def test_order_is_that_of_the_token_ids():
    assert list(LANGUAGES) == CODES.split()
    assert len(LANGUAGES) == 100


def test_every_code_name_and_alias_gives_its_code_in_any_case():
    for code, name in LANGUAGES.items():
        for wanted in (code, code.upper(), name, name.title()):
            assert language_code(wanted) == code
        assert language_name(code) == name
    for alias, code in ALIASES.items():
        assert language_code(alias.title()) == code


@pytest.mark.parametrize(
    ("wanted", "code"),
    [("Burmese", "my"), ("castilian", "es"), ("MANDARIN", "zh"), ("Haitian Creole", "ht"), ("haitian", "ht")],
)
def test_names_that_users_type(wanted, code):
    assert language_code(wanted) == code


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [("englsh", "'english'"), ("Cantonesse", "'cantonese'"), ("xx", "such as"), ("", "such as"), (7, "such as")],
)
def test_unknown_language_gets_a_hint(wanted, hint):
    with pytest.raises(OptionError, match="expected one of Whisper's 100 languages") as caught:
        language_code(wanted)
    assert hint in caught.value.hint


def test_table_cannot_be_changed():
    with pytest.raises(TypeError):
        LANGUAGES["xx"] = "klingon"
