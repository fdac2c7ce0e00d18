"""What `coding-agent run` is asked on a pull request, before anything is started."""

from typing import Any

import pytest
import typer

from api.cli.run_arguments import run_order

URL = "https://github.com/octocat/todo"
PULL = f"{URL}/pull/7"


def order(**asked: Any) -> dict[str, Any]:
    return dict(run_order("Fix it", ".", asked, output=None, here=False).request)


def test_a_pull_request_and_a_run_to_follow_name_the_repository() -> None:
    assert order(pull_request_url=PULL) == {
        "repo_url": URL,
        "pull_request_url": PULL,
        "prompt": "Fix it",
    }
    assert order(parent_run_id="run", review_only=True) == {
        "parent_run_id": "run",
        "review_only": True,
        "prompt": "Fix it",
    }


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"pull_request_url": URL}, "is not the address of a pull request"),
        ({"pull_request_url": PULL, "parent_run_id": "run"}, "goes without --pr"),
        ({"review_only": True}, "takes a pull request"),
    ],
)
def test_what_does_not_fit_together_is_told(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(typer.BadParameter, match=said):
        order(**asked)
