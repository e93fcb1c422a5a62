"""Access tokens: who signed them, for whom, until when."""

from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.auth import InvalidToken, Role, TokenIssuer, TokenVerifier
from shared.clock import utc_now

KEY = Ed25519PrivateKey.generate()
HOUR = timedelta(hours=1)


def token(*, key: Ed25519PrivateKey = KEY, role: Role = Role.CREATOR, lifetime: timedelta = HOUR) -> str:
    return TokenIssuer(key).issue(name="tess", role=role, now=utc_now(), lifetime=lifetime).token


def verifier() -> TokenVerifier:
    return TokenVerifier(KEY.public_key())


def test_a_token_says_who_asks_and_in_which_role() -> None:
    issued = TokenIssuer(KEY).issue(name="tess", role=Role.CREATOR, now=utc_now(), lifetime=HOUR)
    actor = verifier().verify(issued.token)
    assert (actor.name, actor.role, actor.token_id) == ("tess", Role.CREATOR, issued.token_id)


def test_a_token_of_another_key_is_refused() -> None:
    with pytest.raises(InvalidToken):
        verifier().verify(token(key=Ed25519PrivateKey.generate()))


def test_an_expired_token_is_refused_and_says_so() -> None:
    with pytest.raises(InvalidToken, match="expired"):
        verifier().verify(token(lifetime=-HOUR))


def test_an_unsigned_token_is_refused() -> None:
    claims = jwt.decode(token(), options={"verify_signature": False})
    with pytest.raises(InvalidToken):
        verifier().verify(jwt.encode(claims, None, algorithm="none"))


def test_a_token_for_another_audience_is_refused() -> None:
    claims = jwt.decode(token(), options={"verify_signature": False}) | {"aud": "someone-else"}
    with pytest.raises(InvalidToken):
        verifier().verify(jwt.encode(claims, KEY, algorithm="EdDSA"))


@pytest.mark.parametrize(
    ("role", "other", "included"),
    [
        (Role.ADMIN, Role.CREATOR, True),
        (Role.CREATOR, Role.CREATOR, True),
        (Role.CREATOR, Role.ADMIN, False),
        (Role.VIEWER, Role.CREATOR, False),
    ],
)
def test_a_role_includes_the_ones_below_it(role: Role, other: Role, included: bool) -> None:
    assert role.includes(other) is included
