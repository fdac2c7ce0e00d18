"""Acts on a pull request that were looked up, as deliveries would have told of them."""

import hashlib
from collections.abc import Sequence

from forge.core.conversations import Comment, ReviewWords, SubmittedReview
from forge.core.pull_checks import PullState
from forge.triggers.act import Act, act_on_pull, comment_key, review_key
from forge.triggers.commands import read_commands

_BOT = "[bot]"


def act_of_comment(repo: str, pull: PullState, comment: Comment) -> Act | None:
    """None where it names no command, was edited, or is a bot's."""
    commands = read_commands(comment.body)
    if not commands or comment.edited_at != comment.created_at or comment.author.endswith(_BOT):
        return None
    return Act(
        key=comment_key(repo, comment.number),
        kind="comment",
        repo=repo,
        number=pull.number,
        is_pull=True,
        by=comment.author,
        at=comment.created_at,
        place="comment",
        place_number=comment.number,
        text=comment.body,
        commands=commands,
        issue_author=pull.author,
    )


def act_of_review(
    repo: str, pull: PullState, review: SubmittedReview, said: Sequence[ReviewWords]
) -> Act | None:
    """None where it names no command and requests no changes, or is a bot's."""
    own = [each.body for each in said if each.author == review.author]
    commands = tuple(command for body in own for command in read_commands(body))
    if review.author.endswith(_BOT) or not (commands or review.changes_requested):
        return None
    return Act(
        key=review_key(repo, review.number),
        kind="review",
        repo=repo,
        number=pull.number,
        is_pull=True,
        by=review.author,
        at=review.submitted_at,
        place="issue",
        place_number=pull.number,
        text=own[0] if own else "",
        commands=commands,
        issue_author=pull.author,
        review=review.number,
    )


def act_of_checks(repo: str, pull: PullState) -> Act | None:
    """None where not all checks have ended, or none has failed."""
    if not pull.ended or not pull.failed:
        return None
    failed = ",".join(sorted(f"{each.number}:{each.name}" for each in pull.failed))
    digest = hashlib.sha256(failed.encode()).hexdigest()
    key = f"seen:{repo.lower()}#{pull.number}:{pull.head}:{digest}"
    return act_on_pull(repo, pull.number, "checks", key)


def act_of_conflicts(repo: str, pull: PullState) -> Act | None:
    """None where it can be merged as it is, or that is not known yet."""
    if not pull.open or pull.mergeable is not False:
        return None
    key = f"conflicts:{repo.lower()}#{pull.number}:{pull.head}:{pull.base_sha}"
    return act_on_pull(repo, pull.number, "conflicts", key)


def act_of_status(status: Act, number: int) -> Act:
    """That a status of a commit came to its end, of a pull request that holds the commit."""
    return act_on_pull(status.repo, number, "checks", f"{status.key[:400]}#{number}")


def act_of_push(push: Act, number: int) -> Act:
    """That the branch which a pull request goes to has moved: it may conflict now."""
    return act_on_pull(push.repo, number, "conflicts", f"{push.key[:400]}#{number}")
