"""Between a job and a server: the graph that is sent, and the clip that comes back."""

import tempfile
from pathlib import Path
from typing import Any

from services.dispatch.adapters.clips import ClipReader, UnreadableClip
from services.dispatch.adapters.render_server import (
    Finished,
    OutputFile,
    PermanentRenderError,
    RenderServer,
    ServerStats,
    TransientRenderError,
)
from services.dispatch.domain.environment import asset_values, bound_inputs, model_files, node_classes
from services.dispatch.domain.errors import Unacceptable
from services.dispatch.domain.graph import Ready, fill, number_at
from services.dispatch.domain.jobs import Attempt
from services.dispatch.domain.scenes import Clip, Json, Render
from services.dispatch.domain.tiers import at_tier
from services.dispatch.operations.assignments import Assignment
from shared.media import MediaMissing, MediaStore

VIDEO_SUFFIXES = (".mp4", ".webm", ".mkv", ".mov", ".m4v", ".webp")


class GraphBuilder:
    """Puts a job's values into its workflow's graph."""

    def parameters(self, assignment: Assignment) -> dict[str, Any]:
        """Those that are really rendered: scaled to the scene's tier."""
        inputs = bound_inputs(assignment.bindings)
        return at_tier(
            assignment.segment.requested_parameters,
            assignment.scene.tier,
            bound=inputs.keys(),
            size_multiple=assignment.bindings.get("size_multiple", 8),
        )

    def build(self, assignment: Assignment, *, seed_image: str, file_prefix: str) -> Ready:
        """Raises PermanentRenderError when the graph has no place for a value that was asked for."""
        inputs = bound_inputs(assignment.bindings)
        values = self.parameters(assignment) | asset_values(assignment.scene.assets) | {"seed_image": seed_image}
        if "seed" not in inputs:
            values["seed"] = None
        try:
            return fill(
                assignment.graph,
                inputs=inputs,
                values=values,
                video_output=assignment.bindings["video_output"]["node"],
                file_prefix=file_prefix,
            )
        except Unacceptable as error:
            raise PermanentRenderError(str(error), kind="invalid_graph") from error


class ClipCollector:
    """Fetches, decodes and stores what a finished prompt has made. Nothing counts as rendered before that."""

    def __init__(self, *, media: MediaStore, reader: ClipReader, graphs: GraphBuilder, max_clip_bytes: int) -> None:
        self._media = media
        self._reader = reader
        self._graphs = graphs
        self._max_clip_bytes = max_clip_bytes

    async def seed_image(self, assignment: Assignment) -> bytes:
        """What the segment starts from. Raises PermanentRenderError when nobody has stored it."""
        try:
            return await self._media.get(assignment.seed_image_sha256)
        except MediaMissing as error:
            raise PermanentRenderError(
                f"the seed image {assignment.seed_image_sha256} is not in the media store", kind="invalid_graph"
            ) from error

    async def collect(self, assignment: Assignment, attempt: Attempt, server: RenderServer, found: Finished) -> Render:
        """Raises RenderError when the prompt went badly, or its file cannot be fetched or decoded."""
        video_output = assignment.bindings["video_output"]["node"]
        result = server.result(found, [video_output])
        stats = await server.stats()
        with tempfile.TemporaryDirectory(prefix="rushes-dispatch-") as folder:
            path = Path(folder) / "clip"
            await server.download(_video_of(result.files[video_output]), path, max_bytes=self._max_clip_bytes)
            parameters = self._graphs.parameters(assignment)
            fps = parameters.get("fps") or number_at(assignment.graph, video_output, "fps")
            clip = await self._store(path, fps=fps, frames=parameters.get("frames"))
        return Render(
            clip=clip,
            parameters=parameters,
            environment=self._environment(assignment, stats),
            seed_image_sha256=assignment.seed_image_sha256,
            attempt=attempt.attempt,
            render_seconds=max(0.0, result.seconds or 0.0),
        )

    async def _store(self, path: Path, *, fps: float | None, frames: int | None) -> Clip:
        try:
            path = await self._reader.as_video(path, fps=fps, frames=frames)
            examined = await self._reader.examine(path)
        except UnreadableClip as error:
            raise TransientRenderError(f"the rendered file cannot be used: {error}", kind="bad_output") from error
        return Clip(
            sha256=await self._media.put_file(path),
            size_bytes=path.stat().st_size,
            frame_digest=examined.frame_digest,
            last_frame_sha256=await self._media.put_bytes(examined.last_frame_png),
            width=examined.info.width,
            height=examined.info.height,
            frames=examined.info.frames,
            fps=examined.info.fps,
            duration_seconds=examined.info.duration_seconds,
        )

    def _environment(self, assignment: Assignment, stats: ServerStats) -> Json:
        """Of the graph as it was sent, so that a file name given by a binding is the one that counts."""
        sent = self._graphs.build(assignment, seed_image="", file_prefix="").graph
        return {
            "engine": stats.engine,
            "python": stats.python,
            "torch": stats.torch,
            "device": stats.device,
            "node_classes": list(node_classes(sent)),
            "model_files": model_files(sent, assignment.scene.assets),
        }


def _video_of(files: tuple[OutputFile, ...]) -> OutputFile:
    """A node may save more than the clip: take the file that is one. Raises PermanentRenderError when none is."""
    for file in files:
        if file.filename.lower().endswith(VIDEO_SUFFIXES):
            return file
    names = ", ".join(file.filename for file in files[:3]) or "nothing"
    raise PermanentRenderError(
        f"the video output saved {names}, which is no clip; end the workflow with a node that saves "
        f"{', '.join(VIDEO_SUFFIXES)}, and bind video_output to it",
        kind="bad_output",
    )
