"""A receipt is held against its commands, run again on head and base, without log and model."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from langchain_core.runnables import RunnableConfig

from api.cli.verification.verify_command import verify_pull
from forge.receipt import MARK, PURPOSE, Receipt, read_page, write_receipt
from forge.signing import SigningKey
from graph.publication import PullRequest
from local import open_graph
from tests.standins.github_server.repository import HostedComment
from tests.support.pull_requests import commit_in
from tests.support.sandbox.local_tree import missing
from tests.support.signing_keys import make_ssh_key
from tests.support.whole_runs.claude_script import done, shell, small_change
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.world import World
from wiring import Machine
from wiring.verification import Verification, verify_receipt

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


@dataclass(frozen=True)
class Published:
    """A run's pull request and its receipt, as it was shown."""

    world: World
    repo: Hosted
    url: str
    comment: HostedComment
    receipt: Receipt
    page: str
    public_key: str

    async def verify(self, key: Path | None = None, *, own: bool = True) -> Verification:
        """With the operator's own key unless it is not `own`."""
        settings = self.world.settings
        if not own:
            settings = settings.model_copy(update={"signing_key_file": None})
        async with Machine(settings) as machine:
            return await verify_receipt(machine, self.url, lambda _: None, key)

    async def show(self, **changes: object) -> None:
        """Show another receipt in place of the run's, rightly signed."""
        receipt = self.receipt.model_copy(update=changes)
        key = SigningKey(self.world.settings.signing_key_file)
        signature = await key.sign(receipt.canonical, PURPOSE)
        self.comment.body = write_receipt(receipt, "", signature).folded


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def published() -> AsyncIterator[Published]:
    if reason := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    async with World.open() as world:
        key = make_ssh_key(world.folder / "keys").file
        world.settings = world.settings.model_copy(update={"signing_key_file": key})
        repo = await world.host()
        world.cast.learn("Greet to be verified.", small_change())
        config: RunnableConfig = {"configurable": {"thread_id": "verified-1"}}
        async with open_graph(world.settings) as graph:
            asked = {"repo_url": repo.url, "prompt": "Greet to be verified."}
            state = await graph.ainvoke(asked, config)
        pull: PullRequest = state["pull_request"]
        (comment,) = repo.repository.comments.values()
        read = read_page(comment.body)
        assert read
        assert pull.url
        public = key.with_suffix(".pub").read_text()
        yield Published(world, repo, pull.url, comment, read[0], comment.body, public)


@pytest.fixture(autouse=True)
def as_it_was_shown(published: Published) -> None:
    published.comment.body = published.page
    published.repo.repository.comments.clear()
    published.repo.repository.comments[published.comment.id] = published.comment
    published.world.forge.keys.clear()


async def test_the_receipt_of_a_run_holds(published: Published) -> None:
    verified = await published.verify()
    assert verified.holds, verified
    (command,) = verified.commands
    assert command.found
    assert not any("does not have" in note for note in verified.notes)
    assert command.head
    assert command.head.exit_code == 0
    assert any("signed by the key" in note for note in verified.notes)
    assert [*(published.world.data / "runs").iterdir()] == [
        published.world.data / "runs/verified-1"
    ]


async def test_the_command_ends_with_what_came_of_it(
    published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await verify_pull(published.world.settings, published.url) == 0
    assert "The receipt holds." in capsys.readouterr().out
    published.comment.body = "Nothing."
    assert await verify_pull(published.world.settings, published.url) == 1
    assert "There is no receipt." in capsys.readouterr().out


async def test_a_receipt_that_was_changed_is_told(published: Published) -> None:
    tampered = published.receipt.model_copy(update={"review": ""})
    read = read_page(published.page)
    assert read
    published.comment.body = write_receipt(tampered, "", read[1]).folded
    verified = await published.verify()
    assert not verified.holds
    assert any("signature is not by the key" in fault for fault in verified.faults)


async def test_a_result_that_was_never_had_is_told(published: Published) -> None:
    (told,) = published.receipt.commands
    lie = told.model_copy(update={"command": "exit 3", "status": "passed", "exit_code": 0})
    await published.show(commands=(lie,))
    verified = await published.verify()
    assert not verified.holds
    (command,) = verified.commands
    assert (command.agrees, command.found) == (False, False)
    assert command.head
    assert command.head.exit_code == 3
    left_out = f"The base asks for `{told.command}` too, which the receipt does not have."
    assert left_out in verified.notes


async def test_a_receipt_of_another_commit_or_repository_is_told(published: Published) -> None:
    await published.show(commit="0" * 40, repository="octo/other")
    verified = await published.verify()
    assert not verified.holds
    assert len(verified.faults) == 2


async def test_commands_that_leave_the_tests_of_the_base_out_prove_nothing(
    published: Published,
) -> None:
    (told,) = published.receipt.commands
    await published.show(commands=(told.model_copy(update={"command": "true"}),))
    verified = await published.verify()
    assert verified.commands[0].agrees
    assert verified.faults == ("None of its commands is a test that the trusted base asks for.",)
    assert not verified.holds


async def test_the_opener_s_keys_at_the_forge_tell_who_signed(
    published: Published, tmp_path: Path
) -> None:
    other = make_ssh_key(tmp_path / "other")
    keys, login = published.world.forge.keys, published.comment.author
    verified = await published.verify(own=False)
    assert verified.holds
    assert any("nobody knows by whom" in note for note in verified.notes)
    keys[login] = [published.public_key]
    verified = await published.verify(own=False)
    assert verified.holds
    assert f"It is signed by a key that {login} has at GitHub." in verified.notes
    keys[login] = [other.file.with_suffix(".pub").read_text()]
    verified = await published.verify(own=False)
    assert verified.faults == (f"Its signature is not by a key that {login} has at GitHub.",)


async def test_the_key_of_a_file_must_have_signed(published: Published, tmp_path: Path) -> None:
    file, other = tmp_path / "key.pub", make_ssh_key(tmp_path / "other")
    file.write_text(published.public_key)
    assert (await published.verify(file)).holds
    assert not (await published.verify(other.file.with_suffix(".pub"))).holds
    published.comment.body = write_receipt(published.receipt, "").folded
    verified = await published.verify(file)
    assert verified.faults == (
        "It is not signed: whoever may edit the comment may have written it.",
    )


@pytest.mark.parametrize("commit", ["0" * 40, "--upload-pack=x", ""])
async def test_a_base_that_is_not_below_the_head_is_told(published: Published, commit: str) -> None:
    await published.show(base_commit=commit)
    verified = await published.verify()
    assert verified.faults == (f"Its base {commit[:10]!r} is not below the head.",)


async def test_a_receipt_of_somebody_else_is_none(published: Published) -> None:
    published.repo.repository.comments.clear()
    published.repo.repository.say(1, "mallory", published.page)
    verified = await published.verify()
    assert not verified.holds
    assert verified.receipt is None
    assert any("mallory" in note for note in verified.notes)


@pytest.mark.parametrize(
    "page", [MARK, f"{MARK}\n````json\n" + "[" * 60_000, f"{MARK}\n````json\n{{}}"]
)
async def test_what_is_no_receipt_is_told_as_none(published: Published, page: str) -> None:
    published.comment.body = page
    verified = await published.verify()
    assert verified.faults == ("There is no receipt.",)


async def test_a_base_that_has_moved_is_compared_where_the_branch_began(
    published: Published,
) -> None:
    """The last of all: it moves the base for good."""
    commit_in(published.repo.repository.git_dir, "main", {"more.py": "MORE = 1\n"})
    verified = await published.verify()
    assert verified.holds, verified
    (command,) = verified.commands
    assert command.base
    assert any("main has moved to" in note for note in verified.notes)
    (told,) = published.receipt.commands
    await published.show(commands=(told.model_copy(update={"base_exit_code": 1}),))
    verified = await published.verify()
    assert (verified.holds, verified.commands[0].agrees) == (False, False)


async def test_a_receipt_of_a_next_commit_is_compared_with_the_head_before(
    published: Published,
) -> None:
    """After all others: it adds a commit to the pull request."""
    script = small_change(coder=[shell("sed -i s/Good/Fine/ greet.py"), done("Greet finely")])
    published.world.cast.learn("Greet finely.", script)
    config: RunnableConfig = {"configurable": {"thread_id": "verified-2"}}
    async with open_graph(published.world.settings) as graph:
        asked = {
            "repo_url": published.repo.url,
            "pull_request_url": published.url,
            "prompt": "Greet finely.",
        }
        state = await graph.ainvoke(asked, config)
    assert state["outcome"].status == "succeeded", state
    verified = await published.verify()
    assert verified.holds, verified
    assert verified.receipt
    assert verified.receipt.base_commit == published.receipt.commit
    assert any("a commit of the pull request itself" in note for note in verified.notes)
