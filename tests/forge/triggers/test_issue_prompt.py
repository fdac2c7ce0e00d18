"""The request that an issue makes: what is asked for comes whole, however long the issue is."""

from forge.core.conversations import Comment
from forge.triggers.act import Act
from forge.triggers.issue_prompt import write_prompt

WEB = "https://github.com"
WORDS = frozenset(("/coding-agent",))


def act(text: str, issue: str) -> Act:
    return Act(
        key="k",
        kind="comment",
        repo="octo/sample",
        number=1,
        is_pull=False,
        by="ada",
        at=9,
        place="comment",
        place_number=5,
        text=text,
        issue_title="Greet",
        issue_text=issue,
        issue_author="ada",
    )


async def may_write(_: str) -> bool:
    return True


async def test_what_is_asked_for_comes_whole_below_a_long_issue() -> None:
    said = [Comment(number, "ben", "y" * 30_000, 1, 1) for number in range(3)]
    asked = act("/coding-agent rename it", "x" * 30_000)
    prompt = await write_prompt(asked, said, may_write, WORDS, WEB)
    assert prompt.text.startswith("Greet\n\nxxx")
    assert prompt.text.endswith("\n\n---\n\nrename it")
    assert len(prompt.text) == 40_000


async def test_a_request_as_long_as_may_be_stands_alone() -> None:
    prompt = await write_prompt(
        act("/coding-agent " + "z" * 50_000, "x"), [], may_write, WORDS, WEB
    )
    assert prompt.text == "z" * 40_000
