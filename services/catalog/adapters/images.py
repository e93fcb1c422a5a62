"""Uploaded photographs: decoded for real, within limits, and written anew."""

import asyncio
import io

from PIL import Image, ImageOps, UnidentifiedImageError

from services.catalog import domain

FORMATS = ("JPEG", "PNG", "WEBP")
MIN_SIDE_PIXELS = 32
"""Smaller pictures cannot seed a video or show a face."""

DECODES_AT_A_TIME = 2
"""Bounds the memory of decoding: this many times the pixel limit times 16 bytes."""

_GREY_DEEP = ("I", "I;16", "I;16B", "I;16L", "F")


class ImageDecoder:
    """Pillow behind two limits. The size is read from the header and refused before any pixel is decoded."""

    def __init__(self, *, max_bytes: int, max_pixels: int) -> None:
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels
        self._at_a_time = asyncio.Semaphore(DECODES_AT_A_TIME)

    async def normalise(self, data: bytes) -> domain.DecodedImage:
        """An upright RGB PNG without metadata (so no place, no camera), transparency on white.

        Raises TooLarge, UnsupportedMedia or Refused. The upload's own name and declared type play no part.
        """
        if not data:
            raise domain.Refused("the image is empty; send the file's bytes")
        if len(data) > self._max_bytes:
            raise domain.TooLarge(f"the image has {len(data)} bytes; send at most {self._max_bytes}")
        async with self._at_a_time:
            return await asyncio.to_thread(self._normalise, data)

    def _normalise(self, data: bytes) -> domain.DecodedImage:
        """Broken files make decoders raise nearly anything; whatever it is, it is the file's fault, and is said."""
        try:
            with self._open(data) as image:
                self._refuse_size(image)
                _refuse_kind(image)
                upright = _flatten(ImageOps.exif_transpose(image))
            file = io.BytesIO()
            upright.save(file, format="PNG", compress_level=3)
        except domain.CatalogError:
            raise
        except MemoryError:
            raise
        except Exception as error:
            raise domain.Refused(
                f"the image cannot be decoded ({error}); save it again as JPEG, PNG or WebP"
            ) from error
        return domain.DecodedImage(png=file.getvalue(), width=upright.width, height=upright.height)

    def _open(self, data: bytes) -> Image.Image:
        try:
            return Image.open(io.BytesIO(data), formats=FORMATS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise self._too_many_pixels() from error
        except UnidentifiedImageError as error:
            raise domain.UnsupportedMedia(
                "the file is not a JPEG, PNG or WebP image; convert it to one of these"
            ) from error

    def _refuse_size(self, image: Image.Image) -> None:
        if image.width * image.height > self._max_pixels:
            raise self._too_many_pixels()
        if min(image.width, image.height) < MIN_SIDE_PIXELS:
            raise domain.Refused(
                f"the image is {image.width} x {image.height} pixels; each side needs at least {MIN_SIDE_PIXELS}"
            )

    def _too_many_pixels(self) -> domain.TooLarge:
        return domain.TooLarge(f"the image has too many pixels; the limit is {self._max_pixels}, scale it down")


def _refuse_kind(image: Image.Image) -> None:
    """A phone's JPEG may hold several pictures (MPO): the first is the photograph. Animations have no such first."""
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise domain.Refused("the image is animated; send one still picture")
    if image.mode in _GREY_DEEP:
        raise domain.Refused("the image is greyscale with more than 8 bits; save it with 8 bits per channel")


def _flatten(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    picture = image.convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    return paper.convert("RGB")
