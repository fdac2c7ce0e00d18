"""What `doctor` tries of a service that is deployed elsewhere."""

from typing import Final

import httpx

from wiring.doctor.machine_checks import Finding

_TIMEOUT_S: Final = 60.0
_DEPLOY: Final = "modal deploy deploy.py"


def not_deployed(why: str) -> Finding:
    return Finding("deployment", held=False, detail=why, fix=_DEPLOY)


async def check_service(url: str) -> list[Finding]:
    """That the service at `url` answers, and that somebody may come in."""
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
    return [*findings, Finding("store", held=works, detail=detail, fix="See status.modal.com.")]
