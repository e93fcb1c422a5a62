"""Animated WebP and WebM from render servers become clips like any other."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from PIL import Image

from services.dispatch.adapters.clips import ClipReader, UnreadableClip
from shared.video.decode import VideoError, VideoLimits, examine, iter_frames, last_frame
from shared.video.webp import is_webp, webp_to_mp4


def pictures(count: int = 6, side: int = 64) -> list[Image.Image]:
    y, x = np.mgrid[0:side, 0:side]
    return [
        Image.fromarray(np.stack([x * 3 % 256, y * 3 % 256, (x + y + 9 * n) % 256], axis=2).astype(np.uint8))
        for n in range(count)
    ]


def written(path: Path, *, count: int = 6, duration: int = 83) -> Path:
    first, *rest = pictures(count)
    first.save(path, format="WEBP", save_all=True, append_images=rest, duration=duration, lossless=True)
    return path


@pytest.mark.parametrize(("duration", "fps"), [(83, 12.0), (62, 16.0), (41, 24.0), (33, 30.0), (100, 10.0)])
def test_an_animated_webp_becomes_a_clip_with_its_frames_and_its_rate(
    tmp_path: Path, duration: int, fps: float
) -> None:
    source, target = written(tmp_path / "a.webp", duration=duration), tmp_path / "a.mp4"
    assert is_webp(source) and webp_to_mp4(source, target) == 6
    info = examine(target).info
    assert (info.frames, info.width, info.height) == (6, 64, 64) and info.fps == pytest.approx(fps)
    off = np.abs(last_frame(target).astype(int) - np.asarray(pictures()[-1]).astype(int)).mean()
    assert off < 4, "the hand-over frame is the picture's last"


def shown(path: Path, *, order: str, duration: int = 83) -> Path:
    """An animation that shows the pictures a, b, c ... in this order, each for the same time."""
    first, *rest = [pictures()["abcdef".index(name)] for name in order]
    first.save(path, format="WEBP", save_all=True, append_images=rest, duration=duration, lossless=True)
    return path


def order_of(path: Path) -> str:
    likeness = [np.asarray(picture).astype(int) for picture in pictures()]
    return "".join(
        "abcdef"[int(np.argmin([np.abs(frame.rgb - one).mean() for one in likeness]))] for frame in iter_frames(path)
    )


@pytest.mark.parametrize("order", ["aabbbc", "aaaabbbb", "abba", "abc"])
def test_frames_that_the_format_merged_are_told_apart_again_when_the_rate_is_known(tmp_path: Path, order: str) -> None:
    source, target = shown(tmp_path / "a.webp", order=order), tmp_path / "a.mp4"
    assert webp_to_mp4(source, target, fps=12) == len(order)
    assert order_of(target) == order and examine(target).info.fps == 12


def test_without_a_known_rate_the_shortest_step_of_the_durations_is_a_frame(tmp_path: Path) -> None:
    webp_to_mp4(shown(tmp_path / "a.webp", order="aabccc"), tmp_path / "a.mp4")
    assert order_of(tmp_path / "a.mp4") == "aabccc" and examine(tmp_path / "a.mp4").info.fps == 12


@pytest.mark.parametrize(("frames", "expected"), [(8, 8), (None, 1)])
def test_a_clip_in_which_nothing_moves_is_a_clip(tmp_path: Path, frames: int | None, expected: int) -> None:
    """Eight equal frames are stored as one picture without a duration."""
    source = shown(tmp_path / "a.webp", order="a" * 8)
    assert webp_to_mp4(source, tmp_path / "a.mp4", fps=12, frames=frames) == expected
    assert order_of(tmp_path / "a.mp4") == "a" * expected and examine(tmp_path / "a.mp4").info.fps == 12


def test_uneven_durations_keep_their_mean_rate(tmp_path: Path) -> None:
    first, *rest = pictures()
    durations = [83, 84, 83, 84, 83, 84]
    first.save(tmp_path / "a.webp", save_all=True, append_images=rest, duration=durations, lossless=True)
    assert webp_to_mp4(tmp_path / "a.webp", tmp_path / "a.mp4") == 6
    assert examine(tmp_path / "a.mp4").info.fps == pytest.approx(1000 / 83.5)


def test_the_same_webp_gives_the_same_bytes(tmp_path: Path) -> None:
    source = written(tmp_path / "a.webp")
    webp_to_mp4(source, tmp_path / "a.mp4")
    webp_to_mp4(source, tmp_path / "b.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("damage", ["cut", "still", "head only", "too many", "too long"])
def test_a_webp_that_is_no_clip_is_refused_with_the_reason(tmp_path: Path, damage: str) -> None:
    source = written(tmp_path / "a.webp")
    content, limits = source.read_bytes(), VideoLimits(max_frames=3 if damage == "too many" else 1000)
    if damage == "cut":
        source.write_bytes(content[: len(content) // 2])
    elif damage == "still":
        buffer = io.BytesIO()
        pictures(1)[0].save(buffer, format="WEBP")
        source.write_bytes(buffer.getvalue())
    elif damage == "head only":
        source.write_bytes(content[:12])
    elif damage == "too long":
        shown(source, order="a" + "b" * 2000)
    with pytest.raises(VideoError):
        webp_to_mp4(source, tmp_path / "a.mp4", limits=limits)
    assert not (tmp_path / "a.mp4").exists()


async def test_the_reader_converts_webp_and_leaves_everything_else_as_it_is(tmp_path: Path) -> None:
    reader = ClipReader(deadline_seconds=300)
    try:
        clip = await reader.as_video(written(tmp_path / "clip"))
        assert clip != tmp_path / "clip" and (await reader.examine(clip)).info.frames == 6
        assert await reader.as_video(clip) == clip
        (tmp_path / "bad").write_bytes(b"RIFF\0\0\0\0WEBP nothing")
        with pytest.raises(UnreadableClip):
            await reader.as_video(tmp_path / "bad")
        still = await reader.as_video(shown(tmp_path / "still", order="aaaa"), fps=12, frames=4)
        assert (await reader.examine(still)).info.frames == 4
    finally:
        reader.close()


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_a_webm_is_a_clip_as_it_is(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=12)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for picture in pictures():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
        container.mux(stream.encode(None))
    assert not is_webp(path) and examine(path).info.frames == 6
