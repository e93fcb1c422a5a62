"""What a process that measures settles first."""

import ctypes

import cv2

KEPT_BYTES = 64 << 20
LARGEST_KEPT_BYTES = 32 << 20
"""glibc takes no more than 32 MiB for the latter."""

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""mallopt(3): M_TRIM_THRESHOLD and M_MMAP_THRESHOLD."""


def settle() -> None:
    """One thread; and memory that was freed is kept for the next frame.

    Planes are of sizes that glibc gives back to the system at once, to ask for them again with the next frame, which
    costs up to a tenth of a comparison. What is kept is not more than what was used at the peak. C libraries without
    mallopt do as they do.
    """
    cv2.setNumThreads(1)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
