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
        main([name, "a clip.mp4", "--json", "--help", "--align", "start"])
    assert end.value.code == 7
    module = measuring.PROGRAMS[name][0]
    assert ran == [[sys.executable, "-m", module, name, "a clip.mp4", "--json", "--help", "--align", "start"]]


@pytest.mark.parametrize("name", sorted(measuring.PROGRAMS))
def test_the_program_knows_its_command_and_says_what_is_wrong(name: str, tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.mp4")
    more = {"score": [], "smooth": [absent, "--method", "blend", "--out", str(tmp_path)]}.get(name, [absent])
    module = measuring.PROGRAMS[name][0]
    ended = subprocess.run(
        [sys.executable, "-m", module, name, absent, *more], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{name}: ")
    assert ended.stderr.count("\n") == 1
