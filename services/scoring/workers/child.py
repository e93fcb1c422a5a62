"""The measuring process: one request per line on standard input, one answer per line on standard output.

It exists so that a decoder that crashes, hangs or eats memory costs one clip and not the service. It ends when its
input does, which is also what happens when the service dies. Each answer says what the process's own models run on,
for it is here that they fall back to the processor, and not in the service.

`python -m services.scoring.workers.child MEMORY_LIMIT_BYTES [IDENTITY_BACKEND]`, the latter as JSON
"""

import json
import os
import resource
import signal
import sys
import time
from typing import BinaryIO

from services.scoring.adapters.backends import identity_backend
from services.scoring.adapters.identity import IdentityBackend
from services.scoring.domain import BackendChoice, Device, unmeasurable
from services.scoring.workers.measurement import Watch, measure
from services.scoring.workers.messages import INTRODUCE, Answered, answer_line, failure_line, request_of


def serve(requests: BinaryIO, answers: BinaryIO, *, choice: BackendChoice) -> None:
    backend = identity_backend(choice)
    for line in requests:
        try:
            answer = answer_line(_answered(line, backend))
        except MemoryError:
            answer = failure_line("measuring needed more memory than it may have")
        except Exception as error:  # noqa: BLE001 - the service decides what becomes of it; the process goes on
            answer = failure_line(f"{type(error).__name__}: {error}")
        answers.write(answer)
        answers.flush()


def _answered(line: bytes, backend: IdentityBackend) -> Answered:
    if line == INTRODUCE:
        nothing = unmeasurable("nothing was asked", decodable=True)
        return Answered(measurement=nothing, seconds=0.0, providers=backend.providers)
    watch = Watch()
    started = time.perf_counter()
    measurement = measure(request_of(line), identity=backend, watch=watch)
    return Answered(
        measurement=measurement,
        seconds=time.perf_counter() - started,
        stages=watch.stages,
        providers=backend.providers,
    )


def limit_memory(limit_bytes: int, device: Device) -> None:
    """Of the address space; with CUDA only of what is really written, for its driver reserves more space than any
    machine has memory, and where it cannot, sessions fall back to the processor."""
    kind = resource.RLIMIT_DATA if device is Device.CUDA else resource.RLIMIT_AS
    resource.setrlimit(kind, (limit_bytes, limit_bytes))


def main() -> None:
    choice = BackendChoice.told(json.loads(sys.argv[2])) if len(sys.argv) > 2 else BackendChoice()
    limit_memory(int(sys.argv[1]), choice.device)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    # Whatever a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers, choice=choice)


if __name__ == "__main__":
    main()
