"""How far what people wait for is, when it will be done, and how it is stopped, over HTTP."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from services.dispatch.main import build
from services.dispatch.settings import Settings
from shared.auth import Role
from shared.clock import utc_now
from tests.support.dispatch import CHARACTER, NODE_ERROR, SCENE_TYPE, WORKFLOW, Dispatch, said, score
from tests.support.http import TestKeys, api_client
from tests.support.painting import PaintingServer

SCENE = {"name": "harbour", "character_id": CHARACTER, "scene_type_id": SCENE_TYPE, "workflow_id": WORKFLOW, "seed": 7}


class Studio:
    def __init__(self, client: httpx.AsyncClient, dispatch: Dispatch, server: PaintingServer) -> None:
        self.client, self.dispatch, self.server = client, dispatch, server

    async def post(self, path: str, body: Any = None, *, status: int = 200) -> dict[str, Any]:
        answer = await self.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def progress(self, of: str) -> dict[str, Any]:
        answer = await self.client.get(f"/api/{of}/progress")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def ends_in(self, of: str, seconds: float) -> bool:
        """Whether the end, to the second, is expected so long after the answer, however long that takes."""
        asked = utc_now().replace(microsecond=0)
        told = datetime.fromisoformat((await self.progress(of))["finish_at"]) - timedelta(seconds=seconds)
        return asked <= told <= utc_now()

    async def scene(self, **changes: Any) -> int:
        return int((await self.post("/api/scenes", SCENE | changes, status=201))["id"])

    async def rendered(self, *, seconds: float = 30, **changes: Any) -> list[dict[str, Any]]:
        """The segments of a finished scene, each of which took so long."""
        scene = await self.scene(**changes)
        await self.dispatch.work()
        await self.dispatch.database.pool.execute(
            """
            UPDATE segments SET render_seconds = $1, width = 64, height = 64, frames = 5,
                parameters = parameters || '{"steps": 2}'
            """,
            seconds,
        )
        segments: list[dict[str, Any]] = (await self.client.get(f"/api/scenes/{scene}")).json()["segments"]
        return segments

    async def step(self) -> bool:
        return await self.dispatch.workers[self.server.name].step()


@pytest.fixture
async def studio(settings_of: Any, keys: TestKeys) -> AsyncIterator[Studio]:
    server = PaintingServer()
    chassis = build(Settings(**settings_of("dispatch"), fact_patience_seconds=0), servers=[server])
    await chassis.database.open()
    dispatch = Dispatch(chassis.database, chassis.media, [server])
    await dispatch.ready()
    async with api_client(chassis.app, token=keys.token(Role.CREATOR, name="grace")) as client:
        yield Studio(client, dispatch, server)
    await chassis.database.close()


async def test_a_scene_counts_its_segments_and_expects_the_rest_to_take_what_such_renders_took(studio: Studio) -> None:
    scene = await studio.scene()
    shown = await studio.progress(f"scenes/{scene}")
    assert (shown["state"], shown["done"], shown["total"], shown["finish_at"]) == ("waiting", 0, 3, None)
    await studio.dispatch.work()
    assert (await studio.progress(f"scenes/{scene}"))["outcome"] == "completed"
    await studio.rendered(seconds=30)
    again = await studio.scene()
    assert await studio.ends_in(f"scenes/{again}", 90)
    await studio.step()
    assert await studio.ends_in(f"scenes/{again}", 60)
    assert (await studio.progress(f"scenes/{again}"))["done"] == 1


async def test_what_runs_says_since_when_and_counts_from_there(studio: Studio) -> None:
    await studio.rendered(seconds=30)
    scene = await studio.scene()
    began = utc_now() - timedelta(seconds=10)
    await studio.dispatch.database.pool.execute(
        """
        UPDATE generation_jobs
        SET state = 'leased', lease_token = gen_random_uuid(), leased_until = now() + interval '1 hour', attempt = 1,
            server = $2
        WHERE scene_id = $1
        """,
        scene,
        studio.server.name,
    )
    await studio.dispatch.database.pool.execute(
        """
        INSERT INTO generation_attempts (job_id, attempt, prompt_id, server, file_prefix, state, submitted_at, began_at)
        SELECT id, 1, gen_random_uuid(), $3, 'x', 'submitted', $2, $2 FROM generation_jobs WHERE scene_id = $1
        """,
        scene,
        began,
        studio.server.name,
    )
    shown = await studio.progress(f"scenes/{scene}")
    assert shown["state"] == "rendering" and shown["estimated_seconds"] == pytest.approx(30)
    assert datetime.fromisoformat(shown["running_since"]) == began
    assert datetime.fromisoformat(shown["finish_at"]) == (began + timedelta(seconds=90)).replace(microsecond=0)


async def test_an_answer_that_is_the_same_is_not_sent_again(studio: Studio) -> None:
    scene = await studio.scene()
    first = await studio.client.get(f"/api/scenes/{scene}/progress")
    again = await studio.client.get(f"/api/scenes/{scene}/progress", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == first.headers["etag"]
    await studio.step()
    later = await studio.client.get(f"/api/scenes/{scene}/progress", headers={"If-None-Match": first.headers["etag"]})
    assert later.status_code == 200 and later.json()["done"] == 1


async def test_what_does_not_go_on_says_why(studio: Studio) -> None:
    scene = await studio.scene(score_gate={"retries": 0})
    await studio.client.put("/api/queue", json={"is_paused": True})
    held = await studio.progress(f"scenes/{scene}")
    assert held["state"] == "held" and "paused by grace" in held["reason"]
    await studio.client.put("/api/queue", json={"is_paused": False})
    await studio.post(f"/api/scenes/{scene}/pause")
    assert (await studio.progress(f"scenes/{scene}"))["state"] == "held"
    await studio.post(f"/api/scenes/{scene}/resume")
    await studio.step()
    assert (await studio.progress(f"scenes/{scene}"))["state"] == "scoring"
    [event] = await said(studio.dispatch.database, "segment.generated")
    await studio.dispatch.hear(score(event, verdict="fail"))
    shown = await studio.progress(f"scenes/{scene}")
    assert shown["state"] == "needs_person" and "sharpness" in shown["reason"] and shown["done"] == 1
    await studio.post(f"/api/scenes/{scene}/cancel")
    shown = await studio.progress(f"scenes/{scene}")
    assert (shown["state"], shown["outcome"], shown["reason"]) == ("ended", "cancelled", "cancelled by grace")


async def test_without_a_server_that_takes_work_it_is_said_which_does_not_and_why(studio: Studio) -> None:
    scene = await studio.scene()
    assert (await studio.client.get("/api/queue")).json()["problem"] is None
    studio.server.away = True
    await studio.dispatch.fleet.check()
    held = await studio.progress(f"scenes/{scene}")
    assert held["state"] == "held" and held["reason"].startswith("no render server takes work: fake is away (")
    assert (await studio.client.get("/api/queue")).json()["problem"] == held["reason"]
    studio.server.away = False
    await studio.dispatch.fleet.check()
    assert (await studio.progress(f"scenes/{scene}"))["state"] == "waiting"


async def test_a_regeneration_is_followed_by_its_own_number(studio: Studio) -> None:
    segments = await studio.rendered(seconds=30)
    asked = (await studio.post(f"/api/segments/{segments[1]['id']}/regenerate", status=202))["segment"]["id"]
    shown = await studio.progress(f"segments/{asked}")
    assert (shown["state"], shown["done"], shown["total"]) == ("waiting", 0, 1)
    assert await studio.ends_in(f"segments/{asked}", 30)
    await studio.dispatch.work()
    shown = await studio.progress(f"segments/{asked}")
    assert (shown["state"], shown["outcome"], shown["done"]) == ("ended", "generated", 1)
    studio.server.failures = [NODE_ERROR]
    asked = (await studio.post(f"/api/segments/{asked}/regenerate", status=202))["segment"]["id"]
    await studio.dispatch.work()
    shown = await studio.progress(f"segments/{asked}")
    assert (shown["outcome"], shown["done"]) == ("failed", 0) and "ValueError" in shown["reason"]


async def test_a_cascade_counts_what_it_renders_at_most(studio: Studio) -> None:
    segments = await studio.rendered(seconds=30, segment_count=4)
    asked = (await studio.post(f"/api/segments/{segments[0]['id']}/regenerate", {"seed": 99}, status=202))["segment"]
    await studio.dispatch.work()
    cascade = (await studio.post(f"/api/segments/{asked['id']}/cascade", status=202))["id"]
    shown = await studio.progress(f"cascades/{cascade}")
    assert (shown["state"], shown["done"], shown["total"]) == ("waiting", 0, 3)
    assert await studio.ends_in(f"cascades/{cascade}", 90)
    await studio.step()
    shown = await studio.progress(f"cascades/{cascade}")
    assert (shown["state"], shown["outcome"], shown["done"], shown["total"]) == ("ended", "converged", 1, 1)


def batch_of(*seeds: int) -> dict[str, Any]:
    configurations = [{"name": f"seed {seed}", "workflow_id": WORKFLOW, "seed": seed} for seed in seeds]
    return {"scene_type_id": SCENE_TYPE, "character_ids": [CHARACTER], "configurations": configurations}


async def test_a_batch_is_done_when_its_last_shot_is(studio: Studio) -> None:
    await studio.rendered(seconds=30)
    batch = (await studio.post("/api/test-shots/batch", batch_of(1, 2, 3), status=201))["batch_id"]
    waiting = await studio.progress(f"test-shots/batches/{batch}")
    assert (waiting["done"], waiting["total"]) == (0, 3) and waiting["finish_at"] is not None
    await studio.step()
    assert (await studio.progress(f"test-shots/batches/{batch}"))["done"] == 1
    await studio.dispatch.work()
    shown = await studio.progress(f"test-shots/batches/{batch}")
    assert (shown["state"], shown["outcome"], shown["reason"]) == (
        "ended",
        "completed",
        "3 completed, 0 failed, 0 cancelled",
    )


async def test_a_cancelled_batch_keeps_its_finished_shots_and_is_completed_when_it_is_sent_again(
    studio: Studio,
) -> None:
    batch = (await studio.post("/api/test-shots/batch", batch_of(1, 2, 3), status=201))["batch_id"]
    await studio.step()
    for _ in range(2):
        cancelled = await studio.post(f"/api/test-shots/batches/{batch}/cancel")
        assert (cancelled["completed"], cancelled["cancelled"], cancelled["rendering"]) == (1, 2, 0)
    assert await studio.dispatch.work() == 0
    again = await studio.post("/api/test-shots/batch", batch_of(1, 2, 3), status=201)
    assert len(again["cells"]) == 2 and len(again["skipped"]) == 1


async def test_a_regeneration_is_cancelled_alone_and_what_is_current_stays(studio: Studio) -> None:
    segments = await studio.rendered()
    second = segments[1]["id"]
    asked = (await studio.post(f"/api/segments/{second}/regenerate", status=202))["segment"]["id"]
    cancelled = await studio.post(f"/api/segments/{asked}/cancel")
    assert cancelled["state"] == "cancelled" and not cancelled["is_current"]
    assert await studio.dispatch.work() == 0
    assert (await studio.client.get(f"/api/segments/{second}")).json()["is_current"]
    await studio.post(f"/api/segments/{second}/regenerate", status=202)
    for not_on_its_way in (asked, second):
        refused = await studio.client.post(f"/api/segments/{not_on_its_way}/cancel")
        assert refused.status_code == 409, refused.text


async def test_cancelling_a_step_stops_its_cascade(studio: Studio) -> None:
    segments = await studio.rendered()
    first = (await studio.post(f"/api/segments/{segments[0]['id']}/regenerate", {"seed": 5}, status=202))["segment"]
    await studio.dispatch.work()
    cascade = (await studio.post(f"/api/segments/{first['id']}/cascade", status=202))["id"]
    versions = (await studio.client.get(f"/api/segments/{segments[1]['id']}/versions")).json()["items"]
    await studio.post(f"/api/segments/{versions[0]['id']}/cancel")
    shown = await studio.progress(f"cascades/{cascade}")
    assert (shown["state"], shown["outcome"]) == ("ended", "stopped") and "grace" in shown["reason"]
    assert await studio.dispatch.work() == 0


@pytest.mark.parametrize("of", ["scenes", "segments", "cascades", "test-shots/batches"])
async def test_what_is_not_there_has_no_progress(studio: Studio, of: str) -> None:
    assert (await studio.client.get(f"/api/{of}/999/progress")).status_code == 404
