"""Broken, lying and malicious files: each is one CheckpointError that says what is wrong, and nothing in them runs."""

from __future__ import annotations

import json
import os
import struct

import numpy as np
import pytest
from checkpoint_writers import (
    ALIASES,
    CONFIG,
    DIMS,
    WRITERS,
    ct2_bytes,
    ct2_string,
    ct2_variables,
    small_weights,
    write_configs,
    write_ct2_folder,
    write_openai,
    write_safetensors_folder,
    write_sharded_safetensors,
    write_split_ct2,
)

from susurrus import CheckpointError
from susurrus.checkpoints import load_checkpoint

SINGLE_FILES = {
    "openai": "openai.pt",
    "safetensors": "model.safetensors",
    "bin": "pytorch_model.bin",
    "ctranslate2": "model.bin",
}


def read_all(path):
    checkpoint = load_checkpoint(path)
    for name in checkpoint.weights:
        checkpoint.weights[name]
    return checkpoint


def written(form, tmp_path):
    """Give what is loaded and the file that holds the weights."""
    path = WRITERS[form](tmp_path, small_weights())
    return path, tmp_path / SINGLE_FILES[form]


@pytest.mark.parametrize("form", WRITERS)
def test_one_error_lists_all_that_is_wrong(form, tmp_path):
    weights = small_weights()
    del weights["decoder.blocks.2.mlp.0.bias"], weights["encoder.ln_post.weight"]
    weights["decoder.ln.bias"] = np.ones(17, np.float32)
    if form in ("ctranslate2", "split ctranslate2"):
        weights["encoder.ln_post.weight"] = np.ones(15, np.float32)
        variables = ct2_variables({**weights, "decoder.blocks.2.mlp.0.bias": np.zeros(64, np.float32)})
        del variables["decoder/layer_2/ffn/linear_0/bias"]
        variables["decoder/layer_2/adapter/weight"] = ("float32", np.zeros((2, 3), np.float32))
        path = write_ct2_folder(tmp_path, weights, data=ct2_bytes(variables, ALIASES))
        wanted = [
            "1 missing",
            "decoder.layer_2.adapter".replace(".", "/"),
            "encoder.ln_post.weight [15], expected [16]",
        ]
    else:
        weights["decoder.blocks.2.adapter.weight"] = np.zeros((2, 3), np.float32)
        path = WRITERS[form](tmp_path, weights)
        wanted = ["2 missing", "encoder.ln_post.weight", "adapter.weight"]
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    for text in [*wanted, "decoder.blocks.2.mlp.0.bias", "decoder.ln.bias [17], expected [16]", "1 not Whisper's"]:
        assert text in message, message
    assert caught.value.hint


def test_long_lists_are_cut_and_counted(tmp_path):
    weights = {name: weight for name, weight in small_weights().items() if ".blocks.1." not in name}
    with pytest.raises(CheckpointError, match=r"\.\.\. and \d+ more"):
        load_checkpoint(write_safetensors_folder(tmp_path, weights))


@pytest.mark.parametrize("form", SINGLE_FILES)
def test_a_file_cut_anywhere(form, tmp_path):
    path, file = written(form, tmp_path)
    data = file.read_bytes()
    cuts = {*range(0, 40), *np.linspace(0, len(data) - 1, 60, dtype=int).tolist(), len(data) - 1}
    for cut in sorted(cuts):
        file.write_bytes(data[:cut])
        with pytest.raises(CheckpointError) as caught:
            read_all(path)
        assert file.name in str(caught.value), (cut, caught.value)
        assert caught.value.hint, (cut, caught.value)


@pytest.mark.parametrize("form", SINGLE_FILES)
def test_a_file_with_wrong_bytes_loads_or_says_so(form, tmp_path):
    path, file = written(form, tmp_path)
    data = file.read_bytes()
    rng = np.random.default_rng(7)
    n_head = 6000 if form != "openai" else len(data)
    for _ in range(250):
        broken = bytearray(data)
        for at in rng.integers(0, min(n_head, len(data)), size=rng.integers(1, 4)):
            broken[at] = rng.integers(0, 256)
        file.write_bytes(broken)
        try:
            read_all(path)
        except CheckpointError:
            continue


def test_a_file_that_shrinks_after_it_was_opened(tmp_path):
    path, file = written("ctranslate2", tmp_path)
    checkpoint = load_checkpoint(path)
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(CheckpointError, match="became shorter"):
        list(checkpoint.weights.values())


@pytest.mark.parametrize(
    "file", ["../up.safetensors", "/etc/passwd", "a/b.safetensors", "..", "", "..\\up", "C:x", "a\0b"]
)
@pytest.mark.parametrize("index", ["model.safetensors.index.json", "pytorch_model.bin.index.json"])
def test_an_index_cannot_leave_its_folder(index, file, tmp_path):
    folder = write_configs(tmp_path / "model")
    (tmp_path / "up.safetensors").write_bytes(b"")
    (folder / index).write_text(json.dumps({"weight_map": {"model.encoder.conv1.weight": file}}))
    with pytest.raises(CheckpointError, match="outside its folder"):
        load_checkpoint(folder)


def test_shards_that_are_missing(tmp_path):
    folder = write_sharded_safetensors(tmp_path, small_weights())
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks model-00002-of-00002\.safetensors"):
        load_checkpoint(folder)
    for broken in ({}, {"weight_map": []}, {"weight_map": {"a": 1}}):
        (folder / "model.safetensors.index.json").write_text(json.dumps(broken))
        with pytest.raises(CheckpointError, match="no weight_map"):
            load_checkpoint(folder)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.json", "{", "not valid JSON"),
        ("config.json", "[1]", "holds a JSON list"),
        ("config.json", "[" * 100_000, "not valid JSON"),
        ("config.json", b"\xff\xfe{", "not valid JSON"),
        ("config.json", json.dumps({**CONFIG, "model_type": "wav2vec2"}), "describes a 'wav2vec2' model"),
        ("config.json", json.dumps({**CONFIG, "d_model": "16"}), "d_model is '16', expected an integer"),
        ("config.json", json.dumps({**CONFIG, "d_model": 10**12}), "n_audio_state = 1000000000000"),
        ("config.json", json.dumps({**CONFIG, "encoder_layers": 10**9}), "n_audio_layer = 1000000000"),
        ("config.json", json.dumps({**CONFIG, "encoder_layers": -1}), "n_audio_layer = -1"),
        ("config.json", json.dumps({**CONFIG, "decoder_attention_heads": 3}), "not a multiple of n_text_head 3"),
        ("config.json", json.dumps({**CONFIG, "vocab_size": 41}), r"\[40, 16\], expected \[41, 16\]"),
        ("generation_config.json", json.dumps({"alignment_heads": [[1, 2, 3]]}), "alignment_heads must be"),
        ("generation_config.json", json.dumps({"suppress_tokens": "all"}), "must be a list of ids"),
    ],
)
def test_configs_that_are_broken(file, text, message, tmp_path):
    folder = write_safetensors_folder(tmp_path, small_weights())
    (folder / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def safetensors_bytes(header, data=b"", n_header=None):
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(text) if n_header is None else n_header) + text + data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (safetensors_bytes(b"{}", n_header=1 << 60), "header of 1152921504606846976 bytes"),
        (safetensors_bytes(b"{}", n_header=1000), "ends at byte 10"),
        (safetensors_bytes(b"{not json"), "not valid JSON"),
        (safetensors_bytes({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}), "reaches to byte"),
        (safetensors_bytes({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, b"0" * 8), "does not take 4"),
        (safetensors_bytes({"a": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}, b"0"), "is not read"),
        (safetensors_bytes({"a": {"dtype": "I32", "shape": [1], "data_offsets": [0, 4]}}, b"0000"), "stored as i32"),
        (safetensors_bytes({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [8, 0]}}, b"0" * 8), "is not read"),
        (safetensors_bytes({"a": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}}), "is not read"),
        (safetensors_bytes({"a": 3}), "is not read"),
        (
            safetensors_bytes({"a": {"dtype": "F32", "shape": [10**18, 10**18], "data_offsets": [0, 4 * 10**36]}}),
            "reaches",
        ),
        (safetensors_bytes({}), "neither stated nor seen"),
    ],
)
def test_safetensors_that_lie(data, message, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tmp_path)


def ct2_variable_bytes(name=b"a", shape=(2,), type_id=0, n_bytes=8, data=b"0" * 8):
    head = struct.pack("<H", len(name) + 1) + name + b"\0" + struct.pack(f"<B{len(shape)}I", len(shape), *shape)
    return head + struct.pack("<BI", type_id, n_bytes) + data


HEAD = struct.pack("<I", 6) + ct2_string("WhisperSpec") + struct.pack("<I", 3)
ONE = HEAD + struct.pack("<I", 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends at byte 0, within the binary version"),
        (ct2_bytes({}, [], version=3), "binary version 3, expected 4 to 6"),
        (ct2_bytes({}, [], version=7), "binary version 7, expected 4 to 6"),
        (ct2_bytes({}, [], spec="TransformerSpec"), "holds a TransformerSpec, expected a WhisperSpec"),
        (HEAD + struct.pack("<I", 1 << 31), "claims 2147483648 variables"),
        (ONE + ct2_variable_bytes(type_id=9), "unknown number format 9"),
        (ONE + ct2_variable_bytes(n_bytes=12), r"\[2\] f32 does not take 12 bytes"),
        (ONE + ct2_variable_bytes(shape=(1,) * 200), "has 200 axes"),
        (ONE + ct2_variable_bytes(name=b"\xff\xfe"), "no readable name"),
        (ONE + ct2_variable_bytes(shape=(1 << 31, 1 << 31), n_bytes=0), "does not take 0 bytes"),
        (ONE + ct2_variable_bytes(data=b"0000"), "variable 1 of 1, a .* reaches to byte"),
        (ONE + ct2_variable_bytes(), "within the number of aliases"),
        (ONE + ct2_variable_bytes() + struct.pack("<I", 1) + ct2_string("b") + ct2_string("c"), "stands for c"),
        (ONE + ct2_variable_bytes() + struct.pack("<I", 0), "neither stated nor seen"),
    ],
)
def test_ctranslate2_files_that_lie(data, message, tmp_path):
    folder = write_ct2_folder(tmp_path, {}, data=data or b"\0")
    (folder / "model.bin").write_bytes(data)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def test_ctranslate2_scales_that_lie(tmp_path):
    name = "decoder/layer_0/ffn/linear_0/weight"
    variables = ct2_variables(small_weights(), kind="int8")
    for scale, message in (
        (None, "no scale"),
        (("float32", np.ones(7, np.float32)), r"a scale \[7\]"),
        (("int32", np.ones(64, np.int32)), "of i32"),
    ):
        broken = {**variables, f"{name}_scale": scale} if scale else dict(variables)
        if scale is None:
            del broken[f"{name}_scale"]
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(write_ct2_folder(tmp_path, {}, data=ct2_bytes(broken, ALIASES)))
    zero = {**variables, f"{name}_scale": ("float32", np.zeros(64, np.float32))}
    checkpoint = load_checkpoint(write_ct2_folder(tmp_path, {}, data=ct2_bytes(zero, ALIASES)))
    with pytest.raises(CheckpointError, match="not above 0"):
        checkpoint.weights["decoder.blocks.0.mlp.0.weight"]
    uneven = {**variables, "decoder/layer_0/self_attention/linear_0/bias": ("float32", np.zeros(47, np.float32))}
    with pytest.raises(CheckpointError, match="does not hold 3 equal matrices"):
        load_checkpoint(write_ct2_folder(tmp_path, {}, data=ct2_bytes(uneven, ALIASES)))


def test_parts_that_are_missing(tmp_path):
    folder = write_split_ct2(tmp_path, small_weights())
    (folder / "model.bin.part2").rename(folder / "other")
    with pytest.raises(CheckpointError, match=r"lacks model\.bin\.part2"):
        load_checkpoint(folder)
    (folder / "other").rename(folder / "model.bin.part2")
    assert load_checkpoint(folder / "model.bin.part1").dims == DIMS
    (folder / "model.bin.part3").unlink()
    with pytest.raises(CheckpointError, match="ends at byte 5003"):
        load_checkpoint(folder)


def test_things_that_are_no_checkpoints(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("hello")
    (tmp_path / "blank.pt").write_bytes(b"")
    (tmp_path / "ggml.bin").write_bytes(b"lmgg" + bytes(100))
    (tmp_path / "text.pt").write_text("hello there")
    for name, message in (
        ("empty", "the folder is empty"),
        ("other", "the folder holds notes.txt"),
        ("blank.pt", "the file is empty"),
        ("ggml.bin", "whisper.cpp's ggml"),
        ("text.pt", "starts with b'hello there'"),
    ):
        with pytest.raises(CheckpointError, match=f"{name} is not a checkpoint: .*{message}.*\nhint: OpenAI's .pt"):
            load_checkpoint(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = write_openai(tmp_path / "a.pt", small_weights())
    path.chmod(0)
    with pytest.raises(CheckpointError, match="cannot be read: Permission denied"):
        load_checkpoint(path)
