"""What a measuring process settles: its memory is its own from frame to frame."""

import ctypes
import subprocess
import sys

import pytest

ROUNDS = 50

FRAMES = f"""
import resource
import numpy as np
from services.scoring.workers.process import settle

def frame():
    return [np.ones(416_000, np.uint8) for _ in range(8)]

settle()
frame()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({ROUNDS}):
    frame()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library has no mallopt")
def test_memory_of_one_frame_serves_the_next_without_a_new_page() -> None:
    answered = subprocess.run([sys.executable, "-c", FRAMES], capture_output=True, text=True, check=True, timeout=120)
    assert int(answered.stdout) < ROUNDS
