"""What a server's refusal means, and which settings change it."""

from __future__ import annotations

import os

USER, PASSWORD, TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"


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
        return (f"refuses the token in {TOKEN}: renew it, or set {USER} and {PASSWORD} "
                "(MLflow's own basic-auth takes no tokens)")
    return f"got none: set {USER} and {PASSWORD}, or {TOKEN} where it takes tokens"


def _credentials() -> tuple[str | None, str | None]:
    """User and password as MLflow's client finds them, in the environment or in ``~/.mlflow/credentials``."""
    from mlflow.utils.credentials import read_mlflow_creds

    found = read_mlflow_creds()
    return found.username, found.password
