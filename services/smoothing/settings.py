"""Settings of smoothing."""

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    processes: int = Field(
        default=1, ge=1, le=64, validation_alias="SMOOTHING_PROCESSES", description="seams measured at the same time"
    )
    deadline_seconds: float = Field(
        default=60,
        gt=0,
        le=3600,
        validation_alias="SMOOTHING_DEADLINE_SECONDS",
        description="for measuring one seam; then its process is killed",
    )
    lease_seconds: float = Field(
        default=10,
        ge=1,
        le=600,
        validation_alias="SMOOTHING_LEASE_SECONDS",
        description="how long work stays with a worker that has fallen silent",
    )
    memory_limit_mib: int = Field(
        default=4096,
        ge=1024,
        validation_alias="SMOOTHING_MEMORY_LIMIT_MIB",
        description="address space of one measuring process",
    )
    repair_processes: int = Field(
        default=1,
        ge=1,
        le=16,
        validation_alias="SMOOTHING_REPAIR_PROCESSES",
        description="repairs made at the same time",
    )
    repair_deadline_seconds: float = Field(
        default=600,
        gt=0,
        le=7200,
        validation_alias="SMOOTHING_REPAIR_DEADLINE_SECONDS",
        description="for making one repair; then its process is killed",
    )
    proposal_patience_seconds: float = Field(
        default=7200,
        ge=1,
        validation_alias="SMOOTHING_PROPOSAL_PATIENCE_SECONDS",
        description="how long a repaired boundary waits for a decision; longer than dispatch waits for its scores",
    )
