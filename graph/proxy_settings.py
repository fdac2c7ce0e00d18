"""The proxies and certificates that this process's environment names, as libraries read them."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from typing import Final
from urllib.request import getproxies

_SCHEMES = ("all", "http", "https")
_CERTIFICATES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_UNTRUSTED: Final = (
    *("CERTIFICATE_VERIFY_FAILED", "SSL certificate problem"),
    "server certificate verification failed",
)
_TLS_FILES: Final = ("SSL_CERT_FILE", "SSLKEYLOGFILE")
_LONGEST: Final = 500
UNTRUSTED_HINT: Final = (
    "Behind a proxy that opens TLS, set SSL_CERT_FILE to a file of certificates that holds its"
    " authority."
)


def find_certificates() -> tuple[str, str]:
    """The variable that names a file of trusted certificates, and the file; empty where none."""
    named = ((name, os.environ.get(name, "")) for name in _CERTIFICATES)
    return next(filter(itemgetter(1), named), ("", ""))


def is_untrusted(said: str) -> bool:
    """Whether an error is that the other side's certificate is not trusted here."""
    return any(sign in said for sign in _UNTRUSTED)


def name_proxy_variables() -> str:
    """The variables that name one, as HTTPS_PROXY; empty where none does."""
    proxies = getproxies()
    return ", ".join(f"{scheme.upper()}_PROXY" for scheme in _SCHEMES if scheme in proxies)


@contextmanager
def name_variables(
    make_error: Callable[[str, str], Exception], invalid_url: type[Exception]
) -> Iterator[None]:
    """What keeps a client from being made is in the environment: said so, with the variable.

    `make_error` takes what is wrong and what to do about it. `invalid_url` is what the client's
    library raises for an address that is none.
    """
    try:
        yield
    except (ImportError, OSError, ValueError, invalid_url) as error:
        raise make_error(*_explain(error)) from error


def _explain(error: Exception) -> tuple[str, str]:
    """What of the environment it is, and what to do about it.

    The text of what the client's library raised may hold the password of a proxy.
    """
    if isinstance(error, OSError):
        names = ", ".join(filter(os.environ.get, _TLS_FILES)) or _TLS_FILES[0]
        text = f"What {names} names cannot be used: {error}"
        return text, f"Set {names} to a file that can be used, or unset it."
    names, hint = name_proxy_variables(), "Set {} to an http:// or https:// proxy, or unset it."
    why: object = error
    if not isinstance(error, ImportError):
        why = type(error).__name__
        if "no" in getproxies():
            names, hint = f"{names}, NO_PROXY".lstrip(", "), "Correct {}, or unset it."
    text = f"The proxy that the environment names ({names}) cannot be used: {why}"
    return text[:_LONGEST], hint.format(names)


def find_proxy(scheme: str) -> tuple[str, str]:
    """The proxy for addresses of a scheme, empty for none, and the hosts that need none."""
    proxies = getproxies()
    return proxies.get(scheme) or proxies.get("all", ""), proxies.get("no", "")
