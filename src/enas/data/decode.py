"""Opening image files: what their headers say, and their pixels in the size and channels that are wanted.

Shapes: H height, W width, C channels.
"""

import contextlib
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

# Formats by name, so that a file cannot pick one of Pillow's many other readers, some of which start programs.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_WIDTH_TAG, _HEIGHT_TAG = 256, 257
_GREY_MODES = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"))
_WIDE_MODES = frozenset(("I", "I;16", "I;16B", "I;16L", "I;16N"))
# What Pillow's readers raise on damaged files, each in its own way.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    TypeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class UnreadableImageError(Exception):
    """An image file is damaged, or of a kind that is not read; the message says why."""


class Header(NamedTuple):
    """What a file says of its image, upright."""

    channels: int
    height: int
    width: int


class Shape(NamedTuple):
    """What images are turned into."""

    height: int
    width: int
    channels: int


def read_header(path: Path) -> Header:
    """Look at an image without decoding it.

    Raises:
        UnreadableImageError: it is no image, or none of the kinds that are read.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.mode == "F":
                raise UnreadableImageError("pixels with fractions have no fixed black and white")
            width, height = image.size
            if isinstance(image, TiffImagePlugin.TiffImageFile):  # some versions of Pillow give its size upright
                width, height = image.tag_v2[_WIDTH_TAG], image.tag_v2[_HEIGHT_TAG]
            if _orientation(image) >= 5:
                width, height = height, width
            return Header(1 if image.mode in _GREY_MODES else 3, height, width)
    except _DAMAGE as error:
        raise UnreadableImageError(_reason(error)) from error


def decode(path: Path, shape: Shape) -> UInt8[np.ndarray, "H W C"]:
    """Decode an image, upright.

    Args:
        path: the file.
        shape: what it becomes; an image of another size is cropped about its centre to the same proportions and
            resized with antialiasing.

    Raises:
        UnreadableImageError: it is damaged or truncated.
    """
    try:
        with Image.open(path, formats=_FORMATS) as opened:
            # A large JPEG is decoded at a half, a quarter or an eighth of its size, as long as that leaves twice the
            # size that is wanted.
            side = 2 * max(shape.height, shape.width)
            opened.draft(None, (side, side))
            image = _convert(_upright(opened), shape.channels)
    except _DAMAGE as error:
        raise UnreadableImageError(_reason(error)) from error
    return _fit(image, shape)


def fitted(image: Image.Image, shape: Shape) -> UInt8[np.ndarray, "H W C"]:
    """What `decode` makes of a file, made of an image that is open already.

    Raises:
        UnreadableImageError: its pixels cannot be had.
    """
    try:
        return _fit(_convert(_upright(image), shape.channels), shape)
    except _DAMAGE as error:
        raise UnreadableImageError(_reason(error)) from error


def _upright(image: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(image) if _orientation(image) != 1 else image


def _fit(image: Image.Image, shape: Shape) -> UInt8[np.ndarray, "H W C"]:
    if image.size != (shape.width, shape.height):
        box = _centre(image.size, shape.width / shape.height)
        image = image.resize((shape.width, shape.height), Image.Resampling.BILINEAR, box=box)
    return np.asarray(image).reshape(shape)


def _orientation(image: Image.Image) -> int:
    # For PNG, asking for EXIF decodes the whole image unless the header had it.
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    with contextlib.suppress(*_DAMAGE):  # damaged EXIF is no reason to refuse the pixels
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
        if found in range(2, 9):
            return int(found)
    return 1


def _convert(image: Image.Image, channels: int) -> Image.Image:
    if image.mode in _WIDE_MODES:  # Pillow would clip 16 bits to 8, not scale them
        wide = np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255)
        image = Image.fromarray(wide.astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("L" if channels == 1 else "RGB")


def _centre(size: tuple[int, int], ratio: float) -> tuple[float, float, float, float]:
    """The largest box of the given width over height in the middle of an image."""
    width, height = size
    box_width, box_height = min(width, height * ratio), min(height, width / ratio)
    left, top = (width - box_width) / 2, (height - box_height) / 2
    return left, top, left + box_width, top + box_height


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or of a format that is not read"
    return " ".join(str(error).split()) or type(error).__name__
