"""This machine as a site of the topology: folders under RUSHES_HOME, loopback ports, a Unix socket."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy import topology
from deploy.local import postgres
from deploy.local.problems import SetupProblem

REPOSITORY = Path(__file__).resolve().parents[2]
MOST_STANDINS = 16
DATA_FOLDERS = ("kafka", "postgres", "comfyui", "media", "secrets", "logs", "state")
"""What `reset` removes; nothing else under RUSHES_HOME is ours to delete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSite:
    """Read once from the environment; every address and path of the stack follows from it."""

    home: Path
    ports: Mapping[str, int]
    external_render_servers: tuple[str, ...]
    """Given by DISPATCH_COMFYUI_URLS: then no stand-in is started."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "LocalSite":
        """SetupProblem when a number is none, or two processes were given the same port."""
        urls = tuple(url.strip() for url in environment.get("DISPATCH_COMFYUI_URLS", "").split(",") if url.strip())
        ports = {topology.KAFKA: topology.KAFKA_PORT, f"{topology.KAFKA}_controller": topology.KAFKA_CONTROLLER_PORT}
        ports |= {entry.name: entry.port for entry in topology.SERVICES}
        ports = {name: _port(environment, name, default) for name, default in ports.items()}
        if not urls:
            first = _port(environment, "standin", topology.STANDIN_PORT)
            count = _number(environment, "RUSHES_STANDINS", 1, least=1, most=MOST_STANDINS)
            ports |= {standin_name(index): first + index for index in range(count)}
        _refuse_shared_ports(ports)
        home = Path(environment.get("RUSHES_HOME") or REPOSITORY / ".local").expanduser().absolute()
        return cls(home=home, ports=ports, external_render_servers=urls)

    def standins(self) -> list[str]:
        return [name for name in self.ports if name.startswith(topology.STANDIN)]

    def kafka(self) -> str:
        return f"127.0.0.1:{self.ports[topology.KAFKA]}"

    def database_url(self, role: str) -> str:
        return postgres.dsn(self.home / "postgres", role=role, database=topology.DATABASE)

    def admin_database_url(self) -> str:
        return self.database_url(postgres.SUPERUSER)

    def http_host(self) -> str:
        return "127.0.0.1"

    def http_port(self, process: str) -> int:
        return self.ports[process]

    def url(self, process: str) -> str:
        return f"http://127.0.0.1:{self.ports[process]}"

    def render_servers(self) -> list[str]:
        return list(self.external_render_servers) or [self.url(name) for name in self.standins()]

    def media_root(self) -> str:
        return str(self.home / "media")

    def secret(self, name: str) -> str:
        return str(self.home / "secrets" / name)

    def state(self, process: str, name: str) -> str:
        return self.secret(name)

    def log_file(self, process: str) -> Path:
        return self.home / "logs" / f"{process}.log"

    def control_socket(self) -> Path:
        """Where the supervisor listens; in the temporary folder where its path would be too long."""
        own = self.home / "state" / "control.sock"
        if len(os.fsencode(own)) <= postgres.LONGEST_SOCKET_PATH:
            return own
        name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"rushes-{os.getuid()}-{name}-control" / "control.sock"


def standin_name(index: int) -> str:
    """`comfyui_standin`, `comfyui_standin_2`, ...: ports and folders follow one another."""
    return topology.STANDIN if index == 0 else f"{topology.STANDIN}_{index + 1}"


def port_variable(process: str) -> str:
    """The environment variable that moves this process to another port."""
    name = "standin" if process.startswith(topology.STANDIN) else process
    return f"RUSHES_PORT_{name.upper()}"


def _port(environment: Mapping[str, str], process: str, default: int) -> int:
    return _number(environment, port_variable(process), default, least=1, most=65535)


def _number(environment: Mapping[str, str], variable: str, default: int, *, least: int, most: int) -> int:
    text = environment.get(variable) or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise SetupProblem(f"{variable}={text} is not a number from {least} to {most}", "Correct it or unset it")
    return int(text)


def _refuse_shared_ports(ports: Mapping[str, int]) -> None:
    taken: dict[int, str] = {}
    for process, port in ports.items():
        if port in taken:
            raise SetupProblem(
                f"{process} and {taken[port]} were both given port {port}",
                f"Set {port_variable(process)} to another one",
            )
        taken[port] = process
