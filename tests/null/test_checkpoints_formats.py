"""Every format gives the same weights; names, sizes and alignment heads come out right."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import sys

import numpy as np
import pytest
from checkpoint_writers import (
    ALIASES,
    DIMS,
    HEADS,
    SUPPRESSED,
    WRITERS,
    bfloat16_bits,
    ct2_bytes,
    ct2_variables,
    hf_name,
    small_weights,
    to_torch,
    write_bin_folder,
    write_configs,
    write_ct2_folder,
    write_openai,
    write_safetensors,
    write_safetensors_folder,
)

from susurrus import CheckpointError
from susurrus.checkpoints import MODELS, expected_shapes, find_model, load_checkpoint, random_checkpoint
from susurrus.checkpoints.shapes import sinusoids
from susurrus.checkpoints.weight_names import from_ctranslate2, from_huggingface, to_ctranslate2, to_huggingface

EMBEDDING = "decoder.token_embedding.weight"


def assert_equal(checkpoint, weights):
    assert list(checkpoint.weights) == list(weights)
    for name, weight in weights.items():
        ours = checkpoint.weights[name]
        assert ours.dtype == weight.dtype, name
        assert np.array_equal(ours, weight), name
        assert checkpoint.weights.shapes[name] == ours.shape


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("form", WRITERS)
def test_every_format_gives_the_weights_that_were_written(form, dtype, tmp_path):
    weights = small_weights(dtype=dtype)
    if form == "ctranslate2" and dtype == np.float16:
        path = write_ct2_folder(tmp_path, weights, kind="float16")
    elif form == "split ctranslate2":
        weights = small_weights()
        path = WRITERS[form](tmp_path, weights)
    else:
        path = WRITERS[form](tmp_path, weights)
    checkpoint = load_checkpoint(path)
    assert_equal(checkpoint, weights)
    assert checkpoint.dims == DIMS
    if form != "openai":
        assert (checkpoint.alignment_heads, checkpoint.suppress_tokens) == (HEADS, SUPPRESSED)
    else:
        upper_half = tuple((layer, head) for layer in (1, 2) for head in range(4))
        assert (checkpoint.alignment_heads, checkpoint.suppress_tokens) == (upper_half, None)


def test_the_comparison_can_fail(tmp_path):
    weights = small_weights()
    checkpoint = load_checkpoint(write_ct2_folder(tmp_path, weights))
    query, value = "decoder.blocks.1.attn.query.weight", "decoder.blocks.1.attn.value.weight"
    with pytest.raises(AssertionError, match=query):
        assert_equal(checkpoint, {**weights, query: weights[value]})


def test_weights_are_the_callers_own(tmp_path):
    checkpoint = load_checkpoint(write_ct2_folder(tmp_path, small_weights(), kind="float16"))
    first = checkpoint.weights["decoder.ln.weight"]
    first[:] = 0
    assert first.flags.aligned
    assert checkpoint.weights["decoder.ln.weight"].any()


def test_a_bare_safetensors_file_with_either_names(tmp_path):
    weights = small_weights()
    ours = write_safetensors(tmp_path / "ours.safetensors", weights)
    checkpoint = load_checkpoint(ours)
    assert_equal(checkpoint, weights)
    assert checkpoint.name == "ours"
    # No config beside it: heads cannot be seen in shapes.
    assert checkpoint.dims == dataclasses.replace(DIMS, n_audio_head=1, n_text_head=1)
    folder = write_configs(tmp_path / "theirs")
    theirs = write_safetensors(folder / "any.safetensors", {hf_name(name): w for name, w in weights.items()})
    assert_equal(load_checkpoint(theirs), weights)
    assert load_checkpoint(theirs).dims == DIMS


def test_a_folder_with_one_openai_file(tmp_path):
    weights = small_weights()
    write_openai(tmp_path / "some.pt", weights)
    assert_equal(load_checkpoint(tmp_path), weights)


def test_strides_offsets_and_parameters_of_torch(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch writes the .pt files of this test")
    weights = small_weights()
    tensors = to_torch(weights)
    transposed, sliced, parameter = "encoder.conv2.weight", EMBEDDING, "decoder.ln.weight"
    tensors[transposed] = tensors[transposed].permute(2, 0, 1).contiguous().permute(1, 2, 0)
    big = torch.zeros(100, 30)
    big[7:47, 3:19] = tensors[sliced]
    tensors[sliced] = big[7:47, 3:19]
    tensors[parameter] = torch.nn.Parameter(tensors[parameter])
    torch.save({"dims": vars(DIMS), "model_state_dict": tensors}, tmp_path / "a.pt")
    assert_equal(load_checkpoint(tmp_path / "a.pt"), weights)


@pytest.mark.parametrize("kind", ["bfloat16", "float64"])
def test_wide_and_short_floats_of_torch_become_f32(kind, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch writes the .pt files of this test")
    tensors = {name: tensor.to(getattr(torch, kind)) for name, tensor in to_torch(small_weights()).items()}
    torch.save({"dims": vars(DIMS), "model_state_dict": tensors}, tmp_path / "a.pt")
    assert_equal(load_checkpoint(tmp_path / "a.pt"), {name: t.float().numpy() for name, t in tensors.items()})


def test_bfloat16_of_safetensors(tmp_path):
    save_file = pytest.importorskip("safetensors.torch", reason="safetensors writes the file").save_file
    torch = pytest.importorskip("torch", reason="NumPy has no bfloat16")
    tensors = {name: tensor.to(torch.bfloat16) for name, tensor in to_torch(small_weights()).items()}
    save_file(tensors, tmp_path / "a.safetensors")
    assert_equal(load_checkpoint(tmp_path / "a.safetensors"), {name: t.float().numpy() for name, t in tensors.items()})


def test_bfloat16_of_ctranslate2(tmp_path):
    weights = small_weights()
    checkpoint = load_checkpoint(write_ct2_folder(tmp_path, weights, kind="bfloat16"))
    widened = {n: (bfloat16_bits(w).astype(np.uint32) << 16).view(np.float32) for n, w in weights.items()}
    assert_equal(checkpoint, widened)


# int8: half a step of 127 in a row's largest; int16: half a step of 1024 in the joint matrix's largest.
@pytest.mark.parametrize(("kind", "tolerance"), [("int8", 0.5 / 127), ("int16", 0.5 / 1024)])
def test_scaled_integers_of_ctranslate2(kind, tolerance, tmp_path):
    weights = small_weights()
    largest = max(np.abs(weight).max() for weight in weights.values())
    checkpoint = load_checkpoint(write_ct2_folder(tmp_path, weights, kind=kind))
    for name, weight in weights.items():
        ours = checkpoint.weights[name]
        assert ours.dtype == np.float32
        row_largest = np.abs(weight.reshape(len(weight), -1)).max(axis=1).reshape(-1, *(1,) * (weight.ndim - 1))
        bound = tolerance * 1.001 * (row_largest if kind == "int8" else largest)
        assert (np.abs(ours - weight) <= bound).all(), name


def test_aliases_of_ctranslate2_share_scales(tmp_path):
    weights = small_weights()
    first, second = "decoder/layer_0/ffn/linear_0/weight", "decoder/layer_1/ffn/linear_0/weight"
    variables = ct2_variables(weights, kind="int8")
    del variables[second], variables[f"{second}_scale"]
    write_ct2_folder(tmp_path, weights, data=ct2_bytes(variables, [*ALIASES, (second, first)]))
    checkpoint = load_checkpoint(tmp_path)
    ours = [checkpoint.weights[f"decoder.blocks.{i}.mlp.0.weight"] for i in (0, 1)]
    assert np.array_equal(*ours)


def test_ctranslate2_without_config_or_heads(tmp_path):
    variables = ct2_variables(small_weights())
    del variables["encoder/num_heads"], variables["decoder/num_heads"]
    write_ct2_folder(tmp_path, {}, data=ct2_bytes(variables, ALIASES))
    (tmp_path / "config.json").unlink()
    checkpoint = load_checkpoint(tmp_path / "model.bin")
    assert (checkpoint.dims.n_audio_head, checkpoint.suppress_tokens) == (1, None)


def test_encoder_positions_are_derived_where_they_are_absent(tmp_path):
    weights = small_weights()
    del weights["encoder.positional_embedding"]
    checkpoint = load_checkpoint(write_safetensors_folder(tmp_path, weights))
    assert np.array_equal(checkpoint.weights["encoder.positional_embedding"], sinusoids(10, 16))
    # Source: openai/whisper, model.py, sinusoids(10, 16): frame 3 at wavelength 0, and at the longest.
    assert sinusoids(10, 16)[3, [0, 8]] == pytest.approx([np.sin(3), np.cos(3)])
    assert sinusoids(10, 16)[3, 7] == pytest.approx(np.sin(3e-4))


def test_the_projection_is_the_embedding_or_an_error(tmp_path):
    weights = small_weights()
    theirs = {hf_name(name): weight for name, weight in weights.items()}
    embedding = theirs["model.decoder.embed_tokens.weight"]
    folder = write_configs(tmp_path)
    write_safetensors(folder / "model.safetensors", {**theirs, "proj_out.weight": embedding.copy()})
    assert_equal(load_checkpoint(folder), weights)
    write_safetensors(folder / "model.safetensors", {**theirs, "proj_out.weight": embedding + 1})
    with pytest.raises(CheckpointError, match="differs from the token embedding"):
        load_checkpoint(folder)
    del theirs["model.decoder.embed_tokens.weight"]
    write_safetensors(folder / "model.safetensors", {**theirs, "proj_out.weight": embedding})
    assert_equal(load_checkpoint(folder), weights)


def test_heads_of_a_teacher_are_not_taken(tmp_path):
    folder = write_safetensors_folder(tmp_path, small_weights())
    (folder / "generation_config.json").write_text(json.dumps({"alignment_heads": [[7, 0], [2, 1]]}))
    assert load_checkpoint(folder).alignment_heads == tuple((layer, head) for layer in (1, 2) for head in range(4))


def test_suppressed_tokens_of_the_config_and_empty_lists(tmp_path):
    folder = write_bin_folder(tmp_path, small_weights())
    (folder / "generation_config.json").write_text(json.dumps({"suppress_tokens": []}))
    assert load_checkpoint(folder).suppress_tokens is None
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "suppress_tokens": [-1, 3, 39, 40]}))
    assert load_checkpoint(folder).suppress_tokens == (3, 39)


@pytest.mark.parametrize("dims", [DIMS, MODELS["tiny.en"].dims, MODELS["distil-large-v3"].dims])
def test_the_table_of_names_reads_both_ways(dims):
    seen = set()
    for name in expected_shapes(dims):
        theirs = to_huggingface(name)
        assert theirs is not None
        assert f"model.{theirs}" == hf_name(name)
        assert from_huggingface(theirs) == from_huggingface(f"model.{theirs}") == name
        place = to_ctranslate2(name)
        assert place is not None
        assert (name, place) in from_ctranslate2(place.variable)
        seen.add((place.variable, place.part))
    assert len(seen) == len(expected_shapes(dims))


def test_names_that_are_no_ones():
    for name in ("", "weight", "encoder.layers.x.fc1.weight", "decoder.blocks.1.attn.lora.weight", "decoder.ln.gain"):
        assert to_huggingface(name) is from_huggingface(name) is to_ctranslate2(name) is None
    assert from_ctranslate2("decoder/layer_0/self_attention/linear_0/weight_zero") == []


# Parameters as OpenAI's model card rounds them: 39, 74, 244, 769, 1550 and 809 million.
@pytest.mark.parametrize(
    ("name", "millions"),
    [("tiny", 39), ("base", 74), ("small", 244), ("medium", 769), ("large", 1550), ("turbo", 809), ("tiny.en", 39)],
)
def test_models_with_a_name_have_the_published_size(name, millions):
    entry = find_model(name)
    assert entry is not None
    n = sum(int(np.prod(shape)) for shape in expected_shapes(entry.dims).values())
    assert n / 1e6 == pytest.approx(millions, rel=0.05)


# Source: openai/whisper, __init__.py, _ALIGNMENT_HEADS: base85 of gzip of a boolean [n_text_layer, n_text_head].
OPENAI_HEADS = {
    "tiny.en": "ABzY8J1N>@0{>%R00Bk>$p{7v037`oCl~+#00",
    "tiny": "ABzY8bu8Lr0{>%RKn9Fp%m@SkK7Kt=7ytkO",
    "base.en": "ABzY8;40c<0{>%RzzG;p*o+Vo09|#PsxSZm00",
    "base": "ABzY8KQ!870{>%RzyTQH3`Q^yNP!>##QT-<FaQ7m",
    "small.en": "ABzY8>?_)10{>%RpeA61k&I|OI3I$65C{;;pbCHh0B{qLQ;+}v00",
    "small": "ABzY8DmU6=0{>%Rpa?J`kvJ6qF(V^F86#Xh7JUGMK}P<N0000",
    "medium.en": "ABzY8usPae0{>%R7<zz_OvQ{)4kMa0BMw6u5rT}kRKX;$NfYBv00*Hl@qhsU00",
    "medium": "ABzY8B0Jh+0{>%R7}kK1fFL7w6%<-Pf*t^=N)Qr&0RR9",
    "large-v1": "ABzY8r9j$a0{>%R7#4sLmoOs{s)o3~84-RPdcFk!JR<kSfC2yj",
    "large-v2": "ABzY8zd+h!0{>%R7=D0pU<_bnWW*tkYAhobTNnu$jnkEkXqp)j;w1Tzk)UH3X%SZd&fFZ2fC2yj",
    "large-v3": "ABzY8gWO1E0{>%R7(9S+Kn!D~%ngiGaR?*L!iJG9p-nab0JQ=-{D1-g00",
    "large-v3-turbo": "ABzY8j^C+e0{>%RARaKHP%t(lGR*)0g!tONPyhe`",
}


def test_alignment_heads_are_openais():
    with_heads = {entry.name: entry for entry in MODELS.values() if entry.alignment_heads}
    assert with_heads.keys() == OPENAI_HEADS.keys()
    for name, entry in with_heads.items():
        flags = np.frombuffer(gzip.decompress(base64.b85decode(OPENAI_HEADS[name])), dtype=bool)
        pairs = np.argwhere(flags.reshape(entry.dims.n_text_layer, entry.dims.n_text_head))
        assert entry.alignment_heads == tuple(map(tuple, pairs.tolist()))


def test_heads_by_sizes_and_name():
    from susurrus.checkpoints.names import default_alignment_heads

    large = MODELS["large-v2"].dims
    assert default_alignment_heads("mine", large) == MODELS["large-v2"].alignment_heads
    assert default_alignment_heads("/models/large-v1.pt", large) == MODELS["large-v1"].alignment_heads
    assert default_alignment_heads("large-v1", MODELS["base"].dims) == MODELS["base"].alignment_heads
    distilled = default_alignment_heads("distil-large-v2", MODELS["distil-large-v2"].dims)
    assert distilled == tuple((1, head) for head in range(20))


def test_languages():
    counts = {name: find_model(name).n_languages for name in ("tiny", "tiny.en", "large-v3", "distil-small.en")}
    assert counts == {"tiny": 99, "tiny.en": 1, "large-v3": 100, "distil-small.en": 1}


def test_random_checkpoints_repeat_and_behave():
    checkpoint, again, other = random_checkpoint(DIMS), random_checkpoint(DIMS), random_checkpoint(DIMS, seed=1)
    assert checkpoint.weights.shapes == expected_shapes(DIMS)
    for name in checkpoint.weights:
        weight = checkpoint.weights[name]
        assert (weight.dtype, weight.shape) == (np.float32, expected_shapes(DIMS)[name])
        assert np.array_equal(weight, again.weights[name])
        assert not np.array_equal(weight, other.weights[name]) or name == "encoder.positional_embedding"
    assert checkpoint.weights["decoder.ln.weight"].mean() == pytest.approx(1, abs=0.1)
    large = random_checkpoint(MODELS["large-v3"].dims)  # nothing is drawn until it is read
    assert large.alignment_heads == MODELS["large-v3"].alignment_heads


def test_reading_imports_no_framework():
    import subprocess

    code = "import sys, susurrus.checkpoints; print([m for m in ('torch', 'huggingface_hub') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
