"""The checks of a JavaScript or TypeScript package: its scripts, else the runner it depends on."""

import json
import re
from collections.abc import Iterator

from sandbox.discovery.repository_facts import Package

_LOCKS = {
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "yarn.lock": "yarn",
    "pnpm-lock.yaml": "pnpm",
    "bun.lock": "bun",
    "bun.lockb": "bun",
}
_MANAGERS = ("npm", "yarn", "pnpm", "bun")
_RUNNERS = {"vitest": "vitest run", "jest": "jest", "mocha": "mocha"}
_TYPES = ("typecheck", "type-check", "check-types", "types:check", "tsc")
_ESLINT_CONFIG = re.compile(r"eslint\.config\.[cm]?[jt]s|\.eslintrc(?:\.[a-z]+)?")
_INSTALLED = "npx --offline --no-install"
_ONCE = "CI=true "  # else some runners wait for changes of the files

Manifest = dict[str, object]


def javascript_tests(package: Package) -> Iterator[str]:
    """The script `test`, or the runner among the dependencies."""
    manifest = _manifest(package)
    manager = _manager(package, manifest)
    if _script(manifest, "test"):
        # `bun test` is bun's own runner, whatever the script says
        yield f"{_ONCE}{manager} {'run ' if manager == 'bun' else ''}test"
        return
    dependencies = _dependencies(manifest)
    for name, command in _RUNNERS.items():
        if name in dependencies:
            yield f"{_ONCE}{_INSTALLED} {command}"
            return


def javascript_lints(package: Package) -> Iterator[str]:
    """The scripts for it, or the tools that are configured without one."""
    manifest = _manifest(package)
    manager = _manager(package, manifest)
    if _script(manifest, "lint"):
        yield f"{manager} run lint"
    elif "eslintConfig" in manifest or any(map(_ESLINT_CONFIG.fullmatch, package.names)):
        yield f"{_INSTALLED} eslint ."
    types = next((name for name in _TYPES if _script(manifest, name)), None)
    if types:
        yield f"{manager} run {types}"
    elif _is_checked_by_tsc(package, manifest):
        yield f"{_INSTALLED} tsc --noEmit"


def _is_checked_by_tsc(package: Package, manifest: Manifest) -> bool:
    """A configuration of references alone checks nothing."""
    config = package.text("tsconfig.json")
    return bool(config) and '"references"' not in config and "typescript" in _dependencies(manifest)


def _script(manifest: Manifest, name: str) -> bool:
    body = _table(manifest, "scripts").get(name)
    return isinstance(body, str) and bool(body.strip()) and "no test specified" not in body


def _dependencies(manifest: Manifest) -> set[str]:
    return {*_table(manifest, "dependencies"), *_table(manifest, "devDependencies")}


def _manager(package: Package, manifest: Manifest) -> str:
    """As the package or the nearest folder around it declares, or by its lock file."""
    for folder in (package, *package.outer()):
        declared = _manifest(folder) if folder is not package else manifest
        name = str(declared.get("packageManager", "")).split("@", 1)[0]
        if name in _MANAGERS:
            return name
        for lock, manager in _LOCKS.items():
            if folder.has(lock):
                return manager
    return "npm"


def _manifest(package: Package) -> Manifest:
    try:
        value = json.loads(package.text("package.json"))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _table(manifest: Manifest, key: str) -> Manifest:
    table = manifest.get(key)
    return table if isinstance(table, dict) else {}
