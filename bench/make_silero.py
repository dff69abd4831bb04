"""Take the 16 kHz network out of Silero VAD's ONNX file, in an environment with `silero-vad==6.2.3` and `onnx`.

python bench/make_silero.py silero_vad/data/silero_vad_16k_sequence.onnx

writes src/susurrus/speech/silero.npz, in float16, and what ONNX Runtime makes of examples/jfk.mp3 with the original
weights, tests/golden/jfk_speech.npy. Left out is the Fourier basis, which is a Hann window's. The LSTM's gates are
brought from ONNX's order (in, out, forget, cell) to in, forget, out, cell.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from susurrus import audio

ROOT = Path(__file__).parents[1]


def main(path: str) -> None:
    graph = onnx.load(path).graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    (cell,) = (node for node in graph.node if node.op_type == "LSTM")
    cell_in, cell_state, cell_bias = (stored[name] for name in cell.input[1:4])

    def taps(i: int) -> np.ndarray:
        weight = stored[f"encoder.{i}.weight"]  # [n_out, n_in, 3]
        return weight.transpose(0, 2, 1).reshape(len(weight), -1)

    def reorder(gates: np.ndarray) -> np.ndarray:
        into, out, forget, cell = np.split(gates, 4)
        return np.concatenate([into, forget, out, cell])

    weights = {
        **{f"conv{i + 1}": taps(i) for i in range(4)},
        "cell_in": reorder(cell_in[0]),
        "cell_state": reorder(cell_state[0]),
        "cell_bias": reorder(cell_bias[0, :512] + cell_bias[0, 512:]),
        "out": stored["output.weight"][0, :, 0],
        "out_bias": stored["output.bias"],
        **{f"conv{i + 1}_bias": stored[f"encoder.{i}.bias"] for i in range(4)},
    }
    halves = {name: weight.astype(np.float16) for name, weight in weights.items()}
    np.savez_compressed(ROOT / "src" / "susurrus" / "speech" / "silero.npz", **halves)

    waveform = audio.load(ROOT / "examples" / "jfk.mp3")
    n_chunks = -(-len(waveform) // 512)
    padded = np.zeros(64 + n_chunks * 512, np.float32)
    padded[64 : 64 + len(waveform)] = waveform
    chunks = np.lib.stride_tricks.sliding_window_view(padded, 576)[::512]
    zeros = np.zeros((1, 1, 128), np.float32)
    (probs,) = onnxruntime.InferenceSession(path).run(["speech_probs"], {"input": chunks, "h": zeros, "c": zeros})
    np.save(ROOT / "tests" / "golden" / "jfk_speech.npy", probs)


if __name__ == "__main__":
    main(sys.argv[1])
