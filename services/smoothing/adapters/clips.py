"""Clips on disk: the frames around a cut, and repaired clips with the sound of the clip they repair."""

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from shared.video.decode import Rgb, VideoError
from shared.video.encode import EncodeError, encode_h264
from shared.video.ends import ClipFacts, announced_frames, facts, first_frames, last_frames
from shared.video.pictures import is_sequence, picture_files, probe_pictures, read_pictures

__all__ = [
    "EncodeError",
    "VideoError",
    "clip_facts",
    "head",
    "is_sequence",
    "kept_frames",
    "length",
    "tail",
    "write_repaired",
]

SEQUENCE_FPS = Fraction(24)
"""Of a repaired folder of pictures, unless the clip that it meets says otherwise."""

REPAIRED_CRF = 12
"""Below the 18 of a first encode: a repaired clip is a second generation and must not look like one."""


def clip_facts(path: Path) -> ClipFacts:
    if not is_sequence(path):
        return facts(path)
    found = probe_pictures(path, fps=float(SEQUENCE_FPS))
    return ClipFacts(width=found.width, height=found.height, fps=SEQUENCE_FPS, has_audio=False)


def length(path: Path) -> int:
    """How many frames it has, as far as its header says: 0 if it does not."""
    return len(picture_files(path)) if is_sequence(path) else announced_frames(path)


def head(path: Path, *, count: int) -> Iterator[Rgb]:
    """The first frames, upright; nothing after them is decoded."""
    return read_pictures(picture_files(path)[:count]) if is_sequence(path) else first_frames(path, count=count)


def tail(path: Path, *, count: int) -> Iterator[Rgb]:
    """The last frames, upright; decoding starts at the keyframe before them."""
    return read_pictures(picture_files(path)[-count:]) if is_sequence(path) else last_frames(path, count=count)


def kept_frames(path: Path, *, skip: int = 0, drop: int = 0) -> Iterator[Rgb]:
    """All frames but the first `skip` and the last `drop`; holds drop + 1 frames at a time."""
    waiting: deque[Rgb] = deque()
    everything = read_pictures(picture_files(path)) if is_sequence(path) else first_frames(path)
    for index, frame in enumerate(everything):
        if index < skip:
            continue
        waiting.append(frame)
        if len(waiting) > drop:
            yield waiting.popleft()


def write_repaired(
    path: Path, frames: Iterable[Rgb], *, fps: Fraction, source: Path, skip: int = 0
) -> int:  # fmt: skip
    """Encode the frames as H.264 in MP4 and copy the sound of `source`, less what belongs to its first `skip` frames.

    Sound is copied packet by packet (about 20 ms each), never encoded again, and stays in step with the picture. The
    file appears under its name only when it is complete; returns how many frames it has.
    """
    silent = path.with_name(f".{path.name}.silent.mp4")
    try:
        written = encode_h264(silent, frames, fps=fps, crf=REPAIRED_CRF)
        if clip_facts(source).has_audio:
            _join(path, picture=silent, sound=source, start=skip / fps, length=written / fps)
        else:
            silent.replace(path)
    finally:
        silent.unlink(missing_ok=True)
    return written


def _join(path: Path, *, picture: Path, sound: Path, start: Fraction, length: Fraction) -> None:
    partial = path.with_name(f".{path.name}.part")
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    try:
        with (
            av.open(str(picture)) as pictures,
            av.open(str(sound)) as sounds,
            av.open(str(partial), mode="w", format="mp4", options=options) as out,
        ):
            _copy(out, pictures, sounds, start, length)
        partial.replace(path)
    except (FFmpegError, ValueError) as error:
        raise EncodeError("the clip's sound cannot be kept: its audio codec does not fit into MP4") from error
    finally:
        partial.unlink(missing_ok=True)


def _copy(
    out: OutputContainer, pictures: InputContainer, sounds: InputContainer, start: Fraction, length: Fraction
) -> None:
    video = out.add_stream_from_template(pictures.streams.video[0])
    audio = out.add_stream_from_template(sounds.streams.audio[0])
    for shown in pictures.demux(pictures.streams.video[0]):
        if shown.dts is not None:
            shown.stream = video
            out.mux(shown)
    for heard in sounds.demux(sounds.streams.audio[0]):
        if _shifted(heard, start, length):
            heard.stream = audio
            out.mux(heard)


def _shifted(packet: "Packet[AudioStream]", start: Fraction, length: Fraction) -> bool:
    """Move a packet of sound to its new time; False if it belongs to frames that are gone."""
    base = packet.time_base
    if packet.pts is None or packet.dts is None or base is None:
        return False
    offset = round(start / base)
    packet.pts -= offset
    packet.dts -= offset
    return packet.pts >= 0 and packet.pts * base < length
