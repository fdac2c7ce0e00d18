"""A client for what GitHub keeps elsewhere, at signed addresses: it sends no token."""

import httpx

from graph import name_variables
from graph.errors import ForgeUnavailable


def make_storage_client() -> httpx.AsyncClient:
    """It follows no redirect. Raises ForgeUnavailable where the environment keeps it from it."""
    with name_variables(ForgeUnavailable, httpx.InvalidURL):
        return httpx.AsyncClient(follow_redirects=False)
