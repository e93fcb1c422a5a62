"""Media: a content-addressed store, and signed links to what is in it."""

from shared.media.fetching import LocalFiles, fetched
from shared.media.store import MediaChanged, MediaMissing, MediaStore

__all__ = ["LocalFiles", "MediaChanged", "MediaMissing", "MediaStore", "fetched"]
