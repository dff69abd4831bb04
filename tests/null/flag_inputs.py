"""The sounds, transcripts, manifests and models that the cases of flags name."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path

import numpy as np
from checkpoint_writers import write_safetensors_folder
from echo import SCENES, wave_of
from waves import tone, wav_bytes

from susurrus.audio import load
from susurrus.benchmark.peers import PEERS
from susurrus.checkpoints import random_checkpoint
from susurrus.types import ModelDimensions, Segment, Transcript, Word
from susurrus.writers import save

JFK = Path(__file__).parents[2] / "examples" / "jfk.mp3"


def write_inputs(folder: Path) -> None:
    """Write the sounds, transcripts, manifests and models that cases name."""
    speech = load(JFK)
    pause = np.concatenate([speech, np.zeros(20 * 16000, np.float32), speech])
    (folder / "kept").mkdir()
    sounds = {scene: wave_of(scene) for scene in SCENES}
    sounds |= {
        "two": wave_of("plain", "plain", seconds=30),
        "ghost": wave_of("ghost", seconds=20),
        "pause": wave_of("plain", seconds=42, speech=pause),
        "talking": wave_of("plain", "plain", seconds=30, speech=speech),
        "turning": wave_of("german", "plain", seconds=30, speech=speech),
        "unsure": wave_of("denglish", "plain", seconds=30, speech=speech),
        "stereo": _stereo("plain", "german"),
        "talk": wav_bytes(tone(12.0)),
    }
    for name, data in sounds.items():
        (folder / f"{name}.wav").write_bytes(data)
        row = {"id": name, "path": f"{name}.wav", "text": "en transcribe", "language": "en"}
        (folder / f"{name}.jsonl").write_text(json.dumps(row))
    save(TALK, "json", folder / "talk.json")
    save(TALK, "json", folder / "kept" / "alone.json")
    (folder / "list.txt").write_text("plain.wav\n")
    rows = [
        {"id": "plain", "path": "plain.wav", "text": "en transcribe", "language": "en", "kind": "read"},
        {"id": "german", "path": "german.wav", "text": "en transcribe", "language": "fr", "kind": "hard"},
    ]
    (folder / "clips.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "theirs.jsonl").write_text("\n".join(json.dumps({"id": row["id"], "text": "en"}) for row in rows))
    (folder / "said.txt").write_text("en transcribes")
    (folder / "peers" / "venv" / "bin").mkdir(parents=True)
    (folder / "peers" / "venv" / "bin" / "python").touch()
    for weights in {peer.weights for peer in PEERS.values()}:
        (folder / "peers" / "weights" / "mine" / weights).mkdir(parents=True)
    (folder / "defaults.toml").write_text(DEFAULTS)
    for name, seed in (("mine", 0), ("other", 1)):
        write_model(folder / name, seed)
    write_model(folder / "kept" / "tiny", 0)


def _stereo(left: str, right: str) -> bytes:
    channels = []
    for scene in (left, right):
        with wave.open(io.BytesIO(wave_of(scene)), "rb") as file:
            channels.append(np.frombuffer(file.readframes(file.getnframes()), "<i2"))
    return wav_bytes(np.stack(channels, axis=1))


DEFAULTS = """
[transcribe]
output_dir = "elsewhere"
[render]
output_dir = "elsewhere"
[detect-language]
json = true
[plot]
row_seconds = 5
[models]
json = true
[download]
model_dir = "elsewhere"
[doctor]
json = true
[evaluate]
worst = 0
[benchmark]
repeat = 2
"""

SAID = "Ask not what your country can do for you, ask what you can do for your country."
_WORDS = tuple(Word(f" {word}", 0.7 * i, 0.7 * i + 0.6, 0.9) for i, word in enumerate(SAID.split()))
TALK = Transcript(f" {SAID}", "en", (Segment(0, 0, 0.0, 12.0, f" {SAID}", (1,), 0.0, -0.1, 1.0, 0.0, _WORDS),), 12.0)


def write_model(folder: Path, seed: int) -> None:
    """Write a Whisper so small that it is loaded and run at once."""
    dims = ModelDimensions(80, 1500, 8, 2, 1, 51865, 448, 8, 2, 1)
    weights = dict(random_checkpoint(dims, seed).weights)
    write_safetensors_folder(folder, weights)
    config = json.loads((folder / "config.json").read_text())
    sizes = {"num_mel_bins": 80, "max_source_positions": 1500, "d_model": 8, "encoder_attention_heads": 2}
    sizes |= {"encoder_layers": 1, "vocab_size": 51865, "max_target_positions": 448}
    sizes |= {"decoder_attention_heads": 2, "decoder_layers": 1}
    (folder / "config.json").write_text(json.dumps({**config, **sizes}))
    generation = {"alignment_heads": [[0, 0]], "suppress_tokens": [1]}
    (folder / "generation_config.json").write_text(json.dumps(generation))
