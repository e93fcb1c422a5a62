"""Runs a program of ours in this process, and ends it as a program on a command line should end.

    python -m shared.program MODULE ARGUMENT...

Ctrl-C, also while the program is still being loaded, and a reader that goes away (`| head`) are no errors of ours and
print nothing; output that cannot be written, for example on a full disk, is one line. What the program was writing, it
cleans up itself: it sees the exception.
"""

import os
import runpy
import sys
from collections.abc import Sequence

from shared.command_line import EXIT_PROBLEM

EXIT_STOPPED = 130
"""128 and the number of SIGINT, as shells say it."""


def run(module: str, arguments: Sequence[str]) -> int | str | None:
    """What the program gave to `sys.exit`; as in a shell, a reader that had enough changes nothing about it."""
    sys.argv = [module, *arguments]
    code: int | str | None = None
    try:
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        code = EXIT_STOPPED
    except BrokenPipeError:
        _forget_output()
    except OSError as error:
        if error.filename is not None:
            raise
        print(f"rushes: the output cannot be written: {error.strerror}", file=sys.stderr)
        _forget_output()
        code = EXIT_PROBLEM
    return code


def _forget_output() -> None:
    """What is still in the buffer has nowhere to go; Python would try again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
