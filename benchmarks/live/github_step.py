"""GitHub itself: one small run on a scratch repository, whose pull request is closed again."""

import json
from typing import Any, Final

import httpx
from pydantic import SecretStr

from benchmarks.live.trial import Account, Trial

RUN_USD: Final = 1.0
REQUEST: Final = "Add a file live-trial.md with one line: Tried. Change nothing else."


async def try_run(
    account: Account, repository: str, api_url: str, token: SecretStr, trial: Trial
) -> None:
    """Let one run open a draft, compare it with what the stand-in's looks like, and close it."""
    words = ("run", REQUEST, "--repo", repository, "--draft", "--max-cost", str(RUN_USD), "--json")
    code, out, errors = await account.command(*words)
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    end: dict[str, Any] = events[-1] if events else {}
    trial.cost_usd += end.get("costUsd") or 0.0
    made = next((event for event in events if event["type"] == "pr.created"), None)
    trial.expect(
        "a run opens a pull request",
        held=made is not None,
        seen=f"exit {code}: {end.get('error') or errors[-300:]}",
    )
    if made is None:
        return
    headers = {
        "Authorization": f"Bearer {token.get_secret_value()}",
        "Accept": "application/vnd.github+json",
    }
    number = made["number"]
    address = f"{api_url}/repos/{repository}/pulls/{number}"
    async with httpx.AsyncClient(headers=headers, timeout=30.0) as http:
        pull = (await http.get(address)).json()
        expected = {"head": made["branch"], "draft": True, "state": "open"}
        seen = {"head": pull["head"]["ref"], "draft": pull["draft"], "state": pull["state"]}
        trial.expect("it is the draft that the events tell of", held=seen == expected, seen=seen)
        comments = (await http.get(f"{api_url}/repos/{repository}/issues/{number}/comments")).json()
        receipts = [each["body"] for each in comments if events[0]["runId"] in each["body"]]
        trial.expect("one comment is the run's receipt", held=len(receipts) == 1, seen=comments)
        closed = await http.patch(address, json={"state": "closed"})
        seen_state = closed.json().get("state")
        trial.expect("it can be closed again", held=seen_state == "closed", seen=seen_state)
