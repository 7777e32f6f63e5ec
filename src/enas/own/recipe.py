"""`Recipe`: the settings of a space of one's own, as changes to those of a space that comes with the program."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from enas.errors import UsageError
from enas.space import Preset
from enas.spaces.macro.presets import PRESETS as IMAGE_PRESETS
from enas.spaces.rnn.presets import PRESETS as TEXT_PRESETS
from enas.tasks.images import ImageTask
from enas.tasks.text import TextTask


@dataclass(frozen=True)
class Recipe:
    """A preset. What is not given is that of the macro space for images, or of the RNN space for text."""

    based_on: Literal["paper", "cpu", "demo"] = "cpu"
    """The preset there from which all that is not given is taken."""
    size: Any = None  # an instance of the space's class of sizes
    """Numbers that the questions depend on; None: the defaults of their class."""
    config: Any = None  # an instance of the space's class of settings
    """Settings of the model; None: the defaults of their class."""
    network: Any = None  # likewise
    """Settings of the model that is trained from scratch; None: those of the search."""
    controller: Mapping[str, Any] = field(default_factory=dict)
    """Changes of `ControllerConfig`: field -> value."""
    search: Mapping[str, Any] = field(default_factory=dict)
    """Changes of `SearchConfig`."""
    train: Mapping[str, Any] = field(default_factory=dict)
    """Changes of `TrainConfig`."""
    search_augment: Mapping[str, Any] = field(default_factory=dict)
    """Changes of the options of the task in the search: `AugmentConfig` of images, `WindowConfig` of text."""
    train_augment: Mapping[str, Any] = field(default_factory=dict)
    """The same in the training from scratch."""

    def preset(self, *, size: type, config: type, supernet_config: type, task: Any) -> Preset:
        """All settings together.

        Args:
            size: The space's class of sizes.
            config: The space's class of settings.
            supernet_config: The class with the fields of both.
            task: The space's task.

        Raises:
            UsageError: the task is not one for which there are settings to begin from.
        """
        found = {ImageTask: IMAGE_PRESETS, TextTask: TEXT_PRESETS}.get(task)
        if found is None:
            raise UsageError(f"there is no recipe for {task.__name__}: make a Space with Presets instead of own_space")
        base, chosen = found[self.based_on], config() if self.config is None else self.config
        sizes = size() if self.size is None else self.size
        parts = ("controller", "search", "train", "search_augment", "train_augment")
        changed = {part: replace(getattr(base, part), **getattr(self, part)) for part in parts}
        supernet = supernet_config(**asdict(sizes), **asdict(chosen))
        return Preset(supernet=supernet, network=chosen if self.network is None else self.network, **changed)
