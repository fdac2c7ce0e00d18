"""JSON of the local forge in the shapes of GitHub's REST API."""

from typing import Any, Final

from demo.fake_github.repository import HostedPull, HostedRepository, now

Json = dict[str, Any]
_USER_LINKS: Final = ("followers", "subscriptions", "organizations", "repos", "received_events")
_REPO_LINKS: Final = (
    *("archive", "assignees", "blobs", "branches", "collaborators", "comments", "commits"),
    *("compare", "contents", "contributors", "deployments", "downloads", "events", "forks"),
    *("git_commits", "git_refs", "git_tags", "hooks", "issue_comment", "issue_events", "issues"),
    *("keys", "labels", "languages", "merges", "milestones", "notifications", "pulls", "releases"),
    *("stargazers", "statuses", "subscribers", "subscription", "tags", "teams", "trees"),
)
_REPO_COUNTS: Final = (
    *("forks_count", "stargazers_count", "watchers_count", "size", "forks", "watchers"),
    *("open_issues", "open_issues_count", "network_count", "subscribers_count"),
)
_PULL_COUNTS: Final = ("comments", "review_comments", "additions", "deletions")
_PULL_UNKNOWN: Final = (
    *("milestone", "active_lock_reason", "closed_at", "merged_at", "merge_commit_sha"),
    *("assignee", "auto_merge", "mergeable", "rebaseable", "merged_by"),
)


class Shapes:
    """Makes answers whose links lead back to this server."""

    def __init__(self, web: str, api: str, login: str, user_id: int) -> None:
        self._web = web
        self._api = api
        self._login = login
        self._user_id = user_id

    def user(self, login: str | None = None) -> Json:
        login = login or self._login
        url = f"{self._api}/users/{login}"
        return {
            "login": login,
            "id": self._user_id if login == self._login else 1 + sum(login.encode()),
            "node_id": f"U_{login}",
            "avatar_url": f"{self._web}/{login}.png",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self._web}/{login}",
            **{f"{name}_url": f"{url}/{name}" for name in _USER_LINKS},
            "following_url": f"{url}/following{{/other_user}}",
            "gists_url": f"{url}/gists{{/gist_id}}",
            "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
            "events_url": f"{url}/events{{/privacy}}",
            "type": "User",
            "site_admin": False,
        }

    def account(self) -> Json:
        """The signed-in account."""
        told = dict.fromkeys(("name", "company", "blog", "location", "email", "hireable", "bio"))
        return {
            **self.user(),
            **told,
            "public_repos": 1,
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": now(),
        }

    def repository(self, repository: HostedRepository) -> Json:
        url = f"{self._api}/repos/{repository.full_name}"
        html = f"{self._web}/{repository.full_name}"
        return {
            "id": repository.id,
            "node_id": f"R_{repository.id}",
            "name": repository.name,
            "full_name": repository.full_name,
            "private": repository.private,
            "owner": self.user(repository.owner),
            "html_url": html,
            "description": None,
            "fork": repository.parent is not None,
            "url": url,
            **{f"{name}_url": f"{url}/{name}" for name in _REPO_LINKS},
            "git_url": html.replace("http:", "git:") + ".git",
            "ssh_url": f"git@localhost:{repository.full_name}.git",
            "clone_url": f"{html}.git",
            "svn_url": html,
            "mirror_url": None,
            "homepage": None,
            "language": None,
            **dict.fromkeys(_REPO_COUNTS, 0),
            "default_branch": repository.default_branch,
            "is_template": False,
            "topics": [],
            **dict.fromkeys(("has_issues", "has_projects", "has_wiki", "has_downloads"), True),
            **dict.fromkeys(("has_pages", "has_discussions"), False),
            "archived": repository.archived,
            "disabled": False,
            "visibility": "private" if repository.private else "public",
            "pushed_at": now(),
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": now(),
            "permissions": self._permissions(repository),
            "allow_forking": True,
            "license": None,
        }

    def pull(self, repository: HostedRepository, pull: HostedPull) -> Json:
        return {
            **self._pull_links(repository, pull),
            **dict.fromkeys(_PULL_UNKNOWN),
            **dict.fromkeys(_PULL_COUNTS, 0),
            "id": repository.id * 1000 + pull.number,
            "node_id": f"PR_{repository.id}_{pull.number}",
            "number": pull.number,
            "state": pull.state,
            "locked": False,
            "title": pull.title,
            "user": self.user(),
            "body": pull.body,
            "labels": self.labels(repository, pull),
            "created_at": pull.created_at,
            "updated_at": pull.updated_at,
            "assignees": [],
            "requested_reviewers": [self.user(name) for name in pull.reviewers],
            "requested_teams": [],
            "head": self._end(pull.head_repository or repository, pull.head, pull.head_sha),
            "base": self._end(repository, pull.base, pull.base_sha),
            "author_association": "OWNER",
            "draft": pull.draft,
            "merged": False,
            "mergeable_state": "unknown",
            "commits": 1,
            "changed_files": 1,
            "maintainer_can_modify": False,
        }

    def _pull_links(self, repository: HostedRepository, pull: HostedPull) -> Json:
        repo = f"{self._api}/repos/{repository.full_name}"
        url, issue = f"{repo}/pulls/{pull.number}", f"{repo}/issues/{pull.number}"
        links = {
            "html": f"{self._web}/{repository.full_name}/pull/{pull.number}",
            "issue": issue,
            "comments": f"{issue}/comments",
            "review_comments": f"{url}/comments",
            "review_comment": f"{url}/comments{{/number}}",
            "commits": f"{url}/commits",
            "statuses": f"{repo}/statuses/{pull.head_sha}",
        }
        return {
            "url": url,
            "diff_url": f"{links['html']}.diff",
            "patch_url": f"{links['html']}.patch",
            **{f"{name}_url": link for name, link in links.items()},
            "_links": {name: {"href": link} for name, link in {"self": url, **links}.items()},
        }

    def labels(self, repository: HostedRepository, pull: HostedPull) -> list[Json]:
        return [self._label(repository, name) for name in pull.labels]

    def _label(self, repository: HostedRepository, name: str) -> Json:
        return {
            "id": sum(name.encode()),
            "node_id": f"LA_{name}",
            "url": f"{self._api}/repos/{repository.full_name}/labels/{name}",
            "name": name,
            "description": None,
            "color": "ededed",
            "default": False,
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
