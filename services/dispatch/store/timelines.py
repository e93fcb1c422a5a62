"""Which version of each position is current, which are stale and why; comparisons of frames; cascades."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.dispatch.domain.regeneration import CascadeState
from services.dispatch.domain.scenes import Json, Review, SegmentState
from services.dispatch.domain.timeline import Handover, Replacement, Version
from services.dispatch.store.base import BaseStore
from shared.postgres import Transaction

VERSIONS = """
    SELECT id, position, regeneration_count, previous_segment_id, is_current, state, seed_image_sha256,
        last_frame_sha256, review, is_locked, may_overwrite, is_candidate, accepted_handovers, stale_causes
    FROM segments WHERE scene_id = $1 ORDER BY id
"""

COMPARISONS = """
    SELECT first_sha256, second_sha256, ssim FROM frame_comparisons
    WHERE first_sha256 = ANY ($1::text[]) AND second_sha256 = ANY ($1::text[])
"""

Comparisons = dict[frozenset[str], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    id: int
    scene_id: int
    from_segment_id: int
    overwrite: frozenset[int]
    state: CascadeState
    reason: str
    requested_by: str
    created_at: datetime
    finished_at: datetime | None


class TimelineStore(BaseStore):
    async def versions_in(self, tx: Transaction, scene_id: int) -> list[Version]:
        """Every version of every position, inside the transaction that holds the scene's lock."""
        return [_version(row) for row in await tx.connection.fetch(VERSIONS, scene_id)]

    async def versions_now(self, scene_id: int) -> list[Version]:
        """As they are at this moment; to show, not to decide by."""
        return [_version(row) for row in await self._database.fetch(VERSIONS, scene_id)]

    async def comparisons_in(self, tx: Transaction, frames: Sequence[str]) -> Comparisons:
        return _comparisons(await tx.connection.fetch(COMPARISONS, list(frames)))

    async def comparisons_now(self, frames: Sequence[str]) -> Comparisons:
        return _comparisons(await self._database.fetch(COMPARISONS, list(frames)))

    async def save_comparison(self, tx: Transaction, first: str, second: str, ssim: float) -> None:
        low, high = sorted((first, second))
        await tx.connection.execute(
            """
            INSERT INTO frame_comparisons (first_sha256, second_sha256, ssim) VALUES ($1, $2, $3)
            ON CONFLICT DO NOTHING
            """,
            low,
            high,
            ssim,
        )

    async def next_revision(self, tx: Transaction, scene_id: int) -> int:
        revision: int = await tx.connection.fetchval(
            "UPDATE scenes SET revision = revision + 1 WHERE id = $1 RETURNING revision", scene_id
        )
        return revision

    async def retire_version(self, tx: Transaction, segment_id: int) -> None:
        """It is not the current one any more; before another one becomes it, since there is only one."""
        await tx.connection.execute(
            "UPDATE segments SET is_current = false, is_stale = false, stale_causes = '[]' WHERE id = $1", segment_id
        )

    async def save_version(self, tx: Transaction, version: Version, causes: Sequence[Json], revision: int) -> None:
        """`revision`: of the scene, kept when the causes have changed."""
        await tx.connection.execute(
            """
            UPDATE segments
            SET is_current = $2, is_locked = $3, may_overwrite = $4, accepted_handovers = $5, is_stale = $6,
                stale_revision = CASE WHEN stale_causes = $7 THEN stale_revision ELSE $8 END, stale_causes = $7,
                is_candidate = $9
            WHERE id = $1
            """,
            version.id,
            version.is_current,
            version.is_locked,
            version.may_overwrite,
            [{"position": h.position, "given": h.given, "taken": h.taken} for h in sorted(version.accepted)],
            version.is_stale,
            list(causes),
            revision,
            version.is_candidate,
        )

    async def save_activation(self, tx: Transaction, segment_id: int, activation: Json) -> None:
        await tx.connection.execute("UPDATE segments SET activation = $2 WHERE id = $1", segment_id, activation)

    async def add_replacement(
        self,
        tx: Transaction,
        *,
        scene_id: int,
        replacement: Replacement,
        parameters: Json,
        previous_clip_sha256: str | None,
        cascade_id: int | None,
        is_retry: bool,
    ) -> int:
        """A version that is not current, to be rendered."""
        segment_id: int = await tx.connection.fetchval(
            """
            INSERT INTO segments (scene_id, position, previous_segment_id, regeneration_count, is_current, state,
                requested_parameters, seed_image_sha256, previous_clip_sha256, may_overwrite, accepted_handovers,
                cascade_id, is_retry)
            VALUES ($1, $2, $3, $4, false, 'queued', $5, $6, $7, $8, $9, $10, $11) RETURNING id
            """,
            scene_id,
            replacement.position,
            replacement.based_on,
            replacement.number,
            parameters,
            replacement.seed,
            previous_clip_sha256,
            replacement.may_overwrite,
            [{"position": h.position, "given": h.given, "taken": h.taken} for h in sorted(replacement.accepted)],
            cascade_id,
            is_retry,
        )
        return segment_id

    async def render_seconds(self, scene_id: int) -> dict[int, float]:
        """Recorded time per version that has a clip; of a repaired one, that of the render that it was made from."""
        rows = await self._database.fetch(
            """
            SELECT id, max(render_seconds) OVER (PARTITION BY job_id) AS render_seconds
            FROM segments WHERE scene_id = $1 AND render_seconds IS NOT NULL
            """,
            scene_id,
        )
        return {row["id"]: row["render_seconds"] for row in rows}

    async def add_cascade(
        self, tx: Transaction, *, scene_id: int, from_segment_id: int, overwrite: Iterable[int], requested_by: str
    ) -> Cascade:
        row = await tx.connection.fetchrow(
            """
            INSERT INTO cascades (scene_id, from_segment_id, overwrite, state, requested_by)
            VALUES ($1, $2, $3, 'running', $4) RETURNING *
            """,
            scene_id,
            from_segment_id,
            sorted(overwrite),
            requested_by,
        )
        return _cascade(row)

    async def running_cascade(self, tx: Transaction, scene_id: int) -> Cascade | None:
        row = await tx.connection.fetchrow("SELECT * FROM cascades WHERE scene_id = $1 AND state = 'running'", scene_id)
        return _cascade(row) if row else None

    async def end_cascade(
        self, tx: Transaction, scene_id: int, *, state: CascadeState, reason: str, now: datetime
    ) -> None:
        """The running one of the scene, if there is one."""
        await tx.connection.execute(
            """
            UPDATE cascades SET state = $2, reason = $3, finished_at = $4 WHERE scene_id = $1 AND state = 'running'
            """,
            scene_id,
            state.value,
            reason,
            now,
        )

    async def cascade(self, cascade_id: int) -> Cascade | None:
        row = await self._database.fetchrow("SELECT * FROM cascades WHERE id = $1", cascade_id)
        return _cascade(row) if row else None


def _version(row: Any) -> Version:
    return Version(
        id=row["id"],
        position=row["position"],
        number=row["regeneration_count"],
        based_on=row["previous_segment_id"],
        is_current=row["is_current"],
        state=SegmentState(row["state"]),
        seed=row["seed_image_sha256"],
        last=row["last_frame_sha256"],
        review=Review(row["review"]),
        is_locked=row["is_locked"],
        may_overwrite=row["may_overwrite"],
        is_candidate=row["is_candidate"],
        accepted=frozenset(_handover(entry) for entry in row["accepted_handovers"]),
        causes=tuple(sorted(_handover(entry) for entry in row["stale_causes"])),
    )


def _handover(entry: Json) -> Handover:
    return Handover(position=entry["position"], given=entry["given"], taken=entry["taken"])


def _comparisons(rows: Iterable[Any]) -> Comparisons:
    return {frozenset((row["first_sha256"], row["second_sha256"])): row["ssim"] for row in rows}


def _cascade(row: Any) -> Cascade:
    values = dict(row)
    del values["updated_at"]
    values["state"] = CascadeState(values["state"])
    values["overwrite"] = frozenset(values["overwrite"])
    return Cascade(**values)
