"""Where the command line connects to, and with which token."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.site import LocalSite
from deploy.topology import ADMIN_TOKEN
from services.studio.cli.client import Client, ConnectionProblem

URL_VARIABLE = "RUSHES_URL"
TOKEN_VARIABLE = "RUSHES_TOKEN"


@dataclass(frozen=True)
class Target:
    """Read once from the environment: the local stack, unless RUSHES_URL names another installation."""

    url: str
    token: str | None
    token_file: Path
    kafka: str
    topic_prefix: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Target":
        told = os.environ if environment is None else environment
        site = LocalSite.from_environment(told)
        return cls(
            url=told.get(URL_VARIABLE) or site.url("studio"),
            token=told.get(TOKEN_VARIABLE),
            token_file=Path(site.secret(ADMIN_TOKEN)),
            kafka=told.get("RUSHES_KAFKA_BOOTSTRAP") or site.kafka(),
            topic_prefix=told.get("RUSHES_TOPIC_PREFIX", ""),
        )

    def client(self) -> Client:
        """Raises ConnectionProblem when there is no token to sign in with."""
        return Client(url=self.url, token=self.token or self._stored_token())

    def _stored_token(self) -> str:
        try:
            return self.token_file.read_text().strip()
        except OSError as error:
            raise ConnectionProblem(
                f"no access token: set {TOKEN_VARIABLE}, or start the stack with `rushes up`, "
                f"which writes {self.token_file}"
            ) from error
