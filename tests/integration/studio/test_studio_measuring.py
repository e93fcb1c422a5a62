"""`rushes score` and its siblings: the arguments, the output and the exit code of another service's program."""

import subprocess
import sys
from pathlib import Path

import pytest

from services.studio.cli import main, measuring


@pytest.mark.parametrize("name", sorted(measuring.PROGRAMS))
def test_everything_behind_the_command_is_passed_on_as_it_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(measuring, "run", lambda command: ran.append(command) or 7)
    with pytest.raises(SystemExit) as end:
        main([name, "a clip.mp4", "--json", "--help", "--align", "start", "--", "-a clip.mp4"])
    assert end.value.code == 7
    module = measuring.PROGRAMS[name][0]
    typed = ["a clip.mp4", "--json", "--help", "--align", "start", "--", "-a clip.mp4"]
    assert ran == [[sys.executable, "-m", "shared.program", module, name, *typed]]


@pytest.mark.parametrize("name", sorted(measuring.PROGRAMS))
def test_the_program_knows_its_command_and_says_what_is_wrong(name: str, tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.mp4")
    more = {"score": [], "smooth": [absent, "--method", "blend", "--out", str(tmp_path)]}.get(name, [absent])
    module = measuring.PROGRAMS[name][0]
    ended = subprocess.run(
        [sys.executable, "-m", "shared.program", module, name, absent, *more],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{name}: ")
    assert ended.stderr.count("\n") == 1


def test_a_program_that_is_killed_is_one_line_and_exit_code_2(capfd: pytest.CaptureFixture[str]) -> None:
    """As by a decoder that crashes, or by a system that has no memory left."""
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert measuring.run([sys.executable, "-c", killed]) == 2
    assert capfd.readouterr().err == "rushes: the measuring program was ended by SIGKILL\n"


def test_the_exit_code_of_the_program_is_ours() -> None:
    assert measuring.run([sys.executable, "-c", "import sys; sys.exit(1)"]) == 1
