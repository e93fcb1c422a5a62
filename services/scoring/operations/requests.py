"""What people ask of scoring: other gates, another measurement."""

from dataclasses import replace
from typing import Protocol

from services.scoring import domain
from services.scoring.store import GateStore, SegmentStore
from shared.cause import Cause
from shared.contracts.scoring import ScoringRequested


class Media(Protocol):
    """What is asked of the media store."""

    async def exists(self, sha256: str) -> bool: ...


class RequestOperations:
    """`identity_backend` is the one in use: limits of identity that name none are on its scale."""

    def __init__(self, *, segments: SegmentStore, gates: GateStore, media: Media, identity_backend: str) -> None:
        self._segments = segments
        self._identity_backend = identity_backend
        self._gates = gates
        self._media = media

    async def request_scoring(self, cause: Cause, clip_sha256: str, *, baseline_clip_sha256: str | None) -> None:
        """Say `scoring.requested`. Raises NotFound for a clip no segment has, Refused for a baseline not stored."""
        if baseline_clip_sha256 is not None and not await self._media.exists(baseline_clip_sha256):
            raise domain.Refused(f"no clip {baseline_clip_sha256} is stored; name the sha256 of a stored clip")
        async with self._segments.transaction(cause) as tx:
            if not await self._segments.with_clip(tx, clip_sha256):
                raise domain.NotFound(f"no segment has the clip {clip_sha256}")
            await tx.emit(
                ScoringRequested(
                    clip_sha256=clip_sha256, baseline_clip_sha256=baseline_clip_sha256, requested_by=cause.actor
                )
            )

    async def replace_gates(
        self, cause: Cause, gates: list[domain.Gate], *, project_id: int, scene_type_id: int | None
    ) -> None:
        """The gates of a project or of one scene type, as a whole; scores already said keep theirs.

        Raises NotFound for a project or scene type that was deleted, Refused for two gates of one metric.
        """
        names = [gate.metric for gate in gates]
        if len(set(names)) < len(names):
            raise domain.Refused("each metric may have one gate; two were sent for one of them")
        things = [(domain.Kind.PROJECT, project_id)]
        if scene_type_id is not None:
            things.append((domain.Kind.SCENE_TYPE, scene_type_id))
        async with self._gates.transaction(cause) as tx:
            if await self._segments.is_deleted(tx, tuple(things)):
                raise domain.NotFound("the project or scene type was deleted")
            scaled = [self._scaled(gate) for gate in gates]
            await self._gates.replace(tx, scaled, project_id=project_id, scene_type_id=scene_type_id)

    def _scaled(self, gate: domain.Gate) -> domain.Gate:
        if gate.metric not in domain.IDENTITY_METRICS or gate.identity_backend is not None:
            return gate
        return replace(gate, identity_backend=self._identity_backend)
