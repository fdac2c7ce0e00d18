"""Deliveries of webhooks, filled up and held against GitHub's description as answers are."""

import json
from collections.abc import Mapping
from typing import Any

from tests.standins.github_contract.contract import CONTRACT, how_to_add, judge
from tests.standins.github_contract.operations import HOOK, HOOKS, github_operations
from tests.standins.github_contract.schemas import complete


def delivered(event: str, payload: Mapping[str, Any]) -> bytes:
    """The body of a delivery, with all that the description demands of this event and action."""
    action = payload.get("action")
    name = f"{event}-{action}".replace("_", "-") if action else event
    described = github_operations().description[HOOKS].get(name)
    if described is None:
        CONTRACT.break_by(how_to_add(f"{HOOK} {name}"))
        return json.dumps(payload).encode()
    schema = described["post"]["requestBody"]["content"]["application/json"]["schema"]
    value = complete(dict(payload), schema)
    for wrong in judge(value, schema, f"{HOOK} {name}"):
        CONTRACT.break_by(f"{name} is delivered wrongly. {wrong}")
    return json.dumps(value).encode()
