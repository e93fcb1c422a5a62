"""What is wrong with the machine is one line that names the mend."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import kafka, preflight
from deploy.local.problems import SetupProblem
from deploy.local.site import REPOSITORY

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken


def script(folder: Path, name: str, text: str) -> Path:
    """An executable that stands in for a program of the machine."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_port_in_use_names_the_port_the_owner_and_the_variable(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(SetupProblem) as refused:
        preflight.check_port("studio", port)
    assert str(refused.value).startswith(f"Port {port} for studio is in use by ")
    assert f"(pid {os.getpid()})" in str(refused.value)
    assert "RUSHES_PORT_STUDIO" in refused.value.mend


def test_a_full_disk_says_how_much_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100 << 30, 99 << 30, 500 << 20))
    with pytest.raises(SetupProblem, match=r"Only 500 MiB are free .* 1024 MiB are needed. Free some space"):
        preflight.check_disk(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupProblem, match=r"file/home cannot be written to .* set RUSHES_HOME"):
        preflight.check_folder(tmp_path / "file" / "home")


def test_a_missing_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupProblem, match=r"Java is not installed. Install Java 17 or newer"):
        kafka.java()


def test_an_old_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path, "java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SetupProblem, match=r"java is Java 11, too old for Kafka 4. Install Java 17"):
        kafka.java()


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "21-ea" 2023-09-19', 21),
        ("what?", None),
    ],
)
def test_java_says_its_version_in_several_ways(answer: str, version: int | None) -> None:
    assert kafka.java_major_version(answer) == version


def test_a_missing_maven_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUSHES_KAFKA_LIB", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(SetupProblem, match=r"Maven \(mvn\) is not installed. Install it"):
        kafka.jars(tmp_path / "jars")


def test_a_broken_download_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "bin", "mvn", "echo '[ERROR] Could not transfer artifact: Connection refused'; exit 1")
    monkeypatch.delenv("RUSHES_KAFKA_LIB", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(SetupProblem, match=r"could not fetch Kafka: Could not transfer .*refused. Check the network"):
        kafka.jars(tmp_path / "jars")
    assert list((tmp_path / "jars").iterdir()) == []


def test_a_download_that_ends_well_without_kafka_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "bin", "mvn", "exit 0")
    monkeypatch.delenv("RUSHES_KAFKA_LIB", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(SetupProblem, match="could not fetch Kafka"):
        kafka.jars(tmp_path / "jars")


def test_jars_that_are_there_need_no_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = hashlib.sha256((kafka.CONFIGURATION / "pom.xml").read_bytes()).hexdigest()[:12]
    place = tmp_path / "jars" / version
    place.mkdir(parents=True)
    monkeypatch.delenv("RUSHES_KAFKA_LIB", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert kafka.jars(tmp_path / "jars") == place


@pytest.mark.parametrize(
    ("order", "environment", "line"),
    [
        ("up", {"RUSHES_PORT_STUDIO": "none"}, "rushes: RUSHES_PORT_STUDIO=none is not a number from 1 to 65535."),
        ("up nobody", {}, "rushes: There is no process nobody. There are: kafka, postgres,"),
        ("status", {}, "rushes: Nothing runs in"),
        ("logs nobody", {}, "rushes: There is no log of nobody. There are: none"),
        ("reset", {}, "rushes: reset removes all data and asks first."),
    ],
)
def test_the_command_line_says_one_line_and_no_stack_trace(
    order: str, environment: dict[str, str], line: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", *order.split()],
        cwd=REPOSITORY,
        env={**os.environ, "RUSHES_HOME": str(tmp_path), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(line)
    assert len(done.stderr.splitlines()) == 1
