"""Byte ranges and media types."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.studio.domain.ranges import RangeNotSatisfiable, Span, media_type_of, span_of


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-", 0, 99),
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=90-1000", 90, 99),
        ("bytes=-10", 90, 99),
        ("bytes=-1000", 0, 99),
    ],
)
def test_a_range_within_the_object(header: str, first: int, last: int) -> None:
    assert span_of(header, 100) == Span(first, last, 100)


@pytest.mark.parametrize(
    "header", [None, "", "bytes=", "bytes=-", "bytes=a-b", "bytes=0-1,5-6", "lines=1-2", "bytes=9-3"]
)
def test_what_is_not_one_range_gets_the_whole_object(header: str | None) -> None:
    assert span_of(header, 100) is None


@pytest.mark.parametrize(("header", "size"), [("bytes=100-", 100), ("bytes=-0", 100), ("bytes=0-", 0), ("bytes=-5", 0)])
def test_a_range_outside_the_object_is_refused(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable):
        span_of(header, size)


@given(
    header=st.text(max_size=30) | st.from_regex(r"bytes=\d{0,20}-\d{0,20}", fullmatch=True), size=st.integers(0, 10**12)
)
def test_any_header_gives_a_part_of_the_object_or_a_refusal(header: str, size: int) -> None:
    try:
        span = span_of(header, size)
    except RangeNotSatisfiable:
        return
    assert span is None or 0 <= span.first <= span.last < size


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\x00\x00\x00 ftypisom", "video/mp4"),
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF....WEBPVP8 ", "image/webp"),
        (b"<!doctype html>", "application/octet-stream"),
        (b"<svg onload=x()>", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_the_type_comes_from_the_bytes_and_nothing_active_is_let_through(head: bytes, media_type: str) -> None:
    assert media_type_of(head) == media_type
