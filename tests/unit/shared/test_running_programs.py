"""How a program on a command line ends: Ctrl-C, a reader that goes away, a full disk, its own exit code."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

DEADLINE_SECONDS = 60


def started(folder: Path, source: str, stdout: int = subprocess.PIPE) -> "subprocess.Popen[str]":
    (folder / "a_program.py").write_text(source)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)])}
    command = [sys.executable, "-m", "shared.program", "a_program", "score", "--json"]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment)


def ended(program: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = program.communicate(timeout=DEADLINE_SECONDS)
    return program.returncode, out, err


def test_a_program_has_its_arguments_its_output_and_its_exit_code(tmp_path: Path) -> None:
    source = "import sys\nprint(sys.argv[1:], __name__)\nsys.exit(3)"
    assert ended(started(tmp_path, source)) == (3, "['score', '--json'] __main__\n", "")


WAITING = """
import pathlib, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    print("ready", flush=True)
    while True:
        time.sleep(0.01)
finally:
    pathlib.Path("cleaned").touch()
"""
"""A signal.pause() would sleep through the signal that comes just before it."""


def test_ctrl_c_says_nothing_and_leaves_time_to_clean_up(tmp_path: Path) -> None:
    program = started(tmp_path, WAITING)
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    program.send_signal(signal.SIGINT)
    assert ended(program) == (130, "", "")
    assert (tmp_path / "cleaned").exists()


@pytest.mark.parametrize("lines", [1, 100_000], ids=["at its end", "while it writes"])
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, lines: int) -> None:
    read, write = os.pipe()
    os.close(read)
    program = started(tmp_path, f"for line in range({lines}): print(line)", stdout=write)
    os.close(write)
    assert ended(program) == (0, None, "")


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        program = started(tmp_path, "print('a line')", stdout=full.fileno())
    assert ended(program) == (2, None, "rushes: the output cannot be written: No space left on device\n")


def test_a_fault_of_the_program_itself_stays_one(tmp_path: Path) -> None:
    code, _, err = ended(started(tmp_path, "open('absent')"))
    assert code == 1
    assert err.splitlines()[-1].startswith("FileNotFoundError: ")
