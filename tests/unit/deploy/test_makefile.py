"""`make help` is the newcomer's page, and set-up says what is missing in one line."""

import re
import shutil
import subprocess
from pathlib import Path

from deploy.local.site import REPOSITORY


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_help_lists_every_target_with_one_line() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (REPOSITORY / "Makefile").read_text(), re.M)
    assert phony is not None
    listed = dict(re.findall(r"^  make (\w+) +(\S.*)$", make(REPOSITORY, "help").stdout, re.M))
    assert set(listed) == set(phony.group(1).split()) - {"setup"}


def test_a_python_that_is_too_old_is_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python-old"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.2\n[ "$1" = -V ]\n')
    old.chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(REPOSITORY / name, tmp_path)
    (tmp_path / "deploy" / "kafka").mkdir(parents=True)
    shutil.copy(REPOSITORY / "deploy" / "kafka" / "pom.xml", tmp_path / "deploy" / "kafka")
    done = make(tmp_path, "setup", f"PYTHON={old}")
    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == (
        f"Python 3.11 or newer is needed, {old} is Python 3.9.2. Install it, or set PYTHON=<path>."
    )
    assert not (tmp_path / ".venv").exists()


def test_ci_runs_the_tests() -> None:
    run = REPOSITORY / ".ci" / "run"
    assert run.stat().st_mode & 0o111
    assert run.read_text().splitlines()[-1] == "exec make test"
