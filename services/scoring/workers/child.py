"""The measuring process: one request per line on standard input, one answer per line on standard output.

It exists so that a decoder that crashes, hangs or eats memory costs one clip and not the service. Each answer says what
the process's own models run on, for it is here that they fall back to the processor, and not in the service.

`python -m services.scoring.workers.child MEMORY_LIMIT_BYTES [IDENTITY_BACKEND]`, the latter as JSON
"""

import json
import resource
import sys
import time

from services.scoring.adapters.backends import identity_backend
from services.scoring.adapters.identity import IdentityBackend
from services.scoring.domain import BackendChoice, Device, unmeasurable
from services.scoring.workers.measurement import Watch, measure
from services.scoring.workers.messages import INTRODUCE, Answered, answer_line, request_of
from shared.processes import answer_lines, only_answers


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
    answers = only_answers()
    backend = identity_backend(choice)
    answer_lines(answers, lambda line: answer_line(_answered(line, backend)))


if __name__ == "__main__":
    main()
