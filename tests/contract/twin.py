"""The naive twin: Whisper from the paper in float64, one window, one text, no cache, one query at a time.

It shares no code with the package, is as slow as it looks, and is what every backend is compared with.
Source: arxiv 2212.04356 and 1706.03762; names of weights from openai/whisper, model.py.
"""

from __future__ import annotations

import math

import numpy as np

_ERF = np.vectorize(math.erf)


class Twin:
    def __init__(self, dims, weights) -> None:
        self.dims = dims
        self.w = {name: np.asarray(weight, dtype=np.float64) for name, weight in weights.items()}

    def encode(self, mel):
        """[n_mels, 2 * n_audio_ctx] -> [n_audio_ctx, n_state]."""
        x = _gelu(self._conv("encoder.conv1", mel.T.astype(np.float64), 1))
        x = _gelu(self._conv("encoder.conv2", x, 2)) + self.w["encoder.positional_embedding"]
        for i in range(self.dims.n_audio_layer):
            block = f"encoder.blocks.{i}"
            ln = self._ln(f"{block}.attn_ln", x)
            x = x + self._attention(f"{block}.attn", ln, ln, self.dims.n_audio_head)[0]
            x = x + self._mlp(block, x)
        return self._ln("encoder.ln_post", x)

    def read(self, mel, tokens):
        """Give logits [T, n_vocab], and scores[layer][head] [T, n_audio_ctx] of cross-attention before softmax."""
        sound = self.encode(mel)
        x = np.stack([self.w["decoder.token_embedding.weight"][t] for t in tokens])
        x = x + self.w["decoder.positional_embedding"][: len(tokens)]
        scores = []
        for i in range(self.dims.n_text_layer):
            block = f"decoder.blocks.{i}"
            ln = self._ln(f"{block}.attn_ln", x)
            x = x + self._attention(f"{block}.attn", ln, ln, self.dims.n_text_head, is_causal=True)[0]
            ln = self._ln(f"{block}.cross_attn_ln", x)
            out, of_heads = self._attention(f"{block}.cross_attn", ln, sound, self.dims.n_text_head)
            x = x + out
            x = x + self._mlp(block, x)
            scores.append(of_heads)
        return self._ln("decoder.ln", x) @ self.w["decoder.token_embedding.weight"].T, scores

    def _attention(self, name, x, source, n_head, is_causal=False):
        q = x @ self.w[f"{name}.query.weight"].T + self.w[f"{name}.query.bias"]
        k = source @ self.w[f"{name}.key.weight"].T
        v = source @ self.w[f"{name}.value.weight"].T + self.w[f"{name}.value.bias"]
        d = x.shape[1] // n_head
        out, scores = np.zeros_like(q), np.zeros((n_head, len(x), len(source)))
        for h in range(n_head):
            part = slice(h * d, (h + 1) * d)
            for t in range(len(x)):
                scores[h, t] = k[:, part] @ q[t, part] / math.sqrt(d)
                n_seen = t + 1 if is_causal else len(source)
                weights = softmax(scores[h, t, :n_seen])
                out[t, part] = weights @ v[:n_seen, part]
        return out @ self.w[f"{name}.out.weight"].T + self.w[f"{name}.out.bias"], scores

    def _mlp(self, block, x):
        ln = self._ln(f"{block}.mlp_ln", x)
        hidden = _gelu(ln @ self.w[f"{block}.mlp.0.weight"].T + self.w[f"{block}.mlp.0.bias"])
        return hidden @ self.w[f"{block}.mlp.2.weight"].T + self.w[f"{block}.mlp.2.bias"]

    def _ln(self, name, x):
        rows = [(row - row.mean()) / math.sqrt(row.var() + 1e-5) for row in x]
        return np.stack(rows) * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def _conv(self, name, x, stride):
        weight, bias = self.w[f"{name}.weight"], self.w[f"{name}.bias"]
        out = []
        for t in range(0, len(x), stride):
            y = bias.copy()
            for k in range(3):
                if 0 <= t + k - 1 < len(x):
                    y = y + weight[:, :, k] @ x[t + k - 1]
            out.append(y)
        return np.stack(out)


def softmax(x):
    weights = np.exp(x - x.max())
    return weights / weights.sum()


def _gelu(x):
    return 0.5 * x * (1 + _ERF(x / math.sqrt(2)))
