"""The name by which runs of one repository are found again."""


def repo_name(repo_url: str) -> str:
    """`owner/repo` in lower case, of an address, such a name, or the end of a local path."""
    parts = [part for part in repo_url.lower().split("/") if part]
    return "/".join(parts[-2:]).removesuffix(".git")
