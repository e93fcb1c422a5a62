"""How a report reads."""

from typing import Any

import pytest

from services.studio.domain.reading import rollback_view, run_line, run_view
from services.studio.domain.report import number_text, plain
from services.studio.web.pages import Pages
from tests.support.studio import (
    IDENTITY_DEGRADED,
    degraded_report,
    metric,
    reference,
    report,
    run,
    segment,
)

A, B = "a" * 64, "b" * 64


def test_the_worst_reference_comes_first_and_opens_at_its_deciding_segment() -> None:
    same = reference([segment(1, baseline=A, new=B, metrics=[metric("sharpness")])], verdict="same", worst=None)
    bad = degraded_report(baseline=A, new=B)["references"][0]
    view = run_view(report([same, bad]))
    assert [one.verdict for one in view.references] == ["degraded", "same"]
    assert view.references[0].opens_at == 2
    assert view.references[1].opens_at == 1


def test_the_marked_frame_is_the_one_of_the_worst_degraded_metric() -> None:
    worse = metric("flicker", verdict="degraded", severity=9.0, worst_frame=3)
    gain = metric("sharpness", verdict="improved", severity=20.0, worst_frame=8)
    view = run_view(report([reference([segment(2, baseline=A, new=B, metrics=[gain, IDENTITY_DEGRADED, worse])])]))
    (only,) = view.references[0].segments
    assert only.worst is not None
    assert only.worst.metric == "flicker"
    assert [row.change for row in only.metrics] == ["degraded", "degraded", "improved"]
    played = view.references[0].player["segments"][0]
    assert played["worst"]["frame"] == 3
    assert sorted(mark["frame"] for mark in played["marks"]) == [3, 17]


def test_nothing_is_marked_where_nothing_moved() -> None:
    still = metric("flicker", severity=0.0, worst_frame=4)
    view = run_view(report([reference([segment(1, baseline=A, new=B, metrics=[still])], worst=None)]))
    assert view.references[0].segments[0].worst is None


@pytest.mark.parametrize(
    ("direction", "delta", "better"),
    [
        ("higher", 0.05, 1.0),
        ("lower", 0.05, -1.0),
        ("lower", -0.1, 2.0),
        ("two_sided", 0.05, -1.0),
        ("higher", 9.0, 3.0),
    ],
)
def test_the_chart_points_right_for_better_whatever_the_direction(direction: str, delta: float, better: float) -> None:
    row = metric("sharpness", direction=direction, delta=delta, limit=0.05)
    view = run_view(report([reference([segment(1, baseline=A, new=B, metrics=[row])])]))
    assert view.references[0].segments[0].metrics[0].better == pytest.approx(better)


def test_a_metric_without_a_limit_has_no_chart() -> None:
    row = metric("matches_request", limit=0.0, delta=0.0)
    view = run_view(report([reference([segment(1, baseline=A, new=B, metrics=[row])])]))
    assert view.references[0].segments[0].metrics[0].better is None


@pytest.mark.parametrize(
    ("state", "following", "tone"),
    [
        ("requested", True, "calm"),
        ("done", True, "calm"),
        ("proven", False, "good"),
        ("not_proven", False, "error"),
        ("rejected", False, ""),
    ],
)
def test_a_rollback_is_followed_until_its_proof_is_in(state: str, following: bool, tone: str) -> None:
    view = rollback_view(run(rollback={"state": state, "reason": "version 3 is active", "proof_run_id": 6}))
    assert (view.following, view.tone) == (following, tone)
    assert view.ended is not following


def test_a_running_run_has_no_outcome_yet() -> None:
    line = run_line(run(status="running", outcome=None))
    assert line.outcome == "running"
    assert run_view(report([], status="pending", outcome=None)).running


def test_a_run_without_an_asset_has_a_headline_too() -> None:
    view = run_view(report([], asset=None, trigger_type="manual", outcome="passed"))
    assert view.headline == "The reference scenes passed"


def test_deleted_references_and_a_weightless_identity_are_said() -> None:
    gone = [{"reference_id": 4, "name": "Ada", "reason": "the character was deleted"}]
    notices = run_view(report([], gone=gone)).notices
    assert "recognises nobody" in notices[0]
    assert "Ada" in notices[1]


def test_sentences_name_metrics_as_people_do() -> None:
    assert plain("degraded: identity_similarity of segment 2 fell") == "Identity of segment 2 fell"
    assert plain(None) == ""


def test_numbers_keep_four_digits_and_a_real_minus() -> None:
    assert number_text(0.123456) == "0.1235"
    assert number_text(-0.5, signed=True) == "−0.5"
    assert number_text(None) == "–"


def test_names_from_outside_cannot_become_markup() -> None:
    evil = "</script><img src=x onerror=alert(1)>'\""
    answer = degraded_report(baseline=A, new=B)
    answer["references"][0]["name"] = evil
    answer["references"][0]["segments"][2]["failure"]["message"] = evil
    answer["run"]["asset"]["name"] = evil
    page = bytes(Pages().report(run_view(answer), actor=evil, role="admin").body).decode()
    assert "<img" not in page
    assert page.count("</script>") == 1


def test_the_policy_lets_in_this_answers_nonce_and_nothing_from_elsewhere() -> None:
    first, second = (Pages().sign_in(next_path="/", error=None) for _ in range(2))
    policy = first.headers["content-security-policy"]
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert f'<style nonce="{nonce}"' in bytes(first.body).decode()
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert nonce not in second.headers["content-security-policy"]


def test_a_viewer_sees_the_buttons_but_cannot_press_them() -> None:
    view = run_view(degraded_report(baseline=A, new=B))
    page: dict[str, Any] = {
        role: bytes(Pages().report(view, actor="x", role=role).body).decode() for role in ("viewer", "creator")
    }
    assert 'data-opens="rollback-dialog" disabled' in page["viewer"]
    assert 'data-opens="rollback-dialog" >' in page["creator"]
