"""Studio with services behind it that are told what to answer, and a report as the regression service gives it."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from services.studio.adapters.upstream import Upstreams
from services.studio.domain.routes import Owner
from services.studio.main import build
from services.studio.settings import Settings
from shared.service import Chassis

Json = dict[str, Any]
Answer = Callable[[httpx.Request], httpx.Response]

URLS = {owner: f"http://{owner}.internal" for owner in Owner}


@dataclass
class FakeServices:
    """Answers in place of the services, and remembers what it was asked. `away`: these do not answer at all."""

    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    asked: list[httpx.Request] = field(default_factory=list)
    away: set[str] = field(default_factory=set)

    def on(self, method: str, path: str, answer: Answer | Json, status: int = 200) -> None:
        fixed = (lambda _: httpx.Response(status, json=answer)) if isinstance(answer, dict) else answer
        self.answers[method, path] = fixed

    def upstreams(self) -> Upstreams:
        return Upstreams(URLS, transport=httpx.MockTransport(self._handle))

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.asked.append(request)
        if request.url.host.removesuffix(".internal") in self.away:
            raise httpx.ConnectError("refused", request=request)
        answer = self.answers.get((request.method, request.url.path))
        if answer is None:
            detail = f"nothing at {request.url.path}"
            return _streamed(httpx.Response(404, json={"title": "Not found", "detail": detail}))
        return _streamed(answer(request))

    def to(self, path: str) -> list[httpx.Request]:
        return [request for request in self.asked if request.url.path == path]


class _Parts(httpx.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


def _streamed(answer: httpx.Response) -> httpx.Response:
    """As it would come over a wire: not read yet."""
    return httpx.Response(answer.status_code, headers=answer.headers, stream=_Parts(answer.content))


def build_studio(
    settings: Json, services: FakeServices, *, secret_folder: Path, upstreams: Upstreams | None = None
) -> Chassis:
    secret = secret_folder / "media.key"
    secret.write_bytes(b"s" * 32)
    return build(Settings(**settings, media_secret_file=secret), upstreams=upstreams or services.upstreams())


def metric(name: str, **changed: Any) -> Json:
    told: Json = {
        "metric": name,
        "label": name.replace("_", " "),
        "unit": "share",
        "direction": "higher",
        "veto": False,
        "baseline": 0.9,
        "new": 0.9,
        "delta": 0.0,
        "threshold": 0.05,
        "noise": 0.001,
        "noise_factor": 12.0,
        "limit": 0.05,
        "severity": 0.0,
        "verdict": "same",
        "uncertainty": "limit from the threshold",
        "reason": "",
        "not_measurable": None,
        "worst_frame": None,
        "worst_value": None,
        "worst_region": None,
    }
    return told | changed


IDENTITY_DEGRADED = metric(
    "identity_similarity",
    label="Identity",
    veto=True,
    baseline=0.984,
    new=0.713,
    delta=-0.271,
    noise=0.0012,
    severity=5.42,
    verdict="degraded",
    worst_frame=17,
    worst_value=0.62,
    worst_region=[64, 20, 60, 70],
)


def segment(position: int, *, baseline: str | None, new: str | None, metrics: list[Json], **changed: Any) -> Json:
    told: Json = {
        "position": position,
        "verdict": "degraded" if any(one["verdict"] == "degraded" for one in metrics) else "same",
        "baseline_clip_sha256": baseline,
        "new_clip_sha256": new,
        "baseline_prompt_id": str(UUID(int=position)),
        "prompt_id": str(UUID(int=100 + position)),
        "failure": None,
        "fps": 12.0,
        "frames": 24,
        "width": 192,
        "height": 192,
        "server": "standin",
        "attempt": 1,
        "queued_seconds": 0.1,
        "render_seconds": 1.4,
        "measure_seconds": 0.6,
        "metrics": metrics,
    }
    return told | changed


def reference(segments: list[Json], **changed: Any) -> Json:
    told: Json = {
        "result_id": 1,
        "reference_id": 3,
        "name": "Eileen, portrait, first look",
        "character_name": "Eileen",
        "scene_type_name": "portrait",
        "scene_name": "first look",
        "source_scene_id": 1,
        "new_scene_id": 9,
        "request_id": str(UUID(int=7)),
        "state": "complete",
        "verdict": "degraded",
        "reason": "degraded: identity of segment 2 fell from 0.984 to 0.713 (limit 0.05), worst at frame 17",
        "reasons": [],
        "vetoed": True,
        "timed_out": False,
        "failure": None,
        "worst": {
            "metric": "identity_similarity",
            "position": 2,
            "frame": 17,
            "region": [64, 20, 60, 70],
            "veto": True,
            "baseline": 0.984,
            "new": 0.713,
            "delta": -0.271,
            "noise": 0.0012,
            "limit": 0.05,
        },
        "baseline": None,
        "environments": [],
        "segments": segments,
        "seconds": {"queue": 0.3, "render": 4.2, "score": 1.8, "wall": 7.0},
    }
    return told | changed


def run(**changed: Any) -> Json:
    told: Json = {
        "id": 5,
        "trigger_type": "lora_update",
        "status": "completed",
        "outcome": "degraded",
        "reason": "1 of 1 reference degraded: identity of segment 2",
        "requested_by": "service:regression",
        "superseded": False,
        "superseded_by_run_id": None,
        "asset": {
            "id": 2,
            "kind": "lora",
            "name": "look",
            "version_id": 12,
            "version": 2,
            "previous_version_id": 11,
            "previous_version": 1,
        },
        "created_at": "2026-11-21T10:00:00Z",
        "started_at": "2026-11-21T10:00:01Z",
        "completed_at": "2026-11-21T10:00:21Z",
        "proves_run_id": None,
        "accepted_at": None,
        "accepted_by": None,
        "rollback": None,
        "gone": [],
        "can": {"rollback": True, "accept": False, "cancel": False},
        "references_total": 1,
        "segments_total": 3,
    }
    return told | changed


def report(references: list[Json], **changed: Any) -> Json:
    verdicts = [one["verdict"] for one in references]
    told: Json = {
        "run": run(**changed),
        "summary": {
            **{name: verdicts.count(name) for name in ("improved", "same", "degraded", "not_comparable")},
            "references_total": len(references),
            "references_done": len(references),
            "segments_total": 3 * len(references),
            "segments_done": 3 * len(references),
        },
        "identity_backend": {
            "name": "region",
            "version": "1",
            "is_identity": False,
            "notice": "No face weights are installed: identity is the look of the face's region against its own "
            "baseline. It recognises nobody.",
        },
        "stage_seconds": {"queue": 0.3, "render": 4.2, "score": 1.8, "judge": 0.2, "total": 20.0},
        "references": references,
    }
    return told


def degraded_report(*, baseline: str, new: str, **changed: Any) -> Json:
    """Three segments; the face of the second has drifted."""
    fine = [metric("identity_similarity", label="Identity", veto=True, worst_frame=4, severity=0.2, delta=-0.01)]
    fine += [metric("sharpness", label="Sharpness", severity=0.4, delta=0.02, new=0.92)]
    drifted = [
        IDENTITY_DEGRADED,
        metric("sharpness", label="Sharpness", new=0.99, delta=0.09, severity=1.8, verdict="improved", worst_frame=2),
        metric("flicker", label="Flicker", veto=True, direction="lower", baseline=0.001, new=0.0011, delta=0.0001),
        metric("handover_ssim", label="Hand-over", verdict="not_measurable", baseline=None, new=None, delta=None,
               limit=None, severity=None, noise=None, reason="skipped: not measurable in the baseline"),
    ]  # fmt: skip
    segments = [
        segment(1, baseline=baseline, new=new, metrics=fine),
        segment(2, baseline=baseline, new=new, metrics=drifted),
        segment(3, baseline=baseline, new=None, metrics=[], verdict=None,
                failure={"kind": "node_error", "message": "CUDA out of memory", "node": "7 KSampler"}),
    ]  # fmt: skip
    return report([reference(segments)], **changed)


def openapi(paths: Json, schemas: Json | None = None) -> Json:
    return {"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": paths,
            "components": {"schemas": schemas or {}}}  # fmt: skip


def body_of(request: httpx.Request) -> Any:
    return json.loads(request.content or b"null")
