"""What a server's refusal means, and which settings change it."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

from gluetune.tracking.uris import without_login

USER, PASSWORD, TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"


def log_in(uri: str) -> str:
    """A server's address without user and password, which MLflow's client takes from its environment variables.

    What MLflow prints and stores of the address then holds no password.
    """
    parts = urlsplit(uri)
    if parts.username:
        os.environ[USER] = unquote(parts.username)
    if parts.password:
        os.environ[PASSWORD] = unquote(parts.password)
    return without_login(uri)


def refusal(error: BaseException) -> str | None:
    """What a server refused and what to change, in words; ``None`` where an error is no refusal."""
    code = getattr(error, "error_code", None)
    if code == "UNAUTHENTICATED":
        return f"it wants a user that it knows, but {_given()}"
    if code != "PERMISSION_DENIED":
        return None
    if "Invalid Host header" in str(error):
        return "it answers only under names given to its --allowed-hosts, of which this is none"
    user, _ = _credentials()
    return f"user {user!r} may not write there: its administrator can grant EDIT or MANAGE"


def _given() -> str:
    """What this process shows a server. MLflow shows no token where it has user and password."""
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
    """User and password as MLflow's client finds them, in the environment or in ``~/.mlflow/credentials``."""
    from mlflow.utils.credentials import read_mlflow_creds

    found = read_mlflow_creds()
    return found.username, found.password
