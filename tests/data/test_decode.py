"""Kinds of image files, and what becomes of their pixels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from enas.data.decode import Header, Shape, UnreadableImageError, decode, read_header


def gradient(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    ("mode", "extension", "channels"),
    [
        ("1", "png", 1),
        ("L", "png", 1),
        ("L", "jpg", 1),
        ("LA", "png", 1),
        ("I;16", "png", 1),
        ("RGB", "png", 3),
        ("RGBA", "png", 3),
        ("P", "gif", 3),
        ("P", "png", 3),
        ("CMYK", "jpg", 3),
        ("CMYK", "tif", 3),
        ("YCbCr", "jpg", 3),
    ],
)
def test_modes(tmp_path: Path, mode: str, extension: str, channels: int) -> None:
    path = tmp_path / f"image.{extension}"
    if mode == "I;16":
        image = Image.fromarray(np.full((6, 10), 200 * 256 + 9, dtype=np.uint16))
    elif mode == "P":
        image = Image.new("RGB", (10, 6), (200, 0, 0)).quantize(4)
    else:
        image = Image.new("RGB", (10, 6), (255,) * 3 if mode == "1" else (200,) * 3).convert(mode)
    image.save(path)
    assert read_header(path) == Header(channels, 6, 10)
    pixels = decode(path, Shape(6, 10, channels))
    assert pixels.dtype == np.uint8
    expected = {"P": [200, 0, 0], "1": [255]}.get(mode, [200] * channels)
    assert np.abs(pixels.astype(int) - expected).max() <= 2


def test_a_palette_with_transparent_colours(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.new("RGB", (4, 4), (9, 8, 7)).quantize(2).save(path, transparency=b"\x00\x80")
    assert decode(path, Shape(4, 4, 3))[0, 0].tolist() == [9, 8, 7]


def test_grey_becomes_colour_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.new("L", (4, 4), 77).save(path)
    assert (decode(path, Shape(4, 4, 3)) == 77).all()


@pytest.mark.parametrize("extension", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_orientation(tmp_path: Path, orientation: int, extension: str) -> None:
    pixels = np.zeros((8, 16, 3), dtype=np.uint8)
    pixels[:, :8] = 255
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"image.{extension}"
    Image.fromarray(pixels).save(path, exif=exif)
    height, width = (16, 8) if orientation >= 5 else (8, 16)
    assert read_header(path) == Header(3, height, width)
    upright = decode(path, Shape(height, width, 3))
    corner = {1: (0, 0), 3: (0, -1), 6: (0, 0), 8: (-1, 0)}[orientation]
    assert upright[corner].min() > 200
    assert (upright > 128).mean() == 0.5


@pytest.mark.parametrize("extension", ["jpg", "png"])
@pytest.mark.parametrize(("height", "width"), [(600, 600), (600, 900), (90, 60), (20, 20)])
def test_crop_and_resize_keep_the_middle(tmp_path: Path, height: int, width: int, extension: str) -> None:
    pixels = gradient(height, width)
    path = tmp_path / f"image.{extension}"
    Image.fromarray(pixels).save(path, **({"quality": 98, "subsampling": 0} if extension == "jpg" else {}))
    found = decode(path, Shape(32, 32, 3)).astype(int)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = pixels[top : top + side, left : left + side]
    expected = np.asarray(Image.fromarray(middle).resize((32, 32), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(found - expected)[:, :, :2].max() <= 8
    assert np.abs(found - expected)[:, :, :2].mean() < 2


def test_what_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    for content in (b"", b"text", b"\x89PNG\r\n\x1a\n\0\0\0\0IHDR", b"%!PS-Adobe-3.0 EPSF-3.0\n"):
        path.write_bytes(content)
        with pytest.raises(UnreadableImageError):
            read_header(path)
    with pytest.raises(UnreadableImageError, match="No such file"):
        read_header(tmp_path / "missing.png")
    noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-500])
    assert read_header(path) == Header(3, 50, 50)
    with pytest.raises(UnreadableImageError, match="truncated"):
        decode(path, Shape(32, 32, 3))
    Image.fromarray(np.zeros((4, 4), dtype=np.float32)).save(tmp_path / "image.tif")
    with pytest.raises(UnreadableImageError, match="fractions"):
        read_header(tmp_path / "image.tif")


@pytest.mark.parametrize("extension", ["jpg", "png", "gif", "bmp", "tif", "ppm", "webp"])
def test_random_damage_is_always_an_unreadable_image(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"image.{extension}"
    Image.fromarray(gradient(24, 24)).save(path)
    whole = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = whole.copy()
        where = rng.integers(0, min(len(whole), 200), 3)
        damaged[where] = rng.integers(0, 256, 3)
        path.write_bytes(damaged[: rng.integers(1, len(whole) + 1)].tobytes())
        try:
            header = read_header(path)
            assert decode(path, Shape(16, 16, header.channels)).shape == (16, 16, header.channels)
        except (UnreadableImageError, Warning):
            continue  # the suite makes errors of warnings, which Pillow gives for odd metadata
