"""What a handler may raise to say how its event goes on. Anything else goes to the dead letters."""


class TransientError(Exception):
    """Something is away that will come back (database, broker, media store): try again for ever, in order."""


class NotYetKnown(Exception):
    """A fact this event refers to has not arrived. `fact` is named as `Event.establishes` names it: 'character:12'."""

    def __init__(self, fact: str) -> None:
        super().__init__(f"{fact} is not yet known")
        self.fact = fact


class AlreadyHandled(Exception):
    """This event was handled before; its effect stands. Raised by the transaction, swallowed by the delivery policy."""
