"""A server's refusal in words: what was given, and what to set instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from gluetune.tracking.uris import explain_denied

REFUSED = "it wants a user that it knows, but "


def error(code: str, text: str = "") -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import ErrorCode

    return MlflowException(f"API request failed. Response body: {text!r}", error_code=ErrorCode.Value(code))


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home without credentials, and none in the environment."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    return tmp_path


def test_nothing_was_given() -> None:
    assert explain_denied(error("UNAUTHENTICATED")) == (
        f"{REFUSED}got none: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN where "
        "it takes tokens"
    )


def test_credentials_of_mlflows_own_file_count(home: Path) -> None:
    (home / ".mlflow").mkdir()
    (home / ".mlflow" / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = ann\nmlflow_tracking_password = secret\n"
    )
    said = str(explain_denied(error("UNAUTHENTICATED")))
    assert said.startswith(f"{REFUSED}refuses 'ann' with the password it got: set MLFLOW_TRACKING_USERNAME")
    assert "secret" not in said


def test_a_token_is_reported_only_where_mlflow_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    said = str(explain_denied(error("UNAUTHENTICATED")))
    assert said.startswith(f"{REFUSED}refuses the token in MLFLOW_TRACKING_TOKEN: renew it, or set")
    assert "t0ken" not in said
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    assert str(explain_denied(error("UNAUTHENTICATED"))).startswith(f"{REFUSED}refuses 'ann'")


def test_a_user_who_may_not_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    assert explain_denied(error("PERMISSION_DENIED", "Permission denied")) == (
        "user 'ann' may not write there: its administrator can grant EDIT or MANAGE"
    )


def test_a_name_that_the_server_does_not_answer_to() -> None:
    assert explain_denied(
        error("PERMISSION_DENIED", "Invalid Host header - possible DNS rebinding attack detected")
    ) == ("it answers only under names given to its --allowed-hosts, of which this is none")


def test_other_errors_are_no_refusals() -> None:
    assert explain_denied(error("INTERNAL_ERROR")) is None
    assert explain_denied(ConnectionRefusedError("refused")) is None
