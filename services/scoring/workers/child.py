"""The measuring process: one request per line on standard input, one answer per line on standard output.

It exists so that a decoder that crashes, hangs or eats memory costs one clip and not the service. It ends when its
input does, which is also what happens when the service dies.

`python -m services.scoring.workers.child MEMORY_LIMIT_BYTES [IDENTITY_BACKEND]`, the latter as JSON
"""

import json
import os
import resource
import signal
import sys
import time
from typing import BinaryIO

from services.scoring.adapters.backends import BackendChoice, identity_backend
from services.scoring.workers.measurement import measure
from services.scoring.workers.messages import answer_line, failure_line, request_of


def serve(requests: BinaryIO, answers: BinaryIO, *, choice: BackendChoice) -> None:
    backend = identity_backend(choice)
    for line in requests:
        try:
            started = time.perf_counter()
            measurement = measure(request_of(line), identity=backend)
            answer = answer_line(measurement, seconds=time.perf_counter() - started)
        except MemoryError:
            answer = failure_line("measuring needed more memory than it may have")
        except Exception as error:  # noqa: BLE001 - the service decides what becomes of it; the process goes on
            answer = failure_line(f"{type(error).__name__}: {error}")
        answers.write(answer)
        answers.flush()


def main() -> None:
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    # Whatever a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    choice = BackendChoice(**json.loads(sys.argv[2])) if len(sys.argv) > 2 else BackendChoice()
    serve(sys.stdin.buffer, answers, choice=choice)


if __name__ == "__main__":
    main()
