"""The ends of clips: the right frames, whatever the length, without reading what lies between."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from shared.video.decode import VideoError, iter_frames
from shared.video.encode import encode_h264
from shared.video.ends import facts, first_frames, last_frames
from tests.support.clips import Rgb


def numbered(count: int, *, size: tuple[int, int] = (64, 48)) -> Iterator[Rgb]:
    """Frames whose grey level tells their number, modulo 25."""
    for index in range(count):
        yield np.full((size[1], size[0], 3), 20 + 8 * (index % 25), np.uint8)


def numbers(frames: Iterator[Rgb]) -> list[int]:
    return [round((float(frame.mean()) - 20) / 8) for frame in frames]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ends") / "clip.mp4"
    encode_h264(path, numbered(90), fps=16, preset="veryfast")
    return path


def converted(source: Path, path: Path, *, container: str) -> Path:
    """The same packets in another container."""
    with av.open(str(source)) as given, av.open(str(path), mode="w", format=container) as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(given.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    return path


@pytest.mark.parametrize("count", [1, 2, 14, 60, 90, 200])
def test_the_last_frames_are_those_of_a_whole_decode(clip: Path, count: int) -> None:
    everything = [frame.rgb for frame in iter_frames(clip)]
    found = list(last_frames(clip, count=count))
    assert len(found) == min(count, 90)
    assert all(np.array_equal(one, two) for one, two in zip(found, everything[-count:], strict=True))


def test_the_last_frames_of_a_matroska_file_are_found(clip: Path, tmp_path: Path) -> None:
    assert numbers(last_frames(converted(clip, tmp_path / "clip.mkv", container="matroska"), count=3)) == [12, 13, 14]


def test_the_first_frames_are_the_first(clip: Path) -> None:
    assert numbers(first_frames(clip, count=4)) == [0, 1, 2, 3]
    assert len(list(first_frames(clip))) == 90


def test_the_end_of_a_long_clip_costs_no_more_decoded_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted where frames come out of the decoder; keyframes are at most 2 s (32 frames) apart."""
    path = tmp_path / "long.mp4"
    encode_h264(path, numbered(960), fps=16, preset="ultrafast")
    decoded = 0

    def counting(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
        nonlocal decoded
        for packet in container.demux(stream):
            for frame in packet.decode():
                decoded += 1
                yield frame

    monkeypatch.setattr("shared.video.ends._frames", counting)
    assert numbers(last_frames(path, count=14)) == [number % 25 for number in range(946, 960)]
    assert decoded <= 14 + 32


def test_facts_come_from_the_headers(clip: Path) -> None:
    found = facts(clip)
    assert (found.width, found.height, found.fps, found.has_audio) == (64, 48, Fraction(16), False)


def test_a_cut_off_clip_is_refused(clip: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.mp4"
    short.write_bytes(clip.read_bytes()[: int(clip.stat().st_size * 0.8)])
    with pytest.raises(VideoError):
        list(last_frames(short, count=5))


def test_frames_that_are_missing_at_the_end_are_counted(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the file ended early at a packet boundary, which a decoder does not notice."""
    monkeypatch.setattr("shared.video.ends._frames", lambda container, stream: list(container.decode(stream))[:-5])
    with pytest.raises(VideoError, match="cut off: about 5 frames are missing at its end"):
        list(last_frames(clip, count=3))


def test_a_container_that_ends_later_than_its_picture_is_searched_further_back(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sound that goes on after the picture: the keyframe found first has only 26 frames behind it."""
    monkeypatch.setattr("shared.video.ends._end_seconds", lambda container, stream: Fraction(90 + 48, 16))
    assert numbers(last_frames(clip, count=40)) == [number % 25 for number in range(50, 90)]


@pytest.mark.parametrize("content", [b"", b"not a clip at all"])
def test_what_is_no_clip_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "wrong.mp4"
    path.write_bytes(content)
    for read in (lambda: list(last_frames(path, count=3)), lambda: facts(path)):
        with pytest.raises(VideoError):
            read()


def turned_by_a_quarter(path: Path) -> None:
    """Writes the display matrix of a phone held upright into the track header (ISO 14496-12, 8.3.2).

    x' = a x + c y + t_x and y' = b x + d y with a = d = 0, b = 1, c = -1: the top left corner goes to the top right.
    """
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 44
    one = 1 << 16
    content[at : at + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 48 * one, 0, 1 << 30)
    path.write_bytes(bytes(content))


def test_frames_come_upright(tmp_path: Path) -> None:
    path = tmp_path / "phone.mp4"
    picture = np.full((48, 64, 3), 30, np.uint8)
    picture[:12, :16] = 220
    encode_h264(path, [picture] * 20, fps=16)
    turned_by_a_quarter(path)
    assert (facts(path).width, facts(path).height) == (48, 64)
    for frame in (*first_frames(path, count=1), *last_frames(path, count=1)):
        assert frame.shape == (64, 48, 3)
        assert frame[:16, 36:].mean() > 200
        assert frame[:16, :36].mean() < 50


@pytest.mark.parametrize(
    ("codec", "container", "pixels", "size"),
    [
        ("ffv1", "matroska", "yuv420p10le", (64, 48)), ("ffv1", "matroska", "bgr0", (63, 47)),
        ("libvpx-vp9", "webm", "yuv420p", (65, 49)), ("libx264", "mp4", "yuv444p10le", (63, 47)),
    ],
)  # fmt: skip
def test_other_codecs_depths_and_odd_sizes_are_read(
    codec: str, container: str, pixels: str, size: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "clip"
    with av.open(str(path), mode="w", format=container) as made:
        stream = made.add_stream(codec, rate=16)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        for frame in numbered(40, size=size):
            made.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=pixels)))
        made.mux(stream.encode(None))
    assert numbers(last_frames(path, count=5)) == [10, 11, 12, 13, 14]
    assert (facts(path).width, facts(path).height) == size
