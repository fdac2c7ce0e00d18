"""A repository's own template of a pull request."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge.git.command import Git
from forge.text.template import fill, read_template
from tests.support.trusted_side import TrustedSide, git, write_file

BRANCH = "agent/add-a-file-0123abcd"
TEMPLATE = """\
<!-- Thanks! Tell @maintainers what you did. -->
Please read the guide.

## Description
<!-- What? -->
Put it here.

## How was this tested?

## Checklist

- [ ] I have read the guide, see #12
"""


def test_what_is_known_goes_below_the_heading_that_asks_for_it() -> None:
    text, placed = fill(TEMPLATE, {"summary": "It greets.", "validation": "- passed"})
    assert placed == {"summary", "validation"}
    assert text.replace("\u200b", "") == (
        "Please read the guide.\n\n## Description\n\nIt greets.\n\n"
        "## How was this tested?\n\n- passed\n\n"
        "## Checklist\n\n- [ ] I have read the guide, see #12"
    )
    assert "#12" not in text


def test_a_topic_is_told_once_and_only_where_it_is_known() -> None:
    text, placed = fill("# What\n# Why\nbecause\n# Tests\nnone", {"summary": "S", "validation": ""})
    assert placed == {"summary"}
    assert text == "# What\n\nS\n\n# Why\n\nbecause\n\n# Tests\n\nnone"


def test_no_template_leaves_all_as_it_is() -> None:
    assert fill("", {"summary": "S", "validation": "V"}) == ("", frozenset())
    assert fill("<!-- never closed", {"summary": "S"}) == ("", frozenset())


@given(st.text(max_size=400))
def test_whatever_it_holds_has_no_effect(text: str) -> None:
    filled, _ = fill(f"{text}\n# @team ![x](y) <img>\n@team #1 {text}", {"summary": "S"})
    for effect in ("@team", "![x]", "<img", "#1"):
        assert effect not in filled


@pytest.mark.parametrize(
    "place",
    [
        ".github/pull_request_template.md",
        "PULL_REQUEST_TEMPLATE.md",
        "docs/pull_request_template.md",
    ],
)
async def test_the_bases_template_shapes_the_pull_request(side: TrustedSide, place: str) -> None:
    path = side.source / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(TEMPLATE)
    git(side.source, "add", "-A")
    git(side.source, "commit", "-qm", "with a template")
    hosted = await side.forge.add_repository("octo/with", side.source)
    base = await side.prepare(f"{side.forge.address}/octo/with")

    def edit(work: Path) -> None:
        write_file(work)
        (work / place).write_text("# Mine\n")

    change = await side.change(base, edit)
    publication = side.publication(base, change, draft=True, remaining=("A test is missing.",))
    await side.publisher.publish(publication, side.events.append)
    body = hosted.pulls[1].body
    assert body.startswith("**What is left**\n- A test is missing.\n\nPlease read the guide.")
    assert (
        "## Description\n\nIt was asked for.\n\n## How was this tested?\n\n- Not validated.\n"
        in body
    )
    assert body.count("It was asked for.") == 1
    assert body.index("## Checklist") < body.index("Made by a coding agent")
    assert "Mine" not in body


async def test_a_huge_template_or_a_folder_is_no_template(side: TrustedSide) -> None:
    (side.source / "PULL_REQUEST_TEMPLATE.md").mkdir()
    (side.source / "PULL_REQUEST_TEMPLATE.md" / "a.md").write_text("# A\n")
    (side.source / "pull_request_template.md").write_text("x" * 20_000)
    git(side.source, "add", "-A")
    git(side.source, "commit", "-qm", "with templates")
    await side.forge.add_repository("octo/with", side.source)
    base = await side.prepare(f"{side.forge.address}/octo/with")
    plain = Git(side.github.access)
    places = side.github.templates
    assert await read_template(plain, side.run().base_git, base.tree, places) == ""
