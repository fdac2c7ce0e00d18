"""JSON of the local forge in the shapes of GitHub's REST API."""

from typing import Any
from urllib.parse import quote

from tests.standins.github_attachments import show_attachments
from tests.standins.github_server.repository import HostedPull, HostedRepository

Json = dict[str, Any]

APP_USER = 4242


class Shapes:
    """Makes answers whose links lead back to this server."""

    def __init__(self, web: str, api: str, login: str, user_id: int) -> None:
        self._web = web
        self._api = api
        self._login = login
        self._user_id = user_id

    def user(self, login: str | None = None) -> Json:
        login = login or self._login
        slug, is_bot, _ = login.partition("[bot]")
        return {
            "login": login,
            "id": self._user_id if login == self._login else _number_of(login),
            "url": f"{self._api}/users/{quote(login)}",
            "html_url": f"{self._web}/apps/{slug}" if is_bot else f"{self._web}/{login}",
            "type": "Bot" if is_bot else "User",
        }

    def account(self) -> Json:
        """The signed-in account."""
        return {**self.user(), "name": None, "email": None}

    def repository(self, repository: HostedRepository) -> Json:
        url = f"{self._api}/repos/{repository.full_name}"
        html = f"{self._web}/{repository.full_name}"
        return {
            "id": repository.id,
            "name": repository.name,
            "full_name": repository.full_name,
            "private": repository.private,
            "owner": self.user(repository.owner),
            "html_url": html,
            "fork": repository.parent is not None,
            "url": url,
            "clone_url": f"{html}.git",
            "size": 0,
            "default_branch": repository.default_branch,
            "archived": repository.archived,
            "visibility": "private" if repository.private else "public",
            "permissions": self._permissions(repository),
            "allow_forking": True,
            "has_pull_requests": True,
        }

    def commit(
        self, repository: HostedRepository, sha: str, parents: list[str], message: str
    ) -> Json:
        commits = f"{self._api}/repos/{repository.full_name}/commits"
        return {
            "url": f"{commits}/{sha}",
            "sha": sha,
            "commit": {"url": f"{commits}/{sha}", "message": message},
            "parents": [{"sha": parent, "url": f"{commits}/{parent}"} for parent in parents],
        }

    def ref(self, repository: HostedRepository, name: str, sha: str) -> Json:
        """A branch as git keeps it, by its whole name."""
        git = f"{self._api}/repos/{repository.full_name}/git"
        commit = {"type": "commit", "sha": sha, "url": f"{git}/commits/{sha}"}
        return {"ref": name, "url": f"{git}/{quote(name)}", "object": commit}

    def pull(self, repository: HostedRepository, pull: HostedPull) -> Json:
        return {
            **self.listed_pull(repository, pull),
            "maintainer_can_modify": pull.maintainers_may_edit,
            "mergeable": pull.mergeable,
            "merged": pull.merged_at is not None,
        }

    def listed_pull(self, repository: HostedRepository, pull: HostedPull) -> Json:
        """A pull request in a list, which tells less of it."""
        repo = f"{self._api}/repos/{repository.full_name}"
        return {
            "url": f"{repo}/pulls/{pull.number}",
            "issue_url": f"{repo}/issues/{pull.number}",
            "html_url": f"{self._web}/{repository.full_name}/pull/{pull.number}",
            "id": repository.id * 1000 + pull.number,
            "node_id": f"PR_{repository.id}_{pull.number}",
            "number": pull.number,
            "state": pull.state,
            "title": pull.title,
            "user": self.user(pull.author or None),
            "body": pull.body,
            "labels": self.labels(repository, pull),
            "created_at": pull.created_at,
            "updated_at": pull.updated_at,
            "requested_reviewers": [self.user(name) for name in pull.reviewers],
            "head": self._end(pull.head_repository or repository, pull.head, pull.head_sha),
            "base": self._end(repository, pull.base, pull.base_sha),
            "draft": pull.draft,
            "merged_at": pull.merged_at,
        }

    def review(self, repository: HostedRepository, pull: HostedPull, sent: Json) -> Json:
        number = 1 + pull.reviews.index(sent)
        html = f"{self._web}/{repository.full_name}/pull/{pull.number}"
        return {
            "id": number,
            "node_id": f"PRR_{number}",
            "user": self.user(),
            "body": sent["body"],
            "state": "COMMENTED",
            "html_url": f"{html}#pullrequestreview-{number}",
            "pull_request_url": f"{self._api}/repos/{repository.full_name}/pulls/{pull.number}",
            "submitted_at": pull.updated_at,
            "commit_id": sent.get("commit_id") or pull.head_sha,
        }

    def issue(self, repository: HostedRepository, number: int) -> Json:
        pull = repository.pulls.get(number)  # each pull request is an issue, too
        title, body = (pull.title, pull.body) if pull else repository.issues[number]
        url = f"{self._api}/repos/{repository.full_name}/issues/{number}"
        said = [each for each in repository.comments.values() if each.issue == number]
        counted = {"comments": len(said), "user": self.user()}
        html = f"{self._web}/{repository.full_name}"
        kind = {"pull_request": {"html_url": f"{html}/pull/{number}"}} if pull else {}
        link = f"{html}/{'pull' if pull else 'issues'}/{number}"
        told = {"number": number, "title": title, "body": body, "url": url, "html_url": link}
        return {**told, **counted, **kind}

    def attachments(self, repository: HostedRepository, text: str) -> str:
        """A text as HTML."""
        folder = f"{self._web}/signed/{repository.full_name}"
        return show_attachments(folder, repository.attachments, text)

    def labels(self, repository: HostedRepository, pull: HostedPull) -> list[Json]:
        return [self._label(repository, name) for name in pull.labels]

    def _label(self, repository: HostedRepository, name: str) -> Json:
        return {
            "id": sum(name.encode()),
            "url": f"{self._api}/repos/{repository.full_name}/labels/{name}",
            "name": name,
        }

    def _end(self, repository: HostedRepository, branch: str, sha: str) -> Json:
        """Where a pull request comes from or goes to."""
        return {
            "label": f"{repository.owner}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": self.user(repository.owner),
            "repo": self.repository(repository),
        }

    def _permissions(self, repository: HostedRepository) -> Json:
        push = repository.push
        return {"admin": False, "maintain": False, "push": push, "triage": push, "pull": True}


def _number_of(login: str) -> int:
    """An account's own number; that of all Apps is one."""
    return APP_USER if login.endswith("[bot]") else 1 + sum(login.encode())
