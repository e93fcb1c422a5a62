"""Settings of the regression service."""

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Read once, in `main`."""

    render_deadline_minutes: float = Field(
        default=60,
        gt=0,
        le=24 * 60,
        validation_alias="REGRESSION_RENDER_DEADLINE_MINUTES",
        description="from asking for a chain of segments to its last score",
    )
    rollback_deadline_minutes: float = Field(
        default=10,
        gt=0,
        le=24 * 60,
        validation_alias="REGRESSION_ROLLBACK_DEADLINE_MINUTES",
        description="how long the catalog may take to answer a rollback",
    )
    remeasure_deadline_minutes: float = Field(
        default=10,
        gt=0,
        le=24 * 60,
        validation_alias="REGRESSION_REMEASURE_DEADLINE_MINUTES",
        description="how long measuring an old baseline again may take",
    )
    sweep_seconds: float = Field(
        default=5,
        gt=0,
        le=300,
        validation_alias="REGRESSION_SWEEP_SECONDS",
        description="how often overdue waits are looked for",
    )
