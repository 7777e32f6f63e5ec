"""A whole search on the embedded digits: search, derive, train, test, compare with chance, draw."""

from pathlib import Path

from enas import commands
from enas.compare import Comparison, compare
from enas.config import DataConfig
from enas.data.embedded import load_digits
from enas.runtime import Runtime
from enas.search.setup import SearchSettings
from enas.sources import find
from enas.spaces import load
from enas.train.setup import TrainSettings


def demo(out: Path, runtime: Runtime, *, resume: bool = False) -> Comparison:
    """Run the demonstration into the folder `out`.

    Raises:
        EnasError: the folder is occupied, or scikit-learn is missing.
        Interrupted: the user asked to stop; all is saved.
    """
    space, data = load("macro"), DataConfig(dataset="digits")
    commands.search(SearchSettings.from_preset(space, "demo", data), out, runtime, resume=resume)
    settings = TrainSettings.from_preset(space, "demo", data)
    comparison = compare(settings, find(str(out)), 3, out / "compare", runtime, resume=resume)
    images = load_digits().test
    assert images is not None, "the embedded digits have test images"
    runtime.say(
        f"the digits are too easy to tell architectures apart ({len(images)} test images, 0.01 is {len(images) // 100} of "
        "them): try --dataset cifar10, or a folder of images of your own"
    )
    commands.draw(str(out), out / "architecture.svg", runtime)
    commands.draw(str(out), out / "architecture.png", runtime)
    return comparison
