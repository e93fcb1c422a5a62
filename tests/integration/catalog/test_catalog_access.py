"""Users, tokens and the first way in."""

import stat
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from services.catalog.adapters.token_file import TokenFile
from services.catalog.operations import Bootstrap
from services.catalog.store import UserStore
from shared.auth import Role, TokenVerifier
from shared.clock import utc_now
from shared.postgres import Database
from shared.service import Chassis
from tests.support.catalog import Client, Outbox, problem
from tests.support.http import TestKeys, api_client

UNKNOWN_TOKEN = "00000000-0000-7000-8000-000000000000"


async def test_a_new_users_token_says_who_he_is(admin: Client, catalog: Chassis) -> None:
    user = await admin.post("/api/users", name="ada", role="creator")
    issued = await admin.post(f"/api/users/{user['id']}/tokens", label="laptop", days=2)
    async with api_client(catalog.app, token=issued["token"]) as http:
        me = await Client(http).get("/api/me")
    assert me == {"name": "ada", "role": "creator", "token_id": issued["id"], "user_id": user["id"]}


async def test_the_text_of_a_token_is_kept_nowhere(admin: Client, catalog: Chassis) -> None:
    user = await admin.post("/api/users", name="ada", role="viewer")
    path = f"/api/users/{user['id']}/tokens"
    issued = (await admin.http.post(path, json={}, headers={"Idempotency-Key": "k"})).json()
    listed = (await admin.get(path))["items"]
    assert [item["id"] for item in listed] == [issued["id"]]
    assert "token" not in listed[0]
    signature = issued["token"].rpartition(".")[2]
    for query in (
        "SELECT string_agg(tokens::text, '') FROM tokens",
        "SELECT coalesce(string_agg(convert_from(body, 'UTF8'), ''), '') FROM idempotency_keys",
        "SELECT coalesce(string_agg(outbox::text, ''), '') FROM outbox",
    ):
        assert signature not in await catalog.database.fetchval(query)


async def test_a_token_is_revoked_once(admin: Client, outbox: Outbox) -> None:
    user = await admin.post("/api/users", name="ada", role="viewer")
    issued = await admin.post(f"/api/users/{user['id']}/tokens")
    for _ in range(2):
        assert (await admin.http.delete(f"/api/tokens/{issued['id']}")).status_code == 204
    (said,) = await outbox.new()
    assert (said.topic, said.key) == ("token.revoked", issued["id"])
    assert (await admin.get(f"/api/users/{user['id']}/tokens"))["items"][0]["revoked_at"] is not None


async def test_deleting_a_user_revokes_what_he_holds(admin: Client, outbox: Outbox) -> None:
    user = await admin.post("/api/users", name="ada", role="viewer")
    tokens = [await admin.post(f"/api/users/{user['id']}/tokens") for _ in range(3)]
    await admin.http.delete(f"/api/tokens/{tokens[0]['id']}")
    await outbox.new()
    assert (await admin.http.delete(f"/api/users/{user['id']}")).status_code == 204
    assert [event.key for event in await outbox.new()] == [tokens[1]["id"], tokens[2]["id"]]
    problem(await admin.http.get(f"/api/users/{user['id']}"), 404)
    problem(await admin.http.delete(f"/api/tokens/{tokens[1]['id']}"), 404)


async def test_the_last_admin_cannot_be_deleted(admin: Client) -> None:
    root = await admin.post("/api/users", name="root", role="admin")
    path = f"/api/users/{root['id']}"
    assert "last admin" in problem(await admin.http.delete(path), 409)
    await admin.post("/api/users", name="second", role="admin")
    assert (await admin.http.delete(path)).status_code == 204


async def test_people_manage_their_own_tokens_only(admin: Client, viewer: Client) -> None:
    vic = await admin.post("/api/users", name="vic", role="viewer")
    ada = await admin.post("/api/users", name="ada", role="admin")
    own = await viewer.post(f"/api/users/{vic['id']}/tokens")
    assert "own tokens" in problem(await viewer.http.post(f"/api/users/{ada['id']}/tokens", json={}), 403)
    foreign = await admin.post(f"/api/users/{ada['id']}/tokens")
    problem(await viewer.http.delete(f"/api/tokens/{foreign['id']}"), 403)
    assert (await viewer.http.delete(f"/api/tokens/{own['id']}")).status_code == 204


async def test_a_viewers_own_token_is_a_viewers(admin: Client, viewer: Client, keys: TestKeys) -> None:
    vic = await admin.post("/api/users", name="vic", role="viewer")
    issued = await viewer.post(f"/api/users/{vic['id']}/tokens")
    assert TokenVerifier.from_file(keys.public_key_file).verify(issued["token"]).role is Role.VIEWER


async def test_without_a_valid_token_nothing_is_answered(catalog: Chassis) -> None:
    headers: list[dict[str, str]] = [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic eA=="},
        {"Authorization": "Bearer"},
    ]
    async with api_client(catalog.app) as http:
        for header in headers:
            problem(await http.get("/api/projects", headers=header), 401)


async def test_unknown_users_and_tokens_are_404(admin: Client) -> None:
    problem(await admin.http.post("/api/users/99/tokens", json={}), 404)
    problem(await admin.http.get("/api/users/99/tokens"), 404)
    problem(await admin.http.delete(f"/api/tokens/{UNKNOWN_TOKEN}"), 404)


class Start:
    """The bootstrap as it runs at a start, with a file of its own."""

    def __init__(self, *, database: Database, keys: TestKeys, path: Path) -> None:
        self.database = database
        self.path = path
        self._keys = keys
        self._verifier = TokenVerifier.from_file(keys.public_key_file)

    async def run(self, *, days: int = 30) -> str:
        """Start once; the token then in the file."""
        await self.bootstrap(TokenFile(self.path), days=days)()
        return self.path.read_text().strip()

    def bootstrap(self, file: TokenFile, *, days: int = 30) -> Bootstrap:
        return Bootstrap(
            store=UserStore(self.database), issuer=self._keys.issuer, file=file, lifetime=timedelta(days=days)
        )

    def role_of(self, token: str) -> Role:
        return self._verifier.verify(token).role

    async def count(self, table: str) -> int:
        tables = {"users": "SELECT count(*) FROM users", "tokens": "SELECT count(*) FROM tokens"}
        count: int = await self.database.fetchval(tables[table])
        return count


@pytest.fixture
async def start(databases: Callable[[str], Awaitable[Database]], keys: TestKeys, tmp_path: Path) -> Start:
    return Start(database=await databases("catalog"), keys=keys, path=tmp_path / "secrets" / "token")


async def test_the_first_start_makes_an_admin_and_hands_his_token_over(start: Start) -> None:
    token = await start.run()
    assert start.role_of(token) is Role.ADMIN
    assert stat.S_IMODE(start.path.stat().st_mode) == 0o600
    assert await start.count("users") == 1


async def test_later_starts_leave_a_good_token_alone(start: Start) -> None:
    token = await start.run()
    assert await start.run() == token
    assert (await start.count("users"), await start.count("tokens")) == (1, 1)


async def test_a_missing_or_spoilt_file_is_written_anew_for_the_same_admin(start: Start) -> None:
    token = await start.run()
    start.path.unlink()
    second = await start.run()
    start.path.write_text("spoilt")
    third = await start.run()
    assert len({token, second, third}) == 3
    assert start.role_of(third) is Role.ADMIN
    assert await start.count("users") == 1


async def test_a_token_about_to_expire_is_replaced(start: Start) -> None:
    token = await start.run(days=1)
    assert await start.run() != token


async def test_a_token_of_another_installation_is_replaced(start: Start, keys: TestKeys) -> None:
    start.path.parent.mkdir()
    foreign = keys.issuer.issue(name="admin", role=Role.ADMIN, now=utc_now(), lifetime=timedelta(days=9)).token
    start.path.write_text(foreign)
    assert await start.run() != foreign


async def test_a_crash_before_the_file_is_written_is_mended_by_the_next_start(start: Start) -> None:
    class Crash(TokenFile):
        async def write(self, token: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await start.bootstrap(Crash(start.path))()
    assert not start.path.exists()
    assert start.role_of(await start.run()) is Role.ADMIN
    assert await start.count("users") == 1


async def test_no_way_in_is_made_where_people_deleted_the_admin(start: Start, admin: Client) -> None:
    await start.run()
    await admin.post("/api/users", name="boss", role="admin")
    (first,) = (await admin.get("/api/users", name="admin"))["items"]
    await admin.http.delete(f"/api/users/{first['id']}")
    start.path.unlink()
    await start.bootstrap(TokenFile(start.path))()
    assert not start.path.exists()
