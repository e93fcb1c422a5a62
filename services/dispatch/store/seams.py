"""What was measured between two versions, and the columns in which people see it."""

from services.dispatch.store.base import BaseStore
from shared.postgres import Transaction


class SeamStore(BaseStore):
    async def save_seam(
        self,
        tx: Transaction,
        *,
        scene_id: int,
        previous: tuple[int, str],
        following: tuple[int, str],
        ssim: float | None,
        sequence: int,
    ) -> bool:
        """Sides: version and its clip. False, and nothing happens, unless the scene has both, one after the other, with
        these clips, and nothing later is known of them."""
        saved = await tx.connection.fetchval(
            """
            INSERT INTO seams (previous_segment_id, next_segment_id, ssim, sequence)
            SELECT before.id, behind.id, $6, $7
            FROM segments AS before JOIN segments AS behind
                ON behind.scene_id = before.scene_id AND behind.position = before.position + 1
            WHERE before.scene_id = $1 AND before.id = $2 AND before.clip_sha256 = $3
                AND behind.id = $4 AND behind.clip_sha256 = $5
            ON CONFLICT (previous_segment_id, next_segment_id) DO UPDATE
            SET ssim = excluded.ssim, sequence = excluded.sequence WHERE seams.sequence <= excluded.sequence
            RETURNING 1
            """,
            scene_id,
            *previous,
            *following,
            ssim,
            sequence,
        )
        return saved is not None

    async def show_seams(self, tx: Transaction, scene_id: int) -> None:
        """Current versions show what was measured with their current neighbours; the others keep what they had."""
        await tx.connection.execute(
            """
            UPDATE segments AS shown
            SET boundary_ssim_before = (
                    SELECT seams.ssim FROM seams JOIN segments AS before ON before.id = seams.previous_segment_id
                    WHERE seams.next_segment_id = shown.id AND before.is_current),
                boundary_ssim_after = (
                    SELECT seams.ssim FROM seams JOIN segments AS behind ON behind.id = seams.next_segment_id
                    WHERE seams.previous_segment_id = shown.id AND behind.is_current)
            WHERE shown.scene_id = $1 AND shown.is_current
            """,
            scene_id,
        )
