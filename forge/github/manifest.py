"""A GitHub App that is made by its manifest: one click of a person, and one call."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from forge.github.connection import PERMISSIONS, Connection
from graph.errors import ForgeRejected

if TYPE_CHECKING:
    from forge.github.connection import Api

_PERMISSIONS: Final = {name: PERMISSIONS[name] for name in PERMISSIONS if name != "workflows"}
"""A new App may not change workflow files; its owner gives it that right, where runs may do so."""
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")


def app_manifest(
    name: str, *, home: str, redirect_url: str, webhook_url: str | None, events: Sequence[str]
) -> dict[str, Any]:
    """What an App of ours is. `events` are delivered to `webhook_url`; without it nothing is."""
    manifest: dict[str, Any] = {
        "name": name,
        "url": home,
        "redirect_url": redirect_url,
        "public": False,
        "default_permissions": dict(_PERMISSIONS),
    }
    if webhook_url:
        manifest |= {
            "hook_attributes": {"url": webhook_url, "active": True},
            "default_events": list(events),
        }
    return manifest


@dataclass(frozen=True)
class CreatedApp:
    """An App, as GitHub hands it out once."""

    app_id: str
    slug: str
    address: str
    """Its page, where it is installed."""
    key: SecretStr
    webhook_secret: SecretStr | None


class ManifestConversion(Connection):
    """Calls without an account: the code is all that is needed."""

    async def convert(self, code: str) -> CreatedApp:
        """The App that a code stands for, once and within an hour. Raises ForgeError."""

        def post(github: "Api") -> Any:
            path = f"/app-manifests/{code}/conversions"
            return github.requester.requestJsonAndCheck("POST", path)[1]

        made = await self._write("the new App", post, repo="")
        secret, slug = made.get("webhook_secret"), str(made["slug"])
        if not _SLUG.fullmatch(slug):
            raise ForgeRejected(
                f"GitHub names the new App {slug[:100]!a}, which is no name of one."
            )
        return CreatedApp(
            app_id=str(int(made["id"])),
            slug=slug,
            address=str(made["html_url"]),
            key=SecretStr(str(made["pem"])),
            webhook_secret=SecretStr(str(secret)) if secret else None,
        )
