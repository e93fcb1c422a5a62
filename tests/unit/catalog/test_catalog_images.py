"""Uploaded photographs, decoded for real."""

import contextlib
import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image

from services.catalog import domain
from services.catalog.adapters.images import ImageDecoder

ORIENTATION = 0x0112
ROTATED = 6
"""EXIF: the camera was turned; show the picture 90 degrees clockwise."""


def decoder(*, max_bytes: int = 1_000_000, max_pixels: int = 1_000_000) -> ImageDecoder:
    return ImageDecoder(max_bytes=max_bytes, max_pixels=max_pixels)


def encoded(image: Image.Image, format_: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format=format_, **options)
    return file.getvalue()


def photograph(width: int = 64, height: int = 48) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    return image


def picture_of(decoded: domain.DecodedImage) -> Image.Image:
    image = Image.open(io.BytesIO(decoded.png))
    image.load()
    return image


def bomb(width: int, height: int) -> bytes:
    """A PNG of some hundred bytes that says it is huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 100_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
async def test_the_three_formats_become_an_rgb_png_of_the_same_size(format_: str) -> None:
    decoded = await decoder().normalise(encoded(photograph(), format_))
    picture = picture_of(decoded)
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (64, 48))
    assert (decoded.width, decoded.height) == (64, 48)


@pytest.mark.parametrize("format_", ["GIF", "BMP", "TIFF", "ICO"])
async def test_other_image_formats_are_not_supported(format_: str) -> None:
    with pytest.raises(domain.UnsupportedMedia, match="JPEG, PNG or WebP"):
        await decoder().normalise(encoded(photograph(64, 64), format_))


@pytest.mark.parametrize("data", [b"#!/bin/sh\necho hi\n", b"<svg xmlns='x'/>", b"\x00" * 100, b"%PDF-1.7"])
async def test_what_is_no_image_is_not_supported(data: bytes) -> None:
    with pytest.raises(domain.UnsupportedMedia):
        await decoder().normalise(data)


async def test_an_empty_upload_is_refused() -> None:
    with pytest.raises(domain.Refused, match="empty"):
        await decoder().normalise(b"")


async def test_too_many_bytes_are_refused_before_decoding() -> None:
    with pytest.raises(domain.TooLarge, match="at most 100"):
        await decoder(max_bytes=100).normalise(encoded(photograph(), "PNG") + b"x" * 100)


@pytest.mark.parametrize(
    ("width", "height"), [(2000, 2000), (10_000, 10_000), (30_000, 30_000), (2**31 - 1, 2**31 - 1)]
)
async def test_an_image_bomb_is_refused_by_its_header(width: int, height: int) -> None:
    with pytest.raises(domain.TooLarge, match="too many pixels"):
        await decoder().normalise(bomb(width, height))


async def test_a_text_chunk_that_explodes_is_refused() -> None:
    data = encoded(photograph(), "PNG")
    text = b"Comment\0\0" + zlib.compress(b"x" * 80_000_000, 9)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    with pytest.raises(domain.Refused):
        await decoder().normalise(data[:33] + chunk + data[33:])


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
async def test_a_truncated_image_is_refused(format_: str) -> None:
    data = encoded(Image.effect_noise((200, 200), 80).convert("RGB"), format_)
    with pytest.raises(domain.Refused, match="cannot be decoded"):
        await decoder().normalise(data[: len(data) // 2])


async def test_any_flipped_byte_gives_a_picture_or_a_refusal() -> None:
    data = bytearray(encoded(photograph(), "PNG"))
    for position in range(len(data)):
        data[position] ^= 0xFF
        with contextlib.suppress(domain.CatalogError):
            await decoder().normalise(bytes(data))
        data[position] ^= 0xFF


async def test_the_camera_orientation_is_applied_and_metadata_left_out() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = ROTATED
    exif[0x010E] = "taken at home"
    decoded = await decoder().normalise(encoded(photograph(), "PNG", exif=exif.tobytes()))
    picture = picture_of(decoded)
    assert picture.size == (48, 64)
    assert picture.getpixel((24, 2)) == (255, 0, 0)
    assert picture.getpixel((24, 60)) == (0, 0, 255)
    assert not picture.getexif()
    assert b"taken at home" not in decoded.png


async def test_transparency_is_laid_on_white() -> None:
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    picture = picture_of(await decoder().normalise(encoded(image, "PNG")))
    assert picture.getpixel((5, 5)) == (255, 255, 255)


async def test_an_animation_is_refused() -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    with pytest.raises(domain.Refused, match="animated"):
        await decoder().normalise(encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]))


async def test_a_phones_jpeg_with_several_pictures_gives_the_first() -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    red, _, blue = picture_of(await decoder().normalise(data)).getpixel((20, 20))  # type: ignore[misc]
    assert red > 200 and blue < 50


async def test_deep_greyscale_is_refused_rather_than_clipped() -> None:
    with pytest.raises(domain.Refused, match="8 bits"):
        await decoder().normalise(encoded(Image.new("I;16", (40, 40), 40_000), "PNG"))


async def test_a_picture_too_small_for_a_face_is_refused() -> None:
    with pytest.raises(domain.Refused, match="at least 32"):
        await decoder().normalise(encoded(photograph(64, 31), "PNG"))


async def test_the_same_upload_gives_the_same_bytes() -> None:
    data = encoded(photograph(), "JPEG")
    assert await decoder().normalise(data) == await decoder().normalise(data)
