"""Cross-entropy behind a linear decoder, in pieces: the logits of all words are never there at the same time.

Letters of shapes: N places, H width, V vocabulary.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_VALUES = 1 << 23
"""Logits that are computed at once (34 MB), unless a place has more. Each piece reads and writes the decoder's gradient."""


def decoder_loss(
    features: Float[Tensor, "N H"],
    weight: Float[Tensor, "V H"],
    targets: Int64[Tensor, " N"],
    *,
    rows: int | None = None,
) -> Float[Tensor, ""]:
    """Mean cross-entropy, in nats, of the softmax of `features @ weight.T`.

    Where gradients are wanted they are computed along the way, so that no piece is computed twice.

    Args:
        features: What is decoded.
        weight: The decoder.
        targets: The right answers.
        rows: Places decoded at once; None: as many as `CHUNK_VALUES` allows, in pieces of one size.
    """
    if rows is None:
        pieces = math.ceil(len(features) / max(1, CHUNK_VALUES // len(weight)))
        rows = math.ceil(len(features) / max(1, pieces))
    loss: Tensor = _DecoderLoss.apply(features, weight, targets, rows, torch.is_grad_enabled())
    return loss


class _DecoderLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, targets: Tensor, rows: int, grad: bool) -> Tensor:
        wanted = [grad and needed for needed in ctx.needs_input_grad[:2]]
        grads = [torch.empty_like(x) if want else None for x, want in zip((features, weight), wanted, strict=True)]
        total = features.new_zeros((), dtype=torch.float64)
        for start in range(0, len(features), rows):
            piece = slice(start, start + rows)
            logs = F.log_softmax(features[piece] @ weight.t(), dim=1)
            answers = targets[piece, None]
            total -= logs.gather(1, answers).sum(dtype=torch.float64)
            if any(wanted):
                slopes = logs.exp_()
                slopes.scatter_add_(1, answers, slopes.new_full(answers.shape, -1.0))
                if grads[0] is not None:
                    torch.mm(slopes, weight, out=grads[0][piece])
                if grads[1] is not None:
                    torch.addmm(grads[1], slopes.t(), features[piece], beta=int(start > 0), out=grads[1])
        ctx.save_for_backward(*grads)
        ctx.places = len(features)
        return (total / len(features)).to(features.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        slope = upstream[0] / ctx.places
        features, weight = (None if grad is None else grad * slope for grad in ctx.saved_tensors)
        return features, weight, None, None, None
