"""SQL of quality gates."""

from services.scoring import domain
from services.scoring.store import rows
from services.scoring.store.base import BaseStore
from shared.postgres import Transaction


class GateStore(BaseStore):
    async def of(
        self, *, project_id: int, scene_type_id: int | None, tx: Transaction | None = None
    ) -> list[domain.Gate]:
        """The gates set for exactly this scope: the project (no scene type), or one scene type of it."""
        reader = self._database if tx is None else tx.connection
        found = await reader.fetch(
            """
            SELECT metric, warn_below, fail_below, warn_above, fail_above, identity_backend FROM quality_gates
            WHERE project_id = $1 AND scene_type_id IS NOT DISTINCT FROM $2
            ORDER BY metric
            """,
            project_id,
            scene_type_id,
        )
        return [rows.gate(row) for row in found]

    async def replace(
        self, tx: Transaction, gates: list[domain.Gate], *, project_id: int, scene_type_id: int | None
    ) -> None:
        """All gates of a scope at once; two replacements of one scope happen one after the other."""
        await tx.connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", f"gates:{project_id}:{scene_type_id}"
        )
        await tx.connection.execute(
            "DELETE FROM quality_gates WHERE project_id = $1 AND scene_type_id IS NOT DISTINCT FROM $2",
            project_id,
            scene_type_id,
        )
        await tx.connection.executemany(
            """
            INSERT INTO quality_gates (
                project_id, scene_type_id, metric, warn_below, fail_below, warn_above, fail_above, identity_backend
            )
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            [
                (
                    project_id,
                    scene_type_id,
                    gate.metric,
                    gate.warn_below,
                    gate.fail_below,
                    gate.warn_above,
                    gate.fail_above,
                    gate.identity_backend,
                )
                for gate in gates
            ],
        )

    async def delete_of(
        self, tx: Transaction, *, project_id: int | None = None, scene_type_id: int | None = None
    ) -> None:
        await tx.connection.execute(
            "DELETE FROM quality_gates WHERE project_id = $1 OR scene_type_id = $2", project_id, scene_type_id
        )
