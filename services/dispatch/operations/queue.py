"""The queue: its order and how long it will take, pauses and moves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from services.dispatch.domain.errors import NotFound
from services.dispatch.domain.estimates import RenderSample, expected_seconds
from services.dispatch.domain.queue import WorkKind, kind_of, moved_turn, starts
from services.dispatch.domain.scenes import Scene, Tier
from services.dispatch.operations.score_gates import ScoreGates
from services.dispatch.store import Store
from services.dispatch.store.queue import QueueControl, QueueRow
from services.dispatch.store.servers import ServerCopy
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.postgres import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """`estimated_seconds`: of the render alone; `starts_at`: an estimate. None: nothing like it was rendered yet.

    `sent`: it waits on its server behind what runs there. `lacks`: what each server lacks that cannot run it, by name;
    empty as long as a ready server can.
    """

    row: QueueRow
    kind: WorkKind
    state: Literal["running", "sent", "waiting", "paused"]
    estimated_seconds: float | None
    starts_at: datetime | None
    lacks: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """The running work, what was sent after it, then the first of the waiting in their order, then what is paused.

    `problem`: why no render server starts anything; None while one would.
    """

    control: QueueControl
    problem: str | None
    waiting_total: int
    entries: Sequence[QueueEntry]


class QueueOperations:
    def __init__(self, *, store: Store, gates: ScoreGates, new_work: Callable[[], None], now: Clock = utc_now) -> None:
        self._store = store
        self._gates = gates
        self._new_work = new_work
        self._now = now

    async def view(self, *, limit: int) -> QueueView:
        """`limit`: of the waiting and of the paused entries. Later segments of a chain are not in the queue yet."""
        now = self._now()
        control = await self._store.queue_control()
        taken, waiting = await self._store.taken(), await self._store.waiting(limit=limit)
        held = await self._store.held(limit=limit)
        needed = await self._needed([*taken, *waiting, *held])
        servers = await self._store.servers()
        ready = {server.name for server in servers if server.state == "ready"}
        unfit = await self._store.unfit(sorted({row.needs_id for row in waiting}))
        lacks = {needs: names for needs, names in unfit.items() if ready <= names.keys()}
        entries, busy = _taken(taken, needed, now)
        can_start = [row for row in waiting if row.needs_id not in lacks]
        until_start = starts(
            running=busy,
            waiting=[needed[row.job_id] for row in can_start],
            servers=0 if control.is_paused else len(ready),
        )
        until = dict(zip((row.job_id for row in can_start), until_start, strict=True))
        for row in waiting:
            entry = _entry(row, "waiting", needed[row.job_id], _after(now, until.get(row.job_id)))
            entries.append(replace(entry, lacks=lacks.get(row.needs_id, {})))
        entries += [_entry(row, "paused", needed[row.job_id], None) for row in held]
        return QueueView(
            control=control,
            problem=None if ready else _nobody_ready(servers),
            waiting_total=await self._store.queue_length(),
            entries=entries,
        )

    async def pause(self, cause: Cause) -> QueueControl:
        """Nothing new is started; what runs is finished."""
        async with self._store.transaction(cause) as tx:
            await self._store.pause_queue(tx, by=cause.actor, now=self._now())
        return await self._store.queue_control()

    async def resume(self, cause: Cause) -> QueueControl:
        async with self._store.transaction(cause) as tx:
            await self._store.resume_queue(tx)
        self._new_work()
        return await self._store.queue_control()

    async def pause_scene(self, scene_id: int, cause: Cause) -> Scene:
        """What runs of it is finished; nothing more is started until it is resumed. Refused when it has ended."""
        async with self._store.transaction(cause) as tx:
            await self._rendering(tx, scene_id)
            await self._store.pause_scene(tx, scene_id, paused=True)
            paused = await self._known(tx, scene_id)
        return paused

    async def resume_scene(self, scene_id: int, cause: Cause) -> Scene:
        """Go on with a paused scene; with one that its score gate has paused, taking the segment as it is; with one
        that failed or was cancelled, at its first missing segment. Rendering or complete, it stays as it is.
        """
        async with self._store.transaction(cause) as tx:
            scene = await self._known(tx, scene_id)
            scene.refuse_resuming_for_others()
            await self._store.pause_scene(tx, scene_id, paused=False)
            if scene.has_missing_segments:
                await self._gates.take_up(tx, await self._known(tx, scene_id))
            else:
                await self._gates.resume(tx, scene)
            resumed = await self._known(tx, scene_id)
        self._new_work()
        return resumed

    async def move_scene(self, scene_id: int, to: Literal["front", "back"], cause: Cause) -> Scene:
        """Before or behind everything that waits now, with all segments that it has still to come."""
        async with self._store.transaction(cause) as tx:
            scene = await self._rendering(tx, scene_id)
            ends = await self._store.ends_of_queue(tx)
            if ends is not None:
                await self._store.move_scene(tx, scene_id, moved_turn(to, first=ends[0], last=ends[1]))
        self._new_work()
        return scene

    async def _known(self, tx: Transaction, scene_id: int) -> Scene:
        scene = await self._store.lock_scene(tx, scene_id)
        if scene is None:
            raise NotFound(f"there is no scene {scene_id}")
        return scene

    async def _rendering(self, tx: Transaction, scene_id: int) -> Scene:
        scene = await self._known(tx, scene_id)
        scene.refuse_queueing_unless_rendering()
        return scene

    async def _needed(self, rows: Sequence[QueueRow]) -> dict[int, float | None]:
        samples: dict[tuple[int, Tier], list[RenderSample]] = {}
        for row in rows:
            key = (row.workflow_version_id, row.tier)
            if key not in samples:
                samples[key] = await self._store.render_samples(workflow_version_id=key[0], tier=key[1])
        return {
            row.job_id: expected_seconds(samples[row.workflow_version_id, row.tier], row.parameters, row.tier)
            for row in rows
        }


def _nobody_ready(servers: Sequence[ServerCopy]) -> str:
    told = "; ".join(f"{one.name} is {one.state}{f' ({one.problem})' if one.problem else ''}" for one in servers)
    return f"no render server takes work{f': {told}' if told else ''}"


def _taken(
    rows: Sequence[QueueRow], needed: Mapping[int, float | None], now: datetime
) -> tuple[list[QueueEntry], list[float | None]]:
    """What was taken from the queue, running first; and how long each server that has some of it is still busy."""
    busy: dict[str, float | None] = {}
    entries = []
    for row in sorted(rows, key=lambda row: (row.began_at is None, row.began_at or row.queued_at, row.job_id)):
        server = row.server or f"job {row.job_id}"
        before = busy.get(server, 0.0)
        runs = row.began_at is not None
        starts_at = row.began_at if runs else _after(now, before)
        entries.append(_entry(row, "running" if runs else "sent", needed[row.job_id], starts_at))
        left = _left(row, needed[row.job_id], now)
        busy[server] = None if before is None or left is None else before + left
    return entries, list(busy.values())


def _after(now: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=seconds)


def _left(row: QueueRow, needed: float | None, now: datetime) -> float | None:
    if needed is None:
        return None
    ran = (now - row.began_at).total_seconds() if row.began_at is not None else 0.0
    return max(0.0, needed - ran)


def _entry(
    row: QueueRow,
    state: Literal["running", "sent", "waiting", "paused"],
    needed: float | None,
    starts_at: datetime | None,
) -> QueueEntry:
    return QueueEntry(
        row=row,
        kind=kind_of(row.purpose, is_new_version=row.is_new_version),
        state=state,
        estimated_seconds=needed,
        starts_at=starts_at,
    )
