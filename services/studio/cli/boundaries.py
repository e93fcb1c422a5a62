"""`rushes segment boundary | smooth | cancel-repair`: how a segment joins its neighbours, and what to do about it."""

import json as json_module
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.console import Console

from services.studio.cli.client import ApiProblem, Client
from services.studio.cli.connection import Target

Segment = Annotated[int, typer.Argument(min=1, help="the id of a segment, as `rushes scene show` lists it")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
POLL_SECONDS = 0.5
WAIT_SECONDS = 1800.0
"""A repair is scored before it is decided on; after half an hour somebody should look why it is not."""

HEARD_SECONDS = 30.0
"""What a scene shows is news to smoothing for a moment. After so long without the news its answer is told as it is."""

NOT_FOUND = 404
EXIT_REFUSED = 1
EXIT_NO_ANSWER = 2
AWAITED = ("planned", "queued")
OPEN = ("queued", "making", "proposed")
DOING = {
    "queued": "queued behind {ahead} others",
    "making": "making the candidate",
    "proposed": "the candidate is being scored",
}


Found = TypeVar("Found")


class Position(StrEnum):
    BEFORE = "before"
    AFTER = "after"


class Method(StrEnum):
    BLEND = "blend"
    REEXTRACT = "reextract"
    ACCEPT = "accept"


METHODS = {Method.BLEND: "frame_blending", Method.REEXTRACT: "re_extraction", Method.ACCEPT: "accept"}


def add_to(app: typer.Typer) -> None:
    @app.command(help="How a segment joins its neighbours: what was measured, and what is recommended.")
    def boundary(
        segment: Segment,
        wait: Annotated[bool, typer.Option("--wait/--no-wait", help="until it is measured")] = False,
        json: Json = False,
    ) -> None:
        with Target.from_environment().client() as client:
            asked = _measured(client, segment) if wait else _asked(client, segment)
        found = _known(asked, waited=wait)
        page = f"  see it: {client.url}/segments/{segment}/boundaries"
        print(json_module.dumps(found, indent=2) if json else "\n".join([*_check_lines(found), page]))

    @app.command(help="Repair a boundary as a new version, or accept it as it is. Nothing is overwritten.")
    def smooth(
        segment: Segment,
        position: Annotated[Position, typer.Option(help="which end of the segment")],
        method: Annotated[
            Method, typer.Option(help="blend: cross-fade; reextract: cut at better frames; accept: fine as it is")
        ],
        frames: Annotated[
            int | None, typer.Option(min=1, max=120, help="to blend, or to drop at most from each clip")
        ] = None,
        overwrite: Annotated[
            list[int] | None, typer.Option(help="id of an approved or locked segment that may be replaced")
        ] = None,
        wait: Annotated[bool, typer.Option("--wait/--no-wait", help="until it is current, or refused")] = False,
        json: Json = False,
    ) -> None:
        body: dict[str, Any] = {"position": position.value, "method": METHODS[method], "overwrite": overwrite or []}
        body |= {} if frames is None else {"frames": frames}
        with Target.from_environment().client() as client:
            told = client.post(f"/api/segments/{segment}/smooth-boundary", body)
            if told["repair_id"] is None:
                print(f"the boundary {position.value} segment {segment} is accepted as it is")
                return
            repair = _repair(client, told["repair_id"], wait=wait)
        print(json_module.dumps(repair, indent=2) if json else "\n".join(_repair_lines(repair)))
        raise typer.Exit(EXIT_REFUSED if repair["state"] == "rejected" else 0)

    @app.command(name="cancel-repair", help="Take a repair back that is still queued.")
    def cancel_repair(
        repair: Annotated[UUID, typer.Argument(help="its id, as `rushes segment smooth` says it")],
    ) -> None:
        with Target.from_environment().client() as client:
            client.delete(f"/api/boundary-repairs/{repair}")
        print(f"repair {repair} is cancelled")


def _repair(client: Client, repair_id: str, *, wait: bool) -> dict[str, Any]:
    def ask() -> dict[str, Any]:
        found: dict[str, Any] = client.get(f"/api/boundary-repairs/{repair_id}")
        return found

    return _waited(ask, lambda repair: repair["state"] in OPEN, _making) if wait else ask()


def _waited(ask: Callable[[], Found], goes_on: Callable[[Found], bool], doing: Callable[[Found], str]) -> Found:
    """Asks until it is done; says on a terminal what is being waited for."""
    errors = Console(stderr=True)
    deadline = time.monotonic() + WAIT_SECONDS
    with errors.status("waiting") as status:
        while True:
            found = ask()
            if not goes_on(found):
                return found
            if time.monotonic() > deadline:
                break
            status.update(doing(found))
            time.sleep(POLL_SECONDS)
    errors.print(f"no end after {WAIT_SECONDS / 60:g} minutes: {doing(found)}")
    raise typer.Exit(EXIT_NO_ANSWER)


@dataclass(frozen=True)
class _Unheard:
    """A segment of a scene that smoothing does not know: it is not rendered yet, or was rendered at this moment."""

    segment: int
    state: str
    is_rendered: bool

    def __str__(self) -> str:
        if self.is_rendered:
            return f"segment {self.segment} is rendered, and smoothing has not heard of it yet"
        return f"segment {self.segment} is {self.state}; it has boundaries once it is rendered"


def _asked(client: Client, segment: int) -> dict[str, Any] | _Unheard:
    """Smoothing's answer. Where it knows no such segment, dispatch says whether there is one."""
    try:
        found: dict[str, Any] = client.get(f"/api/segments/{segment}/boundary-check")
    except ApiProblem as problem:
        if problem.status != NOT_FOUND:
            raise
        return _unheard(client, segment, problem)
    return found


def _unheard(client: Client, segment: int, problem: ApiProblem) -> _Unheard:
    """Raises ApiProblem for what will never have boundaries: no segment, no part of a scene, not to be rendered."""
    known = client.get(f"/api/segments/{segment}")
    scene = client.get(f"/api/scenes/{known['scene_id']}")
    if scene["purpose"] != "scene":
        raise problem
    is_rendered, state = known["clip"] is not None, known["state"]
    if not is_rendered and (state not in AWAITED or (state == "planned" and scene["state"] != "rendering")):
        raise ApiProblem(NOT_FOUND, "No boundaries", f"segment {segment} has no clip: it is {state}")
    return _Unheard(segment, state, is_rendered)


def _known(found: dict[str, Any] | _Unheard, *, waited: bool) -> dict[str, Any]:
    """Raises ApiProblem for a segment that smoothing does not know."""
    if not isinstance(found, _Unheard):
        return found
    mend = "`rushes status` says whether it is up" if waited else "--wait waits for it"
    raise ApiProblem(NOT_FOUND, "No boundaries yet", f"{found}; {mend}")


def _measured(client: Client, segment: int) -> dict[str, Any] | _Unheard:
    """Once the versions that the scene shows are measured, as far as they are rendered."""
    news = _News(client)
    return _waited(lambda: _asked(client, segment), news.are_awaited, _measuring)


class _News:
    """What a scene shows and smoothing does not know yet: it comes in a moment, and is waited for no longer than that.

    The moment begins when dispatch is seen to have it; the render before it takes as long as it takes.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._until: float | None = None

    def are_awaited(self, found: dict[str, Any] | _Unheard) -> bool:
        if isinstance(found, _Unheard):
            return self._is_soon() if found.is_rendered else True
        return _pending(found) or (self._is_soon() and _is_behind(self._client, found))

    def _is_soon(self) -> bool:
        now = time.monotonic()
        if self._until is None:
            self._until = now + HEARD_SECONDS
        return now < self._until


def _pending(found: dict[str, Any]) -> bool:
    return any(found[end] is not None and found[end]["status"] == "pending" for end in ("before", "after"))


def _is_behind(client: Client, found: dict[str, Any]) -> bool:
    """Whether the scene shows a clip here, or beside it, that the answer does not know of yet."""
    segments = client.get(f"/api/scenes/{found['scene_id']}")["segments"]
    here = found["position"]
    shown = {one["position"]: one["id"] for one in segments if one["is_current"] and one["clip"] is not None}
    if shown.get(here) != found["segment_id"]:
        return bool(found["is_current"])
    neighbours = [found[end]["neighbour"] for end in ("before", "after") if found[end] is not None]
    known = {one["position"]: one["segment_id"] for one in neighbours if one is not None}
    known[here] = found["current_segment_id"]
    return any(known.get(position) != shown[position] for position in shown if abs(position - here) <= 1)


def _measuring(found: dict[str, Any] | _Unheard) -> str:
    if isinstance(found, _Unheard):
        return str(found)
    if not _pending(found):
        return "the newest versions are not known to smoothing yet"
    ahead = max(found[end]["ahead"] or 0 for end in ("before", "after") if found[end] is not None)
    return f"being measured, {ahead} boundaries ahead of it"


def _making(repair: dict[str, Any]) -> str:
    if progress := repair["progress"]:
        return f"making the candidate: frame {progress['done']} of {progress['total']}"
    return DOING[repair["state"]].format(ahead=repair["ahead"])


def _check_lines(found: dict[str, Any]) -> list[str]:
    current = found["current_segment_id"]
    lines = [f"segment {found['segment_id']}, position {found['position']}, version {found['version']}"]
    if not found["is_current"]:
        lines[0] += " (not current" + (")" if current is None else f"; segment {current} is)")
    return lines + [line for end in ("before", "after") for line in _end_lines(end, found[end])]


def _end_lines(end: str, boundary: dict[str, Any] | None) -> list[str]:
    if boundary is None:
        return [f"  {end}: nothing"]
    if boundary["reading"] is None:
        words = boundary["status"].replace("_", " ")
        return [f"  {end}: {words}{', ' + boundary['reason'] if boundary['reason'] else ''}"]
    lines = [
        f"  {end}: {boundary['verdict']}, {boundary['reason']}",
        f"    SSIM {boundary['reading']['ssim']:.4f} to segment {boundary['neighbour']['segment_id']}, visibility "
        f"{boundary['reading']['worst_visibility']:.2f}, recommended: {boundary['recommendation'].replace('_', ' ')}",
    ]
    if boundary["accepted_by"] is not None:
        lines.append(f"    accepted by {boundary['accepted_by']}")
    if boundary["repair"] is not None:
        lines.append(f"    repair {boundary['repair']['id']} is {boundary['repair']['state']}")
    return lines


def _repair_lines(repair: dict[str, Any]) -> list[str]:
    lines = [f"repair {repair['id']} is {repair['state']}"]
    before, after = repair["before"], repair["after"]
    if before is not None and after is not None:
        lines.append(
            f"  visibility {before['worst_visibility']:.2f} -> {after['worst_visibility']:.2f}, "
            f"SSIM at the cut {before['ssim']:.4f} -> {after['ssim']:.4f}"
        )
    lines += [f"  {reason}" for reason in repair["reasons"]]
    if repair["dropped_frames"]:
        lines.append(f"  {repair['dropped_frames']} frames dropped")
    return lines
