"""The ends of clips: the right frames, whatever the length, without reading what lies between."""

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
    """Frames whose grey level tells their number, modulo 50."""
    for index in range(count):
        yield np.full((size[1], size[0], 3), 20 + 4 * (index % 50), np.uint8)


def numbers(frames: Iterator[Rgb]) -> list[int]:
    return [round((float(frame.mean()) - 20) / 4) for frame in frames]


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
    assert numbers(last_frames(converted(clip, tmp_path / "clip.mkv", container="matroska"), count=3)) == [37, 38, 39]


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
    assert numbers(last_frames(path, count=14)) == [number % 50 for number in range(946, 960)]
    assert decoded <= 14 + 32


def test_facts_come_from_the_headers(clip: Path) -> None:
    found = facts(clip)
    assert (found.width, found.height, found.fps, found.has_audio) == (64, 48, Fraction(16), False)


def test_a_cut_off_clip_is_refused(clip: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.mp4"
    short.write_bytes(clip.read_bytes()[: int(clip.stat().st_size * 0.8)])
    with pytest.raises(VideoError):
        list(last_frames(short, count=5))


@pytest.mark.parametrize("content", [b"", b"not a clip at all"])
def test_what_is_no_clip_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "wrong.mp4"
    path.write_bytes(content)
    for read in (lambda: list(last_frames(path, count=3)), lambda: facts(path)):
        with pytest.raises(VideoError):
            read()
