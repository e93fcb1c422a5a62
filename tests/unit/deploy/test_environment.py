"""Neither the tests nor the local stack take over what somebody has set for something else."""

import os
from pathlib import Path

import pytest

from deploy.local import postgres
from tests.support.environment import keep_what_tests_may_see


def test_what_tests_see_is_what_the_machine_needs_and_what_is_said_to_them() -> None:
    told = {"PATH": "/bin", "RUSHES_TEST_KAFKA": "here:1", "PYTHONPATH": "/code"}
    foreign = {
        "FORCE_COLOR": "1",
        "COLUMNS": "40",
        "http_proxy": "http://proxy:3128",
        "RUSHES_URL": "there",
        "LC_ALL": "C",
    }
    environment = told | foreign
    keep_what_tests_may_see(environment)
    assert environment == told


def test_this_run_sees_nothing_of_the_shell_that_started_it() -> None:
    assert os.environ.keys().isdisjoint({"PWD", "SHLVL", "TERM", "MAKELEVEL"})


def test_servers_and_clients_of_the_local_database_are_told_the_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_create_cluster", lambda *_: None)
    assert "port=5432" in postgres.prepare(home=tmp_path, log_file=tmp_path / "log").command
    assert postgres.dsn(tmp_path).endswith("&port=5432")
