"""Settings of a tabular search."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from enas.bounds import Count, check
from enas.config import ControllerConfig, SearchConfig
from enas.errors import UsageError
from enas.flags import Parser, add_flags, collect
from enas.search.reinforce import check_update
from enas.space import Space
from enas.tabular.methods import EvolutionConfig

PRESET: Final = "tabular"
"""The preset that is used when none is named and the space has it."""
POLICY: Final = (
    "controller_samples",
    "controller_optimizer",
    "controller_lr",
    "controller_beta1",
    "controller_beta2",
    "controller_epsilon",
    "controller_momentum",
    "controller_grad_clip",
    "entropy_weight",
    "entropy_weight_end",
    "baseline",
    "baseline_decay",
    "normalise_advantage",
    "policy_updates",
    "policy_clip",
    "skip_weight",
    "seed",
)
"""The settings of a search that matter without shared weights."""


@dataclass(frozen=True)
class TabularConfig:
    """What is measured."""

    seeds: Count = 20
    """Times that each method is run, with the seeds from --seed on."""
    queries: Count = 200
    """Distinct architectures that one run may look up."""


@dataclass(frozen=True)
class TabularSettings:
    """Everything that decides the result."""

    space: str
    preset: str
    table: Path
    table_key: str | None
    controller: ControllerConfig
    search: SearchConfig
    """Of these only the fields in `POLICY` count."""
    evolution: EvolutionConfig
    tabular: TabularConfig

    def to_json(self) -> dict[str, Any]:
        """Plain data, with the settings that count."""
        return {
            **asdict(self),
            "table": str(self.table),
            "search": {name: getattr(self.search, name) for name in POLICY},
        }


def read_settings(
    parser: Parser, arguments: Sequence[str], space: Space, preset: str | None
) -> tuple[TabularSettings, argparse.Namespace]:
    """Add the flags of a tabular search to a parser, and read them.

    Raises:
        UsageError: a flag is unknown here or has a wrong value, or the space has no such preset.
    """
    name = preset or (PRESET if PRESET in space.presets else space.default_preset)
    if name not in space.presets:
        raise UsageError(f"{space.name} has no preset {name!r}: known are {', '.join(space.presets)}")
    chosen = space.presets[name]
    parser.add_argument("--preset", help=f"{', '.join(space.presets)} (default: {name})")
    parser.add_argument("--reward-table", type=Path, required=True, help="accuracies of all architectures, JSON or CSV")
    parser.add_argument(
        "--table-key", help="field or column of the table (default: accuracy, mean_acc or the only one)"
    )
    parts: dict[str, Any] = {
        "controller": chosen.controller,
        "search": chosen.search,
        "evolution": EvolutionConfig(),
        "tabular": TabularConfig(),
    }
    others = [item.name for item in fields(SearchConfig) if item.name not in POLICY]
    for part, defaults in parts.items():
        add_flags(parser, defaults, skip=others if part == "search" else ())
    options = parser.parse_args(arguments)
    parts = {part: collect(options, defaults) for part, defaults in parts.items()}
    for config in parts.values():
        check(config)
    check_update(parts["search"])
    if parts["search"].controller_lr_cosine:
        raise UsageError(f"a table has no epochs for the controller's cosine of preset {name}: name another --preset")
    settings = TabularSettings(space.name, name, options.reward_table, options.table_key, **parts)
    if settings.evolution.tournament > settings.evolution.population:
        raise UsageError(
            f"--tournament {settings.evolution.tournament} is more than --population {settings.evolution.population}"
        )
    return replace(settings, table=options.reward_table.absolute()), options
