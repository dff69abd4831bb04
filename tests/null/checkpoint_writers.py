"""Write small checkpoints in every format, by hand where no library is needed: what the readers are tested against."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from susurrus.checkpoints import random_checkpoint
from susurrus.types import ModelDimensions

DIMS = ModelDimensions(
    n_mels=8,
    n_audio_ctx=10,
    n_audio_state=16,
    n_audio_head=2,
    n_audio_layer=2,
    n_vocab=40,
    n_text_ctx=12,
    n_text_state=16,
    n_text_head=4,
    n_text_layer=3,
)
HEADS = ((1, 0), (2, 3))
SUPPRESSED = (1, 2, 7)

CONFIG = {
    "model_type": "whisper",
    "num_mel_bins": 8,
    "max_source_positions": 10,
    "d_model": 16,
    "encoder_attention_heads": 2,
    "encoder_layers": 2,
    "vocab_size": 40,
    "max_target_positions": 12,
    "decoder_attention_heads": 4,
    "decoder_layers": 3,
}


def small_weights(dims=DIMS, dtype=np.float32):
    return {name: weight.astype(dtype) for name, weight in random_checkpoint(dims).weights.items()}


def hf_name(name):
    """Not the package's table: a second opinion on it."""
    for ours, theirs in (
        ("decoder.ln.", "decoder.layer_norm."),
        ("encoder.ln_post.", "encoder.layer_norm."),
        ("token_embedding", "embed_tokens"),
        ("positional_embedding", "embed_positions.weight"),
        ("blocks", "layers"),
        (".mlp_ln.", ".final_layer_norm."),
        (".mlp.0.", ".fc1."),
        (".mlp.2.", ".fc2."),
        (".attn_ln.", ".self_attn_layer_norm."),
        (".cross_attn_ln.", ".encoder_attn_layer_norm."),
        (".attn.", ".self_attn."),
        (".cross_attn.", ".encoder_attn."),
        ("attn.query", "attn.q_proj"),
        ("attn.key", "attn.k_proj"),
        ("attn.value", "attn.v_proj"),
        ("attn.out", "attn.out_proj"),
    ):
        name = name.replace(ours, theirs)
    return f"model.{name}"


def to_torch(weights):
    torch = pytest.importorskip("torch", reason="PyTorch writes the .pt files of this test")
    return {name: torch.from_numpy(np.array(weight)) for name, weight in weights.items()}


def write_openai(path, weights, dims=DIMS):
    torch = pytest.importorskip("torch", reason="PyTorch writes the .pt files of this test")
    torch.save({"dims": dict(vars(dims)), "model_state_dict": to_torch(weights)}, path)
    return path


def write_configs(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    generation = {"alignment_heads": [list(pair) for pair in HEADS], "suppress_tokens": [*SUPPRESSED]}
    (folder / "generation_config.json").write_text(json.dumps(generation))
    return folder


def write_safetensors(path, weights):
    save_file = pytest.importorskip("safetensors.numpy", reason="safetensors writes the files of this test").save_file
    save_file(dict(weights), path, metadata={"format": "pt"})
    return path


def write_safetensors_folder(folder, weights):
    write_configs(folder)
    write_safetensors(folder / "model.safetensors", {hf_name(name): w for name, w in weights.items()})
    return folder


def shards(weights, pattern):
    names = sorted(hf_name(name) for name in weights)
    half = len(names) // 2
    return {name: pattern % (1 if i < half else 2) for i, name in enumerate(names)}


def write_sharded_safetensors(folder, weights):
    write_configs(folder)
    theirs = {hf_name(name): w for name, w in weights.items()}
    weight_map = shards(weights, "model-%05d-of-00002.safetensors")
    for file in set(weight_map.values()):
        write_safetensors(folder / file, {name: theirs[name] for name in theirs if weight_map[name] == file})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder


def write_bin_folder(folder, weights):
    torch = pytest.importorskip("torch", reason="PyTorch writes pytorch_model.bin")
    write_configs(folder)
    tensors = to_torch({hf_name(name): w for name, w in weights.items()})
    tensors["proj_out.weight"] = tensors["model.decoder.embed_tokens.weight"]
    torch.save(tensors, folder / "pytorch_model.bin")
    return folder


def write_sharded_bin(folder, weights):
    torch = pytest.importorskip("torch", reason="PyTorch writes pytorch_model.bin")
    write_configs(folder)
    tensors = to_torch({hf_name(name): w for name, w in weights.items()})
    weight_map = shards(weights, "pytorch_model-%05d-of-00002.bin")
    for file in set(weight_map.values()):
        torch.save({name: t for name, t in tensors.items() if weight_map[name] == file}, folder / file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder


TYPE_IDS = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4, "bfloat16": 5}


def ct2_string(text):
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def ct2_bytes(variables, aliases, version=6, spec="WhisperSpec"):
    """Serialise {name: (type, array)}; the array of a bfloat16 holds its bits."""
    out = [struct.pack("<I", version), ct2_string(spec), struct.pack("<II", 3, len(variables))]
    for name, (kind, array) in sorted(variables.items()):
        out += [ct2_string(name), struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)]
        out += [struct.pack("<BI", TYPE_IDS[kind], array.nbytes), array.tobytes()]
    out.append(struct.pack("<I", len(aliases)))
    out += [ct2_string(text) for pair in aliases for text in pair]
    return b"".join(out)


def bfloat16_bits(array):
    return (array.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def ct2_variables(weights, dims=DIMS, kind="float32"):
    """Lay canonical weights out as CTranslate2 does: joint matrices, gamma and beta, settings, scales."""
    joint = {}
    for side, n_layer in (("encoder", dims.n_audio_layer), ("decoder", dims.n_text_layer)):
        joint[f"{side}/position_encodings/encodings"] = weights[f"{side}.positional_embedding"]
        for i in range(n_layer):
            ours, theirs = f"{side}.blocks.{i}", f"{side}/layer_{i}"
            modules = {"self_attention/linear_0": ["attn.query", "attn.key", "attn.value"]}
            modules |= {"self_attention/linear_1": ["attn.out"], "self_attention/layer_norm": ["attn_ln"]}
            modules |= {"ffn/linear_0": ["mlp.0"], "ffn/linear_1": ["mlp.2"], "ffn/layer_norm": ["mlp_ln"]}
            if side == "decoder":
                modules |= {"attention/linear_0": ["cross_attn.query"], "attention/layer_norm": ["cross_attn_ln"]}
                modules |= {"attention/linear_1": ["cross_attn.key", "cross_attn.value"]}
                modules |= {"attention/linear_2": ["cross_attn.out"]}
            for module, parts in modules.items():
                for leaf in ("weight", "bias"):
                    zeros = np.zeros(dims.n_text_state, weights["decoder.ln.bias"].dtype)
                    name = f"{theirs}/{module}/{ct2_leaf(module, leaf)}"
                    joint[name] = np.concatenate([weights.get(f"{ours}.{part}.{leaf}", zeros) for part in parts])
    outer = {"encoder/conv1": "encoder.conv1", "encoder/conv2": "encoder.conv2"}
    outer |= {"encoder/layer_norm": "encoder.ln_post", "decoder/layer_norm": "decoder.ln"}
    for theirs, ours in outer.items():
        for leaf in ("weight", "bias"):
            joint[f"{theirs}/{ct2_leaf(theirs, leaf)}"] = weights[f"{ours}.{leaf}"]
    joint["decoder/embeddings/weight"] = weights["decoder.token_embedding.weight"]
    variables = {
        "encoder/num_heads": ("int16", np.int16(dims.n_audio_head)),
        "decoder/num_heads": ("int16", np.int16(dims.n_text_head)),
        "decoder/pre_norm": ("int8", np.int8(1)),
    }
    for name, array in joint.items():
        variables |= ct2_variable(name, array, kind)
    return variables


def ct2_leaf(module, leaf):
    return {"weight": "gamma", "bias": "beta"}[leaf] if module.endswith("layer_norm") else leaf


def ct2_variable(name, array, kind):
    if kind in ("int8", "int16") and name.endswith("/weight"):
        flat = array.reshape(len(array), -1)
        scale = 127 / np.abs(flat).max(axis=1) if kind == "int8" else np.float32(1024 / np.abs(flat).max())
        stored = np.rint(flat * (scale[:, None] if kind == "int8" else scale)).astype(kind).reshape(array.shape)
        return {name: (kind, stored), f"{name}_scale": ("float32", np.asarray(scale, dtype=np.float32))}
    if kind == "bfloat16":
        return {name: (kind, bfloat16_bits(array))}
    return {name: (kind if kind == "float16" else "float32", array.astype("f2" if kind == "float16" else "f4"))}


ALIASES = [("decoder/projection/weight", "decoder/embeddings/weight")]


def write_ct2_folder(folder, weights, dims=DIMS, kind="float32", data=None):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.bin").write_bytes(data or ct2_bytes(ct2_variables(weights, dims, kind), ALIASES))
    config = {"alignment_heads": [list(pair) for pair in HEADS], "suppress_ids": [*SUPPRESSED], "lang_ids": []}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def write_split_ct2(folder, weights):
    write_ct2_folder(folder, weights)
    data = (folder / "model.bin").read_bytes()
    (folder / "model.bin").unlink()
    cuts = [0, 1001, 5003, len(data)]
    for i in range(3):
        (folder / f"model.bin.part{i + 1}").write_bytes(data[cuts[i] : cuts[i + 1]])
    return folder


WRITERS = {
    "openai": lambda path, weights: write_openai(path / "openai.pt", weights),
    "safetensors": write_safetensors_folder,
    "sharded safetensors": write_sharded_safetensors,
    "bin": write_bin_folder,
    "sharded bin": write_sharded_bin,
    "ctranslate2": write_ct2_folder,
    "split ctranslate2": write_split_ct2,
}
