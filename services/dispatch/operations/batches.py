"""Test shots of many characters with many configurations at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from services.dispatch.domain.capabilities import lacking, with_files
from services.dispatch.domain.environment import asset_values
from services.dispatch.domain.errors import Conflict, NotFound, Unacceptable
from services.dispatch.domain.estimates import RenderSample, expected_seconds, makespan
from services.dispatch.domain.planning import derived_seed
from services.dispatch.domain.scenes import Json, Tier
from services.dispatch.operations.chains import Chains
from services.dispatch.operations.parameters import workflow_of
from services.dispatch.operations.planning import NewScene, Planner
from services.dispatch.operations.shots import PlannedShot, ShotOperations
from services.dispatch.store import Store
from services.dispatch.store.servers import ServerCopy
from services.dispatch.store.shots import Batch
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.postgres import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """`seed` None: one per character, the same in every configuration, so that only the configuration differs."""

    name: str
    workflow_id: int
    lora_id: int | None = None
    model_id: int | None = None
    tier: Tier = Tier.FULL
    seed: int | None = None
    overrides: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    scene_type_id: int
    character_ids: Sequence[int]
    configurations: Sequence[Configuration]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """`shot_id` None: it would be rendered, but nobody has asked for it yet. `seconds` None: nothing like it was."""

    character_id: int
    configuration: str
    seconds: float | None
    shot_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """`shot_id`: the shot that shows the same already."""

    character_id: int
    configuration: str
    reason: str
    shot_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """`render_minutes` counts the cells whose time can be estimated; `unknown_cells` says how many cannot.

    `finish_at` is None while one cannot, or while no server answers.
    """

    batch_id: int | None
    cells: Sequence[Cell]
    skipped: Sequence[Skipped]
    render_minutes: float
    unknown_cells: int
    finish_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    character_id: int
    configuration: str
    planned: PlannedShot
    seconds: float | None


class BatchOperations:
    """`planner` should not wait for facts: a batch with unknown ids says so at once."""

    def __init__(
        self,
        *,
        store: Store,
        shots: ShotOperations,
        planner: Planner,
        new_work: Callable[[], None],
        now: Clock = utc_now,
    ) -> None:
        self._store = store
        self._chains = Chains(store)
        self._shots = shots
        self._planner = planner
        self._new_work = new_work
        self._now = now

    async def run(self, batch: NewBatch, cause: Cause, *, only_plan: bool) -> BatchPlan:
        """The plan, and unless `only_plan` every cell of it queued, all in one transaction.

        So a batch is there as a whole or not at all, and sent again it adds what is missing: a cell that exists with
        the same fingerprint, finished or on its way, is skipped. Raises Unacceptable when nothing of it can be planned.
        """
        wanted, skipped = await self._wanted(batch, cause)
        async with self._store.transaction(cause) as tx:
            await self._store.lock_batches(tx, batch.scene_type_id)
            new, known = await self._unknown(tx, wanted)
            skipped += known
            if only_plan or not new:
                return await self._plan(None, [_cell(one, None) for one in new], skipped)
            batch_id = await self._store.add_batch(tx, scene_type_id=batch.scene_type_id, created_by=cause.actor)
            cells = []
            for one in new:
                try:
                    await self._planner.refuse_deleted(tx, one.planned.scene)
                except Conflict as gone:
                    skipped.append(_skipped(one, str(gone)))
                    continue
                shot = replace(one.planned.shot, batch_id=batch_id, cell_name=one.configuration)
                added = await self._shots.add(tx, replace(one.planned, shot=shot))
                cells.append(_cell(one, added.id))
            plan = await self._plan(batch_id, cells, skipped)
        self._new_work()
        return plan

    async def progress(self, batch_id: int) -> Batch:
        batch = await self._store.batch(batch_id)
        if batch is None:
            raise NotFound(f"there is no batch {batch_id}")
        return batch

    async def cancel(self, batch_id: int, cause: Cause) -> Batch:
        """Stop what is not finished of it. Its finished shots stay, and the batch sent again adds the others anew."""
        now = self._now()
        async with self._store.transaction(cause) as tx:
            for scene_id in await self._store.open_scenes_of_batch_in(tx, batch_id):
                scene = await self._store.lock_scene(tx, scene_id)
                if scene is not None and scene.finished_at is None:
                    await self._chains.stop(tx, scene, "cancelled", f"cancelled by {cause.actor}", now)
        self._new_work()
        return await self.progress(batch_id)

    async def _wanted(self, batch: NewBatch, cause: Cause) -> tuple[list[_Wanted], list[Skipped]]:
        servers = await self._store.servers()
        samples: dict[tuple[int, Tier], list[RenderSample]] = {}
        wanted: list[_Wanted] = []
        skipped: list[Skipped] = []
        for configuration in batch.configurations:
            for character_id in batch.character_ids:
                try:
                    planned = await self._shots.planned(
                        _wish(batch, configuration, character_id), cause, planner=self._planner
                    )
                    await self._refuse_incompatible(planned, servers)
                except Unacceptable as refused:
                    skipped.append(
                        Skipped(character_id=character_id, configuration=configuration.name, reason=str(refused))
                    )
                    continue
                seconds = expected_seconds(
                    await self._samples(samples, planned), planned.plan.parameters, configuration.tier
                )
                wanted.append(
                    _Wanted(
                        character_id=character_id, configuration=configuration.name, planned=planned, seconds=seconds
                    )
                )
        return wanted, skipped

    async def _samples(
        self, known: dict[tuple[int, Tier], list[RenderSample]], planned: PlannedShot
    ) -> Sequence[RenderSample]:
        key = (planned.scene.workflow_version_id, planned.scene.tier)
        if key not in known:
            known[key] = await self._store.render_samples(workflow_version_id=key[0], tier=key[1])
        return known[key]

    async def _refuse_incompatible(self, planned: PlannedShot, servers: Sequence[ServerCopy]) -> None:
        """Raises Unacceptable when every server is known to lack something."""
        version = await self._store.asset_version(planned.scene.workflow_version_id)
        assert version is not None  # it was planned with it
        graph = with_files(version.graph or {}, workflow_of(version).inputs, asset_values(planned.scene.assets))
        missing = {server.name: lacking(graph, server.capabilities) for server in servers}
        if missing and all(missing.values()):
            said = "; ".join(f"{name} lacks {', '.join(what)}" for name, what in missing.items())
            raise Unacceptable(f"no render server can render it: {said}")

    async def _unknown(self, tx: Transaction, wanted: Sequence[_Wanted]) -> tuple[list[_Wanted], list[Skipped]]:
        """Those that no shot shows yet, each fingerprint once."""
        done = await self._store.shots_of_fingerprints(tx, [one.planned.fingerprint for one in wanted])
        new: dict[str, _Wanted] = {}
        skipped = []
        for one in wanted:
            mark = one.planned.fingerprint
            if mark in done:
                skipped.append(_skipped(one, f"test shot {done[mark]} has the same fingerprint", done[mark]))
            elif mark in new:
                skipped.append(_skipped(one, f"the same as configuration {new[mark].configuration!r} of this batch"))
            else:
                new[mark] = one
        return list(new.values()), skipped

    async def _plan(self, batch_id: int | None, cells: Sequence[Cell], skipped: Sequence[Skipped]) -> BatchPlan:
        known = [cell.seconds for cell in cells if cell.seconds is not None]
        ready = [server for server in await self._store.servers() if server.state == "ready"]
        needed = makespan(known, len(ready)) if len(known) == len(cells) else None
        return BatchPlan(
            batch_id=batch_id,
            cells=cells,
            skipped=skipped,
            render_minutes=round(sum(known) / 60, 3),
            unknown_cells=len(cells) - len(known),
            finish_at=None if needed is None else self._now() + timedelta(seconds=needed),
        )


def _wish(batch: NewBatch, configuration: Configuration, character_id: int) -> NewScene:
    seed = configuration.seed
    return NewScene(
        name=f"test shot {configuration.name}"[:200],
        character_id=character_id,
        scene_type_id=batch.scene_type_id,
        workflow_id=configuration.workflow_id,
        lora_id=configuration.lora_id,
        model_id=configuration.model_id,
        tier=configuration.tier,
        segment_count=1,
        seed=derived_seed(batch.scene_type_id, character_id + 1) if seed is None else seed,
        overrides=configuration.overrides,
    )


def _cell(one: _Wanted, shot_id: int | None) -> Cell:
    return Cell(character_id=one.character_id, configuration=one.configuration, seconds=one.seconds, shot_id=shot_id)


def _skipped(one: _Wanted, reason: str, shot_id: int | None = None) -> Skipped:
    return Skipped(character_id=one.character_id, configuration=one.configuration, reason=reason, shot_id=shot_id)
