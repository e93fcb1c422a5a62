"""Links to media carry a permission that cannot be changed and does not last."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.media.links import LinkRefused, LinkSigner

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CLIP = "c" * 64


def signed() -> tuple[int, str]:
    link = LinkSigner(b"s" * 32).sign(CLIP, now=NOW, lifetime=timedelta(minutes=5))
    query = parse_qs(urlsplit(link.path).query)
    return int(query["expires"][0]), query["signature"][0]


def test_a_signed_link_is_accepted_until_it_expires() -> None:
    expires, signature = signed()
    LinkSigner(b"s" * 32).check(CLIP, expires=expires, signature=signature, now=NOW + timedelta(minutes=4))
    with pytest.raises(LinkRefused, match="expired"):
        LinkSigner(b"s" * 32).check(CLIP, expires=expires, signature=signature, now=NOW + timedelta(minutes=6))


@pytest.mark.parametrize("change", ["expiry", "object", "secret", "signature"])
def test_a_changed_link_is_refused(change: str) -> None:
    expires, signature = signed()
    signer = LinkSigner(b"t" * 32 if change == "secret" else b"s" * 32)
    with pytest.raises(LinkRefused, match="not valid"):
        signer.check(
            "d" * 64 if change == "object" else CLIP,
            expires=expires + 60 if change == "expiry" else expires,
            signature="é" if change == "signature" else signature,
            now=NOW,
        )


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        LinkSigner(b"short")
