"""docker-compose.yml is what the topology says, and hangs together."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import compose, topology
from deploy.local.plan import plan
from deploy.local.site import LocalSite


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(compose.FILE.read_text())
    return loaded


def test_the_committed_file_is_the_one_that_the_topology_gives() -> None:
    assert compose.FILE.read_text() == compose.render()


def test_docker_and_the_local_stack_run_the_same_processes(document: dict[str, Any]) -> None:
    local = {compose.host(planned.name) for planned in plan(LocalSite.from_environment({}))}
    assert set(document["services"]) == local


def test_every_volume_and_secret_that_is_used_is_declared(document: dict[str, Any]) -> None:
    volumes = {v.split(":")[0] for entry in document["services"].values() for v in entry.get("volumes", [])}
    secrets = {name for entry in document["services"].values() for name in entry.get("secrets", [])}
    assert volumes == set(document["volumes"])
    assert secrets == set(document["secrets"])


def test_everything_is_published_on_loopback_only(document: dict[str, Any]) -> None:
    published = [port for entry in document["services"].values() for port in entry.get("ports", [])]
    assert published == ["127.0.0.1:${RUSHES_PORT_STUDIO:-8400}:8400"]


def test_every_long_running_container_has_a_health_check(document: dict[str, Any]) -> None:
    without = [name for name, entry in document["services"].items() if "healthcheck" not in entry]
    assert without == [topology.MIGRATE]


def test_the_migration_job_gives_each_role_the_password_that_its_service_uses(document: dict[str, Any]) -> None:
    given = document["services"][topology.MIGRATE]["environment"]
    for entry in topology.SERVICES:
        password = given[compose.password_variable(entry.name)]
        url = document["services"][entry.name]["environment"]["RUSHES_DATABASE_URL"]
        assert url == f"postgresql://rushes_{entry.name}:{password}@postgres:5432/rushes"


def test_no_password_and_no_key_is_in_the_file() -> None:
    text = compose.FILE.read_text()
    values = re.findall(r"(?:PASSWORD\w*: |postgresql://\w+:)(\S+)", text)
    assert values
    assert all(value.startswith("${RUSHES_PASSWORD_") for value in values)
    assert "BEGIN" not in text


def test_the_passwords_that_the_file_asks_for_are_made(tmp_path: Path) -> None:
    environment_file = tmp_path / ".env"
    compose.write_secrets(tmp_path / "keys", environment_file)
    made = {line.partition("=")[0] for line in environment_file.read_text().splitlines()}
    assert made == set(re.findall(r"\$\{(\w+):\?", compose.render()))
    assert environment_file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert {path.name for path in (tmp_path / "keys").iterdir()} >= set(yaml.safe_load(compose.render())["secrets"])


def test_passwords_and_keys_that_exist_are_kept(tmp_path: Path) -> None:
    compose.write_secrets(tmp_path / "keys", tmp_path / ".env")
    before = {path.name: path.read_bytes() for path in [*(tmp_path / "keys").iterdir(), tmp_path / ".env"]}
    compose.write_secrets(tmp_path / "keys", tmp_path / ".env")
    assert before == {path.name: path.read_bytes() for path in [*(tmp_path / "keys").iterdir(), tmp_path / ".env"]}
