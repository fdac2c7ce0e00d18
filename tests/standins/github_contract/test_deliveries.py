"""Deliveries of webhooks as GitHub describes them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.github_contract.contract import CONTRACT
from tests.standins.github_contract.deliveries import delivered

EXAMPLES = Path(__file__).parents[2] / "forge" / "triggers" / "payloads"
PUSHED = {"ref": "refs/heads/main", "repository": {"full_name": "octo/sample"}}


@pytest.fixture(autouse=True)
def forgiven() -> Iterator[None]:
    """What these tests break by purpose is none of another test's."""
    yield
    CONTRACT.take_breaches()


def test_a_delivery_has_all_that_githubs_have() -> None:
    told = json.loads(delivered("push", PUSHED))
    assert CONTRACT.take_breaches() == []
    assert (told["ref"], told["repository"]["full_name"]) == ("refs/heads/main", "octo/sample")
    assert {"before", "after", "pusher", "commits"} <= told.keys()


@pytest.mark.parametrize(
    ("event", "payload", "said"),
    [
        ("push", {**PUSHED, "branch": "main"}, "branch is no field"),
        ("push", {**PUSHED, "ref": 7}, "ref: 7"),
        ("milestone", {"action": "closed"}, '"HOOK milestone-closed"'),
    ],
)
def test_a_wrong_delivery_is_told(event: str, payload: dict[str, object], said: str) -> None:
    delivered(event, payload)
    assert any(said in breach for breach in CONTRACT.take_breaches())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_published_examples_fit(path: Path) -> None:
    """They are older than the description, and hold fields that it no longer names."""
    delivered(path.stem.partition(".")[0], json.loads(path.read_text()))
    assert [each for each in CONTRACT.take_breaches() if "is no field" not in each] == []
