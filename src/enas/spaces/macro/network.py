"""Stand-alone network of a macro architecture, to be trained from scratch.

Two forms: "final" is what the authors train (pre-activation, skips concatenated, filters doubled at each reduction),
"search" is the supernet's own form with one branch a layer. Source: the authors' code, macro child with a fixed architecture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from enas.architecture import Architecture, encode
from enas.bounds import Count, Decay
from enas.data.images import ImageSpec
from enas.nn.blocks import Chain, FactorisedReduction, Head, batch_norm, conv, operation
from enas.spaces.macro.steps import steps
from enas.spaces.macro.supernet import search_branch
from enas.spaces.macro.wiring import operation_of, reduction_layers, run_wiring, skips_of


@dataclass(frozen=True)
class MacroNetworkConfig:
    """Size and form of the network that is trained from scratch."""

    filters: Count = 96
    """Channels before the first reduction; even. The final form doubles them at each reduction."""
    form: Literal["final", "search"] = "final"
    """Blocks of the network: those of the authors' final network, or those of the search network."""
    separable: bool = True
    """Whether sep3x3 and sep5x5 are separable; the authors' final network made them dense."""
    dropout: Decay = 0.5
    """Probability of dropping a feature before the classifier."""


class Network(nn.Module):
    """One architecture with weights of its own; `forward` takes images only, so that it can be exported as it is."""

    def __init__(self, config: MacroNetworkConfig, spec: ImageSpec, architecture: Architecture) -> None:
        """Build the blocks that the architecture uses.

        Raises:
            ArchitectureError: the architecture does not fit the macro space.
            UsageError: `filters` is odd.
        """
        super().__init__()
        encode(architecture, steps(architecture.size))  # checks every choice
        self.architecture, self.layers = architecture, architecture.size["layers"]
        self.concatenates = config.form == "final"
        growth = 2 if self.concatenates else 1
        width = config.filters
        self.stem = nn.Sequential(conv(spec.channels, width, 3), batch_norm(width, running=True))
        self.operations, self.merges, self.reductions = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for layer in range(self.layers):
            self.operations.append(self._operation(config, operation_of(architecture, layer), width))
            if layer > 0:
                self.merges.append(self._merge_block(width, len(skips_of(architecture, layer))))
            if layer in reduction_layers(self.layers):
                maps = range(layer + 2)
                self.reductions.append(
                    nn.ModuleList(FactorisedReduction(width, growth * width, running=True) for _ in maps)
                )
                width *= growth
        self.head = Head(width, spec.classes, config.dropout)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        """Logits."""
        return self.head(self.features(images))

    def features(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B F h w"]:
        """The last map."""
        return run_wiring(
            self.architecture,
            self.stem(images),
            layers=self.layers,
            operate=lambda layer, _, x: self.operations[layer](x),
            merge=self._merge,
            reduce=lambda number, index, x: cast(nn.ModuleList, self.reductions[number])[index + 1](x),
        )

    def _operation(self, config: MacroNetworkConfig, name: str, width: int) -> Chain:
        if not self.concatenates:
            return search_branch(name, width, running=True)
        block = name if config.separable else name.replace("sep", "conv")
        pool = name.endswith("pool")
        layers: list[nn.Module] = [nn.ReLU(), conv(width, width), batch_norm(width, running=True, relu=not pool)]
        layers += operation(block, width, width)
        return Chain(*layers) if pool else Chain(*layers, batch_norm(width, running=True))

    def _merge_block(self, width: int, skips: int) -> nn.Module:
        norm = batch_norm(width, running=True)
        if not self.concatenates:
            return norm
        return Chain(nn.ReLU(), conv((skips + 1) * width, width), norm)

    def _merge(self, layer: int, out: Tensor, skipped: Sequence[Tensor], sources: Sequence[int]) -> Tensor:
        if self.concatenates:
            return self.merges[layer - 1](torch.cat([*skipped, out], dim=1))
        return self.merges[layer - 1](out, *skipped)
