"""Who may do what, and the first way in."""

import hashlib
from datetime import datetime, timedelta

from services.catalog.domain.errors import Conflict
from services.catalog.domain.nouns import Role, Token, User

BOOTSTRAP_USER = "admin"
BOOTSTRAP_MARGIN = timedelta(days=1)
"""A token file whose token ends sooner than this is written again at start."""


def hash_of_token(text: str) -> str:
    """SHA-256 is enough here: a signed token has far more entropy than anybody can guess."""
    return hashlib.sha256(text.encode()).hexdigest()


def may_manage_tokens_of(user: User, *, actor: str, actor_is_admin: bool) -> bool:
    """Everybody may manage their own access; an admin may manage everybody's."""
    return actor_is_admin or user.name == actor


def refuse_last_admin(*, user: User, admins: int) -> None:
    """Raises Conflict: an installation without an admin could not be repaired over HTTP."""
    if user.role is Role.ADMIN and admins <= 1:
        raise Conflict(f"{user.name} is the last admin; create another admin first")


def bootstrap_token_serves(token: Token | None, *, owner: User, now: datetime) -> bool:
    """Whether the token in the bootstrap file can be left there."""
    return token is not None and token.user_id == owner.id and token.accepted_at(now + BOOTSTRAP_MARGIN)
