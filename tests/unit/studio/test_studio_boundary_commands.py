"""`rushes segment boundary | smooth | cancel-repair`: what is asked of the API, and what is said."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from services.studio.cli import boundaries
from services.studio.cli.app import main
from services.studio.cli.client import Client
from services.studio.cli.connection import Target

REPAIR = "0193fd4e-7c5a-7000-8000-000000000001"
CHECK = "/api/segments/5/boundary-check"
SMOOTH = "/api/segments/5/smooth-boundary"
SCENE = "/api/scenes/7"
READING = {"ssim": 0.61, "worst_visibility": 2.3}
PENDING = {"status": "pending", "reading": None, "reason": "", "ahead": 3}
RED = {
    "status": "measured", "reading": READING, "verdict": "red", "reason": "a jump at the cut",
    "recommendation": "frame_blending", "neighbour": {"segment_id": 4, "position": 1}, "accepted_by": "ada",
    "ahead": None, "repair": {"id": REPAIR, "state": "rejected"},
}  # fmt: skip


def check(before: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    found = {
        "scene_id": 7,
        "segment_id": 5,
        "position": 2,
        "version": 1,
        "is_current": True,
        "current_segment_id": 5,
        "after": None,
    }
    return found | {"before": before} | changes


def scene(*shown: int, planned: tuple[int, ...] = ()) -> dict[str, Any]:
    """The current version of every position in order; `planned`: those of them without a clip."""
    return {
        "purpose": "scene",
        "state": "rendering",
        "segments": [
            {"id": one, "position": position, "is_current": True, "clip": None if one in planned else {}}
            for position, one in enumerate(shown, 1)
        ],
    }


def repair(state: str, **changes: Any) -> dict[str, Any]:
    found = {
        "id": REPAIR,
        "state": state,
        "before": None,
        "after": None,
        "reasons": [],
        "dropped_frames": 0,
        "ahead": 0,
        "progress": None,
    }
    return found | changes


class Api:
    """Answers each request with the next of its answers; the last one stays."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.answers: dict[tuple[str, str], list[Any]] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        waiting = self.answers[request.method, request.url.path]
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    def count(self, path: str) -> int:
        return sum(request.url.path == path for request in self.asked)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    api = Api()
    monkeypatch.setattr(
        Target, "client", lambda _: Client(url="http://edge", token="t", transport=httpx.MockTransport(api))
    )
    monkeypatch.setattr(boundaries, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(boundaries, "WAIT_SECONDS", 60.0)
    yield api


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["segment", *arguments])
    return int(ended.value.code or 0)


def test_what_is_waited_for_is_told_with_its_frames(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(boundaries, "WAIT_SECONDS", 0.0)
    api.answers["POST", SMOOTH] = [{"status": "queued", "repair_id": REPAIR}]
    api.answers["GET", f"/api/boundary-repairs/{REPAIR}"] = [repair("making", progress={"done": 5, "total": 24})]
    assert run("smooth", "5", "--position", "after", "--method", "blend", "--wait") == 2
    assert "making the candidate: frame 5 of 24" in capsys.readouterr().err


def test_a_boundary_is_told_in_words(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers["GET", CHECK] = [check(RED)]
    assert run("boundary", "5") == 0
    said = capsys.readouterr().out
    assert "segment 5, position 2, version 1\n" in said
    assert "  before: red, a jump at the cut\n    SSIM 0.6100 to segment 4, visibility 2.30" in said
    assert "recommended: frame blending" in said and "accepted by ada" in said
    assert f"repair {REPAIR} is rejected" in said and "after: nothing" in said
    assert said.endswith("  see it: http://edge/segments/5/boundaries\n")


def test_an_old_version_names_the_current_one(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers["GET", CHECK] = [check(None, is_current=False, current_segment_id=9)]
    run("boundary", "5")
    assert "(not current; segment 9 is)" in capsys.readouterr().out


def test_waiting_goes_on_until_it_is_measured_and_without_it_pending_is_an_answer(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answers["GET", CHECK] = [check(PENDING), check(PENDING), check(RED)]
    api.answers["GET", SCENE] = [scene(4, 5)]
    run("boundary", "5", "--wait", "--json")
    assert json.loads(capsys.readouterr().out)["before"]["verdict"] == "red"
    assert api.count(CHECK) == 3
    api.answers["GET", CHECK] = [check(PENDING)]
    run("boundary", "5")
    assert "before: pending" in capsys.readouterr().out


GREEN = RED | {"verdict": "green", "neighbour": {"segment_id": 6, "position": 3}}
UNHEARD = {"status": "not_rendered", "reading": None, "reason": "", "neighbour": None, "ahead": None}


@pytest.mark.parametrize(
    ("behind", "shown"),
    [
        (check(UNHEARD), scene(4, 5)),
        (check(RED, after=UNHEARD), scene(4, 5, 6)),
        (check(None, is_current=False, current_segment_id=3), scene(4, 5)),
        (check(RED | {"neighbour": {"segment_id": 1, "position": 1}}), scene(4, 5)),
    ],
    ids=["before it", "after it", "it is current", "another version before it"],
)
def test_waiting_goes_on_while_the_scene_shows_what_smoothing_has_not_heard_of(
    api: Api, behind: dict[str, Any], shown: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    api.answers["GET", CHECK] = [behind, check(RED, after=GREEN if len(shown["segments"]) == 3 else None)]
    api.answers["GET", SCENE] = [shown]
    run("boundary", "5", "--wait")
    assert "before: red" in capsys.readouterr().out
    assert api.count(CHECK) == 2


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (check(RED, after=UNHEARD), scene(4, 5, 6, planned=(6,))),
        (check(None, is_current=False, current_segment_id=9), scene(4, 9)),
        (check(RED, after=GREEN), scene(4, 5, 6, 8)),
    ],
    ids=["what follows is not rendered", "another version is current", "what is further away"],
)
def test_nothing_is_waited_for_that_the_scene_does_not_show(api: Api, told: dict[str, Any], shown: Any) -> None:
    api.answers["GET", CHECK] = [told]
    api.answers["GET", SCENE] = [shown]
    assert run("boundary", "5", "--wait") == 0
    assert api.count(CHECK) == 1


SEGMENT = "/api/segments/5"


def unknown(detail: str) -> httpx.Response:
    return httpx.Response(404, json={"title": "Not found", "detail": detail})


def segment(state: str, clip: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"id": 5, "scene_id": 7, "state": state, "clip": clip}


class TestASegmentThatSmoothingDoesNotKnow:
    """Smoothing knows rendered segments only, a moment after they are; dispatch knows all."""

    def test_is_waited_for_until_it_is_rendered_and_heard_of(
        self, api: Api, capsys: pytest.CaptureFixture[str]
    ) -> None:
        never = unknown("never heard of")
        api.answers["GET", CHECK] = [never, never, never, check(PENDING), check(RED)]
        api.answers["GET", SEGMENT] = [segment("planned"), segment("queued"), segment("generated", {})]
        api.answers["GET", SCENE] = [scene(4, 5)]
        assert run("boundary", "5", "--wait") == 0
        assert "before: red" in capsys.readouterr().out
        assert api.count(CHECK) == 5

    def test_that_takes_long_to_render_has_the_whole_moment_to_be_heard_of(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each look at the clock takes a second; the moment is two and begins with the clip."""
        ticks = iter(range(1000))
        clock = SimpleNamespace(monotonic=lambda: float(next(ticks)), sleep=lambda _: None)
        monkeypatch.setattr(boundaries, "HEARD_SECONDS", 2.0)
        monkeypatch.setattr(boundaries, "time", clock)
        never = unknown("never heard of")
        api.answers["GET", CHECK] = [never] * 10 + [check(RED)]
        api.answers["GET", SEGMENT] = [*[segment("queued")] * 9, segment("generated", {})]
        api.answers["GET", SCENE] = [scene(4, 5)]
        assert run("boundary", "5", "--wait") == 0

    @pytest.mark.parametrize(
        ("asked", "known", "told"),
        [
            ((), segment("queued"), "segment 5 is queued; it has boundaries once it is rendered; --wait waits for it"),
            ((), segment("generated", {}), "smoothing has not heard of it yet; --wait waits for it"),
            (("--wait",), segment("generated", {}), "not heard of it yet; `rushes status` says whether it is up"),
            (("--wait",), segment("failed"), "segment 5 has no clip: it is failed"),
            (("--wait",), unknown("there is no segment 5"), "there is no segment 5"),
        ],
        ids=["not rendered", "not heard of", "never heard of", "failed", "no such segment"],
    )
    def test_is_told_as_what_it_is(
        self,
        api: Api,
        asked: tuple[str, ...],
        known: Any,
        told: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(boundaries, "HEARD_SECONDS", 0.0)
        api.answers["GET", CHECK] = [unknown("never heard of")]
        api.answers["GET", SEGMENT] = [known]
        api.answers["GET", SCENE] = [scene(4, 5)]
        assert run("boundary", "5", *asked) == 2
        assert told in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("changes", "told"),
        [({"purpose": "test_shot"}, "no part of a scene"), ({"state": "failed"}, "has no clip: it is planned")],
        ids=["a test shot", "of a scene that ended before it"],
    )
    def test_and_never_will_is_not_waited_for(
        self, api: Api, changes: dict[str, str], told: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        api.answers["GET", CHECK] = [unknown("no part of a scene")]
        api.answers["GET", SEGMENT] = [segment("planned")]
        api.answers["GET", SCENE] = [scene(4, 5) | changes]
        assert run("boundary", "5", "--wait") == 2
        assert told in capsys.readouterr().err


def test_news_that_do_not_come_end_the_wait_with_what_there_is(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(boundaries, "HEARD_SECONDS", 0.0)
    api.answers["GET", CHECK] = [check(UNHEARD)]
    assert run("boundary", "5", "--wait") == 0
    assert "before: not rendered" in capsys.readouterr().out


def test_a_wait_has_an_end(api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(boundaries, "WAIT_SECONDS", 0.0)
    api.answers["GET", CHECK] = [check(PENDING)]
    assert run("boundary", "5", "--wait") == 2
    assert "3 boundaries ahead of it" in capsys.readouterr().err


def test_a_repair_is_followed_to_its_end(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers["POST", SMOOTH] = [{"status": "queued", "repair_id": REPAIR}]
    numbers = {"before": READING, "after": {"ssim": 0.9, "worst_visibility": 0.8}, "dropped_frames": 3}
    states = [repair("queued"), repair("making"), repair("proposed"), repair("current", **numbers)]
    api.answers["GET", f"/api/boundary-repairs/{REPAIR}"] = states
    options = ("--position", "before", "--method", "reextract", "--frames", "6", "--overwrite", "5", "--wait")
    assert run("smooth", "5", *options) == 0
    body = {"position": "before", "method": "re_extraction", "frames": 6, "overwrite": [5]}
    assert json.loads(api.asked[0].content) == body
    said = capsys.readouterr().out
    assert "is current" in said and "visibility 2.30 -> 0.80, SSIM at the cut 0.6100 -> 0.9000" in said
    assert "3 frames dropped" in said


def test_a_refused_repair_says_why_and_ends_with_one(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers["POST", SMOOTH] = [{"status": "queued", "repair_id": REPAIR}]
    api.answers["GET", f"/api/boundary-repairs/{REPAIR}"] = [repair("rejected", reasons=["flicker is worse"])]
    assert run("smooth", "5", "--position", "after", "--method", "blend", "--wait") == 1
    assert "is rejected\n  flicker is worse" in capsys.readouterr().out


def test_accepting_is_done_at_once(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers["POST", SMOOTH] = [{"status": "accepted", "repair_id": None}]
    assert run("smooth", "5", "--position", "after", "--method", "accept", "--wait") == 0
    assert json.loads(api.asked[-1].content) == {"position": "after", "method": "accept", "overwrite": []}
    assert "accepted as it is" in capsys.readouterr().out


def test_a_queued_repair_is_cancelled_by_its_id(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers["DELETE", f"/api/boundary-repairs/{REPAIR}"] = [repair("cancelled")]
    assert run("cancel-repair", REPAIR) == 0
    assert "is cancelled" in capsys.readouterr().out
