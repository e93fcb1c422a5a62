"""What a scene is made with, said to those who may have to render it again."""

from collections.abc import Sequence

from services.dispatch.domain.scenes import Json, Purpose, Scene
from services.dispatch.store import Store
from shared.contracts.scene import PlannedSegment, SceneConfigured
from shared.contracts.types import (
    CharacterId,
    LockedAsset,
    ProjectId,
    RenderParameters,
    SceneId,
    SceneTypeId,
    Tier,
)
from shared.postgres import Transaction


async def say_planned(tx: Transaction, scene: Scene, parameters: Sequence[Json]) -> None:
    """A person's new scene. `parameters`: of its positions in order."""
    await tx.emit(_configured(scene, parameters, seed_image_sha256=scene.seed_image_sha256, sequence=0))


async def say_changed(tx: Transaction, store: Store, scene: Scene, revision: int) -> None:
    """Another version of a position is current that was asked for with something else, or begins with another image.

    A promoted shot may have used another version of an asset than the scene has locked. That is not said: the scene's
    lock is one for all of its segments.
    """
    if scene.purpose is not Purpose.SCENE:
        return
    chain = await store.chain(tx, scene.id)
    seed_image = chain[0].seed_image_sha256 or scene.seed_image_sha256
    plans = [segment.requested_parameters for segment in chain]
    await tx.emit(_configured(scene, plans, seed_image_sha256=seed_image, sequence=revision))


async def say_if_changed(tx: Transaction, store: Store, scene: Scene, *, was: int, now: Json, revision: int) -> None:
    """`was`: the version that was current before; `now`: the parameters of the one that is."""
    before = await store.segment_in(tx, was)
    if before is not None and before.requested_parameters != now:
        await say_changed(tx, store, scene, revision)


def _configured(scene: Scene, plans: Sequence[Json], *, seed_image_sha256: str, sequence: int) -> SceneConfigured:
    return SceneConfigured(
        scene_id=SceneId(scene.id),
        project_id=ProjectId(scene.project_id),
        character_id=CharacterId(scene.character_id),
        scene_type_id=SceneTypeId(scene.scene_type_id),
        name=scene.name,
        tier=Tier(scene.tier.value),
        seed_image_sha256=seed_image_sha256,
        source_image_sha256=scene.source_image_sha256,
        assets=tuple(LockedAsset.model_validate(asset) for asset in scene.assets),
        segments=tuple(
            PlannedSegment(position=position, parameters=RenderParameters.model_validate(parameters))
            for position, parameters in enumerate(plans, start=1)
        ),
        sequence=sequence,
    )
