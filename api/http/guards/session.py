"""A browser's session: a cookie that is signed with what is kept of a key, and kept nowhere."""

import hashlib
import hmac
import re
from typing import Final

from starlette.datastructures import Headers

from api.http.guards.host_names import is_loopback_host

SESSION_S: Final = 12 * 3600
SESSION_COOKIE: Final = "coding-agent-session"
SECURE_COOKIE: Final = f"__Host-{SESSION_COOKIE}"
"""Off this machine: sent over HTTPS alone, and set by this host alone."""
_TOKEN: Final = re.compile(r"([0-9]{1,11})\.([0-9a-f]{64})")
_PURPOSE: Final = b"coding-agent session until "


def make_token(digest: bytes, now: float) -> str:
    """A token that holds until its time is over or the key of this digest is gone."""
    until = str(int(now) + SESSION_S)
    return f"{until}.{_sign(digest, until)}"


def is_signed_with(digest: bytes, token: str, now: float) -> bool:
    """Whether a token was made with this key's digest and holds at this time."""
    found = _TOKEN.fullmatch(token)
    if not found:
        return False
    until, signature = found.groups()
    right = hmac.compare_digest(signature, _sign(digest, until))
    return right and now < int(until) <= now + SESSION_S


def session_end(token: str) -> float:
    """When a valid token's time is over, in Unix seconds."""
    return float(token.partition(".")[0])


def _sign(digest: bytes, until: str) -> str:
    return hmac.new(digest, _PURPOSE + until.encode(), hashlib.sha256).hexdigest()


def cookie_name(headers: Headers) -> str:
    """The cookie's name at the host that is asked for."""
    return SESSION_COOKIE if is_loopback_host(headers.get("host", "")) else SECURE_COOKIE


def token_of(headers: Headers) -> str | None:
    """The token that a request's cookie holds.

    Read here: Python's own reader takes quadratic time, and anybody may send a cookie.
    """
    begin = f"{cookie_name(headers)}="
    cookies = map(str.strip, headers.get("cookie", "").split(";"))
    return next((each.removeprefix(begin) for each in cookies if each.startswith(begin)), None)


def set_cookie(headers: Headers, token: str) -> str:
    """The `Set-Cookie` that gives a browser this token; an empty one takes it back."""
    name = cookie_name(headers)
    secure = "; Secure" if name == SECURE_COOKIE else ""
    age = SESSION_S if token else 0
    return f"{name}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"
