"""What a browser with a cookie may do."""

import pytest
from cryptography.fernet import InvalidToken

from services.studio.adapters.seal import seal, unseal
from services.studio.domain.browser import ForgedRequest, check_same_site, safe_return_path, session_key


def test_our_own_page_may_change_things() -> None:
    check_same_site(method="POST", host="127.0.0.1:8400", origin="http://127.0.0.1:8400", fetch_site="same-origin")
    check_same_site(method="POST", host="Rushes.example", origin="https://rushes.example", fetch_site=None)


def test_reading_needs_no_origin() -> None:
    check_same_site(method="GET", host="127.0.0.1:8400", origin=None, fetch_site="none")


@pytest.mark.parametrize(
    ("origin", "fetch_site"),
    [
        ("http://evil.example", None),
        ("http://127.0.0.1:9999", None),
        ("http://127.0.0.1:8400", "cross-site"),
        ("http://127.0.0.1:8400", "same-site"),
        ("null", None),
        (None, None),
        (None, "none"),
    ],
)
def test_a_change_that_another_site_may_have_caused_is_refused(origin: str | None, fetch_site: str | None) -> None:
    with pytest.raises(ForgedRequest):
        check_same_site(method="POST", host="127.0.0.1:8400", origin=origin, fetch_site=fetch_site)


@pytest.mark.parametrize(
    ("wanted", "target"),
    [
        ("/reports/regression/5", "/reports/regression/5"),
        (None, "/"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\\..\\evil", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
    ],
)
def test_sign_in_returns_to_our_own_pages_only(wanted: str | None, target: str) -> None:
    assert safe_return_path(wanted) == target


def test_the_stored_session_opens_with_the_cookie_only() -> None:
    sealed = seal("token", secret="cookie")
    assert unseal(sealed, secret="cookie") == "token"
    assert b"token" not in sealed
    with pytest.raises(InvalidToken):
        unseal(sealed, secret=session_key("cookie"))
