"""Event ids sort by time and never repeat."""

from uuid import RFC_4122

from shared.ids import uuid7


def test_ids_are_version_7_and_unique() -> None:
    ids = [uuid7() for _ in range(1000)]
    assert {(value.version, value.variant) for value in ids} == {(7, RFC_4122)}
    assert len(set(ids)) == 1000


def test_ids_made_later_sort_later_by_the_millisecond() -> None:
    milliseconds = [uuid7().int >> 80 for _ in range(1000)]
    assert milliseconds == sorted(milliseconds)
