"""The two base classes of everything that travels between services."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """A frozen part of an event. Unknown fields are ignored, so producers may add fields at any time."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(Contract):
    """A fact in the past tense, or a command that ends in `requested`.

    `key_field` names the aggregate whose order is kept: events with the same key arrive in the order they were said.
    `sequence` is the aggregate's own version where it has one (0 where it has none); a consumer that has seen a higher
    one knows that this event is stale.
    """

    key_field: ClassVar[str]

    sequence: int = 0

    @property
    def key(self) -> str:
        return str(getattr(self, self.key_field))

    def establishes(self) -> tuple[str, ...]:
        """Facts that this event brings, named as `NotYetKnown` names them; events parked for one are replayed."""
        return ()
