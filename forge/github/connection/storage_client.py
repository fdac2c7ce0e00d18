"""A client for what GitHub keeps elsewhere, at signed addresses: it sends no token."""

import httpx

from graph import explain_unusable
from graph.errors import ForgeUnavailable


def make_storage_client() -> httpx.AsyncClient:
    """It follows no redirect. Raises ForgeUnavailable where the environment keeps it from it."""
    try:
        return httpx.AsyncClient(follow_redirects=False)
    except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
        raise ForgeUnavailable(*explain_unusable(error)) from error
