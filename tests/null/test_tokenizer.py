"""Ids against those of openai-whisper 20250625, which the expectations below were written by."""

import base64
import hashlib
import random

import pytest

from susurrus.errors import CheckpointError, OptionError
from susurrus.tokenizer import TextStream, Tokenizer, vocabulary_of
from susurrus.types import ModelDimensions
from susurrus.vocabulary import pack, read_tokens

SIZES = (51864, 51865, 51866)

SPECIALS = {
    "eot": (50256, 50257, 50257),
    "sot": (50257, 50258, 50258),
    "translate": (50357, 50358, 50359),
    "transcribe": (50358, 50359, 50360),
    "sot_lm": (50359, 50360, 50361),
    "sot_prev": (50360, 50361, 50362),
    "no_speech": (50361, 50362, 50363),
    "no_timestamps": (50362, 50363, 50364),
    "timestamp_begin": (50363, 50364, 50365),
    "sot_sequence": ((50257,), (50258, 50259, 50359), (50258, 50259, 50360)),
    "sot_sequence_including_notimestamps": (
        (50257, 50362),
        (50258, 50259, 50359, 50363),
        (50258, 50259, 50360, 50364),
    ),
}

# text -> ids with the .en vocabulary, ids with the multilingual ones
ENCODINGS = {
    "": ([], []),
    " Hello world, it's 2024.": (
        [18435, 995, 11, 340, 338, 48609, 13],
        [2425, 1002, 11, 309, 311, 45237, 13],
    ),
    " Grüß Gott!": ([1902, 9116, 39683, 39451, 0], [38908, 2536, 19133, 0]),
    " Привет, мир": (
        [12466, 253, 21169, 18849, 38857, 16843, 20375, 11, 12466, 120, 18849, 21169],
        [38932, 11, 20536],
    ),
    " مرحبا بالعالم": (
        [47048, 26897, 148, 255, 39848, 12919, 17550, 101, 23525, 44690, 23525, 25405],
        [3714, 2288, 5016, 3555, 995, 20666, 3615, 45340],
    ),
    "こんにちは世界": ([46036, 22174, 28618, 2515, 94, 31676, 10310, 244, 45911, 234], [38088, 24486]),
    " नमस्ते": (
        [28225, 101, 11976, 106, 11976, 116, 24231, 235, 11976, 97, 24231, 229],
        [8485, 101, 48521, 45938, 27099, 36158, 21981],
    ),
    " 🙂👩\u200d👩\u200d👧": (
        [32485, 41840, 102, 447, 235, 41840, 102, 447, 235, 41840, 100],
        [7385, 247, 224, 31017, 102, 913, 235, 31017, 102, 913, 235, 31017, 100],
    ),
    "  two  spaces\n\ttab ": (
        [220, 734, 220, 9029, 198, 197, 8658, 220],
        [220, 732, 220, 7673, 198, 197, 83, 455, 220],
    ),
    " e\u0301 é": ([304, 136, 223, 38251], [308, 32797, 1136]),
}

NON_SPEECH_EN = """
1 2 7 8 9 10 14 25 26 27 28 29 31 58 59 60 61 62 63 90 91 92 93 357 366 438 532 685 705 796 930 1058 1220 1267 1279 1303
1343 1377 1391 1635 1782 1875 2162 2361 2488 3467 4008 4211 4600 4808 5299 5855 6329 7203 9609 9959 10563 10786 11420
11709 11907 13163 13697 13700 14808 15306 16410 16791 17992 19203 19510 20724 22305 22935 27007 30109 30420 33409 34949
40283 40493 40549 47282 49146
"""
NON_SPEECH = """
1 2 7 8 9 10 14 25 26 27 28 29 31 58 59 60 61 62 63 90 91 92 93 359 503 522 542 873 893 902 918 922 931 1350 1853 1982
2460 2627 3246 3253 3268 3536 3846 3961 4183 4667 6585 6647 7273 9061 9383 10428 10929 11938 12033 12331 12562 13793
14157 14635 15265 15618 16553 16604 18362 18956 20075 21675 22520 26130 26161 26435 28279 29464 31650 32302 32470 36865
42863 47425 49870 50254
"""

WORDS = [
    (
        "en",
        " Hello, it's a well-known (test)... Grüß 🙂!",
        [" Hello", ",", " it's", " a", " well", "-known", " (test)...", " Grüß", " 🙂", "!"],
        [[2425], [11], [309, 311], [257], [731], [12, 6861], [522, 31636, 40144], [38908, 2536], [7385, 247, 224], [0]],
    ),
    (
        "zh",
        "你好，世界龘。",
        ["你好", "，", "世界", "龘", "。"],
        [[26410], [171, 120, 234], [24486], [28907, 246], [1543]],
    ),
    ("ja", "こんにちは、鬱々", ["こんにちは", "、", "鬱", "々"], [[38088], [1231], [32506, 109], [45032]]),
    (
        "th",
        "สวัสดีครับ",
        ["ส", "ว", "ั", "ส", "ด", "ี", "คร", "ั", "บ"],
        [[13715], [7643], [5981], [13715], [9345], [6033], [21916], [5981], [10196]],
    ),
]


# The vocabulary files


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("gpt2", "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"),
        ("multilingual", "b34b360dbb493e781e479794586d661700670d65564001f23024971d1f2fa126"),
    ],
)
def test_vocabulary_is_openais_to_the_byte(name, digest):
    # written out as whisper/assets/*.tiktoken, where "=" stands for the empty token
    tokens = read_tokens(name)
    lines = [f"{base64.b64encode(token).decode() or '='} {rank}\n" for rank, token in enumerate(tokens)]
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == digest
    assert len(set(tokens)) == len(tokens)


def test_packing_again_loses_nothing():
    from susurrus.vocabulary import unpack

    tokens = read_tokens("multilingual")
    assert unpack(pack(tokens)) == tokens


# Special ids


@pytest.mark.parametrize(("n_vocab", "column"), list(zip(SIZES, range(3), strict=True)))
def test_special_ids(n_vocab, column):
    tokenizer = Tokenizer.for_model(n_vocab)
    assert {name: getattr(tokenizer, name) for name in SPECIALS} == {n: ids[column] for n, ids in SPECIALS.items()}
    assert tokenizer.special("30.00") == n_vocab - 1
    assert tokenizer.n_vocab == n_vocab
    assert tokenizer.is_multilingual == (n_vocab > 51864)


@pytest.mark.parametrize(("n_vocab", "n_languages"), [(51864, 99), (51865, 99), (51866, 100)])
def test_languages_follow_sot_in_order(n_vocab, n_languages):
    tokenizer = Tokenizer.for_model(n_vocab)
    first = tokenizer.sot + 1
    assert tokenizer.all_language_tokens == tuple(range(first, first + n_languages))
    assert tokenizer.all_language_codes[:3] == ("en", "zh", "de")
    assert tokenizer.all_language_codes[-1] == ("yue" if n_languages == 100 else "su")
    for code, token in zip(tokenizer.all_language_codes, tokenizer.all_language_tokens, strict=True):
        assert tokenizer.decode([token]) == f"<|{code}|>"
        assert tokenizer.language_token(code) == token


def test_language_and_task_steer_the_sot_sequence():
    tokenizer = Tokenizer.for_model(51866, language="Cantonese", task="translate")
    assert tokenizer.sot_sequence == (50258, 50358, 50359)
    german = tokenizer.with_language("German")
    assert german.sot_sequence == (50258, 50261, 50359)
    assert german.vocabulary is tokenizer.vocabulary


@pytest.mark.parametrize(
    ("n_vocab", "options", "message"),
    [
        (51864, {"language": "de"}, "all an .en model knows"),
        (51864, {"task": "translate"}, "all an .en model knows"),
        (51865, {"language": "yue"}, "Cantonese came with large-v3"),
        (51865, {"language": ""}, "expected one of Whisper's"),
        (51865, {"task": "summarise"}, "expected 'transcribe' or 'translate'"),
    ],
)
def test_what_a_model_cannot_do_is_an_error(n_vocab, options, message):
    with pytest.raises(OptionError, match=message):
        Tokenizer.for_model(n_vocab, **options)


def test_language_token_of_another_vocabulary_is_an_error():
    with pytest.raises(OptionError, match="'yue'"):
        Tokenizer.for_model(51865).language_token("yue")


@pytest.mark.parametrize(("n_mels", "n_languages"), [(80, 99), (128, 100)])
def test_a_model_with_tokens_of_its_own(n_mels, n_languages):
    dims = ModelDimensions(n_mels, 1500, 384, 6, 4, 51900, 448, 384, 6, 4)
    tokenizer = Tokenizer.for_model(dims)
    assert len(tokenizer.all_language_codes) == n_languages
    assert tokenizer.n_vocab == 51900
    own = [2425, 51899]
    assert tokenizer.decode(own) == tokenizer.decode_with_timestamps(own) == " Hello"


@pytest.mark.parametrize("n_vocab", [0, 32000, 51863])
def test_a_vocabulary_that_is_not_whispers(n_vocab):
    with pytest.raises(CheckpointError, match="hint: is this a Whisper model"):
        vocabulary_of(n_vocab)


# Text


@pytest.mark.parametrize("text", ENCODINGS)
def test_encodings(text):
    for n_vocab, ids in zip(SIZES, (*ENCODINGS[text], ENCODINGS[text][1]), strict=True):
        tokenizer = Tokenizer.for_model(n_vocab)
        assert tokenizer.encode(text) == ids
        assert tokenizer.decode(ids) == text


def test_names_of_special_tokens_in_a_text_are_text():
    tokenizer = Tokenizer.for_model(51865)
    ids = tokenizer.encode("<|en|>")
    assert max(ids) < tokenizer.eot
    assert tokenizer.decode(ids) == "<|en|>"


def test_decode_drops_timestamps_and_shows_other_specials():
    tokenizer = Tokenizer.for_model(51865)
    ids = [50364, 2425, 50258, 1002, 50414, 50257]
    assert tokenizer.decode(ids) == " Hello<|startoftranscript|> world<|endoftext|>"
    assert tokenizer.decode_with_timestamps(ids) == ("<|0.00|> Hello<|startoftranscript|> world<|1.00|><|endoftext|>")


def test_part_of_a_character_decodes_to_the_replacement():
    assert Tokenizer.for_model(51865).decode([7385, 247]) == " \ufffd"


@pytest.mark.parametrize(("n_vocab", "ids"), [(51864, NON_SPEECH_EN), (51865, NON_SPEECH), (51866, NON_SPEECH)])
def test_non_speech_tokens(n_vocab, ids):
    assert Tokenizer.for_model(n_vocab).non_speech_tokens == tuple(map(int, ids.split()))


# Words


@pytest.mark.parametrize(("language", "text", "words", "word_tokens"), WORDS)
def test_words(language, text, words, word_tokens):
    tokenizer = Tokenizer.for_model(51865, language=language)
    given = [*tokenizer.encode(text), tokenizer.eot]
    assert tokenizer.split_to_word_tokens(given) == ([*words, "<|endoftext|>"], [*word_tokens, [tokenizer.eot]])


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_id_is_in_some_word_even_of_broken_text(language):
    tokenizer = Tokenizer.for_model(51865, language=language)
    draw = random.Random(0)
    for _ in range(300):
        tokens = [draw.randrange(94, 256) for _ in range(8)]  # single bytes, most of them no UTF-8
        words, word_tokens = tokenizer.split_to_word_tokens(tokens)
        assert [token for ids in word_tokens for token in ids] == tokens
        assert len(words) == len(word_tokens)


def test_no_words():
    assert Tokenizer.for_model(51865).split_to_word_tokens([]) == ([], [])


# Live text


def test_stream_gives_what_decode_gives():
    tokenizer = Tokenizer.for_model(51865)
    draw = random.Random(0)
    for _ in range(300):
        tokens = [draw.choice((draw.randrange(256), draw.randrange(51865))) for _ in range(8)]
        stream = TextStream(tokenizer)
        assert "".join(map(stream.push, tokens)) + stream.close() == tokenizer.decode(tokens)


def test_stream_never_shows_part_of_a_character():
    tokenizer = Tokenizer.for_model(51864)
    stream = TextStream(tokenizer)
    text = " 🙂👩\u200d👩\u200d👧 สวัสดี 龘"
    pieces = [stream.push(token) for token in tokenizer.encode(text)]
    assert "\ufffd" not in "".join(pieces)
    assert "".join(pieces) == text
