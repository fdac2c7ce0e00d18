"""The proxies and certificates that this process's environment names, as libraries read them."""

import os
from operator import itemgetter
from typing import Final
from urllib.request import getproxies

_SCHEMES = ("all", "http", "https")
_CERTIFICATES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_UNTRUSTED: Final = (
    *("CERTIFICATE_VERIFY_FAILED", "SSL certificate problem"),
    "server certificate verification failed",
)
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


def find_proxy(scheme: str) -> tuple[str, str]:
    """The proxy for addresses of a scheme, empty for none, and the hosts that need none."""
    proxies = getproxies()
    return proxies.get(scheme) or proxies.get("all", ""), proxies.get("no", "")
