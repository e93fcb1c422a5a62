"""Fields that several requests share. What passes here can be stored: no NUL, no half surrogate, no id over BIGINT."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from services.catalog import domain
from shared.cause import Cause
from shared.contracts.types import RenderParameters, ThresholdOverride, ThresholdSettings
from shared.contracts.workflow import Bindings, NodeInput
from shared.http import Actor, Role, request_cause, require

MAX_ID = 2**63 - 1
MAX_NAME_CHARACTERS = 200

NAME_PATTERN = r"^[^\x00-\x1f\x7f]+$"


def _storable(text: str) -> str:
    if problem := domain.problem_of_text(text):
        raise ValueError(f"the text {problem}")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME_CHARACTERS, pattern=NAME_PATTERN),
]
Text = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_storable)]
PathId = Path(ge=1, le=MAX_ID)
NameFilter = Annotated[
    str | None, Query(max_length=MAX_NAME_CHARACTERS, pattern=NAME_PATTERN, description="exactly this name")
]
ProjectFilter = Annotated[int | None, Query(ge=1, le=MAX_ID, description="only of this project")]

Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]
Creator = Annotated[Actor, Depends(require(Role.CREATOR))]
Admin = Annotated[Actor, Depends(require(Role.ADMIN))]
RequestCause = Annotated[Cause, Depends(request_cause)]

_STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
"""Events ignore what they do not know; a person's request with a misspelt field must not."""


class RenderDefaults(RenderParameters):
    model_config = _STRICT

    prompt: Text | None = None
    negative_prompt: Text | None = None
    sampler: Text | None = None


class MetricRule(ThresholdOverride):
    model_config = _STRICT


class JudgingRules(ThresholdSettings):
    model_config = _STRICT

    metrics: dict[Name, MetricRule] = Field(default_factory=dict)  # type: ignore[assignment]


class BindingsRequest(Bindings):
    """The bindings of a new workflow version."""

    model_config = _STRICT

    @model_validator(mode="after")
    def _texts_can_be_stored(self) -> "BindingsRequest":
        inputs: list[NodeInput] = list(self.inputs().values())
        for text in [self.video_output.node, *(part for bound in inputs for part in (bound.node, bound.input))]:
            _storable(text)
        return self


def dumped(model: RenderDefaults | JudgingRules) -> dict[str, Any]:
    """As it is stored: only what was given, so that a later default reaches what nobody decided."""
    return model.model_dump(mode="json", exclude_none=True)
