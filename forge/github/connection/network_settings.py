"""What of this machine's own settings keeps a request to GitHub from being sent."""

from graph import UNTRUSTED_HINT, find_certificates, is_untrusted, name_proxy_variables
from graph.errors import ForgeUnavailable


def explain_unsent(what: str, error: Exception) -> ForgeUnavailable | None:
    """An error that names the variable, where one is to blame; the error's own text may hold the
    token."""
    from requests.exceptions import InvalidProxyURL, InvalidSchema, InvalidURL, ProxyError, SSLError

    if type(error) is OSError:
        return ForgeUnavailable(
            f"The certificates that {find_certificates()[0]} names cannot be read, so GitHub cannot"
            f" be asked for {what}.",
            "Set the variable to a file of certificates, or unset it.",
        )
    if isinstance(error, SSLError) and is_untrusted(str(error)):
        return ForgeUnavailable(
            f"GitHub's certificate is not trusted here, so it cannot be asked for {what}.",
            UNTRUSTED_HINT,
        )
    names = name_proxy_variables()
    of_proxies = (InvalidProxyURL, InvalidSchema, InvalidURL, ProxyError)
    if not names or not isinstance(error, of_proxies):
        return None
    return ForgeUnavailable(
        f"The proxy that the environment names ({names}) cannot be used to ask GitHub for {what}"
        f" ({type(error).__name__}).",
        f"Set {names} to an http:// or https:// proxy that answers, or unset it.",
    )
