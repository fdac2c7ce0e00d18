"""The change in a tree, taken out of it as data."""

import secrets

from graph import Base
from graph.errors import PatchTooLarge, PatchUnusable
from sandbox.core.protocol import ExecResult, FileAccessError, Sandbox, TreeRestored
from sandbox.tree.git_dir import IGNORED_BY_SETUP, make_git_dir

MAX_PATCH = 50 * 1024 * 1024

_TEMPORARY = "/tmp"  # noqa: S108 - the sandbox's own
_TOO_LARGE = 75
_TOLD = 1000


async def take_change(
    sandbox: Sandbox, base: Base, *, max_bytes: int = MAX_PATCH, name: str = "change"
) -> bytes:
    """The whole difference between the work tree and the base as a patch; b"" for none.

    Ignored files, empty folders and nested repositories stay behind. The tree's own `.git` is not
    looked at, so it does not matter what was done to it. Where the tree is made again meanwhile,
    the change is that of the new one. Who takes it beside another takes it by another `name`.
    Raises PatchTooLarge or PatchUnusable.
    """
    while (patch := await _taken(sandbox, base, max_bytes, name)) is None:
        continue
    return patch


async def _taken(sandbox: Sandbox, base: Base, max_bytes: int, name: str) -> bytes | None:
    """None where the tree was made again meanwhile: the sandbox ends that after a few times."""
    others = f"{_TEMPORARY}/.{name}-"
    folder = f"{others}{secrets.token_hex(8)}"
    script = f"rm -rf {others}* 2>/dev/null || true\n{_script(folder, base, max_bytes)}"
    result = await sandbox.run(script, keep_bytes=2 * _TOLD)
    if result.lost:
        return None
    if result.exit_code == _TOO_LARGE or result.limit in ("disk", "memory"):
        met = f"met the {result.limit} limit when it was taken" if result.limit else "is too large"
        raise PatchTooLarge(
            f"The change {met}: at most {max_bytes} bytes.",
            "Keep generated files out of it by .gitignore, and remove what fills the tree.",
        )
    if result.exit_code != 0:
        raise PatchUnusable(f"git cannot read the tree: {_reason(result)}")
    try:
        return await sandbox.read(f"{folder}/patch", max_bytes=max_bytes)
    except TreeRestored:
        return None
    except FileAccessError as error:
        raise PatchUnusable(f"The change cannot be read: {error}") from error


def _script(folder: str, base: Base, max_bytes: int) -> str:
    """A new git directory and index each time; only the names to ignore come from the tree."""
    return f"""\
set -e -o pipefail
export LC_ALL=C
mkdir {folder}
{make_git_dir(folder, base)}
[ ! -f {IGNORED_BY_SETUP} ] || cat {IGNORED_BY_SETUP} > {folder}/info/exclude
export GIT_DIR={folder} GIT_WORK_TREE=/workspace HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1
export GIT_NO_REPLACE_OBJECTS=1 GIT_LITERAL_PATHSPECS=1
stage() {{
  git read-tree {base.sha} || return
  git update-index -q --refresh >/dev/null  # else `add` writes every unchanged file as an object
  git add -u && git ls-files -z --others --exclude-standard |
    while IFS= read -r -d '' name; do [[ $name == */ ]] || printf '%s\\0' "$name"; done |
    git update-index -z --add --stdin
}}
stage || {{ chmod -R u+rwX /workspace; stage; }}
set +e +o pipefail
git diff --cached --binary --no-renames --full-index --no-ext-diff --no-textconv {base.sha} |
  head -c {max_bytes + 1} > {folder}/patch
ended=${{PIPESTATUS[0]}}
rm -rf {folder}/objects
[ "$(stat -c %s {folder}/patch)" -le {max_bytes} ] || exit {_TOO_LARGE}
exit "$ended"
"""


def _reason(result: ExecResult) -> str:
    if result.limit:
        return f"the {result.limit} limit was reached"
    return result.text.strip()[-_TOLD:] or f"exit code {result.exit_code}"
