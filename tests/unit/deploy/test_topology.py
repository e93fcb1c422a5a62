"""The one list of processes, and what it tells each service."""

import importlib
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from deploy import topology
from deploy.local.plan import plan
from deploy.local.problems import SetupProblem
from deploy.local.site import LocalSite

HOME = Path("/somewhere")
SERVICE_NAMES = [entry.name for entry in topology.SERVICES]


def site(**environment: str) -> LocalSite:
    return LocalSite.from_environment({"RUSHES_HOME": str(HOME), **environment})


def variables_of(service: str) -> dict[str, FieldInfo]:
    """Environment variable to field, of the service's own Settings class."""
    settings = importlib.import_module(f"services.{service}.settings").Settings
    prefix = settings.model_config.get("env_prefix", "")
    found: dict[str, FieldInfo] = {}
    for name, field in settings.model_fields.items():
        for variable in _names(name, prefix, field.validation_alias):
            found[variable.upper()] = field
    return found


def _names(name: str, prefix: str, alias: Any) -> list[str]:
    if alias is None:
        return [prefix + name]
    if isinstance(alias, AliasChoices):
        return [choice for choice in alias.choices if isinstance(choice, str)]
    return [str(alias)]


@pytest.mark.parametrize("service", SERVICE_NAMES)
def test_a_service_reads_everything_that_it_is_told(service: str) -> None:
    told = topology.service(service).environment(site())
    assert set(told) - set(variables_of(service)) == set()


@pytest.mark.parametrize("service", SERVICE_NAMES)
def test_a_service_is_told_everything_that_it_must_know(service: str) -> None:
    told = topology.service(service).environment(site())
    required = {variable for variable, field in variables_of(service).items() if field.is_required()}
    assert required - set(told) == set()


def test_only_catalog_may_sign_tokens_and_only_studio_signs_links() -> None:
    holders = {
        secret: [entry.name for entry in topology.SERVICES if secret in entry.secrets.values()]
        for secret in (topology.TOKEN_PRIVATE_KEY, topology.MEDIA_SECRET)
    }
    assert holders == {topology.TOKEN_PRIVATE_KEY: ["catalog"], topology.MEDIA_SECRET: ["studio"]}


def test_each_service_has_its_own_database_role() -> None:
    urls = [entry.environment(site())["RUSHES_DATABASE_URL"] for entry in topology.SERVICES]
    assert len(set(urls)) == len(urls)
    assert all(f"rushes_{name}@" in url for name, url in zip(SERVICE_NAMES, urls, strict=True))


def test_every_service_that_has_a_composition_root_is_in_the_list() -> None:
    packages = Path(topology.__file__).resolve().parents[1] / "services"
    assert sorted(path.parent.name for path in packages.glob("*/main.py")) == sorted(SERVICE_NAMES)


def test_ports_move_by_environment() -> None:
    moved = site(RUSHES_PORT_STUDIO="18400", RUSHES_PORT_KAFKA="19092")
    assert moved.url("studio") == "http://127.0.0.1:18400"
    assert moved.kafka() == "127.0.0.1:19092"


def test_several_standins_follow_one_another() -> None:
    several = site(RUSHES_STANDINS="3", RUSHES_PORT_STANDIN="9000")
    assert several.render_servers() == [f"http://127.0.0.1:{port}" for port in (9000, 9001, 9002)]


def test_a_real_comfyui_takes_the_standins_place() -> None:
    real = site(DISPATCH_COMFYUI_URLS="http://gpu-1:8188, http://gpu-2:8188")
    assert real.render_servers() == ["http://gpu-1:8188", "http://gpu-2:8188"]
    assert [planned.name for planned in plan(real) if planned.name.startswith(topology.STANDIN)] == []


@pytest.mark.parametrize("value", ["http", "0", "70000", "-1", "8400.5"])
def test_a_port_that_is_no_port_is_one_line(value: str) -> None:
    with pytest.raises(SetupProblem, match=r"RUSHES_PORT_STUDIO=.* is not a number from 1 to 65535. Correct it"):
        site(RUSHES_PORT_STUDIO=value)


def test_two_processes_on_one_port_are_one_line() -> None:
    with pytest.raises(SetupProblem, match=r"dispatch and catalog were both given port 8401. Set RUSHES_PORT_DISPATCH"):
        site(RUSHES_PORT_DISPATCH="8401")


def test_a_long_home_moves_the_sockets_to_a_short_path() -> None:
    long = LocalSite.from_environment({"RUSHES_HOME": "/" + "x" * 120})
    assert len(str(long.control_socket())) < 100
    assert len(long.admin_database_url().partition("host=")[2]) < 90
    assert str(site().control_socket()).startswith(str(HOME))
