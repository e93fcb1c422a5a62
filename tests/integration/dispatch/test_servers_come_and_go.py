"""Render servers are added and drained while the service runs."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.dispatch.adapters.render_server import RenderServer
from services.dispatch.main import build
from services.dispatch.operations.servers import ServerOperations
from services.dispatch.settings import Settings
from services.dispatch.workers.servers import ServerKeeper
from shared.auth import Role
from tests.support.dispatch import Dispatch, FakeRenderServer, generation_requested
from tests.support.http import TestKeys, api_client


class Yard:
    """A service with one server, and what its keeper connects and begins."""

    def __init__(self, client: httpx.AsyncClient, dispatch: Dispatch) -> None:
        self.client, self.dispatch = client, dispatch
        self.connected: dict[str, FakeRenderServer] = {}
        self.begun: list[str] = []
        self.keeper = ServerKeeper(
            fleet=dispatch.fleet,
            operations=ServerOperations(store=dispatch.store),
            connect=self._connect,
            begin=self.begun.append,
        )

    def _connect(self, name: str, url: str) -> RenderServer:
        self.connected[name] = FakeRenderServer(name=name)
        return self.connected[name]

    async def states(self) -> dict[str, str]:
        await self.keeper.step()
        await self.dispatch.fleet.check()
        items = (await self.client.get("/api/render-servers")).json()["items"]
        return {item["name"]: item["state"] for item in items}


@pytest.fixture
async def yard(settings_of: Any, keys: TestKeys) -> AsyncIterator[Yard]:
    server = FakeRenderServer()
    chassis = build(Settings(**settings_of("dispatch"), fact_patience_seconds=0), servers=[server])
    await chassis.database.open()
    dispatch = Dispatch(chassis.database, chassis.media, [server])
    await dispatch.ready()
    async with api_client(chassis.app, token=keys.token(Role.ADMIN, name="root")) as client:
        yield Yard(client, dispatch)
    await dispatch.fleet.stop()
    await chassis.database.close()


async def test_an_added_server_is_connected_once_and_takes_work_when_it_answers(yard: Yard) -> None:
    added = await yard.client.post("/api/render-servers", json={"url": "http://10.0.0.9:8188/"})
    assert added.status_code == 201 and added.json()["name"] == "10.0.0.9:8188"
    assert await yard.states() == {"10.0.0.9:8188": "ready", "fake": "ready"}
    await yard.states()
    assert yard.begun == ["10.0.0.9:8188"] and set(yard.dispatch.fleet.ready) == {"10.0.0.9:8188", "fake"}
    again = await yard.client.post("/api/render-servers", json={"url": "http://10.0.0.9:8188"})
    assert again.status_code == 409


async def test_a_drained_server_finishes_its_work_and_gets_nothing_new_until_it_may_again(yard: Yard) -> None:
    seed_image = await yard.dispatch.ready()
    await yard.dispatch.learn(generation_requested(seed_image, segments=2))
    await yard.dispatch.workers["fake"].step()
    drained = await yard.client.post("/api/render-servers/drain", json={"name": "fake"})
    assert drained.json()["is_draining"] and drained.json()["requested_by"] == "root"
    assert await yard.states() == {"fake": "draining"}
    assert not await yard.dispatch.workers["fake"].step()
    assert await yard.dispatch.fleet.problem() is None, "it still answers"
    assert yard.dispatch.fleet.ready == [] and yard.dispatch.fleet.answering == ["fake"]
    await yard.client.post("/api/render-servers/drain", json={"name": "fake", "drain": False})
    assert await yard.states() == {"fake": "ready"}
    assert await yard.dispatch.workers["fake"].step()


@pytest.mark.parametrize(
    "url", ["ftp://a:1", "http://", "http://a:99999", "http://a:x", "8188.local:1", "http://a:1/?x=1"]
)
async def test_an_address_that_is_none_is_refused(yard: Yard, url: str) -> None:
    assert (await yard.client.post("/api/render-servers", json={"url": url})).status_code == 422


async def test_only_admins_change_servers_and_only_known_ones_are_drained(yard: Yard, keys: TestKeys) -> None:
    assert (await yard.client.post("/api/render-servers/drain", json={"name": "nobody"})).status_code == 404
    yard.client.headers["authorization"] = f"Bearer {keys.token(Role.CREATOR)}"
    assert (await yard.client.post("/api/render-servers", json={"url": "http://a:1"})).status_code == 403
    assert (await yard.client.post("/api/render-servers/drain", json={"name": "fake"})).status_code == 403
