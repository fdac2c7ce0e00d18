"""The only way out: the gate, the commit, the branch, the pull request."""

import asyncio
import hashlib
import re
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from forge import publication_record, pull_request
from forge.branch import check_own_branch
from forge.change_reader import compare, load_patch
from forge.checkout import Checkout
from forge.gate import judge, parse_entries
from forge.gate_secrets import hide_patterns
from forge.git_environment import run_objects
from forge.github import ONCE, GitHub, Pull, PullText
from forge.publication_record import PublicationRecord
from forge.pulls import add_extras, open_pull, update_pull
from forge.push import branch_head, push
from forge.repo_url import parse, web_address
from forge.retries import Patience
from forge.runner import Git
from forge.secret_forms import SecretForms
from forge.trusted_repository import open_blobs
from forge.whole_file import write_whole
from graph.errors import CodingAgentError, GitHubUnauthorized, PushRefused
from graph.events import Emit
from graph.run_folder import RunFolder
from graph.services import Publication, Publisher
from graph.values import Base, Change, GateReport, PullRequest

_AUTHOR: Final = re.compile(r"([^<>\x00-\x1f]*[^<>\x00-\x20]) <([^<>\x00-\x20]+)>")
_NOBODY: Final = "coding-agent <coding-agent@localhost>"
_RAW: Final = ("--raw", "-z", "--no-abbrev", "--no-renames")


class ForgePublisher(Publisher):
    """Publishes to the forge, or for a local checkout into it.

    `author` is `Name <email>`; without it the token's account is asked for, or the checkout's own
    config where there is no token.
    """

    def __init__(
        self,
        *,
        runs: Path,
        github: GitHub | None,
        api_url: str,
        token: SecretStr | None,
        author: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._runs = runs
        self._github = github
        self._web = web_address(api_url)
        self._token = token
        self._forms = SecretForms(token)
        self._author = author
        self._patience = patience or Patience(tries=3)
        self._git = Git(web=self._web, token=token, hide=(str(runs),))

    async def gate(
        self, run_id: str, base: Base, change: Change, allow: tuple[str, ...]
    ) -> GateReport:
        run = RunFolder.of(self._runs, run_id)
        raw = await compare(self._git, run, *_RAW, base.tree, change.tree)

        def judged() -> GateReport:
            with open_blobs(run) as blobs:
                return judge(parse_entries(raw), blobs, self._forms, allow)

        return await asyncio.to_thread(judged)

    async def publish(self, publication: Publication, emit: Emit) -> PullRequest:
        check_own_branch(publication.branch, publication.base.branch)
        title, body = pull_request.title(publication), pull_request.body(publication)
        text = PullText(hide_patterns(title), hide_patterns(body))
        message = hide_patterns(pull_request.commit_message(publication))
        self._refuse_token(title, body, message, publication.branch)
        run = RunFolder.of(self._runs, publication.run_id)
        record = await asyncio.to_thread(publication_record.load, run)
        if publication.base.local:
            return await self._into_checkout(run, publication, record, message)
        return await self._to_forge(run, publication, record, message, text, emit)

    async def _to_forge(
        self,
        run: RunFolder,
        publication: Publication,
        record: PublicationRecord,
        message: str,
        text: PullText,
        emit: Emit,
    ) -> PullRequest:
        github = self._signed_in(publication.base)
        address = parse(publication.base.address, self._web, allow_local=False)
        author = self._author or (await github.account(emit)).author
        if record.unclear and record.tree != publication.change.tree:
            head = await branch_head(self._git, address, publication.branch)
            record = await self._settled(run, record, head)
        record = await self._committed(run, record, publication, message, author)
        if record.unclear:
            await push(
                self._git,
                address,
                publication.branch,
                record.commit,
                git_dir=str(run.base_git),
                objects=run_objects(str(run.objects)),
                emit=emit,
                patience=self._patience,
            )
            record = await self._kept(run, record, pushed=record.commit)
        told = _digest(record.commit, text, publication.draft)
        pull = await self._pull(github, publication, record.opened_with in ("", told), text, emit)
        record = await self._kept(
            run,
            record,
            number=pull.number,
            url=pull.url,
            opened_with=record.opened_with or told,
        )
        await add_extras(
            github, address.full_name, pull.number, publication.labels, publication.reviewers
        )
        return PullRequest(
            url=pull.url,
            number=pull.number,
            branch=publication.branch,
            draft=pull.draft,
            created=record.opened_with == told,
        )

    async def _pull(
        self,
        github: GitHub,
        publication: Publication,
        new: bool,
        text: PullText,
        emit: Emit,
    ) -> Pull:
        """The run's pull request: opened where it is new, or brought up to date as it stands."""
        base = publication.base
        pull = await open_pull(
            github,
            base.full_name,
            base.branch,
            publication.branch,
            text,
            draft=publication.draft,
            emit=emit,
        )
        if new:
            return pull
        return await update_pull(
            github, base.full_name, pull.number, text, ready=not publication.draft, emit=emit
        )

    async def _into_checkout(
        self,
        run: RunFolder,
        publication: Publication,
        record: PublicationRecord,
        message: str,
    ) -> PullRequest:
        """A branch in the checkout, and the change as a patch file in the run's folder."""
        base = publication.base
        checkout = await Checkout.find(self._git, Path(base.address))
        if record.unclear and record.tree != publication.change.tree:
            head = await checkout.branch_commit(self._git, publication.branch)
            record = await self._settled(run, record, head)
        author = await self._local_author(checkout)
        record = await self._committed(run, record, publication, message, author)
        pack = await self._git.output(
            "pack-objects",
            "--revs",
            "--stdout",
            "--quiet",
            git_dir=str(run.base_git),
            stdin=f"{record.commit}\n^{base.sha}\n".encode(),
            environment=run_objects(str(run.objects)),
        )
        await checkout.add_branch(self._git, publication.branch, record.commit, record.pushed, pack)
        first = record.opened_with or record.commit
        record = await self._kept(run, record, pushed=record.commit, opened_with=first)
        patch = run.root / "change.patch"
        content = await asyncio.to_thread(load_patch, run, publication.change.ref)
        await asyncio.to_thread(write_whole, patch, content)
        return PullRequest(
            url=None,
            number=None,
            branch=publication.branch,
            draft=False,
            created=first == record.commit,
            patch=str(patch),
        )

    async def _settled(
        self, run: RunFolder, record: PublicationRecord, head: str
    ) -> PublicationRecord:
        """The record, once it is known that the branch is at `head`: is the newest commit there?"""
        return await self._kept(run, record, pushed=head) if head == record.commit else record

    async def _committed(
        self,
        run: RunFolder,
        record: PublicationRecord,
        publication: Publication,
        message: str,
        author: str,
    ) -> PublicationRecord:
        """The record with a commit of the change: the one that is kept, or a new one."""
        tree = publication.change.tree
        if record.commit and record.tree == tree:
            return record
        parent = record.pushed or publication.base.sha
        sha = await self._git.output(
            *("commit-tree", tree, "-p", parent, "-F", "-"),
            git_dir=str(run.base_git),
            stdin=message.encode(),
            environment={**run_objects(str(run.objects)), **_identity(author)},
        )
        return await self._kept(run, record, commit=sha.decode().strip(), tree=tree)

    async def _local_author(self, checkout: Checkout) -> str:
        if self._author:
            return self._author
        if self._github and self._token:
            try:
                return (await self._github.account(patience=ONCE)).author
            except CodingAgentError:
                return await checkout.identity(self._git) or _NOBODY
        return await checkout.identity(self._git) or _NOBODY

    async def _kept(
        self, run: RunFolder, record: PublicationRecord, **changed: str | int | None
    ) -> PublicationRecord:
        new = record.model_copy(update=changed)
        await asyncio.to_thread(publication_record.save, run, new)
        return new

    def _signed_in(self, base: Base) -> GitHub:
        if self._github is None or self._token is None:
            raise GitHubUnauthorized(
                f"There is no GitHub token to push to {base.full_name} with.",
                "Set GITHUB_TOKEN, then resume the run.",
            )
        return self._github

    def _refuse_token(self, *texts: str) -> None:
        if any(self._forms.position(text.encode("utf-8", "replace")) >= 0 for text in texts):
            raise PushRefused("The text of the pull request holds the GitHub token.")


def _digest(commit: str, text: PullText, draft: bool) -> str:
    """What a pull request tells, so that the same again is known."""
    return hashlib.sha256(repr((commit, text.title, text.body, draft)).encode()).hexdigest()


def _identity(author: str) -> dict[str, str]:
    found = _AUTHOR.fullmatch(author)
    name, email = (found[1], found[2]) if found else ("coding-agent", "coding-agent@localhost")
    return {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
    }
