"""From a wish to plans: the facts it needs, the versions it locks, every parameter written down."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.dispatch.domain.errors import Conflict, Unacceptable
from services.dispatch.domain.planning import (
    SEED_BITS,
    SceneOrder,
    plan,
    refuse_assets_without_place,
)
from services.dispatch.domain.scenes import Json, SceneDraft, ScoreGate, SegmentPlan, Tier
from services.dispatch.operations.parameters import checked_parameters, workflow_of
from services.dispatch.store import Store
from services.dispatch.store.facts import AssetVersionCopy, CharacterCopy, FactKind, SceneTypeCopy
from shared.contracts.types import AssetId, AssetKind, AssetVersionId, LockedAsset
from shared.postgres import Transaction

FACT_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class NewScene:
    """A person's wish. `seed` None: one is drawn, and written down like every other parameter."""

    name: str
    character_id: int
    scene_type_id: int
    workflow_id: int
    lora_id: int | None = None
    model_id: int | None = None
    tier: Tier = Tier.FULL
    priority: int = 0
    paused: bool = False
    segment_count: int | None = None
    seed: int | None = None
    seeds: dict[int, int] = field(default_factory=dict)
    overrides: Json = field(default_factory=dict)
    per_position: dict[int, Json] = field(default_factory=dict)
    score_gate: ScoreGate | None = None

    @property
    def asset_ids(self) -> dict[AssetKind, int]:
        given = {AssetKind.WORKFLOW: self.workflow_id, AssetKind.LORA: self.lora_id, AssetKind.MODEL: self.model_id}
        return {kind: asset_id for kind, asset_id in given.items() if asset_id is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    character: CharacterCopy
    scene_type: SceneTypeCopy
    assets: tuple[AssetVersionCopy, ...]

    @property
    def workflow(self) -> AssetVersionCopy:
        return next(asset for asset in self.assets if asset.kind == AssetKind.WORKFLOW)


class Planner:
    """`fact_patience_seconds`: how long a request waits for a fact that was created a moment ago elsewhere."""

    def __init__(
        self,
        *,
        store: Store,
        fact_patience_seconds: float = 3.0,
        draw_seed: Callable[[], int] = lambda: secrets.randbits(SEED_BITS),
    ) -> None:
        self._store = store
        self._fact_patience_seconds = fact_patience_seconds
        self.draw_seed = draw_seed

    async def refuse_deleted(self, tx: Transaction, draft: SceneDraft) -> None:
        facts: tuple[tuple[FactKind, int], ...] = (
            ("project", draft.project_id),
            ("scene_type", draft.scene_type_id),
            ("character", draft.character_id),
        )
        for kind, fact_id in facts:
            await self._store.share_fact(tx, kind, fact_id)
            if await self._store.is_deleted(tx, kind, fact_id):
                raise Conflict(f"{kind} {fact_id} was deleted; choose another one")

    async def facts(self, wish: NewScene) -> Facts:
        """The facts a scene needs. They come by events, so those made a moment ago are waited for."""
        deadline = asyncio.get_running_loop().time() + self._fact_patience_seconds
        while True:
            found = await self._facts_now(wish)
            if isinstance(found, Facts):
                break
            if asyncio.get_running_loop().time() >= deadline:
                raise Unacceptable(
                    f"{' and '.join(found)} not known here; check the id. "
                    "If it was created a moment ago, send the request again"
                )
            await asyncio.sleep(FACT_POLL_SECONDS)
        if found.character.project_id != found.scene_type.project_id:
            raise Unacceptable(
                f"character {found.character.id} is in project {found.character.project_id}, scene type "
                f"{found.scene_type.id} in project {found.scene_type.project_id}; choose both from one project"
            )
        return found

    async def _facts_now(self, wish: NewScene) -> Facts | list[str]:
        """The facts, or the names of those that are missing."""
        character = await self._store.character(wish.character_id)
        scene_type = await self._store.scene_type(wish.scene_type_id)
        assets = {a.asset_id: a for a in await self._store.active_versions(list(wish.asset_ids.values()))}
        missing = [] if character else [f"character {wish.character_id} is"]
        missing += [] if scene_type else [f"scene type {wish.scene_type_id} is"]
        missing += [f"{kind.value} {i} is" for kind, i in wish.asset_ids.items() if i not in assets]
        if character is None or scene_type is None or missing:
            return missing
        refuse_wrong_kinds(wish.asset_ids, assets)
        return Facts(
            character=character,
            scene_type=scene_type,
            assets=tuple(assets[asset_id] for asset_id in wish.asset_ids.values()),
        )

    def plans(self, wish: NewScene, facts: Facts) -> list[SegmentPlan]:
        """Raises Unacceptable for what the workflow has no place for."""
        workflow = workflow_of(facts.workflow)
        refuse_assets_without_place(workflow, [asset.kind for asset in facts.assets])
        order = SceneOrder(
            segment_count=wish.segment_count or facts.scene_type.segment_count,
            base_seed=self.draw_seed() if wish.seed is None else wish.seed,
            seeds=wish.seeds,
            overrides=wish.overrides,
            per_position=wish.per_position,
        )
        plans = plan(order, defaults=facts.scene_type.parameters, workflow=workflow)
        return [
            SegmentPlan(position=p.position, parameters=checked_parameters(p.position, p.parameters, workflow))
            for p in plans
        ]


def refuse_wrong_kinds(wanted: Mapping[AssetKind, int], assets: Mapping[int, AssetVersionCopy]) -> None:
    for kind, asset_id in wanted.items():
        if assets[asset_id].kind != kind.value:
            raise Unacceptable(
                f"asset {asset_id} ({assets[asset_id].name}) is a {assets[asset_id].kind}, "
                f"so it cannot be the {kind.value}_id; give the id of a {kind.value}"
            )


def locked(version: AssetVersionCopy) -> LockedAsset:
    return LockedAsset(
        asset_id=AssetId(version.asset_id),
        version_id=AssetVersionId(version.id),
        kind=AssetKind(version.kind),
        name=version.name,
        version=version.version,
        checksum=version.checksum,
        file_name=version.file_name,
    )
