"""The one list of what runs: processes, ports and the environment of each.

The local stack starts from it and `docker-compose.yml` is written from it (`python -m deploy.compose`), so the two
cannot drift apart. What differs between them is a `Site`: addresses and paths.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

KAFKA = "kafka"
POSTGRES = "postgres"
STANDIN = "comfyui_standin"
MIGRATE = "migrate"
DATABASE = "rushes"

TOKEN_PUBLIC_KEY = "token_public.pem"
TOKEN_PRIVATE_KEY = "token_private.pem"
MEDIA_SECRET = "media.key"
ADMIN_TOKEN = "admin.token"


class Site(Protocol):
    """Where things are, seen from inside a process of that site."""

    def kafka(self) -> str: ...

    def database_url(self, role: str) -> str: ...

    def admin_database_url(self) -> str: ...

    def http_host(self) -> str: ...

    def http_port(self, process: str) -> int: ...

    def url(self, process: str) -> str: ...

    def render_servers(self) -> list[str]: ...

    def media_root(self) -> str: ...

    def secret(self, name: str) -> str:
        """The path of a secret that is there before the processes start."""

    def state(self, process: str, name: str) -> str:
        """The path of a file or folder that the process itself writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One of ours: `python -m services.<name>`, with a database role and an HTTP port of its own.

    `secrets` maps environment variables to the secret files that this service may read, and no other may be given.
    """

    name: str
    port: int
    secrets: Mapping[str, str] = field(default_factory=dict)
    extra: Callable[[Site], dict[str, str]] = lambda site: {}
    public: bool = False

    @property
    def module(self) -> str:
        return f"services.{self.name}"

    def environment(self, site: Site) -> dict[str, str]:
        """Everything this service is told; the rest keeps its default or comes from the caller's environment."""
        return {
            "RUSHES_KAFKA_BOOTSTRAP": site.kafka(),
            "RUSHES_DATABASE_URL": site.database_url(f"rushes_{self.name}"),
            "RUSHES_MEDIA_ROOT": site.media_root(),
            "RUSHES_HTTP_HOST": site.http_host(),
            "RUSHES_HTTP_PORT": str(site.http_port(self.name)),
            **{variable: site.secret(file) for variable, file in self.secrets.items()},
            **self.extra(site),
        }


_VERIFIES = {"RUSHES_TOKEN_PUBLIC_KEY_FILE": TOKEN_PUBLIC_KEY}

SERVICES = (
    Service(
        name="catalog",
        port=8401,
        secrets={**_VERIFIES, "CATALOG_TOKEN_PRIVATE_KEY_FILE": TOKEN_PRIVATE_KEY},
        extra=lambda site: {"CATALOG_BOOTSTRAP_TOKEN_FILE": site.state("catalog", ADMIN_TOKEN)},
    ),
    Service(
        name="dispatch",
        port=8402,
        secrets=_VERIFIES,
        extra=lambda site: {"DISPATCH_COMFYUI_URLS": ",".join(site.render_servers())},
    ),
    Service(name="scoring", port=8403, secrets=_VERIFIES),
    Service(name="regression", port=8404, secrets=_VERIFIES),
    Service(name="smoothing", port=8405, secrets=_VERIFIES),
    Service(
        name="studio",
        port=8400,
        secrets={**_VERIFIES, "STUDIO_MEDIA_SECRET_FILE": MEDIA_SECRET},
        extra=lambda site: {
            f"STUDIO_{name.upper()}_URL": site.url(name)
            for name in ("catalog", "dispatch", "scoring", "regression", "smoothing")
        },
        public=True,
    ),
)
"""Every service of the architecture that exists; adding one here makes it run in both places."""

KAFKA_PORT = 9492
KAFKA_CONTROLLER_PORT = 9493
STANDIN_PORT = 8188
"""ComfyUI's own default, so that a real one can take the stand-in's place."""


def service(name: str) -> Service:
    """The service of that name; KeyError when there is none."""
    return {entry.name: entry for entry in SERVICES}[name]


def migration_environment(site: Site) -> dict[str, str]:
    """What the one-shot `python -m deploy.migrate` needs: the superuser's address and the broker."""
    return {"RUSHES_ADMIN_DATABASE_URL": site.admin_database_url(), "RUSHES_KAFKA_BOOTSTRAP": site.kafka()}
