"""The catalog in process, for tests of its HTTP side and its events."""

import hashlib
import io
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image

from services.catalog.main import build
from services.catalog.settings import Settings
from shared.contracts import topics
from shared.postgres import Database
from shared.service import Chassis
from tests.support.http import TestKeys

GRAPH: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "seed.png"}},
    "2": {"class_type": "KSampler", "inputs": {"seed": 1, "cfg": 3.5, "latent": ["1", 0]}},
    "3": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0]}},
}
BINDINGS: dict[str, Any] = {
    "seed_image": {"node": "1", "input": "image"},
    "video_output": {"node": "3"},
    "seed": {"node": "2", "input": "seed"},
}


def build_catalog(settings: dict[str, Any], keys: TestKeys, **own: Any) -> Chassis:
    return build(Settings(**settings, token_private_key_file=keys.private_key_file, **own))


def photograph(colour: str = "teal", *, width: int = 64, height: int = 48, format_: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, format=format_)
    return file.getvalue()


def checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Said:
    """One event in the outbox."""

    topic: str
    key: str
    payload: dict[str, Any]


class Outbox:
    """What a service has said since the last look."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen = 0

    async def new(self) -> list[Said]:
        rows = await self._database.fetch(
            "SELECT seq, type, aggregateid, payload FROM outbox WHERE seq > $1 AND payload IS NOT NULL ORDER BY seq",
            self._seen,
        )
        self._seen = max([self._seen, *(row["seq"] for row in rows)])
        said = [Said(topic=row["type"], key=row["aggregateid"], payload=row["payload"]) for row in rows]
        for event in said:
            topics.topic_named(event.topic).event.model_validate(event.payload)
        return said

    async def retired(self) -> list[tuple[str, str]]:
        """Topic and key of every tombstone so far."""
        rows = await self._database.fetch("SELECT type, aggregateid FROM outbox WHERE payload IS NULL ORDER BY seq")
        return [(row["type"], row["aggregateid"]) for row in rows]


class Client:
    """The requests that most tests need before the one they are about; each must succeed."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        return await self._made(self.http.post(path, json=body))

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        response = await self.http.get(path, params=query)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def project(self, name: str = "Pilot", **fields: Any) -> dict[str, Any]:
        return await self.post("/api/projects", name=name, **fields)

    async def scene_type(self, project_id: int, name: str = "close-up", **fields: Any) -> dict[str, Any]:
        return await self.post(
            "/api/scene-types", **({"project_id": project_id, "name": name, "segment_count": 3} | fields)
        )

    async def character(self, project_id: int, name: str = "Ada", image: bytes | None = None) -> dict[str, Any]:
        return await self._made(
            self.http.post(
                "/api/characters",
                data={"project_id": str(project_id), "name": name},
                files={"image": ("ada.png", image or photograph(), "image/png")},
            )
        )

    async def lora(self, name: str = "anna") -> dict[str, Any]:
        return await self.post("/api/assets", kind="lora", name=name)

    async def lora_version(self, asset_id: int, file_name: str, **fields: Any) -> dict[str, Any]:
        body = {"file_name": file_name, "checksum": checksum(file_name)} | fields
        return await self.post(f"/api/assets/{asset_id}/versions", **body)

    async def _made(self, request: Any) -> dict[str, Any]:
        response = await request
        assert response.status_code == 201, response.text
        answer: dict[str, Any] = response.json()
        return answer


def problem(response: httpx.Response, status: int) -> str:
    """The detail of a problem document; fails on any other answer."""
    assert response.status_code == status, f"{response.status_code}: {response.text}"
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    detail: str = document["detail"]
    assert detail
    return detail
