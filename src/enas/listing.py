"""What there is by name: spaces with their presets, published architectures, data sets."""

from enas.data import load as images
from enas.data import text as texts
from enas.spaces import load, names


def listing() -> list[str]:
    """The lines of `enas list`."""
    spaces = {name: load(name) for name in names()}
    width = max(map(len, spaces))
    lines = ["spaces and their presets: enas search SPACE --preset NAME"]
    for name, space in spaces.items():
        presets = (f"{preset} (default)" if preset == space.default_preset else preset for preset in space.presets)
        lines.append(f"  {name:{width}}  {', '.join(presets)}")
    lines.append("published architectures: enas train published:NAME")
    for name, space in spaces.items():
        if space.published:
            lines.append(f"  {name:{width}}  {', '.join(space.published)}")
    lines.append("data sets: --dataset NAME, or a folder of your own")
    lines.append(f"  {'images':{width}}  {', '.join(images.NAMES)}")
    lines.append(f"  {'text':{width}}  {', '.join(texts.NAMES)}")
    return lines
