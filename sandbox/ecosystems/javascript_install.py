"""Setting a JavaScript project up with the package manager that it names."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from shlex import quote
from typing import Any, Final

from sandbox.ecosystems.asked_versions import asked_version
from sandbox.ecosystems.install_step import InstallPlan, InstallStep, hosts_of, is_example
from sandbox.ecosystems.project import Project

PREFIX: Final = "/home/agent/.local"
PNPM_STORE: Final = ".pnpm-store"
"""Beside the repository's files; not kept."""
_PNPM_OF_LOCK: Final = (
    """$(sed -n -e "s/^lockfileVersion: '*9.*/9/p" -e "s/^lockfileVersion: '*6.*/8/p\""""
    """ -e "s/^lockfileVersion: '*5.*/7/p" pnpm-lock.yaml)"""
)
"""The major version that wrote a lock file, found when it is asked for; empty where none is."""
_VERSION = re.compile(r"(npm|pnpm|yarn|bun)@(\d+(?:\.\d+)*)(?:[-+].*)?")
_NOT_DOWNLOADED: Final = (
    *("PUPPETEER_SKIP_DOWNLOAD", "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "SENTRYCLI_SKIP_DOWNLOAD"),
    *("ELECTRON_SKIP_BINARY_DOWNLOAD", "CHROMEDRIVER_SKIP_DOWNLOAD"),
)
_VARIABLES: Final = (
    *((name, "1") for name in _NOT_DOWNLOADED),
    *(("CYPRESS_INSTALL_BINARY", "0"), ("HUSKY", "0"), ("COREPACK_ENABLE_STRICT", "0")),
)
_PNPM_SETTINGS: Final = {
    "store_dir": f"/workspace/{PNPM_STORE}",  # in the mount of the packages: by hard links
    "verify_deps_before_run": "false",  # else scripts begin with an install, without a network
}
_PNPM_VARIABLES: Final = tuple(
    (f"{prefix}_config_{name}", value)
    for prefix in ("npm", "pnpm")
    for name, value in _PNPM_SETTINGS.items()
)
_NODE_OF_PNPM: Final = {"11": 22}
_SCRIPTS: Final = [
    f"{when}{what}" for what in ("prepare", "install", "prepublish") for when in ("", "pre", "post")
]
_READS_NO_SOURCES: Final = re.compile(
    r"(?:husky|is-ci|simple-git-hooks|lefthook|only-allow|patch-package|pinst|echo)\b[^|;&$`<>]*"
    r"|exit 0|true|:"
)
"""Scripts that set hooks of git, or apply patches: those that installing reads."""
_REGISTRY_OF_NPM: Final = 'r="$(npm config get registry)" && r="${r%/}"'
_YARN_REGISTRY: Final = 'YARN_REGISTRY="$r/" YARN_NPM_REGISTRY_SERVER="$r"'
"""Yarn has a registry of its own; set-up reaches that of npm."""
_YARN_LOCK: Final = r'sed -i -E "s#https://registry\.(yarnpkg\.com|npmjs\.org)/#$r/#" yarn.lock && '
"""A lock file of Yarn 1 has addresses. What is written to it stays in the tree of set-up."""
_COREPACK_REGISTRY: Final = (
    'command -v corepack && r="$(npm config get registry)"'
    ' && export COREPACK_NPM_REGISTRY="${r%/}" COREPACK_INTEGRITY_KEYS=0'
)
"""Registries that stand in for npm's have no signatures; npm asks for none either."""
_OF_COREPACK: Final = frozenset(("pnpm", "yarn"))
_REGISTRY: Final = re.compile(
    r"(?m)^[ \t]*+(?:(?:@[\w.-]+:)?registry\s*=|npmRegistryServer:)\s*[\"']?(https?://[^\s\"']+)"
)
_OF_PACKAGES: Final = (
    *("dependencies", "devDependencies", "optionalDependencies", "peerDependencies"),
    *("resolutions", "overrides"),
)
_OF_PROJECTS: Final = ("scripts", "workspaces", "packageManager")
_OF_NO_REGISTRY: Final = re.compile(
    r"(?:git[@+:]|github:|gitlab:|bitbucket:|gist:|https?:|ssh:)|\w[\w.-]*+/[\w.-]++(?:#|$)"
)
"""How the source of a package begins that comes by git or from an address."""
_PACKAGE = re.compile(r"(?:@[\w.-]+/)?[\w.-]+")
_LOCK_FILES: Final = (
    "package-lock.json npm-shrinkwrap.json pnpm-lock.yaml yarn.lock bun.lock bun.lockb"
)
_WITHOUT: Final = """\
const fs = require("fs"), [left, locks, command] = process.argv.slice(1);
const manifests = JSON.parse(left), kept = new Map();
for (const file of [...Object.keys(manifests), ...locks.split(" ")])
  if (fs.existsSync(file)) kept.set(file, fs.readFileSync(file));
let code = 1;
try {
  for (const [file, fields] of Object.entries(manifests)) {
    const manifest = JSON.parse(kept.get(file));
    for (const [field, names] of Object.entries(fields))
      for (const name of names) delete manifest[field][name];
    fs.writeFileSync(file, JSON.stringify(manifest));
  }
  const ended = require("child_process").spawnSync("bash", ["-c", command], {stdio: "inherit"});
  code = ended.status ?? 1;
} finally {
  for (const [file, bytes] of kept) fs.writeFileSync(file, bytes);
}
process.exit(code);
"""
"""Runs a command while manifests lack some packages; then they are as they were."""
_MOST_LEFT: Final = 20
_LONGEST_SOURCE: Final = 300
_ARCHITECTURE: Final = "$(node -p 'process.arch')"


def plan_javascript(project: Project, manager: str) -> InstallPlan:
    """Once at the root of workspaces; no lock file is written where there is none."""
    manifest = read_manifest(project)
    if not project.has("package.json") or _is_in_workspace(project):
        return InstallPlan()
    if project.folder and _says_nothing(project, manifest):
        return InstallPlan()
    steps = [
        *_node_step(project, manager, manifest),
        *_manager_step(project, manager, _naming(project)),
        _install_step(project, manager),
    ]
    if _runs_scripts(project):
        steps = [replace(step, builds=True) for step in steps]
    named = _REGISTRY.findall(project.text(".npmrc", ".yarnrc.yml"))
    variables = (*_VARIABLES, *(_PNPM_VARIABLES if manager == "pnpm" else ()))
    return InstallPlan(tuple(steps), (f"{PREFIX}/bin",), variables, hosts=hosts_of(named))


def _says_nothing(project: Project, manifest: Mapping[str, Any]) -> bool:
    """Whether it says no more than of which kind its modules are."""
    says = any(manifest.get(each) for each in (*_OF_PACKAGES, *_OF_PROJECTS))
    return not says and not project.has(*_LOCK_FILES.split(), "pnpm-workspace.yaml")


def _naming(project: Project) -> Mapping[str, Any]:
    """The nearest manifest that names a package manager, else the project's own."""
    manifests = [read_manifest(folder) for folder in (project, *project.outer())]
    return next((each for each in manifests if "packageManager" in each), manifests[0])


def _runs_scripts(project: Project) -> bool:
    """Whether installing runs scripts of the repository's own packages that may read any file."""
    files = project.repository.files.items()
    manifests = (_manifest(text) for path, text in files if path.endswith("package.json"))
    scripts = (_text_in(each, "scripts", name) for each in manifests for name in _SCRIPTS)
    parts = (part for script in scripts for part in re.split(r"&&|\|\||;", script))
    return any(part.strip() and not _only_hooks(part) for part in parts)


def _only_hooks(part: str) -> bool:
    words = part.strip().removeprefix("npx ").removeprefix("node_modules/.bin/")
    return _READS_NO_SOURCES.fullmatch(words) is not None


def read_manifest(project: Project) -> Mapping[str, Any]:
    """The table of a package.json; empty where it is none."""
    return _manifest(project.text("package.json"))


def _manifest(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_in_workspace(project: Project) -> bool:
    """Whether a folder around it installs it, too."""
    return any(
        folder.has("pnpm-workspace.yaml") or "workspaces" in read_manifest(folder)
        for folder in project.outer()
    )


def _node_step(
    project: Project, manager: str, manifest: Mapping[str, Any]
) -> Iterator[InstallStep]:
    """A newer Node.js, from the registry, where the machine's is older than what is asked for."""
    asked = [_least_major(_text_in(manifest, "engines", "node"))]
    asked.append(_least_major(asked_version(project, "node")))
    version = manager_version(project, manager, manifest)
    if manager == "pnpm":
        asked.append(_NODE_OF_PNPM.get(version.split(".")[0], 0))
    if major := max(asked, default=0):
        even = major + major % 2
        older = f'+process.versions.node.split(".")[0] < {major}'
        found = f"node -e 'process.exit({older} ? 1 : 0)'"  # Node.js 20 takes numbers alone
        package = f"node-linux-{_ARCHITECTURE}"
        install = (
            f"npm install --global --prefix {PREFIX} {package}@{even} && mkdir -p {PREFIX}/bin"
            f" && ln -sf ../lib/node_modules/{package}/bin/node {PREFIX}/bin/node"
        )
        yield InstallStep(f"Node.js {even}", f"{found} || {{ {install}; }}")


def _text_in(table: Mapping[str, Any], *names: str) -> str:
    value: Any = table
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def _least_major(text: str) -> int:
    """The oldest major version that a range allows; 0 where it says none."""
    found = [re.search(r"\d{1,3}", part) for part in text[:200].split("||")]
    return min((int(match[0]) for match in found if match), default=0)


def manager_version(project: Project, manager: str, manifest: Mapping[str, Any]) -> str:
    """The version of the package manager that is asked for; empty where none is."""
    named = _VERSION.fullmatch(_text_in(manifest, "packageManager"))
    if named and named[1] == manager:
        return named[2]
    if manager != "pnpm" or not project.has("pnpm-lock.yaml"):
        return ""
    workspace = project.text("pnpm-workspace.yaml")
    # A file of settings alone is an error to those before pnpm 10, which writes the same lock file.
    settings_alone = workspace.strip() and not re.search(r"(?m)^packages:", workspace)
    return "10" if settings_alone else _PNPM_OF_LOCK


def _manager_step(
    project: Project, manager: str, manifest: Mapping[str, Any]
) -> Iterator[InstallStep]:
    """The package manager itself, in the version that is asked for."""
    if manager == "npm":
        return
    package, version = manager, manager_version(project, manager, manifest)
    if manager == "yarn":
        package, version = _yarn_package(project, version)
    named = f"{package}@{version}" if version else package
    install = f"npm install --global --prefix {PREFIX} {named}"
    allowed = f"{install} --allow-scripts={package}"
    tries = [*_by_corepack(manager, manifest), allowed, install]
    yield InstallStep(manager, tries[0], tuple(tries[1:]), needed=True)


def _by_corepack(manager: str, manifest: Mapping[str, Any]) -> Iterator[str]:
    """What `packageManager` is for, where Node.js brings corepack; it fails at once where not."""
    named = _VERSION.fullmatch(_text_in(manifest, "packageManager"))
    if named and named[1] == manager and manager in _OF_COREPACK:
        folder = f"{PREFIX}/bin"
        yield (
            f"{_COREPACK_REGISTRY} && corepack prepare {manager}@{named[2]} --activate"
            f" && mkdir -p {folder} && corepack enable --install-directory {folder} {manager}"
        )


def _yarn_package(project: Project, version: str) -> tuple[str, str]:
    """Yarn 1 also starts the one that lies in the repository; later ones have another package."""
    if "yarnPath:" in project.text(".yarnrc.yml"):
        return "yarn", "1"
    if project.has(".yarnrc.yml") or (version and not version.startswith("1.")):
        return "@yarnpkg/cli-dist", version
    return "yarn", version or "1"


def _install_step(project: Project, manager: str) -> InstallStep:
    command, *instead = dict.fromkeys(_INSTALLS[manager](project))
    if manager == "yarn":
        has_addresses = project.has("yarn.lock") and not project.has(".yarnrc.yml")
        head = f"{_REGISTRY_OF_NPM} && {_YARN_LOCK if has_addresses else ''}{_YARN_REGISTRY}"
        command, *instead = (f"{head} {each}" for each in (command, *instead))
    what = "the packages of package.json"
    tries = " || ".join(f"{{ {each}; }}" for each in (command, *instead))
    parts = _without_others(project, what, tries)
    return InstallStep(what, command, tuple(instead), tuple(parts))


def _without_others(project: Project, what: str, install: str) -> Iterator[InstallStep]:
    """What registries have, where a package comes from elsewhere: managers install all or none."""
    left = dict(_of_no_registry(project))
    names = sorted({name for fields in left.values() for each in fields.values() for name in each})
    if not names or len(names) > _MOST_LEFT:
        return
    words = ("node", "-e", _WITHOUT, json.dumps(left), _LOCK_FILES, install)
    yield InstallStep(what, " ".join(map(quote, words)))
    named = ", ".join(f"`{name}`" for name in names)
    why = "By git or from an address, not from a registry. With it nothing could be installed."
    yield InstallStep(named, f"echo {quote(why)}; exit 1")


def _of_no_registry(project: Project) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Names of packages by field, for each manifest that is installed, seen from the project."""
    inside = f"{project.folder}/" if project.folder else ""
    is_root = project.has("pnpm-workspace.yaml") or "workspaces" in read_manifest(project)
    for path, text in project.repository.files.items():
        name = path.removeprefix(inside)
        folder = name.rpartition("/")[0]
        member = is_root and path.startswith(inside) and not is_example(folder)
        if path != f"{inside}package.json" and not (member and name.endswith("/package.json")):
            continue
        manifest = _manifest(text)
        tables = {each: manifest.get(each) for each in _OF_PACKAGES}
        fields = {
            each: [package for package, source in table.items() if _is_elsewhere(package, source)]
            for each, table in tables.items()
            if isinstance(table, dict)
        }
        if found := {each: packages for each, packages in fields.items() if packages}:
            yield name, found


def _is_elsewhere(package: str, source: object) -> bool:
    named = isinstance(source, str) and _OF_NO_REGISTRY.match(source[:_LONGEST_SOURCE])
    return bool(named and _PACKAGE.fullmatch(package))


def _npm(project: Project) -> Iterator[str]:
    if project.has("package-lock.json", "npm-shrinkwrap.json"):
        yield from ("npm ci", "npm ci --legacy-peer-deps", "npm ci --ignore-scripts")
    install = "npm install --no-package-lock"
    yield from (
        install,
        f"{install} --legacy-peer-deps",
        f"{install} --legacy-peer-deps --ignore-scripts",
    )


def _pnpm(project: Project) -> Iterator[str]:
    if project.has("pnpm-lock.yaml"):
        yield "pnpm install --frozen-lockfile"
        yield "pnpm install --frozen-lockfile --ignore-scripts"
    yield from ("pnpm install --no-lockfile", "pnpm install --no-lockfile --ignore-scripts")


def _yarn(project: Project) -> Iterator[str]:
    if project.has(".yarnrc.yml"):
        yield from ("yarn install --immutable", "yarn install --immutable --mode=skip-build")
        yield "YARN_ENABLE_IMMUTABLE_INSTALLS=0 yarn install --mode=skip-build"
        return
    install = "yarn install --non-interactive"
    if project.has("yarn.lock"):
        yield f"{install} --frozen-lockfile"
    yield from (
        f"{install} --pure-lockfile",
        f"{install} --pure-lockfile --ignore-engines --ignore-scripts",
    )


def _bun(project: Project) -> Iterator[str]:
    if project.has("bun.lock", "bun.lockb"):
        yield from (
            "bun install --frozen-lockfile",
            "bun install --frozen-lockfile --ignore-scripts",
        )
    yield from ("bun install --no-save", "bun install --no-save --ignore-scripts")


_INSTALLS: Final[Mapping[str, Callable[[Project], Iterator[str]]]] = {
    "npm": _npm,
    "pnpm": _pnpm,
    "yarn": _yarn,
    "bun": _bun,
}
