"""Access tokens, as far as others than their issuer must know of them."""

from typing import ClassVar
from uuid import UUID

from shared.contracts.base import Event
from shared.contracts.types import Instant


class TokenRevoked(Event):
    """A token that has not expired must not be accepted any more. Forget it after `expires_at`."""

    key_field: ClassVar[str] = "token_id"

    token_id: UUID
    expires_at: Instant
