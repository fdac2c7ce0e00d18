"""The only way out: the gate, the commit, the branch, the pull request."""

import asyncio
import contextlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from forge.base.cache import KeptBases
from forge.base.local_checkout import Checkout
from forge.base.pull_ground import read_pull_head
from forge.base.pull_merge import conflict_sides
from forge.core.branch_names import check_asked_branch, check_own_branch, check_pull_branch
from forge.core.forge import ONCE, Forge, PullFacts, Target, check_open, check_token
from forge.core.repository_address import parse
from forge.gate.attributes import read_attributes
from forge.gate.case_clashes import case_clashes
from forge.gate.conflict_markers import find_conflict_markers
from forge.gate.judge import ChangedTree, judge, parse_entries
from forge.gate.tree_listing import list_tree
from forge.git.apply_patch import compare
from forge.git.blobs import open_blobs
from forge.git.command import Git
from forge.git.environment import run_objects
from forge.git.identity import NOBODY
from forge.publish import record as publication_record
from forge.publish.automation import CI_WAITS, read_automation
from forge.publish.base_conventions import base_conventions
from forge.publish.deliver import Delivery
from forge.publish.preflight import Preflight, Written
from forge.publish.published_texts import PublishedTexts
from forge.publish.pull_requests import head_address
from forge.publish.pull_review import PullReviews
from forge.publish.rebase import (
    RebaseContext,
    check_pull_stands,
    find_base_movement,
    with_base_moved_note,
)
from forge.publish.record import PublicationRecord
from forge.publish.steps import MakeLast, PublishSteps, branch_exists, on_own_disk
from forge.publish.thread_answers import ThreadAnswers
from forge.receipt import CommentPlace, ReceiptPlace
from forge.secret_scan.kingfisher import SecretCatalogue
from forge.signing import SigningKey
from forge.text.commit_message import sample_message
from forge.text.conventions import MESSAGES, Conventions
from forge.text.review import mark
from forge.text.template import read_template
from graph import (
    DEFAULT_PREFIX,
    Base,
    Change,
    ChangeOnNewBase,
    Emit,
    GateReport,
    Publication,
    Publisher,
    PullRequest,
    Review,
    RunFolder,
    unheard,
)
from graph.errors import CodingAgentError
from graph.files import load_change, write_whole

_NOT_SIGNED_OFF: Final = (
    "The commits of the base carry Signed-off-by and the run's do not: set CODING_AGENT_SIGNOFF."
)
_RAW: Final = ("--raw", "-z", "--no-abbrev", "--no-renames")


class ForgePublisher(Publisher):
    """Publishes to the forge, or for a local checkout into it.

    `author` is `Name <email>`; without it the token's account is asked for, or the checkout's own
    config where there is no token. `forks`: without the right to push to a public repository the
    pull request comes from a fork. `kept`: where newer bases borrow from.
    `catalogue` knows secrets. `make_last` makes what is in the run's
    folder outlast this machine: it is called before each step that others see. Nothing is pushed to
    a branch that does not begin with `branch_prefix`, but a new one that a caller named where
    `any_branch` allows it. Commits are signed where there is a `key`; `sign_off` is the `Name
    <email>` of `Signed-off-by`, where the base's commits have that.
    Receipts are shown in `receipts`, a comment where nothing else is given; they tell the `models`
    of roles and the product's `version`.
    """

    def __init__(
        self,
        *,
        runs: Path,
        forge: Forge,
        author: str | None = None,
        forks: bool = False,
        kept: KeptBases | None = None,
        catalogue: SecretCatalogue | None = None,
        make_last: MakeLast | None = None,
        branch_prefix: str = DEFAULT_PREFIX,
        any_branch: bool = False,
        key: SigningKey | None = None,
        sign_off: str = "",
        receipts: ReceiptPlace | None = None,
        models: Mapping[str, str] | None = None,
        version: str = "",
    ) -> None:
        self._sign_off = sign_off
        self._receipts = receipts or CommentPlace(forge)
        self._any_branch = any_branch
        self._key = key
        self._branch_prefix = branch_prefix
        self._runs = runs
        self._forge = forge
        self._forms = forge.access.credentials.forms
        self._author = author
        self._forks = forks
        self._kept = kept
        self._git = Git(forge.access, hide=(str(runs),))
        self._make_last = make_last or on_own_disk
        self._catalogue = catalogue or SecretCatalogue(runs.parent / "secret-rules")
        self._texts = PublishedTexts(
            forge.name, self._forms, self._catalogue, sign_off, key, models or {}, version
        )

    async def check_publishable(
        self, run_id: str, base: Base, branch: str, title: str | None, emit: Emit
    ) -> tuple[str, ...]:
        if self._key:
            await self._key.probe()
        conventions = await self._conventions(run_id, base, emit)
        notes = [_NOT_SIGNED_OFF] if conventions.signed_off and not self._sign_off else []
        if base.local:
            checkout = await Checkout.find(self._git, Path(base.address))
            if not await checkout.has_place(self._git, branch):
                raise branch_exists(str(checkout.folder), branch)
            await checkout.try_branch(self._git, branch, base.parent or base.sha)
            return tuple(notes)
        if base.pull:
            check_pull_branch(base.pull, base.branch)
        preflight = Preflight(self._git, self._forge, self._author, self._forks, emit)
        message = sample_message(title, conventions, self._sign_off)
        written = Written(branch, message, signed=self._key is not None)
        check = preflight.check_pull if base.pull else preflight.check
        return (*notes, *await check(RunFolder.of(self._runs, run_id), base, written))

    async def _conventions(self, run_id: str, base: Base, emit: Emit) -> Conventions:
        """What the newest commits of the base have in common."""

        async def read_messages() -> list[str]:
            if base.local:
                checkout = await Checkout.find(self._git, Path(base.address))
                head = base.parent or base.sha
                return await checkout.recent_messages(self._git, head, MESSAGES)
            return await self._forge.recent_messages(base.full_name, base.branch, MESSAGES, emit)

        return await base_conventions(RunFolder.of(self._runs, run_id), read_messages)

    async def gate(
        self, run_id: str, base: Base, change: Change, allow: tuple[str, ...]
    ) -> GateReport:
        run = RunFolder.of(self._runs, run_id)
        raw, files = await asyncio.gather(
            compare(self._git, run, *_RAW, base.tree, change.tree),
            list_tree(self._git, run, change.tree),
        )
        entries = await asyncio.to_thread(parse_entries, raw)
        tree = ChangedTree(files, await read_attributes(self._git, run, files, entries))

        sides = conflict_sides(base)

        def judged() -> GateReport:
            with open_blobs(run) as blobs:
                report = judge(entries, tree, blobs, self._forms, allow, self._catalogue)
                markers = [*find_conflict_markers(entries, blobs, sides)] if sides else []
            clashes = case_clashes(entries, files)
            return report.model_copy(
                update={
                    "passed": report.passed and not markers,
                    "findings": (*markers, *report.findings, *clashes),
                }
            )

        return await asyncio.to_thread(judged)

    async def publish(self, publication: Publication, emit: Emit) -> PullRequest | ChangeOnNewBase:
        self._check_branch(publication)
        run = RunFolder.of(self._runs, publication.run_id)
        record = await asyncio.to_thread(publication_record.load, run)
        if publication.base.local:
            steps = PublishSteps(self._git, run, publication, record, self._make_last, self._key)
            return await self._into_checkout(steps)
        return await self._to_forge(run, record, publication, emit)

    async def check_reviewable(self, base: Base) -> None:
        assert base.pull
        check_token(self._forge, base.full_name, hint="then run again")
        await self._forge.try_review(base.full_name, base.pull.number)

    async def submit_review(
        self, run_id: str, base: Base, change: Change, review: Review, emit: Emit
    ) -> PullRequest:
        assert base.pull
        pull, run = base.pull, RunFolder.of(self._runs, run_id)
        check_token(self._forge, base.full_name, hint="then resume the run")
        facts = await self._forge.pull(base.full_name, pull.number, emit)
        check_open(facts)
        record = await asyncio.to_thread(publication_record.load, run)
        if not record.reviewed:
            head = await read_pull_head(self._git, run.base_git, base.full_name)
            diff = await asyncio.to_thread(run.diff(change.ref.step).read_bytes)
            text, alone = await self._texts.write_review(run_id, review, head.sha, diff)
            reviews = PullReviews(
                *(self._forge, base.full_name, pull.number, emit), maybe_there=record.review_begun
            )
            await self._keep(run, record.model_copy(update={"review_begun": True}))
            await reviews.submit(text, alone, mark(run_id))
            await self._keep(run, record.model_copy(update={"reviewed": True}))
        return PullRequest(
            url=facts.url,
            number=pull.number,
            branch=pull.head_branch,
            draft=facts.draft,
            head_repo=pull.head_repo,
            created=False,
        )

    async def _keep(self, run: RunFolder, record: PublicationRecord) -> None:
        await asyncio.to_thread(publication_record.save, run, record)
        await self._make_last()

    def _check_branch(self, publication: Publication) -> None:
        branch, base, prefix = publication.branch, publication.base.branch, self._branch_prefix
        if publication.base.pull:
            check_pull_branch(publication.base.pull, base)
        elif publication.branch_asked:
            check_asked_branch(branch, base, prefix, any_branch=self._any_branch)
        else:
            check_own_branch(branch, base, prefix)

    async def _to_forge(
        self, run: RunFolder, record: PublicationRecord, publication: Publication, emit: Emit
    ) -> PullRequest | ChangeOnNewBase:
        base = publication.base
        check_token(self._forge, base.full_name, hint="then resume the run")
        forge = self._forge.patient(publication.deadline)
        address = parse(base.address, forge.access.web, allow_local=False)
        facts: PullFacts | None = None
        if base.pull:
            facts = await forge.pull(base.full_name, base.pull.number, emit)
            check_open(facts)
            address = head_address(forge, base.pull)
        pushed = frozenset(filter(None, (record.commit, record.pushed)))
        context = RebaseContext(self._git, forge, self._kept, address, run, emit, pushed)
        movement = await find_base_movement(context, publication)
        if movement and movement.rebased:
            return movement.rebased
        if base.pull:
            check_pull_stands(base, movement)
        publication = with_base_moved_note(publication, movement)
        steps = PublishSteps(self._git, run, publication, record, self._make_last, self._key)
        template = await self._template(run, base, forge)
        account = await forge.account(emit)
        author = self._author or account.author
        delivery = Delivery(steps, forge, self._forks, self._receipts, emit, account.login, facts)
        address = await delivery.choose_target()
        await delivery.settle_branch(address)
        publication = steps.publication
        target = Target(
            publication.branch,
            base.branch,
            fork=bool(steps.record.fork),
            starts_automation=account.starts_automation,
        )
        automation = await read_automation(forge, self._git, run, publication.change.tree, target)
        if automation.caution:
            cautions = (automation.caution, *publication.cautions)
            publication = publication.model_copy(update={"cautions": cautions})
        conventions = await self._conventions(publication.run_id, base, emit)
        later = CI_WAITS if automation.may_wait else ""
        text, message = await self._texts.write(publication, conventions, template, later)
        write_receipt = partial(self._texts.write_receipt, publication, starts=automation.notes)
        pull_request = await delivery.deliver(
            *(address, text, message, author, write_receipt), may_wait=automation.may_wait
        )
        if publication.answers and base.pull:
            await ThreadAnswers(forge, steps, self._texts.hide).give(base.pull.number)
        conflicts = movement.conflicts if movement else ()
        return pull_request.model_copy(update={"conflicts": conflicts})

    async def _template(self, run: RunFolder, base: Base, forge: Forge) -> str:
        tree = base.trusted_base.tree
        return await read_template(self._git, run.git_of(base), tree, forge.templates)

    async def _into_checkout(self, steps: PublishSteps) -> PullRequest:
        """A branch in the checkout, and the change as a patch file in the run's folder."""
        run, base = steps.run, steps.publication.base
        checkout = await Checkout.find(self._git, Path(base.address))
        await steps.settle_branch(
            str(checkout.folder), lambda name: checkout.has_place(self._git, name)
        )
        publication, branch = steps.publication, steps.publication.branch
        conventions = await self._conventions(publication.run_id, base, unheard)
        _, message = await self._texts.write(publication, conventions)
        if steps.needs_branch_head:
            await steps.note_branch_head(await checkout.branch_commit(self._git, branch))
        await steps.make_commit(message, await self._local_author(checkout))
        commit = steps.record.commit
        pack = await self._git.output(
            "pack-objects",
            "--revs",
            "--stdout",
            "--quiet",
            git_dir=str(run.base_git),
            stdin=f"{commit}\n^{base.parent or base.sha}\n".encode(),
            environment=run_objects(str(run.objects)),
        )
        await checkout.add_branch(self._git, branch, commit, steps.record.pushed, pack)
        first = steps.record.first_commit or commit
        await steps.keep(pushed=commit, first_commit=first)
        patch = run.root / "change.patch"
        content = await asyncio.to_thread(load_change, run, publication.change.ref)
        await asyncio.to_thread(write_whole, patch, content)
        return PullRequest(
            url=None,
            number=None,
            branch=branch,
            draft=False,
            created=first == commit,
            patch=str(patch),
            pushable=await checkout.has_distant_origin(self._git),
        )

    async def _local_author(self, checkout: Checkout) -> str:
        if self._author:
            return self._author
        if self._forge.access.credentials.present:
            with contextlib.suppress(CodingAgentError):
                return (await self._forge.account(retry_policy=ONCE)).author
        return await checkout.identity(self._git) or NOBODY
