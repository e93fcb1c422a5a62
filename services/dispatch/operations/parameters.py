"""Between copies of catalog's workflows and the domain's parameters."""

from typing import Any

from pydantic import ValidationError

from services.dispatch.domain.environment import bound_inputs
from services.dispatch.domain.errors import Unacceptable
from services.dispatch.domain.planning import Workflow
from services.dispatch.domain.scenes import Json
from services.dispatch.store.facts import AssetVersionCopy
from shared.contracts.types import RenderParameters


def checked_parameters(position: int, parameters: Json, workflow: Workflow) -> dict[str, Any]:
    """Types as the wire has them. A graph's own constant may be out of their range: then it must be said here."""
    try:
        return RenderParameters.model_validate(parameters).model_dump(mode="json")
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))} is {e['input']!r}: {e['msg']}" for e in error.errors())
        raise Unacceptable(
            f"segment {position} cannot be rendered with workflow {workflow.name!r}: {wrong}. "
            "Give the parameter another value, or publish a workflow with another constant"
        ) from error


def workflow_of(version: AssetVersionCopy) -> Workflow:
    return Workflow(name=version.name, graph=version.graph or {}, inputs=bound_inputs(version.bindings or {}))
