"""One clip against another: what FFmpeg's own filter says, what is refused, and what an alignment does."""

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from services.scoring.workers.comparison import Align, NotComparable, Range, compare
from shared.video.decode import VideoError
from shared.video.planes import iter_planes
from tests.support.clips import Rgb, camera, clip, lossless, noted_as_turned, photograph

SIZE = (160, 120)
FRAMES = 8


def frames(count: int = FRAMES, size: tuple[int, int] = SIZE) -> list[Rgb]:
    return list(camera(photograph("coffee"), frames=count, size=size))


def blurred(pictures: list[Rgb], strength: float = 1.2) -> Iterator[Rgb]:
    return (cv2.GaussianBlur(picture, (0, 0), strength) for picture in pictures)


def ffmpeg_psnr(reference: Path, other: Path) -> list[dict[str, float]]:
    """Per frame `psnr_y`, `psnr_u`, `psnr_v` and `mse_y`, as `ffmpeg -i OTHER -i REFERENCE -lavfi psnr` has them."""
    graph = av.filter.Graph()
    with av.open(str(other)) as first, av.open(str(reference)) as second:
        inputs = [graph.add_buffer(template=each.streams.video[0]) for each in (first, second)]
        measuring, sink = graph.add("psnr"), graph.add("buffersink")
        for pad, source in enumerate(inputs):
            source.link_to(measuring, 0, pad)
        measuring.link_to(sink)
        graph.configure()
        found = []
        for one, two in zip(first.decode(video=0), second.decode(video=0), strict=True):
            inputs[0].push(one)
            inputs[1].push(two)
            metadata = sink.pull().metadata
            found.append(
                {key.removeprefix("lavfi.psnr.").replace(".", "_"): float(value) for key, value in metadata.items()}
            )
    return found


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv422p10le", "yuv420p10le"])
def test_native_psnr_and_mse_are_those_of_ffmpegs_filter(tmp_path: Path, pix_fmt: str) -> None:
    reference = lossless(tmp_path / "one.mkv", frames(), pix_fmt)
    other = lossless(tmp_path / "two.mkv", list(blurred(frames())), pix_fmt)
    found = compare(reference, other, range_=Range.NATIVE)
    assert found.frames == FRAMES
    assert found.bits == (10 if "10" in pix_fmt else 8)
    for index, wanted in enumerate(ffmpeg_psnr(reference, other)):
        for name in ("psnr_y", "psnr_u", "psnr_v"):
            assert found.tracks[name].values[index] == pytest.approx(wanted[name], abs=0.006)
        assert found.tracks["mse"].values[index] == pytest.approx(wanted["mse_y"], abs=0.006)


def test_limited_range_is_expanded_as_ffmpegs_gray_and_it_is_said(tmp_path: Path) -> None:
    one, two = clip(tmp_path / "one.mp4", iter(frames())), clip(tmp_path / "two.mp4", blurred(frames()))
    found, native = compare(one, two), compare(one, two, range_=Range.NATIVE)
    assert found.expanded and not native.expanded
    with av.open(str(one)) as first, av.open(str(two)) as second:
        greys = [
            (a.to_ndarray(format="gray").astype(float), b.to_ndarray(format="gray").astype(float))
            for a, b in zip(first.decode(video=0), second.decode(video=0), strict=True)
        ]
    assert found.tracks["mse"].values == pytest.approx([float(((a - b) ** 2).mean()) for a, b in greys], rel=1e-12)
    assert found.tracks["mse"].mean > 1.2 * native.tracks["mse"].mean


@pytest.mark.parametrize("size", [(161, 121), (33, 17)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "gray", "bgr0", "yuv420p10le", "gbrp10le"])
def test_odd_sizes_in_every_layout_equal_themselves(tmp_path: Path, pix_fmt: str, size: tuple[int, int]) -> None:
    path = lossless(tmp_path / "clip.mkv", frames(3, size), pix_fmt)
    planes = next(iter_planes(path))
    assert planes.size == size
    assert (planes.u is None) == (pix_fmt == "gray")
    found = compare(path, path)
    assert found.tracks["ssim"].values == found.tracks["ssim_gaussian"].values == [1.0] * 3
    assert found.tracks["mse"].mean == found.tracks["mae"].mean == 0.0


def test_a_clip_with_alpha_is_compared_by_its_own_planes(tmp_path: Path) -> None:
    """Not by planes that were scaled to another chroma subsampling to be rid of the alpha."""
    with_alpha = lossless(tmp_path / "alpha.mkv", frames(3), "yuva420p")
    without = lossless(tmp_path / "plain.mkv", frames(3), "yuv420p")
    found = compare(with_alpha, without)
    assert [found.tracks[name].mean for name in ("mse", "psnr_u", "psnr_v")] == [0.0, np.inf, np.inf]
    assert next(iter_planes(with_alpha)).limited


@pytest.mark.parametrize("bits", [8, 10])
def test_luma_and_chroma_of_rgb_are_those_of_the_recommendation(tmp_path: Path, bits: int) -> None:
    """ITU-R BT.601-7, 2.5.1 and 2.5.2, in doubles, for colours of every kind."""
    rgb = np.random.default_rng(1).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    planes = next(iter_planes(lossless(tmp_path / "clip.mkv", [rgb], "gbrp10le" if bits == 10 else "bgr0")))
    assert planes.bits == bits and not planes.limited
    with av.open(str(tmp_path / "clip.mkv")) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="gbrp10le" if bits == 10 else "rgb24")
    red, green, blue = (stored[..., channel].astype(float) for channel in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    middle = 1 << (bits - 1)
    wanted = (luma, (blue - luma) / 1.772 + middle, (red - luma) / 1.402 + middle)
    for plane, exact in zip((planes.y, planes.u, planes.v), wanted, strict=True):
        assert plane is not None
        assert np.abs(plane - np.clip(exact, 0, (1 << bits) - 1)).max() < 0.5001


def test_a_folder_of_pictures_is_a_clip_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    pictures = frames(12)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"frame {number}.png")
    reference = lossless(tmp_path / "clip.mkv", pictures, "bgr0")
    found = compare(reference, folder)
    assert found.frames == 12
    assert found.tracks["mse"].mean == 0.0


def test_the_worst_frame_and_the_place_in_it(tmp_path: Path) -> None:
    pictures = frames()
    spoiled = [picture.copy() for picture in pictures]
    spoiled[5][90:, :40] = 255 - spoiled[5][90:, :40]
    one = lossless(tmp_path / "one.mkv", pictures, "yuv444p")
    two = lossless(tmp_path / "two.mkv", spoiled, "yuv444p")
    found = compare(one, two)
    for name in ("ssim", "ssim_gaussian", "psnr_y", "mse", "mae"):
        track = found.tracks[name]
        assert track.worst_frame == 5
        assert track.region is not None
        assert track.region[0] < 40 and track.region[1] >= 75


def test_what_does_not_fit_is_refused_with_the_option_that_helps(tmp_path: Path) -> None:
    one = lossless(tmp_path / "one.mkv", frames(), "yuv420p")
    short = lossless(tmp_path / "short.mkv", frames()[:5], "yuv420p")
    small = lossless(tmp_path / "small.mkv", frames(size=(80, 60)), "yuv420p")
    deep = lossless(tmp_path / "deep.mkv", frames(), "yuv420p10le")
    with pytest.raises(NotComparable, match="8 frames, the clip 5; --align start"):
        compare(one, short)
    with pytest.raises(NotComparable, match="160x120, the clip 80x60; --align size"):
        compare(one, small)
    with pytest.raises(
        NotComparable, match="8 bits, the clip 10; each depth has its own range, so convert one of them first"
    ):
        compare(one, deep, align=frozenset(Align))
    found = compare(one, short, align=frozenset({Align.START}))
    assert (found.frames, found.left_out) == (5, 3)
    assert found.tracks["ssim"].values == [1.0] * 5
    resized = compare(one, small, align=frozenset({Align.SIZE}))
    assert resized.resized
    assert 0.5 < resized.tracks["ssim"].mean < 1.0


def test_what_is_no_clip_is_said_to_be_none(tmp_path: Path) -> None:
    good = lossless(tmp_path / "one.mkv", frames(2), "yuv420p")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("not a clip")
    (tmp_path / "cut.mkv").write_bytes(good.read_bytes()[:200])
    (tmp_path / "nothing").mkdir()
    for bad in ("empty.mp4", "text.mp4", "cut.mkv", "nothing", "absent.mp4"):
        with pytest.raises(VideoError):
            compare(good, tmp_path / bad)


def test_a_clip_that_is_noted_to_be_turned_is_compared_as_it_is_seen(tmp_path: Path) -> None:
    """A phone's clip: stored lying, with a display matrix. Compared with pictures that are upright."""
    pictures = frames(4)
    lying = [np.ascontiguousarray(np.rot90(picture, 3)) for picture in pictures]
    source = clip(tmp_path / "lying.mp4", iter(lying))
    upright = clip(tmp_path / "upright.mp4", iter(pictures))
    turned = tmp_path / "turned.mp4"
    noted_as_turned(source, turned)
    found = compare(upright, turned)
    assert found.size == SIZE
    assert found.tracks["ssim"].mean > 0.9
