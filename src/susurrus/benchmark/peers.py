"""Another Whisper program as one of the systems of a benchmark: a script for that program's own environment.

    python -I peers.py '{"peer": "faster-whisper", "folder": "weights/base", "threads": 2, ...}'

It answers lines of JSON with lines of JSON, as `serve` says. It imports nothing of Susurrus, and a peer only when that
one is asked for: it is one file, since it runs where Susurrus is not installed.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

OnText = Callable[[], None]
Run = Callable[["list[str]"], "dict[str, Any]"]


class OpenAI:
    """The original: PyTorch in float32, one window after another."""

    package, weights, how = "openai-whisper", "openai.pt", "float32, a window at a time"

    def __init__(self, given: dict[str, Any]) -> None:
        import torch
        import whisper

        torch.set_num_threads(given["threads"])
        self._model = whisper.load_model(str(Path(given["folder"], self.weights)), device="cpu")
        self._options = {name: given[name] for name in ("language", "task", "beam_size")}

    def transcribe(self, path: str, on_text: OnText) -> str:
        text: str = self._model.transcribe(read_sound(path), fp16=False, **self._options)["text"]
        return text


class FasterWhisper:
    """CTranslate2 with weights in int8, one window after another."""

    package, weights, how = "faster-whisper", "ct2", "int8, a window at a time"
    batch: ClassVar[dict[str, int]] = {}

    def __init__(self, given: dict[str, Any]) -> None:
        from faster_whisper import WhisperModel

        folder = str(Path(given["folder"], self.weights))
        self._model: Any = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=given["threads"])
        self._options = {"language": given["language"], "task": given["task"], "beam_size": given["beam_size"] or 1}

    def transcribe(self, path: str, on_text: OnText) -> str:
        segments, _ = self._model.transcribe(path, **self._options, **self.batch)
        texts = []
        for segment in segments:
            on_text()
            texts.append(segment.text)
        return "".join(texts)


class FasterWhisperBatched(FasterWhisper):
    """The same with eight windows at a time, cut by a detector of speech."""

    how = "int8, batch 8, VAD"
    batch: ClassVar[dict[str, int]] = {"batch_size": 8}

    def __init__(self, given: dict[str, Any]) -> None:
        from faster_whisper import BatchedInferencePipeline

        super().__init__(given)
        self._model = BatchedInferencePipeline(self._model)


class WhisperCpp:
    """whisper.cpp, through pywhispercpp."""

    package, weights, how = "pywhispercpp", "ggml.bin", "its weights' own precision, a window at a time"

    def __init__(self, given: dict[str, Any]) -> None:
        from pywhispercpp.model import Model

        beam = given["beam_size"]
        search: dict[str, Any] = {"beam_search": {"beam_size": beam, "patience": -1.0}} if beam else {}
        self._model = Model(
            str(Path(given["folder"], self.weights)),
            params_sampling_strategy=1 if beam else 0,
            n_threads=given["threads"],
            language=given["language"] or "auto",
            translate=given["task"] == "translate",
            print_progress=False,
            print_realtime=False,
            **search,
        )

    def transcribe(self, path: str, on_text: OnText) -> str:
        segments = self._model.transcribe(read_sound(path), new_segment_callback=lambda _: on_text())
        return " ".join(segment.text for segment in segments)  # they come without the spaces around them


class Transformers:
    """Hugging Face transformers, in batches of plain cuts, as fast as it goes; a word at a cut is lost."""

    package, weights, how = "transformers", "hf", "bfloat16, batch 8 of plain 30 s cuts"

    def __init__(self, given: dict[str, Any]) -> None:
        import torch
        from tokenizers import Tokenizer
        from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

        torch.set_num_threads(given["threads"])
        folder = Path(given["folder"], self.weights)
        self._model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.bfloat16).eval()
        self._features = WhisperFeatureExtractor.from_pretrained(folder)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._options: dict[str, Any] = {"num_beams": given["beam_size"] or 1}
        if given["is_multilingual"]:
            self._options.update(task=given["task"], language=given["language"])

    def transcribe(self, path: str, on_text: OnText) -> str:
        import torch

        sound = read_sound(path)
        cuts = [sound[start : start + 30 * 16000] for start in range(0, len(sound), 30 * 16000)]
        texts = []
        for first in range(0, len(cuts), 8):
            heard = self._features(cuts[first : first + 8], sampling_rate=16000, return_tensors="pt")
            with torch.inference_mode():
                written = self._model.generate(heard.input_features.to(torch.bfloat16), **self._options)
            texts += [self._tokenizer.decode(tokens.tolist(), skip_special_tokens=True) for tokens in written]
            on_text()
        return "".join(texts)


class OpenVINO:
    """OpenVINO GenAI, in the precision that it chooses itself."""

    package, weights, how = "openvino-genai", "openvino", "its own choice of precision, a window at a time"

    def __init__(self, given: dict[str, Any]) -> None:
        import openvino_genai

        folder = str(Path(given["folder"], self.weights))
        self._model = openvino_genai.WhisperPipeline(folder, "CPU", INFERENCE_NUM_THREADS=given["threads"])
        self._options: dict[str, Any] = {"num_beams": given["beam_size"]} if given["beam_size"] else {}
        if given["is_multilingual"]:
            self._options["task"] = given["task"]
            if given["language"]:
                self._options["language"] = f"<|{given['language']}|>"

    def transcribe(self, path: str, on_text: OnText) -> str:
        text: str = self._model.generate(read_sound(path).tolist(), **self._options).texts[0]
        return text


PEERS: dict[str, Any] = {
    "openai-whisper": OpenAI,
    "faster-whisper": FasterWhisper,
    "faster-whisper-batched": FasterWhisperBatched,
    "whisper.cpp": WhisperCpp,
    "transformers": Transformers,
    "openvino": OpenVINO,
}


def read_sound(path: str) -> Any:
    """Decode a file to f32[n_samples], 16 kHz mono."""
    import av
    import numpy as np

    resampler = av.AudioResampler(format="s16", layout="mono", rate=16000)
    pieces = []
    with av.open(path) as container:
        for frame in container.decode(audio=0):
            pieces += [resampled.to_ndarray()[0] for resampled in resampler.resample(frame)]
        pieces += [resampled.to_ndarray()[0] for resampled in resampler.resample(None)]
    return np.concatenate(pieces or [np.zeros(0, np.int16)]).astype(np.float32) / 32768


def open_peer(given: dict[str, Any]) -> tuple[dict[str, Any], Run]:
    """Load a peer; give what is to be known of it, and what runs it on one file after another."""
    kind = PEERS[given["peer"]]
    peer = kind(given)

    def run(files: list[str]) -> dict[str, Any]:
        begin = time.perf_counter()
        times: list[float] = []
        texts = [peer.transcribe(file, lambda: times.append(time.perf_counter() - begin)) for file in files]
        times.append(time.perf_counter() - begin)
        return {"seconds": times[-1], "first_segment_s": times[0], "texts": texts}

    search = f"beam {given['beam_size']}" if given["beam_size"] else "greedy"
    return {"version": version(kind.package), "how": f"{kind.how}, {search}"}, run


def serve(load: Callable[[], tuple[dict[str, Any], Run]]) -> None:
    """Load a system and say so; then run it on the files that each line of stdin names, and answer with a line.

    {"ready": ..., "load_s"} or {"error"}; then for each {"run": [path, ...]} what `run` gives, "cpu_s" and
    "peak_bytes", or {"error"}.
    """
    # Libraries write to stdout what they like: they get stderr there, and the answers a way of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(make: Callable[..., dict[str, Any]], *arguments: Any) -> bool:
        try:
            line = make(*arguments)
        except Exception as error:  # a worker's door: whoever asked is told
            traceback.print_exc()
            line = {"error": f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"}
        answers.write(json.dumps(line) + "\n")
        answers.flush()
        return "error" not in line

    run: Any = None

    def get_ready() -> dict[str, Any]:
        nonlocal run
        begin = time.perf_counter()
        info, run = load()
        return {"ready": info, "load_s": time.perf_counter() - begin}

    def run_on(files: list[str]) -> dict[str, Any]:
        begin = time.process_time()
        found = run(files)
        return {**found, "cpu_s": time.process_time() - begin, "peak_bytes": peak_bytes()}

    if answer(get_ready):
        for line in sys.stdin.buffer:
            answer(run_on, json.loads(line)["run"])


def peak_bytes() -> int | None:
    """Give the most memory that this process has had; None where nothing tells it."""
    try:  # on Linux `ru_maxrss` may be that of the process which started this one
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) * 1024
    except (OSError, IndexError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    serve(lambda: open_peer(json.loads(sys.argv[1])))
