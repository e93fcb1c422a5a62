"""Reading pictures, writing PNG and MP4 the way the real nodes do."""

import io
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from deploy.comfyui_standin.image_model import Pixels

CRF = "17"
"""Near-lossless for our purpose: a clip's last decoded frame is the next clip's first."""


def load_image(path: Path) -> Pixels:
    """[1, h, w, 3]; raises PIL's UnidentifiedImageError for what isn't a picture."""
    with Image.open(path) as picture:
        upright = ImageOps.exif_transpose(picture)
        return np.asarray(upright.convert("RGB"), dtype=np.uint8)[None]


def save_png(path: Path, image: Pixels, metadata: Mapping[str, str]) -> None:
    """Write one [h, w, 3] picture with its text chunks."""
    info = PngInfo()
    for name, value in metadata.items():
        info.add_text(name, value)
    Image.fromarray(image).save(path, pnginfo=info, compress_level=4)


def reencoded(path: Path, form: str, quality: int) -> bytes:
    """The picture as `webp` or `jpeg`, for `/view?preview=`."""
    with Image.open(path) as picture:
        target = io.BytesIO()
        (picture.convert("RGB") if form == "jpeg" else picture).save(target, format=form, quality=quality)
    return target.getvalue()


def save_mp4(path: Path, images: Pixels, fps: float, metadata: Mapping[str, str]) -> None:
    """H.264, yuv420p, one thread (so that equal frames give equal files); a keyframe at least every two seconds.

    Raises the encoder's ValueError for an odd width or height.
    """
    rate = Fraction(fps).limit_denominator(1000)
    options = {"movflags": "faststart+use_metadata_tags"}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        for name, value in metadata.items():
            container.metadata[name] = value
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height = int(images.shape[2]), int(images.shape[1])
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        gop = str(max(1, int(2 * rate)))
        stream.options = {"crf": CRF, "preset": "veryfast", "threads": "1", "g": gop, "x264-params": "threads=1"}
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode())
