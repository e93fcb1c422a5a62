"""The topology for Docker: writes docker-compose.yml, and the keys and passwords that it needs.

    python -m deploy.compose            write docker-compose.yml, and .env and keys where they are missing
    python -m deploy.compose --check    exit 1 when the committed file is not what the topology says

Only the edge is published, on loopback. Passwords come from `.env`, keys are mounted as files; neither is in the file.
"""

import argparse
import os
import secrets as random_secrets
import sys
from pathlib import Path
from typing import Any

import yaml

from deploy import topology
from deploy.local import secrets

REPOSITORY = Path(__file__).resolve().parents[1]
FILE = REPOSITORY / "docker-compose.yml"
ENVIRONMENT_FILE = REPOSITORY / ".env"
KEYS = Path(".local") / "compose"
IMAGE = "rushes:local"
KAFKA_IMAGE = "apache/kafka:4.1.0"
POSTGRES_IMAGE = "postgres:18"
HEADER = "# Written by `python -m deploy.compose` from deploy/topology.py. Change that, not this.\n"
ADMIN_PASSWORD = "RUSHES_PASSWORD_ADMIN"
_HARDENED = {"cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"], "read_only": True, "tmpfs": ["/tmp"]}


class ComposeSite:
    """Containers that call each other by name; values with `${...}` are filled in by Docker from `.env`."""

    def kafka(self) -> str:
        return f"{topology.KAFKA}:9092"

    def database_url(self, role: str) -> str:
        variable = password_variable(role.removeprefix("rushes_"))
        return f"postgresql://{role}:{_required(variable)}@{topology.POSTGRES}:5432/{topology.DATABASE}"

    def admin_database_url(self) -> str:
        return f"postgresql://postgres:{_required(ADMIN_PASSWORD)}@{topology.POSTGRES}:5432/{topology.DATABASE}"

    def http_host(self) -> str:
        return "0.0.0.0"  # inside the container; what is published is on loopback

    def http_port(self, process: str) -> int:
        return topology.service(process).port

    def url(self, process: str) -> str:
        return f"http://{process}:{self.http_port(process)}"

    def render_servers(self) -> list[str]:
        return [f"${{DISPATCH_COMFYUI_URLS:-http://{host(topology.STANDIN)}:{topology.STANDIN_PORT}}}"]

    def media_root(self) -> str:
        return "/var/lib/rushes/media"

    def secret(self, name: str) -> str:
        return f"/run/secrets/{name}"

    def state(self, process: str, name: str) -> str:
        return f"/var/lib/rushes/{process}/{name}"


def host(process: str) -> str:
    """A name that is also a legal host name."""
    return process.replace("_", "-")


def password_variable(service: str) -> str:
    return f"RUSHES_PASSWORD_{service.upper()}"


def _required(variable: str) -> str:
    return f"${{{variable}:?run make compose}}"


def render() -> str:
    """The whole file."""
    document = {
        "name": "rushes",
        "services": _services(),
        "secrets": {name: {"file": f"./{KEYS / name}"} for name in _secret_names()},
        "volumes": {name: None for name in _volumes()},
    }
    return HEADER + yaml.safe_dump(document, sort_keys=False, width=110, default_flow_style=False)


def _services() -> dict[str, Any]:
    site = ComposeSite()
    return {
        topology.KAFKA: _kafka(),
        topology.POSTGRES: _postgres(),
        topology.MIGRATE: _migrate(site),
        host(topology.STANDIN): _standin(),
        **{entry.name: _service(site, entry) for entry in topology.SERVICES},
    }


def _kafka() -> dict[str, Any]:
    """The broker's settings are those of deploy/kafka/server.properties, by the image's own variable names."""
    listeners = "PLAINTEXT://0.0.0.0:9092,CONTROLLER://0.0.0.0:9093"
    settings = {
        "node.id": "1",
        "process.roles": "broker,controller",
        "controller.quorum.voters": "1@localhost:9093",
        "listeners": listeners,
        "advertised.listeners": f"PLAINTEXT://{topology.KAFKA}:9092",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": "/var/lib/kafka/data",
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
    }
    return {
        "image": KAFKA_IMAGE,
        "environment": {
            **{f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.items()},
            "KAFKA_HEAP_OPTS": "-Xmx512m",
        },
        "volumes": ["kafka_data:/var/lib/kafka/data"],
        "healthcheck": _check(
            ["CMD", "/opt/kafka/bin/kafka-broker-api-versions.sh", "--bootstrap-server", "localhost:9092"], seconds=10
        ),
        "restart": "unless-stopped",
        "stop_grace_period": "30s",
    }


def _postgres() -> dict[str, Any]:
    return {
        "image": POSTGRES_IMAGE,
        "environment": {"POSTGRES_PASSWORD": _required(ADMIN_PASSWORD), "POSTGRES_DB": topology.DATABASE},
        "command": ["postgres", "-c", "max_connections=200"],
        "volumes": ["postgres_data:/var/lib/postgresql"],
        "healthcheck": _check(["CMD", "pg_isready", "-U", "postgres", "-d", topology.DATABASE], seconds=3),
        "restart": "unless-stopped",
        "stop_signal": "SIGINT",
        "stop_grace_period": "30s",
        "shm_size": "128mb",
    }


def _migrate(site: ComposeSite) -> dict[str, Any]:
    passwords = {password_variable(entry.name): _required(password_variable(entry.name)) for entry in topology.SERVICES}
    return {
        **_ours("deploy.migrate"),
        "environment": {**topology.migration_environment(site), **passwords},
        "depends_on": {name: {"condition": "service_healthy"} for name in (topology.KAFKA, topology.POSTGRES)},
        "restart": "on-failure",
    }


def _standin() -> dict[str, Any]:
    port = str(topology.STANDIN_PORT)
    folder = "/var/lib/rushes/comfyui"
    arguments = ("--listen", "0.0.0.0", "--port", port, "--base-directory", folder)
    return {
        **_ours("deploy.comfyui_standin", *arguments),
        "volumes": [f"comfyui:{folder}"],
        "healthcheck": _http_check(topology.STANDIN_PORT, "/system_stats"),
        "restart": "unless-stopped",
    }


def _service(site: ComposeSite, entry: topology.Service) -> dict[str, Any]:
    """Without `depends_on`: start-up needs no order, a service waits for what it needs and says so at /readyz."""
    published = f"127.0.0.1:${{RUSHES_PORT_{entry.name.upper()}:-{entry.port}}}:{entry.port}"
    return {
        **_ours(entry.module),
        "environment": entry.environment(site),
        "secrets": sorted(set(entry.secrets.values())),
        "volumes": [f"media:{site.media_root()}", f"{entry.name}_state:{site.state(entry.name, '').rstrip('/')}"],
        **({"ports": [published]} if entry.public else {}),
        "healthcheck": _http_check(entry.port, "/readyz"),
        "restart": "unless-stopped",
        "stop_grace_period": "30s",
    }


def _ours(module: str, *arguments: str) -> dict[str, Any]:
    build = {"context": ".", "dockerfile": "deploy/Dockerfile"}
    return {"image": IMAGE, "build": build, "command": ["python", "-m", module, *arguments], **_HARDENED}


def _http_check(port: int, path: str) -> dict[str, Any]:
    code = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}{path}', timeout=3)"
    return _check(["CMD", "python", "-c", code], seconds=5)


def _check(test: list[str], *, seconds: int) -> dict[str, Any]:
    return {"test": test, "interval": "5s", "timeout": f"{seconds}s", "retries": 12, "start_period": "20s"}


def _secret_names() -> list[str]:
    return sorted({name for entry in topology.SERVICES for name in entry.secrets.values()})


def _volumes() -> list[str]:
    return ["kafka_data", "postgres_data", "comfyui", "media", *(f"{entry.name}_state" for entry in topology.SERVICES)]


def write_secrets(folder: Path, environment_file: Path) -> None:
    """Make keys and passwords where they are missing.

    Docker mounts a key with the mode it has here, into a container whose user is another: the files are readable to
    all, in a folder that is not.
    """
    secrets.ensure(folder)
    for name in _secret_names():
        (folder / name).chmod(0o644)
    if not environment_file.exists():
        variables = [ADMIN_PASSWORD, *(password_variable(entry.name) for entry in topology.SERVICES)]
        lines = [f"{variable}={random_secrets.token_urlsafe(24)}\n" for variable in variables]
        descriptor = os.open(environment_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.writelines(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.compose", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    if parser.parse_args().check:
        if not FILE.exists() or FILE.read_text() != render():
            sys.exit("docker-compose.yml is not what deploy/topology.py says. Run `make compose`.")
        return
    FILE.write_text(render())
    write_secrets(REPOSITORY / KEYS, ENVIRONMENT_FILE)
    print(
        f"wrote {FILE.name}; passwords are in {ENVIRONMENT_FILE.name}, keys in {KEYS}. Next: docker compose up --wait"
    )


if __name__ == "__main__":
    main()
