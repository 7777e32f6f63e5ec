"""A recurrent cell over all places of a window, as one function with a gradient written by hand.

Node i with predecessor p: [a, g] = (s_p * mask) W_i, s_i = s_p + sigmoid(g) (f_i(a) - s_p); node 0 reads the state before in
the place of s_p, and the word besides: its product is made for all places at once, before. The output is the mean of some
nodes, shortened where it is too long. (Pham et al. 2018, section 2.1, and the authors' code; shortening: docs/details.md.)
Nodes with one predecessor share one matrix product; gradients of weights are one product over all places.

Letters of shapes: T places, B texts, H width, k nodes of a group.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from enas.spaces.rnn.gates import Gates, Run
from enas.spaces.rnn.products import Products
from enas.spaces.rnn.wiring import Cell


@dataclass(frozen=True)
class Group:
    """Nodes with one predecessor, those of one activation side by side."""

    source: int
    """The predecessor; -1: the state before."""
    members: tuple[int, ...]
    runs: tuple[Run, ...]
    """Their activations."""


def groups(cell: Cell) -> tuple[Group, ...]:
    """The groups of a cell, each after the one that its predecessor is in."""
    found = []
    for source in sorted(set(cell.sources)):
        members = [i for i, own in enumerate(cell.sources) if own == source]
        members.sort(key=lambda i: (cell.operations[i], i))
        runs, start = [], 0
        for operation, same in groupby(members, key=lambda i: cell.operations[i]):
            count = len(list(same))
            runs.append((operation, start, start + count))
            start += count
        found.append(Group(source, tuple(members), tuple(runs)))
    return tuple(found)


def run_cell(
    cell: Cell,
    projected: Float[Tensor, "T B twoH"],
    hidden: Float[Tensor, "B H"],
    mask: Float[Tensor, "B H"] | None,
    weights: Sequence[Float[Tensor, "H twoH"]],
    *,
    longest: float | None = None,
) -> Float[Tensor, "T B H"]:
    """The outputs of a cell at all places; the last one is the state after the window.

    Args:
        cell: Its wiring.
        projected: What the words give to node 0: [a, g] at all places.
        hidden: State before the window.
        mask: Dropout mask of every state that is multiplied; None: nothing is dropped. It has no gradient.
        weights: Of each node, [a, g] side by side; node 0: of the state before.
        longest: Largest norm of an output; None: no limit.
    """
    keep = torch.is_grad_enabled() and any(x.requires_grad for x in (projected, hidden, *weights))
    outputs: Tensor = _OverTime.apply(cell, keep, longest, projected, hidden, mask, *weights)
    return outputs


def _products(plan: Sequence[Group], weights: Sequence[Tensor], *, turned: bool = False) -> list[Products]:
    return [Products([weights[i] for i in group.members], turned=turned) for group in plan]


class _Buffers:
    """What the nodes are at each place: products that become [f(a), sigmoid(g)], and states."""

    def __init__(self, plan: Sequence[Group], slots: int, like: Tensor) -> None:
        batch, width = like.shape
        self.products = [like.new_empty(slots, batch, 2, len(group.members), width) for group in plan]
        self.states = [like.new_empty(slots, batch, len(group.members), width) for group in plan]
        self.where = {node: (g, j) for g, group in enumerate(plan) for j, node in enumerate(group.members)}

    def state(self, node: int, slot: int) -> Float[Tensor, "B H"]:
        """The state of a node."""
        g, j = self.where[node]
        return self.states[g][slot, :, j]


class _OverTime(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cell: Cell, keep: bool, longest: float | None, *tensors: Any) -> Tensor:
        projected, hidden, mask, *weights = tensors
        projected, hidden = projected.contiguous(), hidden.contiguous()  # kernels take no other layout
        plan = groups(cell)
        multiply, gates = _products(plan, weights), [Gates(group.runs, hidden) for group in plan]
        buffers = _Buffers(plan, len(projected) if keep else 1, hidden)
        outputs = hidden.new_empty(len(projected), *hidden.shape)
        shrink = hidden.new_ones(len(projected), len(hidden), 1)
        before = hidden
        for t in range(len(projected)):
            slot = t if keep else 0
            _one_place(plan, multiply, gates, buffers, slot, projected[t], before, mask)
            before = _mean([buffers.state(node, slot) for node in cell.averaged], outputs[t])
            if longest is not None:
                norms = torch.linalg.vector_norm(before, dim=1, keepdim=True)
                before.mul_(torch.div(longest, norms, out=shrink[t]).clamp_(max=1.0))
        if keep:
            ctx.cell, ctx.longest, ctx.masked, ctx.where = cell, longest, mask is not None, buffers.where
            given = (hidden, *(() if mask is None else (mask,)))
            ctx.save_for_backward(outputs, shrink, *given, *weights, *buffers.products, *buffers.states)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        plan = groups(ctx.cell)
        outputs, shrink, hidden, *parts = ctx.saved_tensors
        mask = parts.pop(0) if ctx.masked else None
        n, own = len(plan), len(ctx.cell.sources)
        weights, products, states = parts[:own], parts[own : own + n], parts[own + n :]
        befores = torch.cat([hidden[None], outputs[:-1]])
        sources = [_source(group, ctx.where, states, befores) for group in plan]
        slopes = [torch.empty_like(product) for product in products]
        grad_hidden = _through_time(
            ctx.cell, plan, _shortening(upstream[0], outputs, shrink, ctx.longest), where=ctx.where, mask=mask,
            multiply=_products(plan, weights, turned=True), products=products, sources=sources, slopes=slopes,
        )  # fmt: skip
        grads: list[Tensor | None] = [None] * len(ctx.cell.sources)
        for group, source, slope in zip(plan, sources, slopes, strict=True):
            into = source if mask is None else source * mask
            gradient = into.reshape(-1, into.shape[-1]).t() @ slope.flatten(0, 1).flatten(1)
            pieces = gradient.view(len(gradient), 2, len(group.members), -1)
            for j, node in enumerate(group.members):
                grads[node] = pieces[:, :, j].flatten(1)
        return None, None, None, slopes[0].flatten(2), grad_hidden, None, *grads


def _one_place(
    plan: Sequence[Group],
    multiply: Sequence[Products],
    gates: Sequence[Gates],
    buffers: _Buffers,
    slot: int,
    projected: Float[Tensor, "B twoH"],
    before: Float[Tensor, "B H"],
    mask: Float[Tensor, "B H"] | None,
) -> None:
    """Compute all nodes at one place, into the buffers."""
    parts = zip(plan, multiply, gates, buffers.products, buffers.states, strict=True)
    for group, times_weights, opening, product, state in parts:
        source = before if group.source < 0 else buffers.state(group.source, slot)
        into = source if mask is None else source * mask
        here = product[slot]
        times_weights.run(into, here.flatten(1), projected if group.source < 0 else None)
        opening.run(here, source, state[slot])


Upstream = Callable[[int, Tensor], Tensor]


def _shortening(
    upstream: Float[Tensor, "T B H"],
    outputs: Float[Tensor, "T B H"],
    shrink: Float[Tensor, "T B 1"],
    longest: float | None,
) -> Upstream:
    """The gradient of what was averaged at a place, given that which comes from the place after.

    A shortened y = x * longest / |x| hands on only the part of its gradient that is at right angles to it, times its shrinkage.
    """
    short = shrink < 1
    if longest is None or not bool(short.any()):
        return lambda t, carry: carry.add_(upstream[t])
    along = short.to(shrink.dtype) / longest**2

    def gradient(t: int, carry: Tensor) -> Tensor:
        carry.add_(upstream[t])
        dot = (carry * outputs[t]).sum(1, keepdim=True).mul_(along[t])
        return carry.addcmul_(outputs[t], dot, value=-1).mul_(shrink[t])

    return gradient


def _mean(values: Sequence[Tensor], out: Tensor) -> Tensor:
    if len(values) == 1:
        return out.copy_(values[0])
    torch.add(values[0], values[1], out=out)
    for value in values[2:]:
        out.add_(value)
    return out.mul_(1 / len(values))


def _source(group: Group, where: dict[int, tuple[int, int]], states: Sequence[Tensor], befores: Tensor) -> Tensor:
    """What a group reads at all places."""
    if group.source < 0:
        return befores
    g, j = where[group.source]
    return states[g][:, :, j]


def _through_time(
    cell: Cell,
    plan: Sequence[Group],
    upstream: Upstream,
    *,
    where: dict[int, tuple[int, int]],
    mask: Float[Tensor, "B H"] | None,
    multiply: Sequence[Products],
    products: Sequence[Tensor],
    sources: Sequence[Tensor],
    slopes: Sequence[Tensor],
) -> Float[Tensor, "B H"]:
    """Fill `slopes` with the gradients of all products, from the last place to the first.

    Returns:
        Gradient of the state before the window.
    """
    above = [product.new_empty(product.shape[1], *product.shape[3:]) for product in products]
    carry = above[0].new_zeros(above[0].shape[0], above[0].shape[2])
    gates, total = [Gates(group.runs, carry) for group in plan], torch.empty_like(carry)
    for t in range(len(products[0]) - 1, -1, -1):
        share = upstream(t, carry).mul_(1 / len(cell.averaged))
        for group, grad in zip(plan, above, strict=True):
            _begin(group, cell, share, grad)
        for g in range(len(plan) - 1, -1, -1):
            slope, into = slopes[g][t], carry  # what it holds has been given out above, so it is written over
            if plan[g].source >= 0:
                own, j = where[plan[g].source]
                into = above[own][:, j]
            gates[g].run_back(above[g], products[g][t], sources[g][t], slope, into, add=into is not carry)
            if mask is None:
                multiply[g].run(slope.flatten(1), into, plus=into)
            else:
                multiply[g].run(slope.flatten(1), total)
                into.addcmul_(total, mask)
    return carry


def _begin(group: Group, cell: Cell, share: Float[Tensor, "B H"], grad: Float[Tensor, "B k H"]) -> None:
    """The gradient of a group's states that comes from the output: a share for each node that is averaged."""
    averaged = [node in cell.averaged for node in group.members]
    if all(averaged):
        grad.copy_(share[:, None].expand_as(grad))
        return
    grad.zero_()
    for j, own in enumerate(averaged):
        if own:
            grad[:, j].copy_(share)
