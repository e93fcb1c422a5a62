"""Which service answers which path of the public API. The one table of the gateway."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Owner(StrEnum):
    """The services behind the edge."""

    CATALOG = "catalog"
    DISPATCH = "dispatch"
    SCORING = "scoring"
    REGRESSION = "regression"
    SMOOTHING = "smoothing"


@dataclass(frozen=True)
class Route:
    """`pattern` is literal but for `{name}` parts; a part takes letters, digits, `_` and `-`: no slash, no dot."""

    pattern: str
    methods: tuple[str, ...]
    owner: Owner

    def matches(self, path: str) -> bool:
        return _matcher(self.pattern).fullmatch(path) is not None


class UnknownPath(Exception):
    """No service owns this path."""


class MethodNotOffered(Exception):
    """The path exists, with other methods."""

    def __init__(self, method: str, path: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{path} does not take {method}; it takes {', '.join(allowed)}")
        self.allowed = tuple(allowed)


GET = ("GET",)
POST = ("POST",)
DELETE = ("DELETE",)
COLLECTION = ("GET", "POST")
ITEM = ("GET", "PATCH", "DELETE")

ROUTES: tuple[Route, ...] = (
    Route("/api/me", GET, Owner.CATALOG),
    Route("/api/projects", COLLECTION, Owner.CATALOG),
    Route("/api/projects/{project_id}", ITEM, Owner.CATALOG),
    Route("/api/users", COLLECTION, Owner.CATALOG),
    Route("/api/users/{user_id}", ("GET", "DELETE"), Owner.CATALOG),
    Route("/api/users/{user_id}/tokens", COLLECTION, Owner.CATALOG),
    Route("/api/tokens/{token_id}", DELETE, Owner.CATALOG),
    Route("/api/characters", COLLECTION, Owner.CATALOG),
    Route("/api/characters/{character_id}", ITEM, Owner.CATALOG),
    Route("/api/scene-types", COLLECTION, Owner.CATALOG),
    Route("/api/scene-types/{scene_type_id}", ITEM, Owner.CATALOG),
    Route("/api/assets", COLLECTION, Owner.CATALOG),
    Route("/api/assets/{asset_id}", GET, Owner.CATALOG),
    Route("/api/assets/{asset_id}/activations", GET, Owner.CATALOG),
    Route("/api/assets/{asset_id}/versions", COLLECTION, Owner.CATALOG),
    Route("/api/asset-versions/{version_id}", GET, Owner.CATALOG),
    Route("/api/scenes", COLLECTION, Owner.DISPATCH),
    Route("/api/scenes/{scene_id}", ("GET", "DELETE"), Owner.DISPATCH),
    Route("/api/scenes/{scene_id}/cancel", POST, Owner.DISPATCH),
    Route("/api/scenes/{scene_id}/pause", POST, Owner.DISPATCH),
    Route("/api/scenes/{scene_id}/resume", POST, Owner.DISPATCH),
    Route("/api/scenes/{scene_id}/move", POST, Owner.DISPATCH),
    Route("/api/scenes/{scene_id}/progress", GET, Owner.DISPATCH),
    Route("/api/segments/{segment_id}/progress", GET, Owner.DISPATCH),
    Route("/api/cascades/{cascade_id}/progress", GET, Owner.DISPATCH),
    Route("/api/test-shots/batches/{batch_id}/progress", GET, Owner.DISPATCH),
    Route("/api/test-shots/batches/{batch_id}/cancel", POST, Owner.DISPATCH),
    Route("/api/segments/{segment_id}/cancel", POST, Owner.DISPATCH),
    Route("/api/queue", ("GET", "PUT"), Owner.DISPATCH),
    Route("/api/usage", GET, Owner.DISPATCH),
    Route("/api/scenes/{scene_id}/test-shot", POST, Owner.DISPATCH),
    Route("/api/test-shots", POST, Owner.DISPATCH),
    Route("/api/test-shots/batch", POST, Owner.DISPATCH),
    Route("/api/test-shots/batches/{batch_id}", GET, Owner.DISPATCH),
    Route("/api/test-shots/gallery", GET, Owner.DISPATCH),
    Route("/api/test-shots/pair", GET, Owner.DISPATCH),
    Route("/api/test-shots/{shot_id}", GET, Owner.DISPATCH),
    Route("/api/test-shots/{shot_id}/promote", POST, Owner.DISPATCH),
    Route("/api/segments/{segment_id}", GET, Owner.DISPATCH),
    Route("/api/segments/{segment_id}/approve", POST, Owner.DISPATCH),
    Route("/api/segments/{segment_id}/reject", POST, Owner.DISPATCH),
    Route("/api/segments/{segment_id}/regeneration", GET, Owner.DISPATCH),
    Route("/api/segments/{segment_id}/regenerate", POST, Owner.DISPATCH),
    Route("/api/segments/{segment_id}/versions", GET, Owner.DISPATCH),
    Route("/api/segments/{segment_id}/revert", POST, Owner.DISPATCH),
    Route("/api/segments/{segment_id}/lock", POST, Owner.DISPATCH),
    Route("/api/segments/{segment_id}/unlock", POST, Owner.DISPATCH),
    Route("/api/segments/{segment_id}/cascade", COLLECTION, Owner.DISPATCH),
    Route("/api/cascades/{cascade_id}", GET, Owner.DISPATCH),
    Route("/api/boundary-repairs/{repair_id}/undo", POST, Owner.DISPATCH),
    Route("/api/jobs", GET, Owner.DISPATCH),
    Route("/api/jobs/{job_id}", GET, Owner.DISPATCH),
    Route("/api/asset-versions/{version_id}/fitness", GET, Owner.DISPATCH),
    Route("/api/render-servers", COLLECTION, Owner.DISPATCH),
    Route("/api/render-servers/drain", POST, Owner.DISPATCH),
    Route("/api/segments/{segment_id}/scores", GET, Owner.SCORING),
    Route("/api/scenes/{scene_id}/drift", GET, Owner.SCORING),
    Route("/api/quality-gates", ("GET", "PUT"), Owner.SCORING),
    Route("/api/scoring/requests", POST, Owner.SCORING),
    Route("/api/segments/{segment_id}/boundary-check", GET, Owner.SMOOTHING),
    Route("/api/segments/{segment_id}/smooth-boundary", POST, Owner.SMOOTHING),
    Route("/api/boundary-repairs/{repair_id}", ("GET", "DELETE"), Owner.SMOOTHING),
    Route("/api/projects/{project_id}/boundary-thresholds", ("GET", "PUT"), Owner.SMOOTHING),
    Route("/api/regression/run", POST, Owner.REGRESSION),
    Route("/api/regression/runs", GET, Owner.REGRESSION),
    Route("/api/regression/runs/{run_id}", GET, Owner.REGRESSION),
    Route("/api/regression/runs/{run_id}/report", GET, Owner.REGRESSION),
    Route("/api/regression/runs/{run_id}/rollback", POST, Owner.REGRESSION),
    Route("/api/regression/runs/{run_id}/cancel", POST, Owner.REGRESSION),
    Route("/api/regression/runs/{run_id}/accept", POST, Owner.REGRESSION),
    Route("/api/regression/references", COLLECTION, Owner.REGRESSION),
    Route("/api/regression/references/{reference_id}", ITEM, Owner.REGRESSION),
)


def owner_of(method: str, path: str) -> Owner:
    """Raises UnknownPath or MethodNotOffered. HEAD goes where GET goes."""
    wanted = "GET" if method == "HEAD" else method
    found = [route for route in ROUTES if route.matches(path)]
    if not found:
        raise UnknownPath(f"there is no {path} in this API; /docs lists what there is")
    for route in found:
        if wanted in route.methods:
            return route.owner
    raise MethodNotOffered(method, path, sorted({allowed for route in found for allowed in route.methods}))


def owns(method: str, pattern: str, owner: Owner) -> bool:
    """Whether the table sends this operation of a service's OpenAPI document to that service."""
    shape = _shape(pattern)
    return any(
        _shape(route.pattern) == shape and method.upper() in route.methods and route.owner is owner for route in ROUTES
    )


def _shape(pattern: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", pattern)


def _matcher(pattern: str) -> re.Pattern[str]:
    return re.compile("[A-Za-z0-9_-]{1,64}".join(re.escape(part) for part in re.split(r"\{[^}]*\}", pattern)))
