"""The change in a tree, taken out of it as data, and what of the tree is not in it."""

import asyncio
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatch
from shlex import quote
from typing import Final

from graph import LONGEST_PATH, Base
from graph.errors import PatchTooLarge, PatchUnusable
from sandbox.core.protocol import MAX_QUOTED_CHARS, FileAccessError, Sandbox, TreeRestored
from sandbox.tree.environment import SYSTEM_FIRST
from sandbox.tree.git_dir import IGNORED_BY_SETUP, NAME_AS_PATTERN, make_git_dir

MAX_PATCH = 50 * 1024 * 1024

_TEMPORARY = "/tmp"  # noqa: S108 - the sandbox's own
_TOO_LARGE = 75
_LEFT_BYTES: Final = 64 * 1024
_MOST_LEFT: Final = 20
_SHOWN_PATH: Final = 200
_CACHES: Final = (
    *("__pycache__/", "*.py[co]", "*.sw[op]", ".DS_Store", ".pytest_cache/", ".mypy_cache/"),
    *(".ruff_cache/", ".hypothesis/", ".tox/", ".nox/", ".eggs/", "*.egg-info/", ".coverage"),
    *(".gradle/", "*.tsbuildinfo"),
)
"""What tools leave wherever they run and nobody hands over, as patterns of git."""
_MADE: Final = (
    *("node_modules/", "build/lib/", "build/bdist.*/", "dist/*.whl", "dist/*.tar.gz", ".next/"),
    *("*.class", "*.o", "htmlcov/", ".nyc_output/", "coverage/lcov-report/", "coverage/lcov.info"),
    *("coverage/clover.xml", "coverage/coverage-final.json", ".nuxt/", ".svelte-kit/", ".turbo/"),
    *("target/classes/", "target/test-classes/", "target/maven-*/", "target/surefire-reports/"),
    *("target/generated-*/", "target/*.jar", "build/classes/", "build/reports/", "build/libs/"),
    *("build/test-results/", "build/tmp/", "build/generated/", "obj/project.assets.json"),
)
"""What package managers, compilers and test runners make, in any folder."""
_MADE_ANYWHERE: Final = tuple(f"**/{each}" if "/" in each.rstrip("/") else each for each in _MADE)
_MARKS: Final = r"(^|/)(pyvenv\.cfg|CACHEDIR\.TAG)$"
"""Files by which tools mark a folder as one that they made."""
_BY_TOOL: Final = "made by a tool, such as a package manager or a compiler"
_REASONS: Final = {
    b"r": "a git repository of its own",
    b"s": "files in the folder of a submodule",
    b"t": _BY_TOOL,
    b"m": _BY_TOOL,
    b"i": "a pattern of git ignores it",
    b"l": f"its path has more than {LONGEST_PATH - 1} bytes, which no checkout takes",
}


@dataclass(frozen=True)
class LeftBehind:
    """A path of the tree that is no part of the change, and why; a folder ends with a slash."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"`{self.path}` ({self.why})"


@dataclass(frozen=True)
class TakenChange:
    """The difference between a tree and its base as a patch (b"" for none), and what is not in it.

    `left_behind` names what whoever made the tree may think is part of it.
    """

    patch: bytes = b""
    left_behind: tuple[LeftBehind, ...] = ()


async def take_change(
    sandbox: Sandbox,
    base: Base,
    *,
    max_bytes: int = MAX_PATCH,
    name: str = "change",
    written: Collection[str] = (),
) -> TakenChange:
    """The whole difference between the work tree and the base.

    Ignored files, empty folders, nested repositories, what lies in a submodule's folder, and new
    files that tools make stay behind; what a `.gitignore` takes back with `!` does not. The tree's
    own `.git` is not looked at, so it does not matter what was done to it. Where the tree is made
    again meanwhile, the change is that of the new one. Who takes it beside another takes it by
    another `name`. Of ignored files those are told that are `written`: paths from the top. Raises
    PatchTooLarge or PatchUnusable.
    """
    while (taken := await _try_to_take(sandbox, base, max_bytes, name, written)) is None:
        continue
    return taken


async def _try_to_take(
    sandbox: Sandbox, base: Base, max_bytes: int, name: str, written: Collection[str]
) -> TakenChange | None:
    """None where the tree was made again meanwhile: the sandbox ends that after a few times."""
    others = f"{_TEMPORARY}/.{name}-"
    folder = f"{others}{secrets.token_hex(8)}"
    clear = f"rm -rf {others}* 2>/dev/null || true\n"
    script = f"{SYSTEM_FIRST}{clear}{_script(folder, base, max_bytes)}"
    words = "".join(f"{path}\0" for path in written).encode(errors="surrogatepass")
    result = await sandbox.run(script, stdin=words, keep_bytes=2 * MAX_QUOTED_CHARS)
    if result.lost:
        return None
    if result.exit_code == _TOO_LARGE or result.limit in ("disk", "memory"):
        met = f"met the {result.limit} limit when it was taken" if result.limit else "is too large"
        raise PatchTooLarge(
            f"The change {met}: at most {max_bytes} bytes.",
            "Keep generated files out of it by .gitignore, and remove what fills the tree.",
        )
    if result.exit_code != 0:
        raise PatchUnusable(f"git cannot read the tree: {result.reason}")
    try:
        patch = await sandbox.read(f"{folder}/patch", max_bytes=max_bytes)
        left = await sandbox.read(f"{folder}/left", max_bytes=_LEFT_BYTES)
    except TreeRestored:
        return None
    except FileAccessError as error:
        raise PatchUnusable(f"The change cannot be read: {error}") from error
    return TakenChange(patch, await asyncio.to_thread(_left_behind, left))


def _left_behind(listed: bytes) -> tuple[LeftBehind, ...]:
    """Each is a letter of `_REASONS` and a path, with NUL at its end; what has none was cut off."""
    entries = [
        (entry[:1], entry[1:].decode(errors="replace")) for entry in listed.split(b"\0")[:-1]
    ]
    found = [
        LeftBehind(path, _REASONS[kind])
        for kind, path in dict.fromkeys(entries)
        if kind in _REASONS and (kind != b"m" or _is_made(path))
    ]
    folders = frozenset(left.path for left in found if left.path.endswith("/"))
    found = [left for left in found if left.path in folders or not _lies_in(left.path, folders)]
    if more := len(found) - _MOST_LEFT:
        rest = [LeftBehind("…", f"and {more} more")] if more > 0 else []
        return (*found[:_MOST_LEFT], *rest)
    return tuple(found)


def _script(folder: str, base: Base, max_bytes: int) -> str:
    """A new git directory and index each time; only the names to ignore come from the tree."""
    return f"""\
set -e -o pipefail
export LC_ALL=C
mkdir {folder}
cat > {folder}/written
{make_git_dir(folder, base)}
ignored={folder}/info/exclude left={folder}/left
: > $left
printf '%s\\n' {_words(_MADE_ANYWHERE)} > {folder}/made
printf '%s\\n' {_words(_CACHES)} | cat - {folder}/made > $ignored
[ ! -f {IGNORED_BY_SETUP} ] || cat {IGNORED_BY_SETUP} >> $ignored  # what decides comes last
export GIT_DIR={folder} GIT_WORK_TREE=/workspace HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1
export GIT_NO_REPLACE_OBJECTS=1 GIT_LITERAL_PATHSPECS=1
{_leave_what_tools_made(folder)}
stage() {{
  git read-tree {base.sha} || return
  git update-index -q --refresh >/dev/null  # else `add` writes every unchanged file as an object
  git add -u && leave_what_tools_made && others --exclude-standard |
    while IFS= read -r -d '' name; do
      if [[ $name == */ ]]; then printf 'r%s\\0' "$name" >> $left
      elif ((${{#name}} >= {LONGEST_PATH})); then printf 'l%.{_SHOWN_PATH}s…\\0' "$name" >> $left
      else printf '%s\\0' "$name"; fi
    done | git update-index -z --add --stdin
}}
stage || {{ chmod -R u+rwX /workspace; : > $left; stage; }}
git ls-tree -r -z --full-tree {base.sha} | {{ grep -z '^160000 ' || true; }} |
  while IFS=$'\\t' read -r -d '' _ name; do
    [ -d "/workspace/$name" ] && [ ! -e "/workspace/$name/.git" ] || continue
    [ -z "$(find "/workspace/$name" -mindepth 1 -type f -print -quit)" ] ||
      printf 's%s/\\0' "$name" >> $left
  done
sed -z 's|^|./|' {folder}/written |
  {{ env -u GIT_LITERAL_PATHSPECS git check-ignore -z --stdin || true; }} | sed -z 's|^./||' |
  while IFS= read -r -d '' name; do
    [ ! -f "/workspace/$name" ] || printf 'i%s\\0' "$name" >> $left
  done
truncate -s '<{_LEFT_BYTES}' $left
set +e +o pipefail
git diff --cached --binary --no-renames --full-index --no-ext-diff --no-textconv {base.sha} |
  head -c {max_bytes + 1} > {folder}/patch
ended=${{PIPESTATUS[0]}}
rm -rf {folder}/objects
[ "$(stat -c %s {folder}/patch)" -le {max_bytes} ] || exit {_TOO_LARGE}
exit "$ended"
"""


def _leave_what_tools_made(folder: str) -> str:
    """Functions of the script: by patterns, and by the files with which tools mark a folder."""
    return f"""\
others() {{ git ls-files -z --others "$@"; }}
programs() {{
  while IFS= read -r -d '' name; do
    if [ -f "/workspace/$name" ] && [ -x "/workspace/$name" ]; then
      IFS= read -r -d '' -n 4 magic < "/workspace/$name" || true
      [ "$magic" != $'\\x7fELF' ] || printf '%s\\0' "$name"
    fi
  done
}}
leave() {{ head -c {_LEFT_BYTES // 4} | sed -z "s/^/$1/" >> $left; }}
leave_what_tools_made() {{
  others --ignored --directory --exclude-from={folder}/made | sed -z 's|^|./|' |
    {{ env -u GIT_LITERAL_PATHSPECS git check-ignore -z --stdin -v || true; }} |
    while IFS= read -r -d '' by && read -r -d '' && IFS= read -r -d '' pattern &&
      IFS= read -r -d '' name; do
      [ "$by" != $ignored ] || ! grep -qxFe "$pattern" {folder}/made ||
        printf '%s\\0' "${{name#./}}"
    done | leave m
  others --exclude-standard | {{ grep -zE '{_MARKS}' || true; }} |
    sed -z 's|[^/]*$||' | {{ grep -z . || true; }} > {folder}/marked
  others --exclude-standard | programs >> {folder}/marked
  sed -z '{NAME_AS_PATTERN}' {folder}/marked | tr '\\0' '\\n' >> $ignored
  leave t < {folder}/marked
}}
"""


def _words(patterns: tuple[str, ...]) -> str:
    return " ".join(map(quote, patterns))


def _lies_in(path: str, folders: Collection[str]) -> bool:
    """Whether one of the folders is around a path."""
    at = path.find("/")
    while at >= 0:
        if path[: at + 1] in folders:
            return True
        at = path.find("/", at + 1)
    return False


def _is_made(path: str) -> bool:
    """Git also lists folders that merely hold what tools made."""
    return any(fnmatch(path, pattern) or fnmatch(path, f"*/{pattern}") for pattern in _MADE)
