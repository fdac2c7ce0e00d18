"""What an act in a thread leads to: a run, a message to it, its stop, its resumption."""

from contextlib import suppress
from typing import Final

from forge.core import Forge
from forge.triggers import Act, Command
from graph.errors import CodingAgentError, RequestError, RunError
from runs import RunService
from runs.deliveries import Deliveries
from runs.model import Caller, DayLimits
from wiring.triggers.check_fixes import CheckFixes
from wiring.triggers.conflict_merges import ConflictMerges
from wiring.triggers.message_thumbs import MessageThumbs
from wiring.triggers.requests import write_message, write_request
from wiring.triggers.rules import TriggerRules
from wiring.triggers.thread import MessageReview, PendingStart, Thread
from wiring.triggers.thread_comment import ThreadComments
from wiring.triggers.thread_runs import ThreadRuns

_AT_WORK_S: Final = 55.0
"""The worker looks once a minute."""
_MOST_SEEN: Final = 100
_BOT: Final = "[bot]"
_STOP: Final = "stop"
_RESUME: Final = "resume"


class ThreadActs:
    """Works acts off. The same act again does nothing twice: a run has the act's key."""

    def __init__(
        self,
        deliveries: Deliveries,
        forge: Forge,
        runs: RunService,
        rules: TriggerRules,
        day: DayLimits,
    ) -> None:
        self._deliveries = deliveries
        self._forge = forge
        self._runs = runs
        self._rules = rules
        self._day = day
        self._thread_runs = ThreadRuns(deliveries, runs, rules, day)
        self._fixes = CheckFixes(deliveries, forge, self._thread_runs, rules)
        self._merges = ConflictMerges(deliveries, forge, self._thread_runs)
        self._thumbs = MessageThumbs(forge, runs)
        self._writers: dict[tuple[str, str], bool] = {}
        self._seen: dict[str, None] = {}
        """Keys of the newest acts that have their eyes, in this order."""

    async def work_off(self, act: Act) -> bool:
        """Do what the act asks for, where somebody who may write asks.

        False where it is to be looked at again later. Raises CodingAgentError.
        """
        if act.kind in ("status", "pushed"):
            await self._look_at_pulls(act)
            return True
        login = await self._login(act.repo)
        if act.kind == "closed":
            await self._close(act, login)
        elif act.kind in ("checks", "conflicts"):
            return await self._go_on(act, login)
        elif await self.show_seen(act):
            await self._obey(act, login)
        return True

    async def _look_at_pulls(self, act: Act) -> None:
        """Have each pull request of ours looked at that a commit or a branch concerns.

        A repository that nobody may use costs no call: a stranger who installs the App has many
        of these acts. Whose run a pull request is of is known only after it was found.
        """
        if not self._rules.allowed(act.repo, None):
            return
        login = await self._login(act.repo)
        if act.kind == "status":
            await self._fixes.look_at_pulls(act, login)
        else:
            await self._merges.look_at_pulls(act, login)

    async def _obey(self, act: Act, login: str) -> None:
        """Do what somebody who may write asks for."""
        words = self._words(login)
        command = _command(act, words)
        thread = await Thread.load_for(self._deliveries, act)
        comments = self._comments(login)
        word = command.rest.lower().rstrip(".!") if command else ""
        thread.note = ""
        try:
            if word in (_STOP, _RESUME):
                caller = Caller(f"github:{act.by}", operator=True)
                await self._steer(thread, caller, word, act.key)
            else:
                await self._start(thread, comments, act, words)
        except (RequestError, RunError) as error:
            thread.note = f"{error.message} {error.hint}"
            thread.pending = None
        await comments.show(thread)

    async def show_seen(self, act: Act) -> bool:
        """Whether somebody who may write asks for something; then eyes say that it was seen.

        A second time changes nothing. Raises ForgeError, RepositoryError.
        """
        login = await self._login(act.repo)
        asks = act.kind == "label" or _command(act, self._words(login)) is not None
        if act.by == login or not (asks or self._may_go_on(act, login)):
            return False
        if not self._rules.allowed(act.repo, f"github:{act.by}"):
            return False
        if not asks and not await self._requests_changes(act):
            return False
        self._writers.clear()
        if not await self._may_write(act.repo, act.by):
            return False
        if act.key not in self._seen:
            await self._forge.add_reaction(act.repo, act.place, act.place_number, "eyes")
            self._seen[act.key] = None
            while len(self._seen) > _MOST_SEEN:
                del self._seen[next(iter(self._seen))]
        return True

    def _words(self, login: str) -> frozenset[str]:
        """What begins a command to us."""
        return frozenset((self._rules.word, f"@{login.removesuffix('[bot]').lower()}"))

    def _may_go_on(self, act: Act, login: str) -> bool:
        """Whether a review counts that names no command of ours: if it requests changes."""
        ours = act.issue_author == login and act.review is not None
        return act.kind == "review" and ours and "reviews" in self._rules.autofix

    async def _requests_changes(self, act: Act) -> bool:
        """Asked, because a delivery of a review's comment does not tell it."""
        said = await self._forge.review_words(act.repo, act.number, act.review or 0)
        return any(each.changes_requested and each.author == act.by for each in said)

    async def _go_on(self, act: Act, login: str) -> bool:
        """Go on by ourselves; False where that is possible only later."""
        if ("ci" if act.kind == "checks" else "conflicts") not in self._rules.autofix:
            return True
        thread = await Thread.load_for(self._deliveries, act)
        if not self._rules.allowed(act.repo, thread.owner or f"github:{login}"):
            return True
        comments, done = self._comments(login), True
        try:
            go_on = self._fixes.fix if act.kind == "checks" else self._merges.merge
            done = await go_on(act, thread, comments, login)
        except (RequestError, RunError) as error:
            thread.note, thread.pending = f"{error.message} {error.hint}", None
        await comments.show(thread)
        return done

    def _comments(self, login: str) -> ThreadComments:
        word = self._rules.word
        return ThreadComments(self._deliveries, self._forge, self._runs, word=word, login=login)

    async def _close(self, act: Act, login: str) -> None:
        """A pull request was closed: nothing goes on there, and what became of it is kept.

        Of one that is not ours and has had no run, nothing is.
        """
        thread = await Thread.load_for(self._deliveries, act)
        others = await self._thread_runs.runs_of_pull(thread)
        ours = act.issue_author.lower() == login.lower()
        if thread.kept is None and not others and not ours:
            return
        thread.merged = act.merged
        for run_id in {*thread.runs[-1:], *(run.run_id for run in others if not run.final)}:
            with suppress(RunError):
                await self._runs.cancel(run_id, Caller(f"github:{act.by}", operator=True))
        await thread.keep(self._deliveries, live=bool(thread.runs))

    async def redeliver(self) -> int:
        """Ask for deliveries that nobody took; how many. Raises ForgeError."""
        return await self._forge.redeliver_failed()

    async def show(self, name: str) -> None:
        """Bring the comment of a thread up to date; what a run at work costs, every minute."""
        repo, _, number = name.rpartition("#")
        thread = await Thread.load(self._deliveries, repo, int(number))
        try:
            login = await self._login(thread.repo)
        except CodingAgentError:
            await thread.keep_untold(self._deliveries)
            raise
        if await self._thumbs.give(thread):
            await thread.keep(self._deliveries, live=True)
        await self._comments(login).show(thread, at_work_s=_AT_WORK_S)

    async def _login(self, repo: str) -> str:
        return (await self._forge.account(full_name=repo)).login

    async def _may_write(self, repo: str, login: str) -> bool:
        """Asked once an act; what a bot says may be anybody's words."""
        if login.endswith(_BOT):
            return False
        key = (repo, login)
        if key not in self._writers:
            self._writers[key] = await self._forge.may_write(repo, login)
        return self._writers[key]

    async def _steer(self, thread: Thread, caller: Caller, word: str, key: str) -> None:
        run_id = await self._find_steered(thread)
        if run_id is None:
            thread.note = "There is no run here."
            return
        thread.runs = [*(each for each in thread.runs if each != run_id), run_id]
        if word == _STOP:
            await self._runs.cancel(run_id, caller)
        else:
            await self._runs.resume(run_id, caller, day=self._day, call=key)
            thread.take_over(caller.name)

    async def _find_steered(self, thread: Thread) -> str | None:
        """The run that is at work there, else the thread's newest, else the pull request's."""
        others = await self._thread_runs.runs_of_pull(thread)
        at_work = [run.run_id for run in others if not run.final]
        found = [*at_work, *thread.runs[-1:], *(run.run_id for run in others)]
        return found[0] if found else None

    async def _start(
        self, thread: Thread, comments: ThreadComments, act: Act, words: frozenset[str]
    ) -> None:
        if act.key in thread.begun:
            return
        if thread.pending is None or thread.pending.key != act.key:
            await self._begin_other(thread)
            run = await comments.newest(thread)
            if run and not run.final:
                await self._tell(thread, act, run.run_id, words)
                return
            thread.pending = await self._request(thread, act, words)
            if thread.pending is None:
                return
            thread.take_over(thread.pending.owner)
        await self._thread_runs.start_pending(thread)

    async def _begin_other(self, thread: Thread) -> None:
        """Begin what another act was about to begin here, or find it begun."""
        try:
            await self._thread_runs.start_pending(thread)
        except (RequestError, RunError):
            thread.pending = None

    async def _tell(self, thread: Thread, act: Act, run_id: str, words: frozenset[str]) -> None:
        """A run is at work here: what was said is a message to it."""
        said = await write_message(act, self._forge, words)
        if said.text:
            caller = Caller(f"github:{act.by}", operator=True)
            number = await self._runs.message(
                run_id, caller, said.text, call=act.key, received=said.received
            )
            if said.answers:
                review = MessageReview(run_id=run_id, message=number, comments=said.answers)
                others = (each for each in thread.message_reviews if each != review)
                thread.message_reviews = [*others, review]
            thread.take_over(caller.name)
            thread.note = "The run reads the newest comment at its next turn."

    async def _request(
        self, thread: Thread, act: Act, words: frozenset[str]
    ) -> PendingStart | None:
        """The run that is asked for; None, with a note, where a limit or a request is missing."""
        left_usd = await self._thread_runs.money_left(thread)
        if left_usd is None:
            return None

        async def may_write(name: str) -> bool:
            return await self._may_write(act.repo, name)

        login, web = await self._login(act.repo), self._rules.web
        asked = await write_request(
            act, self._forge, web=web, login=login, words=words, may_write=may_write
        )
        if asked is None:
            thread.note = (
                "Nobody who may write here has said what to do. Say it in a comment that begins"
                f" with `{self._rules.word}`."
            )
            return None
        if left_usd:
            asked.request["max_cost_usd"] = left_usd
        owner = f"github:{act.by}"
        return PendingStart(
            key=act.key, owner=owner, request=asked.request, received=asked.received
        )


def _command(act: Act, words: frozenset[str]) -> Command | None:
    """The first command of an act that is to us."""
    return next((each for each in act.commands if each.word in words), None)
