"""JavaScript and TypeScript: the scripts of package.json, else the runner that is depended on."""

import json
import re
from collections.abc import Iterator, Sequence

from sandbox.ecosystems.base import (
    Ecosystem,
    Lines,
    Mark,
    ReportReader,
    any_line,
    failures_like,
    only,
    program_versions,
)
from sandbox.ecosystems.install_step import InstallPlan, is_example
from sandbox.ecosystems.javascript_install import plan_javascript
from sandbox.ecosystems.javascript_scripts import INSTALLED, NPX, are_beside_tests, split_script
from sandbox.ecosystems.named_code import javascript_names
from sandbox.ecosystems.project import Project

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
_ONCE = "CI=true "  # else some runners wait for changes of the files

_PACKAGES = re.compile(r"(?:.*/)?package\.json", re.DOTALL)
_ENTRIES = r"(index|main)\.[cm]?js|(dist|build|out)/[^/]+\.[cm]?js"
_BUILT = re.compile(r"(?:\./)?(?P<file>(?:dist|build|out)/[^*]++)")
_CONDITIONS = ("import", "default", "require", "node")
_BUILDS = re.compile(r"\b(?:npm|pnpm|yarn|bun) (?:run |-\S++ ){0,4}+build(?![\w:-])")
_RUNS_TESTS = re.compile(r"\b(?:npm|pnpm|yarn|bun) (?:run |-\S++ ){0,4}+test\b")
_OUTER_TEST = re.compile(r"(?:tests?|spec|__tests__)/")

Manifest = dict[str, object]


def _tests(project: Project) -> Iterator[str]:
    """The script `test`, or the runner among the dependencies."""
    manifest = _manifest(project)
    if _script(manifest, "test"):
        # `bun test` is bun's own runner, whatever the script says
        manager = _manager(project)
        whole = f"{_ONCE}{manager} {'run ' if manager == 'bun' else ''}test"
        scripts = _table(manifest, "scripts")
        if manager == "npm" and are_beside_tests(scripts.get("pretest"), scripts.get("posttest")):
            whole += " --ignore-scripts"
        tests, _ = split_script(scripts.get("test"), manager, scripts)
        yield _built(project) + (" && ".join(f"{_ONCE}{part}" for part in tests) or whole)
    elif runner := next(filter(_dependencies(manifest).__contains__, _RUNNERS), None):
        yield f"{_built(project)}{_ONCE}{NPX} {_RUNNERS[runner]}"


def _built(project: Project) -> str:
    """The build, before tests that import its result, where that is not among the files.

    It is a part of the check: what set-up built would be of the base.
    """
    manifest = _manifest(project)
    scripts = _table(manifest, "scripts")
    calls = " ".join(str(scripts.get(name, "")) for name in ("pretest", "test"))
    if not _script(manifest, "build") or "build" in calls:
        return ""
    needed = _tests_import_build(project, manifest) or _parts_import_builds(project, manifest)
    return f"{_manager(project)} run build && " if needed else ""


def _tests_import_build(project: Project, manifest: Manifest) -> bool:
    main = manifest.get("main")
    file = main.removeprefix("./") if isinstance(main, str) else ""
    if not re.fullmatch(_ENTRIES, file):
        return False
    kind = "imports from a folder of builds" if "/" in file else "imports from the top"
    imports = any(_OUTER_TEST.match(path) for path in project.owned(_PACKAGES, kind))
    return imports and not project.has(file, re.sub(r"js$", "ts", file))


def _parts_import_builds(project: Project, manifest: Manifest) -> bool:
    """Whether packages of a workspace need builds of each other, and CI builds before it tests."""
    workflows = Project(project.repository, ".github/workflows")
    texts = (workflows.text(name) for name in workflows.names)
    calls = ((_BUILDS.search(text), _RUNS_TESTS.search(text)) for text in texts)
    is_workspace = project.has("pnpm-workspace.yaml") or "workspaces" in manifest
    if not is_workspace or not any(b and t and b.start() < t.start() for b, t in calls):
        return False
    inside = f"{project.folder}/" if project.folder else ""
    packages = project.repository.projects(_PACKAGES)
    inner = [each for each in packages if each.folder.startswith(inside) and each != project]
    parts = [each for each in inner if not is_example(each.folder)]
    manifests = [_manifest(part) for part in parts]
    built = {
        each.get("name")
        for part, each in zip(parts, manifests, strict=True)
        if (match := _BUILT.fullmatch(_entry(each))) and not part.has(match["file"])
    }
    return any(not built.isdisjoint(_dependencies(each)) for each in manifests)


def _entry(manifest: Manifest) -> str:
    """The file that others import."""
    exports = manifest.get("exports")
    entry = exports.get(".", exports) if isinstance(exports, dict) else exports
    while isinstance(entry, dict):
        entry = next((entry[name] for name in _CONDITIONS if name in entry), None)
    found = entry if isinstance(entry, str) else manifest.get("main")
    return found if isinstance(found, str) else ""


def _lints(project: Project) -> Iterator[str]:
    """The scripts for it, or the tools that are configured without one."""
    manifest, manager = _manifest(project), _manager(project)
    scripts = _table(manifest, "scripts")
    if _script(manifest, "lint"):
        yield f"{manager} run lint"
    elif lints := split_script(scripts.get("test"), manager, scripts)[1]:
        yield from lints
    elif "eslintConfig" in manifest or any(map(_ESLINT_CONFIG.fullmatch, project.names)):
        yield f"{NPX} eslint ."
    if types := next((name for name in _TYPES if _script(manifest, name)), None):
        yield f"{manager} run {types}"
    elif _is_checked_by_tsc(project, manifest):
        yield f"{NPX} tsc --noEmit"


def _is_checked_by_tsc(project: Project, manifest: Manifest) -> bool:
    """A configuration of references alone checks nothing."""
    config = project.text("tsconfig.json")
    return bool(config) and '"references"' not in config and "typescript" in _dependencies(manifest)


def _script(manifest: Manifest, name: str) -> bool:
    body = _table(manifest, "scripts").get(name)
    return isinstance(body, str) and bool(body.strip()) and "no test specified" not in body


def _dependencies(manifest: Manifest) -> set[str]:
    return {*_table(manifest, "dependencies"), *_table(manifest, "devDependencies")}


def _manager(project: Project) -> str:
    """As the project or the nearest folder around it declares, or by its lock file."""
    for folder in (project, *project.outer()):
        name = str(_manifest(folder).get("packageManager", "")).split("@", 1)[0]
        if name in _MANAGERS:
            return name
        for lock, manager in _LOCKS.items():
            if folder.has(lock):
                return manager
    return "npm"


def _manifest(project: Project) -> Manifest:
    try:
        value = json.loads(project.text("package.json"))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _table(manifest: Manifest, key: str) -> Manifest:
    table = manifest.get(key)
    return table if isinstance(table, dict) else {}


def _plan(project: Project) -> InstallPlan:
    return plan_javascript(project, _manager(project))


def _probe(words: Sequence[str]) -> str:
    """Asks for the tool, which answers with its version."""
    tool = words[len(INSTALLED)] if len(words) > len(INSTALLED) else ""
    if (*words[: len(INSTALLED)],) == INSTALLED and re.fullmatch(r"[\w.]+", tool):
        return f"{NPX} {tool} --version"
    return ""


_FILE = re.compile(r"\s*FAIL\s+(?P<file>\S.*?)(?: \([\d.]+ m?s\))?(?: \(\d+ MB heap size\))?")
_JEST_TEST = re.compile(r"  ● (?P<id>\S.*)")  # what a test printed is indented further
_JEST_NOTES = ("Console", "Validation Warning", "Deprecation Warning")
_MOCHA_COUNT = re.compile(r"  \d+ failing")
_MOCHA_ENTRY = re.compile(r"  (?P<number>\d+)\) (?P<title>\S.*)")
_MOCHA_INDENT = 7
_SUBTEST = re.compile(r"(?P<indent> *)# Subtest: (?P<name>\S.*)")
_NOT_OK = re.compile(r"(?P<indent> *)not ok \d+(?: -)? (?P<name>\S.*)")
_EXCUSED = re.compile(r" # (?:todo|skip)\b", re.IGNORECASE)
_SUITES = re.compile(
    r" *+Test Suites: (?:\d+ failed, )?(?:(\d+) skipped, )?(?:\d+ passed, )?(\d+) of (\d+) total"
)


def _jest_and_vitest(lines: Lines) -> Iterator[str]:
    """jest: `FAIL file`, then `  ● suite … test`; vitest: ` FAIL  file > suite > test`."""
    file = ""
    for line in lines:
        if "\t" not in line and (match := _FILE.fullmatch(line)):
            file = match["file"]
            if " > " in file or file.endswith("]"):
                yield file
        elif file and (match := _JEST_TEST.fullmatch(line)) and match["id"] not in _JEST_NOTES:
            yield f"{file} > {match['id']}"


def _mocha(lines: Lines) -> Iterator[str]:
    """Below `  2 failing`, in order: `  1) suite`, each inner title a line, further indented."""
    expected = 0
    titles: list[str] = []
    for line in [*lines, ""]:
        if titles and _is_inner_title(line, len(titles)):
            titles.append(line.strip())
            continue
        if titles:
            yield " > ".join(titles).removesuffix(":")
            titles = []
        if _MOCHA_COUNT.match(line):
            expected = 1
        elif (match := _MOCHA_ENTRY.fullmatch(line)) and match["number"] == str(expected):
            titles = [match["title"]]
            expected += 1


def _is_inner_title(line: str, level: int) -> bool:
    return len(line) - len(line.lstrip(" ")) == _MOCHA_INDENT + 2 * (level - 1) < len(line)


def _tap(lines: Lines) -> Iterator[str]:
    """`not ok 1 - name`, inner tests indented by four, below `# Subtest: name` of each suite."""
    suites: dict[int, str] = {}
    for line in lines:
        if match := _SUBTEST.fullmatch(line):
            suites[len(match["indent"])] = match["name"]
        elif (match := _NOT_OK.fullmatch(line)) and not _EXCUSED.search(line):
            indent = len(match["indent"])
            outer = [suites[level] for level in range(0, indent, 4) if level in suites]
            yield " > ".join([*outer, match["name"]])


def _is_cut_short(lines: Lines) -> bool:
    """jest says `5 of 6 total` of suites that are skipped, too: those are not left out."""
    suites = (match.groups("0") for match in map(_SUITES.match, lines) if match)
    left_out = any(int(skipped) + int(ran) < int(every) for skipped, ran, every in suites)
    return left_out or any(line.startswith("Bail out!") for line in lines)


_VERSIONS = (
    program_versions(node="node --version", **{name: f"{name} --version" for name in _MANAGERS})
    + f"""
for t in {" ".join(_RUNNERS)} eslint typescript prettier; do
  v=$(sed -n 's/^ *"version": *"\\([^"]*\\)".*/\\1/p' "node_modules/$t/package.json" 2>/dev/null |
    head -n 1)
  [ -z "$v" ] || echo "$t $v"
done"""
)


JAVASCRIPT = Ecosystem(
    name="javascript",
    manifests=r"package\.json",
    locks=r"package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?",
    read=r"tsconfig\.json|\.npmrc|\.yarnrc\.yml|pnpm-workspace\.yaml",
    seen=r"eslint\.config\.[cm]?[jt]s|\.eslintrc|\.eslintrc\.[a-z]+",
    layout=rf"{_ENTRIES}|(index|main)\.[cm]?ts",
    marks=(
        Mark(
            "imports from the top",
            "*[jt]s",
            r"(from|require\(|import\()[[:space:]]*['\"](\.\./)+[a-z]+(\.[cm]?js)?['\"]",
        ),
        Mark(
            "imports from a folder of builds",
            "*[jt]s",
            r"(from|require\(|import\()[[:space:]]*['\"](\.\./)+(dist|build|out)/",
        ),
    ),
    tests=_tests,
    lints=_lints,
    test_calls=r"(?:npm|pnpm|yarn|bun) (?:run )?(?:test|unit)[\w:-]*|\b(?:jest|vitest|mocha|ava)\b",
    lint_calls=r"(?:npm|pnpm|yarn|bun) (?:run )?(?:lint|type|check-types|tsc)[\w:-]*"
    r"|eslint|tsc|prettier|biome",
    reports=(
        ReportReader(
            "jest, vitest",
            _jest_and_vitest,
            any_line(r" *Tests:? +(?:\d+ (?:skipped|todo), )*[1-9]\d* (?:passed|failed)\b"),
        ),
        ReportReader("mocha", _mocha, any_line(r"  [1-9]\d* (?:passing|failing)\b")),
        ReportReader("TAP", _tap, any_line(r" *(?:not )?ok [1-9]\d*\b")),
        ReportReader(
            "node",
            failures_like(
                # behind the time stands why a failure is excused: `(0.5ms) # because`
                r"✖ (?:(?=.*ms\)$)|(?!.* \([\d.]++ms\) # ))(\S.*?)(?: \([\d.]+ms\))?",
                below=r"test at (\S.*?):\d+:\d+",
                until=".*",
                between=" > ",
            ),
            any_line(r". (?:pass|fail) [1-9]\d*$"),
        ),
    ),
    counts=r" *Tests:? +(\d.*\b(?:passed|failed)\b).*|  (\d+ (?:passing|failing))\b.*"
    r"|\S ((?:pass|fail) \d+)",
    failures_begin=r" *FAIL +.*|  ● (?!Console$).*|  \d+ failing|✖ failing tests:|\s*not ok \d+.*",
    lists_failed=r"  \d+ failing|✖ failing tests:|Summary of all failing tests"
    r"|⎯+ Failed Tests \d+ ⎯+",
    cut_short=_is_cut_short,
    stops_at_first=_is_cut_short,
    ends_first=r"(?<!\S)--bail(?:=[1-9]\d*+)?(?![\w=./-]| 0(?!\S))",
    idle=any_line(r"No tests? (?:files? )?found, exiting with code 0"),
    noise=r" *PASS .*|\s+[✓√✔] .*|✔ .*|\s*ok \d+.*|\s*# Subtest: .*|\s*duration_ms: .*",
    probe=_probe,
    lacking=r".*(Cannot find (?:module|package) '[^'./][^']*+').*",
    plan=_plan,
    versions=_VERSIONS,
    installs_only=only(r"(?:npm|pnpm|yarn|bun) (?:ci|i|install)(?: -\S+)*|yarn"),
    install_reads=r"package\.json|pnpm-workspace\.yaml|\.pnpmfile\.cjs|\.npmrc|\.yarnrc(?:\.yml)?"
    r"|\.node-version|\.nvmrc|[^/]*\.patch",
    install_scripts=Mark(
        "scripts", "package.json", '"(pre|post)?(prepare|install|prepublish)"[[:space:]]*:'
    ),
    sources=r"[^/]+\.(?:[cm]?[jt]sx?|vue|svelte)",
    names_of=javascript_names,
    is_served=True,
    definition=r"export\b|module\.exports\b|exports\.",
    test_files=r"__tests__/.*",
    test_line=r"[ \t]*(it|test|specify)(\.[a-z]+)*\(",
    tests_in_source=r"\s*+if\s*+\(\s*+import\.meta\.vitest\b",
    config=r"package\.json|\.npmrc|\.yarnrc(?:\.yml)?|tsconfig\.json|bunfig\.toml|biome\.jsonc?"
    r"|(?:jest|vitest|playwright|karma|babel)\.config\.\w+|\.(?:eslint|mocha)rc[^/]*"
    r"|eslint\.config\.\w+|node_modules/.*",
    # of a table of cases the name stands behind it: `test.each(rows)('…'`, or on its last line
    test_definition=r"\s*+(?:(?:it|test|specify)(?:\.\w++)*+\s*+(?:\([^'\"`]{0,200}\)(?=\())?+"
    r"|[\])`]++(?=\())\(?+\s*+(['\"`])(.+?)\1",
    assertion=r"\bassert\w*\b|\bexpect\s*+\(",
    skip=r"\b(?:it|test|describe|context|suite|specify)\.(?:skip|todo|only|failing)\b"
    r"|(?<![.\w])[xf](?:it|describe|test|specify|context)\s*+\(\s*+['\"`]",
    suppression=r"eslint-disable|@ts-(?:ignore|nocheck|expect-error)|biome-ignore"
    r"|--passWithNoTests",
    runner_access=r"\bprocess\.(?:exit|reallyExit)\s*+\(\s*+0?\s*+\)",
)
