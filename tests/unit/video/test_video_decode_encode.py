"""Clips in and out: what is written can be read, and what cannot be read says why in one line."""

import io
import os
import random
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from shared.video.decode import (
    VideoError,
    VideoLimits,
    examine,
    first_frame,
    frame_digest,
    iter_frames,
    last_frame,
    last_frame_png,
    png_bytes,
    probe,
)
from shared.video.encode import EncodeError, encode_h264
from tests.support.clips import Rgb, camera, clip, photograph


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("clips") / "good.mp4", camera(photograph("astronaut"), frames=48))


def spoiled(tmp_path: Path, data: bytes, name: str = "bad.mp4") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def test_what_was_encoded_is_what_is_decoded(good: Path) -> None:
    originals = list(camera(photograph("astronaut"), frames=48))
    decoded = list(iter_frames(good))
    assert [frame.index for frame in decoded] == list(range(48))
    errors = [np.abs(a.rgb.astype(int) - b).mean() for a, b in zip(decoded, originals, strict=True)]
    assert max(errors) < 5
    drift = [abs(float(a.rgb.mean()) - float(b.mean())) for a, b in zip(decoded, originals, strict=True)]
    assert max(drift) < 1.5, "colours must survive the matrix and range there and back"


def test_probe_and_examine_agree_on_a_good_clip(good: Path) -> None:
    examined = examine(good)
    assert examined.info == probe(good)
    assert (examined.info.width, examined.info.height, examined.info.frames) == (160, 160, 48)
    assert examined.info.fps == 16
    assert examined.info.duration_seconds == 3.0
    assert (examined.info.codec, examined.info.pix_fmt) == ("h264", "yuv420p")


def test_the_last_frame_is_lossless_and_the_last(good: Path) -> None:
    frames = list(iter_frames(good))
    with Image.open(io.BytesIO(last_frame_png(good))) as image:
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image), frames[-1].rgb)
    assert np.array_equal(last_frame(good), frames[-1].rgb)
    assert np.array_equal(first_frame(good), frames[0].rgb)
    assert examine(good).last_frame_png == last_frame_png(good)


def test_the_digest_ignores_the_container_and_sees_every_pixel(good: Path, tmp_path: Path) -> None:
    remuxed = tmp_path / "remuxed.mkv"
    with av.open(str(good)) as source, av.open(str(remuxed), "w") as target:
        target.metadata["prompt"] = "another tag"
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size:
                packet.stream = copy
                target.mux(packet)
    assert remuxed.read_bytes() != good.read_bytes()
    assert frame_digest(remuxed) == frame_digest(good) == examine(good).frame_digest

    frames = list(camera(photograph("astronaut"), frames=48))
    frames[30] = frames[30].copy()
    frames[30][:8, :8] = 255 - frames[30][:8, :8]
    other = clip(tmp_path / "other.mp4", iter(frames))
    assert frame_digest(other) != frame_digest(good)


@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [("ffv1", "yuv420p10le"), ("ffv1", "bgr0"), ("rawvideo", "nv12"), ("libvpx-vp9", "yuv420p")]
)
def test_other_codecs_and_pixel_formats_are_read_and_every_byte_of_them_counts(
    codec: str, pix_fmt: str, tmp_path: Path
) -> None:
    """What ComfyUI's other video nodes write, and the ways a plane can be laid out."""

    def written(last: int) -> Path:
        path = tmp_path / f"{last}.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=8)
            stream.width, stream.height, stream.pix_fmt = 64, 64, pix_fmt
            frames = np.random.default_rng(1).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)
            frames[2, 63, 63] = last
            for rgb in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pix_fmt)))
            container.mux(stream.encode(None))
        return path

    dark, light = examine(written(0)), examine(written(255))
    assert (dark.info.frames, dark.info.width) == (3, 64)
    assert dark.frame_digest == frame_digest(written(0)) != light.frame_digest


def test_the_same_frames_give_the_same_bytes(good: Path, tmp_path: Path) -> None:
    again = clip(tmp_path / "again.mp4", camera(photograph("astronaut"), frames=48))
    assert again.read_bytes() == good.read_bytes()


def test_a_keyframe_at_least_every_two_seconds_and_the_index_first(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    encode_h264(path, camera(photograph("coffee"), frames=70, size=(96, 64), zoom=0, pan=0), fps=Fraction(10))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        keys = [float(p.pts * stream.time_base) for p in container.demux(stream) if p.is_keyframe and p.pts is not None]
    assert keys[0] == 0
    assert max(b - a for a, b in zip(keys, [*keys[1:], 7.0], strict=True)) <= 2.0
    data = path.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


def test_odd_sizes_are_padded_by_repeating_the_edge(tmp_path: Path) -> None:
    path = clip(tmp_path / "odd.mp4", camera(photograph("coffee"), frames=3, size=(101, 75)))
    info = probe(path)
    assert (info.width, info.height) == (102, 76)
    frame = first_frame(path).astype(int)
    assert np.abs(frame[:, 101] - frame[:, 100]).mean() < 6


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        ([], "no frames"),
        ([np.zeros((16, 16), np.uint8)], "must be RGB"),
        ([np.zeros((16, 16, 3), np.float32)], "must be RGB"),
        ([np.zeros((16, 16, 3), np.uint8), np.zeros((32, 16, 3), np.uint8)], "unlike the first"),
    ],
)
def test_frames_that_cannot_be_written_leave_nothing_behind(frames: list[Rgb], says: str, tmp_path: Path) -> None:
    with pytest.raises(EncodeError, match=says):
        encode_h264(tmp_path / "x.mp4", frames, fps=8)
    assert list(tmp_path.iterdir()) == []


def test_a_cut_off_clip_is_refused_at_every_length(good: Path, tmp_path: Path) -> None:
    data = good.read_bytes()
    for share in (0.01, 0.2, 0.5, 0.9, 0.999):
        with pytest.raises(VideoError):
            examine(spoiled(tmp_path, data[: int(len(data) * share)]))


def test_a_clip_cut_off_between_two_frames_is_refused_too(good: Path, tmp_path: Path) -> None:
    with av.open(str(good)) as container:
        ends = sorted(packet.pos for packet in container.demux(video=0) if packet.size)
    with pytest.raises(VideoError, match="cut off"):
        examine(spoiled(tmp_path, good.read_bytes()[: ends[-5]]))


def test_damage_inside_the_frames_is_found_not_painted_over(good: Path, tmp_path: Path) -> None:
    whole, digest = good.read_bytes(), frame_digest(good)
    start = whole.find(b"mdat") + 1000
    for seed in range(8):
        draw = random.Random(seed)
        data = bytearray(whole)
        for _ in range(3):
            data[draw.randrange(start, len(data))] ^= 1 << draw.randrange(8)
        try:
            seen = frame_digest(spoiled(tmp_path, bytes(data)))
        except VideoError:
            continue
        assert seen == digest, "either an error or the very same pixels"


@pytest.mark.parametrize(
    "data",
    [
        b"just a text file, which FFmpeg would render as letters\n" * 50,
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\ngood.mp4\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile good.mp4\n",
        png_bytes(np.zeros((32, 32, 3), np.uint8)),
        b"GIF89a" + bytes(200),
        b"\x1a\x45\xdf\xa3" + bytes(100),
        os.urandom(4096),
    ],
    ids=["text", "playlist", "concat", "png", "gif", "matroska-head", "noise"],
)
def test_what_is_no_clip_is_refused_with_one_line_and_without_a_path(data: bytes, tmp_path: Path) -> None:
    path = spoiled(tmp_path, data)
    for read in (probe, examine, frame_digest, first_frame):
        with pytest.raises(VideoError) as error:
            read(path)
        assert "\n" not in str(error.value)
        assert str(tmp_path) not in str(error.value)


def test_empty_and_missing_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="empty"):
        probe(spoiled(tmp_path, b""))
    with pytest.raises(VideoError, match="does not exist"):
        probe(tmp_path / "nothing.mp4")
    with pytest.raises(VideoError, match="does not exist"):
        probe(spoiled(tmp_path, b"a file") / "inside.mp4")
    with pytest.raises(VideoError, match="it is no file"):
        probe(tmp_path)


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match="it is no file"):
        probe(tmp_path / "pipe.mp4")


def test_a_name_that_no_file_system_takes_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="the file cannot be read: File name too long"):
        probe(tmp_path / ("x" * 300))


def trimmed(source: Path, target: Path, *, frames: int) -> Path:
    """Without the first frames, which stay in the file: what players and editors do without encoding again."""
    options = {"avoid_negative_ts": "disabled", "movflags": "+faststart"}
    with av.open(str(source)) as whole, av.open(str(target), "w", options=options) as part:
        old = whole.streams.video[0]
        new = part.add_stream_from_template(old)
        rate, time_base = old.average_rate, old.time_base
        assert rate is not None and time_base is not None
        skipped = int(frames / rate / time_base)
        for packet in whole.demux(old):
            if packet.dts is not None and packet.pts is not None:
                packet.pts, packet.dts = packet.pts - skipped, packet.dts - skipped
                packet.stream = new
                part.mux(packet)
    return target


def test_frames_that_an_edit_list_leaves_out_are_neither_counted_nor_missed(good: Path, tmp_path: Path) -> None:
    whole = [frame.rgb for frame in iter_frames(good)]
    path = trimmed(good, tmp_path / "trimmed.mp4", frames=5)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == len(whole), "nothing was taken out of the file"
    assert probe(path).frames == examine(path).info.frames == len(whole) - 5
    assert all(np.array_equal(frame.rgb, whole[frame.index + 5]) for frame in iter_frames(path))


def test_a_trimmed_clip_that_is_cut_off_is_refused_as_any_other(good: Path, tmp_path: Path) -> None:
    path = trimmed(good, tmp_path / "trimmed.mp4", frames=5)
    with av.open(str(path)) as container:
        ends = sorted(packet.pos for packet in container.demux(video=0) if packet.size)
    with pytest.raises(VideoError, match="cut off: it says 43 frames and has 38"):
        examine(spoiled(tmp_path, path.read_bytes()[: ends[-5]]))


@pytest.mark.parametrize("name", ["cut.mkv", "cut.webm"])
def test_a_matroska_file_that_is_cut_off_is_refused_at_every_length(name: str, tmp_path: Path) -> None:
    whole = tmp_path / f"whole{Path(name).suffix}"
    with av.open(str(whole), "w") as container:
        stream = container.add_stream("libvpx-vp9" if whole.suffix == ".webm" else "ffv1", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for picture in camera(photograph("coffee"), frames=12, size=(64, 48)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    data = whole.read_bytes()
    assert probe(whole).frames == 12
    for share in (0.05, 0.3, 0.6, 0.9, 0.999):
        (tmp_path / name).write_bytes(data[: int(len(data) * share)])
        with pytest.raises(VideoError, match="cut off: "):
            probe(tmp_path / name)


def test_sound_alone_is_no_clip(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match="no video stream"):
        probe(path)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (VideoLimits(max_bytes=100), "bytes; at most 100"),
        (VideoLimits(max_pixels=160 * 159), "160x160 are too large"),
        (VideoLimits(max_frames=47), "48 frames; at most 47"),
    ],
)
def test_what_is_too_large_is_refused_before_decoding(good: Path, limits: VideoLimits, says: str) -> None:
    for read in (probe, examine):
        with pytest.raises(VideoError, match=says):
            read(good, limits=limits)


def test_memory_does_not_grow_with_the_length_of_the_clip(tmp_path: Path) -> None:
    def peak(frames: int) -> int:
        path = clip(tmp_path / f"{frames}.mp4", camera(photograph("coffee"), frames=frames, size=(256, 256)))
        tracemalloc.start()
        try:
            for _ in iter_frames(path):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    short, long = peak(8), peak(80)
    assert long < short + 2 * 256 * 256 * 3
