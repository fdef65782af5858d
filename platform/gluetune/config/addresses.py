"""Removes passwords from the addresses of servers and databases, so that they can be printed and stored."""

from __future__ import annotations

import re
from urllib.parse import quote_plus, unquote, unquote_plus

_ADDRESS = re.compile(r"^(?P<scheme>[\w+.-]*://)?(?P<rest>.*)$", re.DOTALL)
_SECRET = re.compile(r"pass|pwd|secret|token|api_?key", re.IGNORECASE)
_ODBC_SECRET = re.compile(r"(?:^|(?<=;))\s*(?:pwd|password)\s*=[^;]*(?:;|$)", re.IGNORECASE)
_IN_TEXT = re.compile(r"\b[A-Za-z][\w+.-]*://[^\s'\"]+")
MIN_PASSWORD_LENGTH = 4  # of a password that is removed outside of addresses: "a" is in every other word


def without_password(address: str) -> str:
    """Return an address without its password, as it may be printed and stored.

    Args:
        address: such as ``postgresql://user:password@host/db`` or ``http://host:5000?token=…``.

    Returns:
        The address with the user, but without ``:password`` before the host, and without the parameters of its query
        whose names denote a secret.
    """
    whole = _ADDRESS.match(address)
    assert whole is not None  # the pattern matches every text
    scheme, rest = whole["scheme"] or "", whole["rest"]
    login, separator, place = _split_login(rest)
    return f"{scheme}{login.partition(':')[0]}{separator}{_without_secret_options(place)}"


def password(address: str) -> str | None:
    """Return the password before an address's host, as it is written; ``None`` where there is none."""
    whole = _ADDRESS.match(address)
    assert whole is not None  # the pattern matches every text
    found = _split_login(whole["rest"])[0].partition(":")[2]
    return found or None


def user_name(address: str) -> str:
    """Return the user before an address's host, as it is written; empty where there is none."""
    whole = _ADDRESS.match(address)
    assert whole is not None  # the pattern matches every text
    return _split_login(whole["rest"])[0].partition(":")[0]


def text_without_passwords(text: str, address: str = "") -> str:
    """Remove the passwords of all addresses in a message.

    Args:
        text: the message, such as a library's error.
        address: an address whose password is removed everywhere, also where it is not part of an address.
    """
    if address:
        text = text.replace(address, without_password(address))
    secret, user = password(address), user_name(address)
    if secret and user:  # a library may have cut the password at a "/" that should have been quoted
        text = re.sub(rf"(?<!\w){re.escape(user)}:[^\s'\"@]+", user, text)
    for form in sorted({secret, unquote(secret)}, key=len, reverse=True) if secret else ():
        if len(form) >= MIN_PASSWORD_LENGTH:
            text = text.replace(form, "…")
    return _IN_TEXT.sub(lambda found: without_password(found[0]), text)


def _split_login(rest: str) -> tuple[str, str, str]:
    """Split an address into ``user:password``, ``@`` and the rest; without a login, the first two are empty.

    A password may contain ``/``, ``?``, ``#`` or ``@`` that should have been quoted: everything up to the last ``@`` is
    the login, unless the text after the first ``:`` is a port.
    """
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" not in host and ("@" not in rest or ":" not in host or host.partition(":")[2].isdigit()):
        return "", "", rest
    end = host.rindex("@") if "@" in host else rest.rindex("@")
    return rest[:end], "@", rest[end + 1 :]


def _without_secret_options(place: str) -> str:
    path, question, query = place.partition("?")
    if not question:
        return place
    options, hash_, fragment = query.partition("#")
    kept = [
        _without_odbc_password(option)
        for option in options.split("&")
        if not _SECRET.search(unquote_plus(option.partition("=")[0]))
    ]
    return f"{path}{question if kept else ''}{'&'.join(kept)}{hash_}{fragment}"


def _without_odbc_password(option: str) -> str:
    """Remove the password from the value of an option ``odbc_connect=DRIVER=…;PWD=…`` (SQL Server)."""
    name, equals, value = option.partition("=")
    if not _ODBC_SECRET.search(unquote_plus(value)):
        return option
    return f"{name}{equals}{quote_plus(_ODBC_SECRET.sub('', unquote_plus(value)))}"
