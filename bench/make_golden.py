"""Make the stored tensors with openai-whisper 20250625, in an environment that has it.

python bench/make_golden.py tiny.en.pt     # writes tests/golden/jfk.npz and jfk.json
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import whisper

ROOT = Path(__file__).parents[1]
HERE = ROOT / "tests" / "golden"
FRAMES = slice(0, 1100, 11)


def main() -> None:
    model = whisper.load_model(sys.argv[1], device="cpu")
    model.set_alignment_heads(whisper._ALIGNMENT_HEADS["tiny.en"])  # a checkpoint's path does not bring them
    audio = whisper.load_audio(str(ROOT / "examples" / "jfk.mp3"))
    mel_80, mel_128 = (whisper.log_mel_spectrogram(audio, n, padding=480000) for n in (80, 128))
    n_frames = mel_80.shape[1] - 3000  # the last 30 s are padding
    tokenizer = whisper.tokenizer.get_tokenizer(multilingual=False)
    result = model.transcribe(audio, fp16=False, temperature=0.0, word_timestamps=True)
    plain = model.transcribe(audio, fp16=False, temperature=0.0)
    beam = model.transcribe(audio, fp16=False, temperature=0.0, beam_size=5)
    window = whisper.pad_or_trim(mel_80[:, :n_frames], 3000)
    text = [t for s in result["segments"] for t in s["tokens"] if t < tokenizer.eot]
    tokens = torch.tensor([[*tokenizer.sot_sequence, tokenizer.no_timestamps, *text]])
    with torch.no_grad():
        features = model.encoder(window[None])
        logits = model.decoder(tokens, features)
    np.savez_compressed(
        HERE / "jfk.npz",
        n_frames=n_frames,
        mel_80=mel_80[:, FRAMES].numpy(),
        mel_128=mel_128[:, FRAMES].numpy(),
        tokens=tokens.numpy().astype(np.int32),
        logits=logits[0, :, ::97].numpy(),
        top=logits[0].argmax(-1).numpy(),
    )
    (HERE / "jfk.json").write_text(json.dumps({"plain": plain, "words": result, "beam": beam}, indent=1))


if __name__ == "__main__":
    main()
