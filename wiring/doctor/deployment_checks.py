"""What `doctor` tries of a service that is deployed elsewhere."""

from typing import Final

import httpx
import modal

from graph.errors import StoreError
from runs.shared import modal_call
from wiring.configuration import Configuration
from wiring.doctor.machine_checks import Finding, credential, try_sandbox
from wiring.settings import APP_NAME, Settings

_TIMEOUT_S: Final = 60.0
_DEPLOY: Final = "modal deploy deploy.py"
_PLATFORM: Final = "See status.modal.com."
_DATABASE: Final = (
    "Let Modal's machines reach the database of CODING_AGENT_DATABASE_URL, and deploy with it."
)


async def check_deployment(settings: Settings) -> list[Finding]:
    """Try what is deployed: that it answers, its credentials, and whether its Sandboxes hold."""
    web, claude, github = (
        modal.Function.from_name(APP_NAME, name) for name in ("api", "try_claude", "try_github")
    )
    try:
        async with modal_call():
            await web.hydrate.aio()
    except StoreError as error:
        return [Finding("deployment", held=False, detail=error.message, fix=_DEPLOY)]
    options = Configuration(settings, "").backend_options(APP_NAME)
    store_fix = _DATABASE if settings.database_url else _PLATFORM
    return [
        *await check_service(await web.get_web_url.aio() or "", store_fix),
        await credential("Claude", "ANTHROPIC_API_KEY in anthropic-api-key", claude.remote.aio),
        await credential(
            "GitHub", "GITHUB_TOKEN or the App's number and key in github-token", github.remote.aio
        ),
        *await try_sandbox("modal", options),
    ]


async def check_service(url: str, store_fix: str) -> list[Finding]:
    """That the service at `url` answers, that somebody may come in, and that runs can be kept."""
    try:
        async with httpx.AsyncClient(base_url=url, timeout=_TIMEOUT_S, trust_env=False) as http:
            health = await http.get("/health")
            ready = await http.get("/ready")
    except httpx.HTTPError as error:
        detail = f"{url} does not answer: {type(error).__name__}"
        return [Finding("deployment", held=False, detail=detail, fix=_DEPLOY)]
    alive = health.status_code == 200
    version = health.json().get("version", "") if alive else health.status_code
    findings = [Finding("deployment", held=alive, detail=f"{url}, {version}", fix=_DEPLOY)]
    if ready.status_code == 401:
        fix = ready.json().get("hint", "")
        return [*findings, Finding("keys", held=False, detail="nobody is let in yet", fix=fix)]
    findings.append(Finding("keys", held=True, detail="keys and repositories are set"))
    works = ready.status_code == 200
    detail = "runs can be started" if works else str(ready.json().get("code"))
    return [*findings, Finding("store", held=works, detail=detail, fix=store_fix)]
