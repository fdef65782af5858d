"""Credentials for an MLflow server, and explanations of its refusals."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

from gluetune.tracking.uris import without_login

USER, PASSWORD, TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"


def log_in(uri: str) -> str:
    """Moves user and password of a server's address to the environment variables that MLflow's client reads.

    The address that MLflow prints and stores then holds no password.

    Args:
        uri: the server's address, with or without ``user:password@``.

    Returns:
        The address without user and password.
    """
    parts = urlsplit(uri)
    if parts.username:
        os.environ[USER] = unquote(parts.username)
    if parts.password:
        os.environ[PASSWORD] = unquote(parts.password)
    return without_login(uri)


def explain_denied(error: BaseException) -> str | None:
    """Explains what a server refused and what to change; ``None`` if the error is no refusal."""
    code = getattr(error, "error_code", None)
    if code == "UNAUTHENTICATED":
        return f"it wants a user that it knows, but {_credentials_seen()}"
    if code != "PERMISSION_DENIED":
        return None
    if "Invalid Host header" in str(error):
        return "it answers only under names given to its --allowed-hosts, of which this is none"
    user, _ = _credentials()
    return f"user {user!r} may not write there: its administrator can grant EDIT or MANAGE"


def _credentials_seen() -> str:
    """Describes the credentials that this process sends. MLflow sends no token if it has user and password."""
    user, password = _credentials()
    if user and password:
        return f"refuses {user!r} with the password it got: set {USER} and {PASSWORD}"
    if os.environ.get(TOKEN):
        return (
            f"refuses the token in {TOKEN}: renew it, or set {USER} and {PASSWORD} "
            "(MLflow's own basic-auth takes no tokens)"
        )
    return f"got none: set {USER} and {PASSWORD}, or {TOKEN} where it takes tokens"


def _credentials() -> tuple[str | None, str | None]:
    """User and password that MLflow's client uses, from the environment or ``~/.mlflow/credentials``."""
    from mlflow.utils.credentials import read_mlflow_creds

    found = read_mlflow_creds()
    return found.username, found.password
