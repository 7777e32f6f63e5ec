"""The primitive operations that a step cannot do without, each timed alone, with the gradients that the step needs.

Of an image network they are read off a forward pass: convolutions, batch norms (with their ReLU, and with the sum of the maps
that they read), poolings and the classifier, each in the better of two memory layouts, and what has one kernel: the two units
of a separable convolution (with their ReLUs, and with the map that is added to them), and other convolutions with their ReLU,
batch norm and sums; and outside of these ReLUs, sums of maps, concatenations, picking of pixels and convolutions of even and
odd pixels. Of the recurrent cell they follow from its wiring: matrix products, in the faster of two forms, activations with
their gates, and the softmax over the vocabulary.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from types import SimpleNamespace
from typing import Any, Self, cast
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from enas.nn import convolution, pointwise, pool
from enas.nn.blocks import FactorisedReduction, Pool
from enas.nn.cells import Separable
from enas.nn.compiled import library
from enas.nn.norm import BatchNorm
from enas.nn.pool import average_pool, halves
from enas.spaces.rnn.cell import Group, groups
from enas.spaces.rnn.gates import Gates
from enas.spaces.rnn.native import lay_out, multiply
from enas.spaces.rnn.wiring import Cell

Clock = Callable[[], float]
Key = tuple[str, str, tuple[tuple[int, ...], ...]]
UNITS = ((pointwise, "_PointwiseUnit"), (convolution, "_ConvolutionUnit"), (pool, "_AveragePool"))
LEAVES = (nn.Conv2d, nn.Linear, BatchNorm, Pool, Separable)
BETWEEN = {
    F.relu: "relu", torch.relu: "relu", Tensor.relu_: "relu",
    Tensor.add: "sum", Tensor.add_: "sum", Tensor.__add__: "sum", torch.cat: "cat", F.conv2d: "gathered",
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "relu": F.relu, "sum": torch.add, "gathered": F.conv2d, "average": average_pool,
    "pair": lambda x, weight: F.conv2d(x, weight, groups=2), "cat": lambda *x: torch.cat(x, 1), "halves": halves,
}  # fmt: skip
LAYOUTS = (torch.channels_last, torch.contiguous_format)
EVICT = 1 << 25
"""Numbers (128 MB) that are written before each call with cold caches: more than a core's share of the last cache."""


def milliseconds(
    run: Callable[[], object], clock: Clock = time.perf_counter, *, cold: bool = False, least: int = 3, most: int = 8
) -> float:
    """Median time of a call after one that warms up; quick calls are repeated more often.

    Args:
        run: What is timed.
        clock: In seconds.
        cold: Whether the caches hold none of the call's data when it begins; fewer repetitions then.
        least: Repetitions.
        most: Of calls that together take less than 50 ms.
    """
    run()
    times: list[float] = []
    evict = torch.zeros(EVICT) if cold else None
    while len(times) < least or (evict is None and len(times) < most and sum(times) < 0.05):
        if evict is not None:
            evict.add_(1)
        begin = clock()
        run()
        times.append(clock() - begin)
    return 1e3 * statistics.median(times)


class ImagePrimitives(TorchFunctionMode):
    """Counts the primitives of forward passes made inside of `with`, and times each alone."""

    def __init__(self, network: nn.Module, clock: Clock) -> None:
        super().__init__()
        self.clock, self.counts, self._inside = clock, Counter[Key](), 0
        self._runs: dict[Key, Callable[..., Tensor]] = {}
        self._parameters: dict[Key, list[nn.Parameter]] = {}
        self._times: dict[tuple[Key, bool, bool], float] = {}
        self._layouts: dict[tuple[Key, bool], torch.memory_format] = {}
        self._network, self._hooks = network, list[RemovableHandle]()
        self._units = [
            patch.object(module, name, SimpleNamespace(apply=partial(self.note_unit, getattr(module, name))))
            for module, name in UNITS
        ]

    def __enter__(self) -> Self:
        """Begin to count; the modules are watched no longer than that."""
        for module in self._network.modules():
            if isinstance(module, LEAVES):
                self._hooks.append(module.register_forward_pre_hook(self._enter))
                self._hooks.append(module.register_forward_hook(self._leave))
            if isinstance(module, FactorisedReduction):
                self._hooks.append(module.register_forward_pre_hook(self._pick))
        for unit in self._units:
            unit.start()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        """Stop."""
        super().__exit__(*error)
        for unit in self._units:
            unit.stop()
        while self._hooks:
            self._hooks.pop().remove()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note an operation between the modules."""
        name = BETWEEN.get(func)
        if name is not None and not self._inside:
            tensors = args[0] if name == "cat" else args[:2]
            shapes = tuple(tuple(x.shape) for x in tensors if isinstance(x, Tensor))
            groups = (kwargs or {}).get("groups", 1)
            if name == "gathered" and groups > 2:
                name = "average"  # pooling, which is a convolution here
            elif name == "gathered" and groups == 2:
                name = "pair"  # of even and of odd pixels
            if name in ("relu", "cat", "gathered", "pair", "average") or len(shapes) == 2:
                self.counts[name, "", shapes[:1] if name in ("relu", "average") else shapes] += 1
        return func(*args, **(kwargs or {}))

    def note_unit(self, original: Any, *values: Any) -> Tensor:
        """Note what has a kernel, and compute it."""
        if self._inside:
            return cast(Tensor, original.apply(*values))
        tensors = [value for value in values if isinstance(value, Tensor) and value.dim() == 4]
        rest = [None if isinstance(value, Tensor) and value.dim() == 4 else value for value in values]
        places = [place for place, value in enumerate(values) if isinstance(value, Tensor) and value.dim() == 4]

        def run(*tensors: Tensor) -> Tensor:
            arguments = list(rest)
            for place, tensor in zip(places, tensors, strict=True):
                arguments[place] = tensor
            return cast(Tensor, original.apply(*arguments))

        kind = [str(value) for value in values if not isinstance(value, Tensor)]
        parameters = [value for value in values if isinstance(value, nn.Parameter) and value.dim() == 1]
        self._note((original.__name__, " ".join(kind), tuple(tuple(x.shape) for x in tensors)), run, parameters)
        return run(*tensors)

    def again(self) -> None:
        """Forget all times; the better memory layouts are remembered."""
        self._times.clear()

    def sum(self, counts: Counter[Key], *, backward: bool, cold: bool) -> float:
        """Milliseconds of all counted operations."""
        return sum(count * self._time(key, backward, cold) for key, count in counts.items())

    def _enter(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._inside += 1

    def _leave(self, module: nn.Module, inputs: tuple[Tensor | None, ...], output: Tensor) -> None:
        self._inside -= 1
        if self._inside:
            return  # a part of a primitive
        shapes = tuple(tuple(x.shape) for x in inputs if x is not None)
        self._note((type(module).__name__, str(module), shapes), module, list(module.parameters()))

    def _note(self, key: Key, run: Callable[..., Tensor], parameters: list[nn.Parameter]) -> None:
        self._runs.setdefault(key, run)
        self._parameters.setdefault(key, parameters)
        self.counts[key] += 1

    def _pick(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        batch, channels, height, width = inputs[0].shape
        self.counts["halves", "", ((batch, channels, height + height % 2, width + width % 2),)] += 1

    def _time(self, key: Key, backward: bool, cold: bool) -> float:
        known = (key, backward, cold)
        if known not in self._times:
            choices = LAYOUTS if len(key[2][0]) == 4 else LAYOUTS[1:]
            if (better := self._layouts.get((key, backward))) is not None:
                choices = (better,)
            times = {layout: self._alone(key, backward, layout, cold) for layout in choices}
            self._layouts[key, backward] = min(times, key=lambda layout: times[layout])
            self._times[known] = min(times.values())
        return self._times[known]

    def _alone(self, key: Key, backward: bool, layout: torch.memory_format, cold: bool) -> float:
        name, _, shapes = key
        run = self._runs.get(key) or FUNCTIONS[name]
        if len(shapes) > 1 and len(shapes[0]) != 4:
            layout = torch.contiguous_format
        maps = [torch.randn(shape).contiguous(memory_format=layout) for shape in shapes]
        first = name == "Conv2d" and shapes[0][1] == 3  # the stem: images have no gradient
        wanted: list[Tensor] = [] if first else [x.requires_grad_() for x in maps]
        wanted += self._parameters.get(key, [])
        with torch.no_grad():
            g = torch.randn_like(run(*maps))

        def forward() -> None:
            with torch.set_grad_enabled(backward):
                run(*maps)

        def both() -> None:
            torch.autograd.grad(run(*maps), wanted, g)

        if not backward:
            return milliseconds(forward, self.clock, cold=cold)
        if not cold:
            return milliseconds(both, self.clock)
        y = run(*maps)  # the way back starts long after the way forward: cold again
        back = milliseconds(lambda: torch.autograd.grad(y, wanted, g, retain_graph=True), self.clock, cold=True)
        return milliseconds(forward, self.clock, cold=True) + back


class CellPrimitives:
    """Times the primitives of the recurrent cell over a window of `places` words in `batch` texts."""

    def __init__(
        self, clock: Clock, *, places: int, batch: int, width: int, vocabulary: int, cold: bool = False
    ) -> None:
        self.clock, self.cold, self.places, self.batch = clock, cold, places, batch
        self.width, self.vocabulary = width, vocabulary
        self._times: dict[tuple[Any, ...], float] = {}

    def again(self) -> None:
        """Forget all times."""
        self._times.clear()

    def sum(self, cell: Cell, *, backward: bool) -> float:
        """Milliseconds of all of a cell's primitives."""
        n, b, h, v = self.places * self.batch, self.batch, self.width, self.vocabulary
        total = self._products([(n, h, 2 * h, 1), (n, h, v, 1)], backward) + self._softmax(backward)
        for group in groups(cell):
            outputs = 2 * h * len(group.members)
            total += self.places * self._product(b, h, outputs)
            if backward:
                total += self.places * self._product(b, outputs, h) + self._product(h, n, outputs)
            total += self.places * self._gates(group, backward)
        return total

    def _products(self, sizes: Iterable[tuple[int, int, int, int]], backward: bool) -> float:
        forms = [(m, k, n) for m, k, n, _ in sizes]
        if backward:
            forms += [form for m, k, n in list(forms) for form in ((m, n, k), (k, m, n))]
        return sum(self._product(*form) for form in forms)

    def _product(self, m: int, k: int, n: int) -> float:
        """In the faster of two forms, where the one with a matrix that is laid out before can be had."""
        plain = self._timed(("product", m, k, n), lambda: self._make_product(m, k, n))
        if m != self.batch or library() is None:
            return plain
        return min(plain, self._timed(("laid out", m, k, n), lambda: self._make_laid_out(m, k, n)))

    def _make_product(self, m: int, k: int, n: int) -> Callable[[], object]:
        left, right, out = torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)
        return lambda: torch.mm(left, right, out=out)

    def _make_laid_out(self, m: int, k: int, n: int) -> Callable[[], object]:
        left, panels, out = torch.randn(m, k), lay_out([torch.randn(k, n)], turned=False), torch.empty(m, n)
        return lambda: multiply(left, panels, out, None)

    def _gates(self, group: Group, backward: bool) -> float:
        return self._timed(("gates", group.runs, backward), lambda: self._make_gates(group, backward))

    def _make_gates(self, group: Group, backward: bool) -> Callable[[], object]:
        source, direct = torch.randn(2, self.batch, self.width)
        states, gradients = torch.randn(2, self.batch, len(group.members), self.width)
        products, slopes = torch.randn(2, self.batch, 2, len(group.members), self.width)
        gates = Gates(group.runs, source)

        def run() -> None:
            gates.run(products, source, states)
            if backward:
                gates.run_back(gradients, products, source, slopes, direct)

        return run

    def _softmax(self, backward: bool) -> float:
        def make() -> Callable[[], object]:
            logits = torch.randn(self.places * self.batch, self.vocabulary)
            return lambda: F.log_softmax(logits, dim=1).exp_() if backward else F.log_softmax(logits, dim=1)

        return self._timed(("softmax", backward), make)

    def _timed(self, key: tuple[Any, ...], make: Callable[[], Callable[[], object]]) -> float:
        if key not in self._times:
            with torch.no_grad():
                self._times[key] = milliseconds(make(), self.clock, cold=self.cold)
        return self._times[key]
