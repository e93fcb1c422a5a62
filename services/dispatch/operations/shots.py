"""Test shots: made of a scene or of a wish, and promoted to the first segment of a scene."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.dispatch.domain.errors import NotFound, Unacceptable
from services.dispatch.domain.planning import SceneOrder, plan, refuse_assets_without_place
from services.dispatch.domain.scenes import (
    Json,
    Purpose,
    Scene,
    SceneDraft,
    SegmentPlan,
    SegmentState,
    Tier,
)
from services.dispatch.domain.shots import (
    Difference,
    Shot,
    ShotDraft,
    differences,
    fingerprint,
    refuse_misfit,
    refuse_promotion,
    shot_frames,
)
from services.dispatch.domain.timeline import Activation, Outcome
from services.dispatch.operations.chains import Chains
from services.dispatch.operations.events import generated_event
from services.dispatch.operations.parameters import checked_parameters, workflow_of
from services.dispatch.operations.planning import NewScene, Planner, locked, refuse_wrong_kinds
from services.dispatch.operations.plans import say_changed
from services.dispatch.operations.score_gates import ScoreGates
from services.dispatch.operations.timelines import Timelines
from services.dispatch.store import Store
from services.dispatch.store.facts import AssetVersionCopy
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.contracts.segment import ActivationReason
from shared.contracts.types import AssetKind
from shared.postgres import Transaction

PROMOTED = Activation(
    outcome=Outcome.NOTHING_RENDERED_AFTER, reason="a promoted test shot: what comes after it is rendered from it"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneShot:
    """What a shot of a scene has otherwise than the scene's first segment. None: as the scene has it."""

    workflow_id: int | None = None
    lora_id: int | None = None
    model_id: int | None = None
    tier: Tier | None = None
    seed: int | None = None
    overrides: Json = field(default_factory=dict)

    @property
    def asset_ids(self) -> dict[AssetKind, int]:
        given = {AssetKind.WORKFLOW: self.workflow_id, AssetKind.LORA: self.lora_id, AssetKind.MODEL: self.model_id}
        return {kind: asset_id for kind, asset_id in given.items() if asset_id is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedShot:
    """All that a shot's render needs, locked and written down."""

    scene: SceneDraft
    plan: SegmentPlan
    shot: ShotDraft

    @property
    def fingerprint(self) -> str:
        return fingerprint(
            character_id=self.scene.character_id,
            seed_image_sha256=self.scene.seed_image_sha256,
            tier=self.scene.tier,
            assets=self.scene.assets,
            parameters=self.plan.parameters,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """`differences`: what the scene's first segment was to be made with otherwise."""

    scene: Scene
    segment_id: int
    differences: Sequence[Difference]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    first: Shot
    second: Shot
    differences: Sequence[Difference]


class ShotOperations:
    def __init__(
        self,
        *,
        store: Store,
        planner: Planner,
        timelines: Timelines,
        gates: ScoreGates,
        new_work: Callable[[], None],
        now: Clock = utc_now,
    ) -> None:
        self._store = store
        self._timelines = timelines
        self._gates = gates
        self._chains = Chains(store)
        self._planner = planner
        self._new_work = new_work
        self._now = now

    async def create(self, wish: NewScene, cause: Cause) -> Shot:
        """A shot of a character in a kind of scene, with the active versions of the assets."""
        return await self._save(await self.planned(wish, cause, planner=self._planner), cause)

    async def planned(self, wish: NewScene, cause: Cause, *, planner: Planner) -> PlannedShot:
        """`planner` decides how long facts are waited for."""
        facts = await planner.facts(wish)
        return planned_shot(
            base=_Base(
                name=wish.name,
                project_id=facts.character.project_id,
                character_id=facts.character.id,
                scene_type_id=facts.scene_type.id,
                seed_image_sha256=facts.character.source_image_sha256,
                source_image_sha256=facts.character.source_image_sha256,
            ),
            plan=planner.plans(wish, facts)[0],
            assets=[locked(asset).model_dump(mode="json") for asset in facts.assets],
            tier=wish.tier,
            cause=cause,
        )

    async def create_of_scene(self, scene_id: int, wish: SceneShot, cause: Cause) -> Shot:
        """A shot of a scene's first segment, with the versions that the scene has locked unless the wish names others.

        Raises NotFound for an unknown scene, Unacceptable for what cannot be rendered.
        """
        scene = await self._store.scene(scene_id)
        if scene is None:
            raise NotFound(f"there is no scene {scene_id}")
        others = await self._others(wish)
        workflow_version = others.get(AssetKind.WORKFLOW) or await self._store.asset_version(scene.workflow_version_id)
        assert workflow_version is not None  # a scene is only made when its workflow is known
        assets = {asset["kind"]: asset for asset in scene.assets}
        assets |= {kind.value: locked(version).model_dump(mode="json") for kind, version in others.items()}
        workflow = workflow_of(workflow_version)
        refuse_assets_without_place(workflow, list(assets))
        base = (await self._store.segments_of(scene_id))[0].requested_parameters
        order = SceneOrder(
            segment_count=1,
            base_seed=base["seed"] if wish.seed is None else wish.seed,
            overrides=wish.overrides,
        )
        [first] = plan(order, defaults=base, workflow=workflow)
        return await self._save(
            planned_shot(
                base=_Base(
                    name=f"test shot of scene {scene_id}",
                    project_id=scene.project_id,
                    character_id=scene.character_id,
                    scene_type_id=scene.scene_type_id,
                    seed_image_sha256=scene.seed_image_sha256,
                    source_image_sha256=scene.source_image_sha256,
                    source_scene_id=scene_id if scene.purpose is Purpose.SCENE else None,
                ),
                plan=SegmentPlan(position=1, parameters=checked_parameters(1, first.parameters, workflow)),
                assets=list(assets.values()),
                tier=wish.tier or scene.tier,
                cause=cause,
            ),
            cause,
        )

    async def pair(self, first_id: int, second_id: int) -> Pair:
        first, second = await self._known(first_id), await self._known(second_id)
        return Pair(
            first=first,
            second=second,
            differences=differences(
                first.parameters,
                second.parameters,
                first_assets=first.assets,
                second_assets=second.assets,
                first_tier=first.tier,
                second_tier=second.tier,
            ),
        )

    async def promote(self, shot_id: int, scene_id: int, cause: Cause, *, override: bool) -> Promotion:
        """The shot's clip becomes segment 1 of the scene, and the scene goes on from its last frame.

        Whatever the scene had rendered, none of it approved, is kept as older versions. A second call changes nothing.
        Raises Conflict, DoesNotFit or NotFound; then nothing was written.
        """
        now = self._now()
        async with self._store.transaction(cause) as tx:
            scene = await self._store.lock_scene(tx, scene_id)
            if scene is None:
                raise NotFound(f"there is no scene {scene_id}")
            shot = await self._store.lock_shot(tx, shot_id)
            if shot is None:
                raise NotFound(f"there is no test shot {shot_id}")
            if shot.promoted_to_scene_id == scene_id and shot.promoted_segment_id is not None:
                return Promotion(scene=scene, segment_id=shot.promoted_segment_id, differences=())
            chain = await self._store.chain(tx, scene_id)
            refuse_promotion(shot, scene, chain)
            found = refuse_misfit(shot, scene, chain[0], override=override)
            segment_id = await self._replace_chain(tx, scene, shot, now)
            promoted = await self._store.lock_scene(tx, scene_id)
        assert promoted is not None
        self._new_work()
        return Promotion(scene=promoted, segment_id=segment_id, differences=found)

    async def _replace_chain(self, tx: Transaction, scene: Scene, shot: Shot, now: datetime) -> int:
        before = await self._timelines.load(tx, scene.id)
        await self._chains.stop_jobs(tx, scene, f"test shot {shot.id} was promoted to the scene", now)
        await self._store.plan_again(tx, scene.id)
        await self._store.reopen_scene(tx, scene.id)
        first = (await self._store.chain(tx, scene.id))[0]
        source = next(s for s in await self._store.chain(tx, shot.render_scene_id) if s.state is SegmentState.GENERATED)
        await self._store.adopt_shot(tx, first.id, source_id=source.id, now=now)
        await self._store.promote_shot(tx, shot.id, scene_id=scene.id, segment_id=first.id)
        adopted = await self._store.segment_in(tx, first.id)
        assert adopted is not None and adopted.clip is not None
        await tx.emit(generated_event(scene, adopted))
        await self._store.book_saved_by_promotion(
            tx, scene, first.id, render_seconds=shot.render_seconds or 0.0, now=now
        )
        revision = await self._timelines.save(tx, scene, before, await self._timelines.load(tx, scene.id))
        await say_changed(tx, self._store, scene, revision)
        await self._timelines.say_activated(tx, adopted, PROMOTED, ActivationReason.GENERATED, revision)
        await self._gates.arrived(tx, scene, adopted)
        return first.id

    async def add(self, tx: Transaction, planned: PlannedShot) -> Shot:
        """Within a transaction that has made sure that nothing of it was deleted."""
        scene = await self._store.add_scene(tx, planned.scene, [planned.plan])
        shot = await self._store.add_shot(
            tx, scene, planned.shot, parameters=planned.plan.parameters, fingerprint=planned.fingerprint
        )
        [first] = await self._store.chain(tx, scene.id)
        await self._chains.queue(
            tx,
            scene,
            first,
            seed_image_sha256=scene.seed_image_sha256,
            previous_clip_sha256=None,
            now=self._now(),
        )
        return shot

    async def _save(self, planned: PlannedShot, cause: Cause) -> Shot:
        async with self._store.transaction(cause) as tx:
            await self._planner.refuse_deleted(tx, planned.scene)
            shot = await self.add(tx, planned)
        self._new_work()
        return shot

    async def _others(self, wish: SceneShot) -> dict[AssetKind, AssetVersionCopy]:
        found = {a.asset_id: a for a in await self._store.active_versions(list(wish.asset_ids.values()))}
        missing = [f"{kind.value} {i}" for kind, i in wish.asset_ids.items() if i not in found]
        if missing:
            raise Unacceptable(f"{' and '.join(missing)} not known here; check the id")
        refuse_wrong_kinds(wish.asset_ids, found)
        return {kind: found[asset_id] for kind, asset_id in wish.asset_ids.items()}

    async def _known(self, shot_id: int) -> Shot:
        shot = await self._store.shot(shot_id)
        if shot is None:
            raise NotFound(f"there is no test shot {shot_id}")
        return shot


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """What a shot is of."""

    name: str
    project_id: int
    character_id: int
    scene_type_id: int
    seed_image_sha256: str
    source_image_sha256: str
    source_scene_id: int | None = None


def planned_shot(*, base: _Base, plan: SegmentPlan, assets: Sequence[Json], tier: Tier, cause: Cause) -> PlannedShot:
    """The first segment, cut down to the length of a shot."""
    ids = {asset["kind"]: asset["asset_id"] for asset in assets}
    versions = {asset["kind"]: asset["version_id"] for asset in assets}
    parameters = dict(plan.parameters)
    parameters["frames"] = shot_frames(parameters.get("frames"), parameters.get("fps"))
    return PlannedShot(
        scene=SceneDraft(
            name=base.name,
            project_id=base.project_id,
            character_id=base.character_id,
            scene_type_id=base.scene_type_id,
            purpose=Purpose.TEST_SHOT,
            tier=tier,
            priority=0,
            request_id=None,
            source_scene_id=base.source_scene_id,
            workflow_version_id=versions["workflow"],
            assets=list(assets),
            seed_image_sha256=base.seed_image_sha256,
            source_image_sha256=base.source_image_sha256,
            deadline_at=None,
            created_by=cause.actor,
            correlation_id=cause.correlation_id,
        ),
        plan=SegmentPlan(position=1, parameters=parameters),
        shot=ShotDraft(
            workflow_id=ids["workflow"],
            lora_id=ids.get("lora"),
            model_id=ids.get("model"),
            source_scene_id=base.source_scene_id,
            batch_id=None,
            cell_name="",
        ),
    )
