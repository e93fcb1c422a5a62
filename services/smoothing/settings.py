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
