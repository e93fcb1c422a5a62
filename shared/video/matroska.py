"""Whether a Matroska or WebM file is whole. FFmpeg reads one that is cut off as if it ended there, without an error.

Source of the layout: RFC 8794 (EBML, 4 and 5: numbers of variable length) and RFC 9559 (Matroska, 4.5: EBML header,
then Segment).
"""

from pathlib import Path

EBML = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"
HEAD_BYTES = 4096
"""The EBML header has some 40 bytes; Segment follows it."""


def missing_bytes(path: Path) -> int:
    """How many bytes the file is shorter than its Segment says; 0 if it is whole, is no Matroska, or was written as a
    stream, which does not say how long it will be. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        size = file.seek(0, 2)
    if not head.startswith(EBML):
        return 0
    header = _number(head, len(EBML))
    if header is None:
        return 0
    length, start = header
    segment = start + length
    if head[segment : segment + len(SEGMENT)] != SEGMENT:
        return 0
    body = _number(head, segment + len(SEGMENT))
    return 0 if body is None else max(0, body[1] + body[0] - size)


def _number(data: bytes, at: int) -> tuple[int, int] | None:
    """The number at a place and where it ends; None where there is none, or where it stands for "unknown"."""
    if at >= len(data) or data[at] == 0:
        return None
    width = 9 - data[at].bit_length()
    bits = int.from_bytes(data[at : at + width]) & ((1 << 7 * width) - 1)
    unknown = bits == (1 << 7 * width) - 1
    return None if unknown or at + width > len(data) else (bits, at + width)
