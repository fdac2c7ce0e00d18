"""The proxies that this process's environment names, as the libraries for HTTP read them."""

from urllib.request import getproxies

_SCHEMES = ("all", "http", "https")


def name_proxy_variables() -> str:
    """The variables that name one, as HTTPS_PROXY; empty where none does."""
    proxies = getproxies()
    return ", ".join(f"{scheme.upper()}_PROXY" for scheme in _SCHEMES if scheme in proxies)


def find_proxy(scheme: str) -> tuple[str, str]:
    """The proxy for addresses of a scheme, empty for none, and the hosts that need none."""
    proxies = getproxies()
    return proxies.get(scheme) or proxies.get("all", ""), proxies.get("no", "")
