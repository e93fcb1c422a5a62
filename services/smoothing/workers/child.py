"""The measuring process: one request per line on standard input, one answer per line on standard output.

It exists so that a decoder that crashes, hangs or eats memory costs one seam and not the service. It ends when its
input does, which is also what happens when the service dies.

`python -m services.smoothing.workers.child MEMORY_LIMIT_BYTES`
"""

import os
import resource
import signal
import sys
import time
from typing import BinaryIO

from services.smoothing.adapters.clips import VideoError
from services.smoothing.domain import SeamError
from services.smoothing.workers.checking import check
from services.smoothing.workers.messages import Checked, CheckRequest, check_of, checked_line, failure_line


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    for line in requests:
        try:
            answer = checked_line(checked(check_of(line)))
        except MemoryError:
            answer = failure_line("it needed more memory than it may have")
        except Exception as error:  # noqa: BLE001 - the service decides what becomes of it; the process goes on
            answer = failure_line(f"{type(error).__name__}: {error}")
        answers.write(answer)
        answers.flush()


def checked(request: CheckRequest) -> Checked:
    """What is wrong with the clips themselves is an answer; anything else is raised."""
    started = time.perf_counter()
    try:
        return Checked(found=check(request.previous, request.next), seconds=time.perf_counter() - started)
    except (VideoError, SeamError) as error:
        return Checked(found=str(error), seconds=time.perf_counter() - started)


def main() -> None:
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    # Whatever a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
