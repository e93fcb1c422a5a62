"""The catalog's decisions, without any part of it running."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog import domain

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def rollback(*, run: int = 5, back_from: int = 2, to: int = 1) -> domain.Rollback:
    return domain.Rollback(run_id=run, from_version=domain.VersionId(back_from), to_version=domain.VersionId(to))


def activation(
    version: int, *, cause: domain.ActivationCause = domain.ActivationCause.RELEASE, run: int | None = None
) -> domain.Activation:
    return domain.Activation(
        asset_id=domain.AssetId(1),
        sequence=version,
        version_id=domain.VersionId(version),
        previous_version_id=None,
        cause=cause,
        run_id=run,
        activated_by="ada",
        activated_at=NOW,
    )


def version(number: int = 1, **changes: Any) -> domain.AssetVersion:
    return replace(
        domain.AssetVersion(
            id=domain.VersionId(number),
            asset_id=domain.AssetId(1),
            kind=domain.AssetKind.LORA,
            version=number,
            checksum="a" * 64,
            file_name="anna-v1.safetensors",
            graph=None,
            bindings=None,
            note="",
            published_by="ada",
            published_at=NOW,
        ),
        **changes,
    )


def asset(number: int = 1) -> domain.Asset:
    return domain.Asset(
        id=domain.AssetId(number),
        kind=domain.AssetKind.LORA,
        name="anna",
        active_version_id=None,
        version_count=0,
        activation_count=0,
        created_by="ada",
        created_at=NOW,
        updated_at=NOW,
    )


def user(role: domain.Role = domain.Role.CREATOR) -> domain.User:
    return domain.User(id=domain.UserId(1), name="ada", role=role, created_at=NOW)


def token(**changes: Any) -> domain.Token:
    return replace(
        domain.Token(
            id=UUID(int=1),
            number=1,
            user_id=domain.UserId(1),
            label="",
            created_at=NOW,
            expires_at=NOW + timedelta(days=30),
            revoked_at=None,
        ),
        **changes,
    )


def test_a_rollback_of_the_active_version_is_carried_out() -> None:
    decision = domain.decide_rollback(rollback(), active=domain.VersionId(2), last=activation(2), target_exists=True)
    assert decision.step is domain.RollbackStep.ACTIVATE


def test_a_rollback_never_undoes_a_newer_version() -> None:
    decision = domain.decide_rollback(rollback(), active=domain.VersionId(3), last=activation(3), target_exists=True)
    assert decision.step is domain.RollbackStep.REJECT
    assert "version 3 is" in decision.reason


def test_a_rollback_to_a_version_that_the_asset_has_not_is_rejected() -> None:
    decision = domain.decide_rollback(rollback(), active=domain.VersionId(2), last=activation(2), target_exists=False)
    assert decision.step is domain.RollbackStep.REJECT


def test_a_rollback_to_the_active_version_itself_is_rejected() -> None:
    decision = domain.decide_rollback(
        rollback(back_from=2, to=2), active=domain.VersionId(2), last=activation(2), target_exists=True
    )
    assert decision.step is domain.RollbackStep.REJECT


def test_what_a_run_has_already_got_is_not_done_twice() -> None:
    done = activation(1, cause=domain.ActivationCause.ROLLBACK, run=5)
    decision = domain.decide_rollback(rollback(run=5), active=domain.VersionId(1), last=done, target_exists=True)
    assert decision.step is domain.RollbackStep.NOTHING_TO_DO


def test_the_rollback_of_another_run_is_not_taken_for_ones_own() -> None:
    done = activation(1, cause=domain.ActivationCause.ROLLBACK, run=4)
    decision = domain.decide_rollback(rollback(run=5), active=domain.VersionId(1), last=done, target_exists=True)
    assert decision.step is domain.RollbackStep.REJECT


@pytest.mark.parametrize("name", ["anna-v2.safetensors", "faces/anna v2.safetensors", "ünïcode.ckpt", "a..b.pt"])
def test_plain_relative_file_names_are_taken(name: str) -> None:
    assert domain.checked_file_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/../b",
        "/etc/passwd",
        "a//b",
        "a/",
        "C:\\x",
        "a\\b",
        "~/x",
        " a",
        "a\x00b",
        "a\nb",
        "x" * 256,
    ],
)
def test_file_names_that_could_leave_their_folder_are_refused(name: str) -> None:
    with pytest.raises(domain.Refused):
        domain.checked_file_name(name)


@given(st.text(max_size=40))
def test_no_accepted_file_name_has_a_part_that_climbs(name: str) -> None:
    try:
        accepted = domain.checked_file_name(name)
    except domain.Refused:
        return
    assert not accepted.startswith("/")
    assert all(part not in {"", ".", ".."} for part in accepted.split("/"))


def test_a_checksum_does_not_depend_on_the_order_of_keys() -> None:
    one = {"1": {"class_type": "A", "inputs": {"x": 1, "y": 2.5}}}
    other = {"1": {"inputs": {"y": 2.5, "x": 1}, "class_type": "A"}}
    assert domain.checksum_of(one) == domain.checksum_of(other)


def test_a_checksum_is_the_sha256_of_the_canonical_json() -> None:
    """Expected: printf '{"1":{"a":"é"}}' | sha256sum"""
    assert domain.canonical_json({"1": {"a": "é"}}) == '{"1":{"a":"é"}}'.encode()
    assert domain.checksum_of({"1": {"a": "é"}}) == EXPECTED_SHA256


EXPECTED_SHA256 = "546eeb1b266c35eb64500f0547cda500f49ae5c460da71a7a5f1c603ff0ef994"


@pytest.mark.parametrize(
    "value", ["nul \x00", "half \ud800", float("nan"), float("inf"), 2**64, -(2**63) - 1], ids=repr
)
def test_what_cannot_be_stored_or_sent_unchanged_is_refused(value: Any) -> None:
    with pytest.raises(domain.Refused):
        domain.canonical_json({"1": {"inputs": {"x": [value]}}})
    with pytest.raises(domain.Refused):
        domain.canonical_json({"1": {"inputs": {str(value) if isinstance(value, str) else "x": value}}})


def test_a_graph_nested_too_deeply_is_refused_without_exhausting_the_stack() -> None:
    graph: dict[str, Any] = {}
    inner = graph
    for _ in range(100_000):
        inner["x"] = {}
        inner = inner["x"]
    with pytest.raises(domain.Refused, match="nested deeper"):
        domain.canonical_json(graph)


def test_a_graph_too_large_for_an_event_is_refused() -> None:
    with pytest.raises(domain.Refused, match="limit"):
        domain.canonical_json({"1": {"text": "x" * domain.MAX_GRAPH_BYTES}})


def test_the_largest_seed_can_be_stored() -> None:
    assert domain.canonical_json({"seed": 2**64 - 1}) == b'{"seed":18446744073709551615}'


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        (domain.AssetKind.WORKFLOW, {"graph", "bindings"}),
        (domain.AssetKind.LORA, {"file_name", "checksum"}),
        (domain.AssetKind.MODEL, {"file_name", "checksum"}),
    ],
)
def test_each_kind_takes_its_own_content_and_no_other(kind: domain.AssetKind, sent: set[str]) -> None:
    every = {"graph", "bindings", "file_name", "checksum"}
    assert domain.content_problem(kind, sent=frozenset(sent)) is None
    for wrong in (set(), every, sent - {min(sent)}, every - sent, sent | {min(every - sent)}):
        assert domain.content_problem(kind, sent=frozenset(wrong)) is not None


def test_the_active_workflow_is_not_published_again() -> None:
    active = version(kind=domain.AssetKind.WORKFLOW, graph={"1": {}}, bindings={"seed": None})
    same = domain.Content(checksum=active.checksum, graph={"1": {}}, bindings={"seed": None})
    with pytest.raises(domain.Conflict, match="version 1"):
        domain.refuse_repeat(same, active=active)
    domain.refuse_repeat(replace(same, bindings={"seed": {"node": "1", "input": "seed"}}), active=active)
    domain.refuse_repeat(replace(same, checksum="b" * 64), active=active)
    domain.refuse_repeat(same, active=None)


def test_a_taken_file_name_is_refused_with_the_reason_that_fits() -> None:
    holder = version(3)
    same = domain.Content(checksum="a" * 64, file_name="anna-v1.safetensors")
    with pytest.raises(domain.Conflict, match="already published as version 3 of this asset"):
        domain.refuse_taken_file_name(same, holder=holder, asset=asset(1))
    with pytest.raises(domain.Conflict, match="another checksum"):
        domain.refuse_taken_file_name(replace(same, checksum="b" * 64), holder=holder, asset=asset(1))
    with pytest.raises(domain.Conflict, match="of asset 1 "):
        domain.refuse_taken_file_name(same, holder=holder, asset=asset(2))


def test_a_token_is_accepted_until_it_is_revoked_or_over() -> None:
    assert token().accepted_at(NOW)
    assert not token().accepted_at(NOW + timedelta(days=30))
    assert not token(revoked_at=NOW).accepted_at(NOW)


@pytest.mark.parametrize(
    ("known", "serves"),
    [
        (token(), True),
        (None, False),
        (token(revoked_at=NOW), False),
        (token(user_id=domain.UserId(2)), False),
        (token(expires_at=NOW + timedelta(hours=23)), False),
    ],
    ids=["good", "unknown here", "revoked", "somebody else's", "about to expire"],
)
def test_a_bootstrap_file_is_left_alone_only_while_its_token_serves(known: domain.Token | None, serves: bool) -> None:
    assert domain.bootstrap_token_serves(known, owner=user(domain.Role.ADMIN), now=NOW) is serves


def test_tokens_are_managed_by_their_owner_and_by_admins() -> None:
    assert domain.may_manage_tokens_of(user(), actor="ada", actor_is_admin=False)
    assert domain.may_manage_tokens_of(user(), actor="bob", actor_is_admin=True)
    assert not domain.may_manage_tokens_of(user(), actor="bob", actor_is_admin=False)


def test_the_last_admin_stays() -> None:
    with pytest.raises(domain.Conflict):
        domain.refuse_last_admin(user=user(domain.Role.ADMIN), admins=1)
    domain.refuse_last_admin(user=user(domain.Role.ADMIN), admins=2)
    domain.refuse_last_admin(user=user(domain.Role.VIEWER), admins=1)
