"""HTTP byte ranges (RFC 9110, 14) and media types told from the bytes themselves."""

import re
from dataclasses import dataclass

SNIFF_BYTES = 16
"""Enough for every signature below."""


@dataclass(frozen=True)
class Span:
    """Bytes `first` to `last`, both inclusive, of `size`."""

    first: int
    last: int
    size: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    @property
    def content_range(self) -> str:
        return f"bytes {self.first}-{self.last}/{self.size}"


class RangeNotSatisfiable(Exception):
    """The range lies outside the object."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the object has {size} bytes")
        self.size = size


def span_of(header: str | None, size: int) -> Span | None:
    """The part asked for; None means the whole object.

    Several ranges, other units and malformed headers are answered with the whole object, as RFC 9110 allows.
    Raises RangeNotSatisfiable when the part begins behind the end.
    """
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", (header or "").strip())
    if found is None or found.groups() == ("", ""):
        return None
    first_text, last_text = found.groups()
    if not first_text:
        wanted = int(last_text)
        if wanted == 0 or size == 0:
            raise RangeNotSatisfiable(size)
        return Span(max(0, size - wanted), size - 1, size)
    first = int(first_text)
    last = min(int(last_text), size - 1) if last_text else size - 1
    if first >= size:
        raise RangeNotSatisfiable(size)
    if last < first:
        return None
    return Span(first, last, size)


def media_type_of(head: bytes) -> str:
    """From the first bytes. What is not known is offered as a download, never as something a browser would run."""
    if head[4:8] == b"ftyp":
        return "video/mp4"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return "application/octet-stream"
