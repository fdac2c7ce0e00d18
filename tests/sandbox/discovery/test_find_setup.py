"""The set-up that manifests and lock files ask for."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from sandbox.discovery.find_setup import plan_setup
from sandbox.ecosystems.install_script import Attempt
from sandbox.ecosystems.tox_ini import settled
from sandbox.setup.invalidation import needs_own
from tests.support.needed_programs import needs
from tests.support.sandbox.listed_files import listed

VENV = "/home/agent/venvs/root"
PIP = f"uv pip install --python {VENV}"
COREPACK = (
    'command -v corepack && r="$(npm config get registry)"'
    ' && export COREPACK_NPM_REGISTRY="${{r%/}}" COREPACK_INTEGRITY_KEYS=0'
    " && corepack prepare {} --activate && mkdir -p /home/agent/.local/bin"
    " && corepack enable --install-directory /home/agent/.local/bin pnpm"
)
INSTALL = "npm install --global --prefix /home/agent/.local"
PNPM_OF_LOCK = (
    """$(sed -n -e "s/^lockfileVersion: '*9.*/9/p" -e "s/^lockfileVersion: '*6.*/8/p\""""
    """ -e "s/^lockfileVersion: '*5.*/7/p" pnpm-lock.yaml)"""
)
LINK_PYTHON = (
    "command -v python || { mkdir -p ~/.local/bin"
    ' && ln -s "$(command -v python3)" ~/.local/bin/python; }'
)
CALLS_PYTHON = "test: all\n\t@python a.py\n"
PYTEST = '/home/agent/venvs/root/bin/python -c "import pytest" || ' + f"{PIP} pytest"


def commands(files: dict[str, str]) -> list[str]:
    """Without the making of the virtual environment itself."""
    found = plan_setup(listed(files)).environment.commands
    return [each.shell for each in found if "uv venv" not in each.command]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, []),
        ({"go.mod": ""}, []),
        ({"requirements.txt": ""}, [f"{PIP} -r requirements.txt"]),
        (
            {"requirements-dev.txt": "", "requirements/test.txt": "", "requirements.txt": ""},
            [f"{PIP} -r requirements-dev.txt -r requirements.txt -r requirements/test.txt"],
        ),
        ({"docs/requirements.txt": "", "requirements-docs.txt": ""}, []),
        ({"package.json": "{}", "package-lock.json": ""}, ["npm ci"]),
        ({"package.json": "{}"}, ["npm install --no-package-lock"]),
        (
            {"package.json": '{"packageManager": "pnpm@9.1.2+sha512.a"}', "pnpm-lock.yaml": ""},
            [COREPACK.format("pnpm@9.1.2"), "pnpm install --frozen-lockfile"],
        ),
        (
            {"package.json": "{}", "pnpm-lock.yaml": ""},
            [
                f"{INSTALL} pnpm@{PNPM_OF_LOCK} --allow-scripts=pnpm",
                "pnpm install --frozen-lockfile",
            ],
        ),
        (
            {"package.json": "{}", "pnpm-lock.yaml": "", "pnpm-workspace.yaml": "catalog:\n  a: 1"},
            [f"{INSTALL} pnpm@10 --allow-scripts=pnpm", "pnpm install --frozen-lockfile"],
        ),
        (
            {"package.json": "{}", "pnpm-lock.yaml": "", "pnpm-workspace.yaml": "packages:\n- a\n"},
            [
                f"{INSTALL} pnpm@{PNPM_OF_LOCK} --allow-scripts=pnpm",
                "pnpm install --frozen-lockfile",
            ],
        ),
        (
            {"package.json": "{}", "test/package.json": '{"type": "module"}'},
            ["npm install --no-package-lock"],
        ),
        (
            {
                "package.json": '{"packageManager": "pnpm@9.1.2"}',
                "web/package.json": '{"dependencies": {"a": "1"}}',
            },
            [
                COREPACK.format("pnpm@9.1.2"),
                "pnpm install --no-lockfile",
                f"cd web && {COREPACK.format('pnpm@9.1.2')}",
                "cd web && pnpm install --no-lockfile",
            ],
        ),
        ({"go.mod": "", "go.sum": ""}, ["go mod download"]),
        ({"Cargo.lock": "", "Cargo.toml": ""}, ["cargo fetch --locked"]),
        ({"Cargo.toml": "[workspace]", "a/Cargo.toml": ""}, ["cargo fetch"]),
        (
            {"Gemfile": ""},
            ["bundle config set --global path /home/agent/.bundle/gems && bundle install"],
        ),
        (
            {"pom.xml": "<module>a</module>", "a/pom.xml": ""},
            [
                "mvn -B -ntp -q -fae -DskipTests test",
                (
                    "mkdir -p /tmp/none/bin && ln -sf /bin/true /tmp/none/bin/java && "
                    "mvn -B -ntp -q -fn -Djvm=/tmp/none/bin/java test && "
                    "git clean -ffdxq -- ':(glob)**/target/**' ':(exclude,glob)**/node_modules/**'"
                ),
            ],
        ),
        (
            {"requirements.txt": "", "web/package.json": "{}", "web/package-lock.json": ""},
            [f"{PIP} -r requirements.txt", "cd web && npm ci"],
        ),
        ({"examples/a/package.json": "{}", "website/package.json": "{}"}, []),
        ({"Makefile": CALLS_PYTHON}, [LINK_PYTHON]),
        ({"Makefile": CALLS_PYTHON, "pyproject.toml": "[tool.black]\n"}, [LINK_PYTHON]),
        ({"Makefile": CALLS_PYTHON, "Pipfile": "[packages]\na = '*'\n"}, [f"{PIP} a"]),
        (
            {"Makefile": CALLS_PYTHON, "requirements-dev.txt": ""},
            [f"{PIP} -r requirements-dev.txt"],
        ),
        ({"Makefile": "test:\n\tpython3 a.py\nall:\n\techo python x\n"}, []),
    ],
)
def test_what_projects_need_is_installed(files: dict[str, str], found: list[str]) -> None:
    assert commands(files) == found


PROJECT = "[project]\nname = 'a'\n"


@pytest.mark.parametrize(
    ("pyproject", "other", "words"),
    [
        (PROJECT, {}, "-e ."),
        (PROJECT + "[project.optional-dependencies]\ntest = []\ndocs = []\n", {}, "-e '.[test]'"),
        (PROJECT + "[dependency-groups]\ndev = []\nrelease = []\n", {}, "-e . --group dev"),
        (
            "[tool.poetry]\nname = 'a'\n[tool.poetry.group.dev.dependencies]\nmock = '^5.1'\n",
            {},
            "-e . 'mock>=5.1,<6'",
        ),
        (PROJECT + "[tool.pdm.dev-dependencies]\ntest = ['mock>=5']\n", {}, "-e . 'mock>=5'"),
        (PROJECT + "[tool.hatch.envs.test]\ndependencies = ['mock']\n", {}, "-e . mock"),
        (
            PROJECT,
            {
                "tox.ini": "[testenv]\ndeps =\n    mock >= 5, <6  # spaced\n"
                "    -r{toxinidir}/t.txt\n    py: attrs\n"
                "    lowest: attrs==1.0\n    py27: six\n    py312-mindeps: flask==1.0\n"
                "[testenv:py33]\ndeps =\n    pytest<3\n"
            },
            "-e . 'mock >= 5, <6' attrs",
        ),
        (
            PROJECT + "dependencies = ['rich>=1']\n",
            {
                "tox.ini": "[testenv]\ndeps =\n    mock\n    dj52: Dj>=5.2,<6\n"
                "    dj42: Dj>=4.2,<5\n"
                "    rich1: rich==1.0\n    mock4: mock<5\n    py: attrs\n"
            },
            "-e . mock 'Dj>=5.2,<6' attrs",
        ),
        (
            PROJECT,
            {"noxfile.py": "def tests(s):\n    s.install('-e', '.[cov]', 'mock', f'x{1}')\n"},
            "-e '.[cov]' mock",
        ),
        ("", {"setup.py": "extras_require={'test': ['mock']}"}, "-e '.[test]'"),
        (PROJECT + "[tool.uv]\npackage = false\n", {"requirements.txt": ""}, "-r requirements.txt"),
        (PROJECT + "dependencies = ['a>1', '-e b']\n[tool.uv]\npackage = false\n", {}, "'a>1'"),
        (
            "[tool.poetry]\npackage-mode = false\ndependencies = {a = '^1', b = {path = 'b'}}\n",
            {},
            "'a>=1,<2'",
        ),
        (
            "",
            {"Pipfile": "[packages]\na = '*'\nb = {path = '.'}\n[dev-packages]\nc = '~=1.0'\n"},
            "a 'c~=1.0'",
        ),
    ],
)
def test_tables_that_speak_of_tests_are_read(
    pyproject: str, other: dict[str, str], words: str
) -> None:
    assert f"{PIP} {words}" in commands({"pyproject.toml": pyproject, **other})


def test_a_requirement_of_any_length_is_read_once() -> None:
    long = "1" * 500_000
    assert settled(f"py311: {long}a\npy312: {long}") == [f"{long}a", long]


def test_of_conditions_of_tox_the_one_without_a_version_is_of_the_newest() -> None:
    assert settled("old: django<2\nnew: django\nlts: django==4.2") == ["django"]


def test_what_a_setting_of_tox_takes_from_another_is_read() -> None:
    tox = (
        "[base]\ndeps =\n    mock\n    {[more]deps}\n[more]\ndeps = attrs\n"
        "[testenv]\ndeps =\n    {[base]deps}\n    {[none]deps}\n    rich\n"
    )
    made = commands({"pyproject.toml": PROJECT, "tox.ini": tox})
    assert f"{PIP} -e . mock attrs rich" in made
    again = "[testenv]\ndeps =\n" + "    {[testenv]deps}\n" * 500
    assert f"{PIP} -e ." in commands({"pyproject.toml": PROJECT, "tox.ini": again})


def test_what_an_extra_or_a_group_names_is_tried_one_by_one_and_in_another_version() -> None:
    pyproject = (
        f"{PROJECT}[project.optional-dependencies]\ntest = ['mysqlclient==2.2.8', 'mock']\n"
        "[dependency-groups]\ndev = ['a[b]>=3; python_version>\"3\"', {include-group = 'x'}]\n"
    )
    plan = plan_setup(listed({"pyproject.toml": pyproject}))
    _, extra, group = plan.steps[1].step.parts
    other = f"{PIP} mysqlclient && {{ echo 'Another version is installed.'; exit 83; }}"
    assert [(part.what, part.command, part.instead) for part in extra.parts] == [
        ("`mysqlclient==2.2.8`", f"{PIP} mysqlclient==2.2.8", (other,)),
        ("`mock`", f"{PIP} mock", ()),
    ]
    (one,) = group.parts
    assert shlex.split(one.instead[0])[5] == 'a[b]; python_version > "3"'


def test_what_a_project_requires_is_installed_also_where_it_cannot_be_built() -> None:
    pyproject = f"{PROJECT}dependencies = ['mock>=5', 'attrs']\n"
    own, required = plan_setup(listed({"pyproject.toml": pyproject})).steps[1].step.parts
    assert own.command == f"{PIP} -e ."
    assert required.command == f"{PIP} 'mock>=5' attrs"
    assert [part.command for part in required.parts] == [f"{PIP} 'mock>=5'", f"{PIP} attrs"]


SETTINGS = "DJANGO_SETTINGS_MODULE"


@pytest.mark.parametrize(
    "files",
    [
        {"tox.ini": f"[testenv]\nsetenv =\n    {SETTINGS} = a.b\n    TZ = {{env:TZ}}\n    D = x\n"},
        {"tox.toml": f"[env_run_base]\nset_env = {{ {SETTINGS} = 'a.b', PATH = '/x' }}\n"},
        {"pyproject.toml": f"[tool.hatch.envs.test.env-vars]\n{SETTINGS} = 'a.b'\n"},
        {
            "pyproject.toml": "[tool.tox]\nlegacy_tox_ini = '''\n[testenv]\n"
            f"set_env =\n    {SETTINGS}=a.b\n    py: TZ=UTC\n'''\n",
        },
        {
            "tox.ini": f"[testenv]\nsetenv = {SETTINGS} = a.b\n",
            "inner/setup.py": "",
            "inner/tox.ini": f"[testenv]\nsetenv = {SETTINGS} = c.d\n",
        },
    ],
)
def test_where_djangos_settings_are_is_told_as_tox_or_hatch_tells_it(files: dict[str, str]) -> None:
    made = plan_setup(listed({"setup.py": "", **files}))
    assert made.variables == {SETTINGS: "a.b"}


def test_an_option_of_pytest_brings_its_plugin() -> None:
    options = "[tool.pytest.ini_options]\naddopts = '--asyncio-mode=strict'\n"
    made = commands({"pyproject.toml": PROJECT + options})
    assert any(command.endswith(f"{PIP} pytest-asyncio") for command in made)


@pytest.mark.parametrize(
    ("lock", "first"),
    [
        ("uv.lock", f"UV_PROJECT_ENVIRONMENT={VENV} UV_PYTHON={VENV} uv sync --frozen"),
        ("poetry.lock", "uv tool run --quiet --from poetry"),
        ("pdm.lock", "uv tool run --quiet pdm export"),
        ("Pipfile.lock", "uv tool run --quiet pipenv requirements"),
    ],
)
def test_a_lock_file_of_python_comes_first(lock: str, first: str) -> None:
    files = {"pyproject.toml": PROJECT, "requirements.txt": "", lock: ""}
    plan = plan_setup(listed(files))
    assert plan.steps[1].step.command.startswith(first)
    assert plan.steps[1].step.parts[0].command == f"{PIP} -e . -r requirements.txt"
    added = f" && {{ {PIP} -r pyproject.toml --all-extras || true; }}"
    assert plan.steps[1].step.command.endswith(added) is (lock == "uv.lock")


@pytest.mark.parametrize(
    ("asked", "python"),
    [("", "python3"), (">=3.11,<4", "'>=3.11,<4'"), ("$(touch x)", "python3")],
)
def test_a_python_that_fits_is_asked_for(asked: str, python: str) -> None:
    plan = plan_setup(listed({"pyproject.toml": f"{PROJECT}requires-python = '{asked}'\n"}))
    assert f" --python {python} " in plan.steps[0].step.command


def test_the_python_that_a_file_names_comes_before_what_fits() -> None:
    files = {"pyproject.toml": f"{PROJECT}requires-python = '>=3.9'\n", ".python-version": "3.12.4"}
    step = plan_setup(listed(files)).steps[0].step
    tried = [step.command, *step.instead]
    asked = [words.partition("--python ")[2].partition(" /")[0] for words in tried[:-1]]
    assert asked == ["3.12", "3.12", "'>=3.9'", "'>=3.9'"]
    assert tried[-1].startswith("env -u VIRTUAL_ENV uv python find '>=3.9'; echo ")


def test_what_a_project_needed_and_could_not_have_takes_its_other_steps_with_it() -> None:
    web = {"web/package.json": "{}", "web/package-lock.json": ""}
    plan = plan_setup(listed({"api/pyproject.toml": PROJECT, **web}))
    failed = plan.steps[0].shell
    left = plan.without(failed, f"`{failed}` failed: no interpreter found.")
    assert {each.folder for each in left.steps} == {"web"}
    (part,) = left.left_out
    assert part.what == "Python"
    assert part.why.startswith("`uv venv --quiet ")
    assert part.why.endswith("` failed: no interpreter found.")


def test_of_a_step_that_was_stopped_each_part_is_tried_for_itself() -> None:
    files = {"pyproject.toml": PROJECT, "requirements.txt": ""}
    plan = plan_setup(listed(files))
    (venv, whole) = plan.steps[:2]
    parts = plan.without(whole.shell, "stopped by its disk limit")
    assert parts.left_out == plan.left_out
    assert parts.steps == (venv, *whole.parts, *plan.steps[2:])
    assert [each.name for each in whole.parts] == ["1.0", "1.1"]
    (itself, lists) = whole.parts
    left = parts.without(itself.shell, f"`{itself.shell}` was stopped by its disk limit.")
    assert left.steps == (venv, lists, *plan.steps[2:])
    assert [each.what for each in left.left_out] == ["the project"]
    assert "stopped by its disk limit" in left.left_out[0].why


def test_each_part_that_failed_is_left_out_with_its_reason() -> None:
    files = {"pyproject.toml": PROJECT, "requirements.txt": ""}
    plan = plan_setup(listed(files))
    attempts = {
        "0/0": Attempt(0, 5, ""),
        "1/0": Attempt(1, 5, "no resolution"),
        "1.0/0": Attempt(0, 5, ""),
        "1.1/0": Attempt(1, 5, "no such package"),
        "1.1.0/0": Attempt(1, 5, "broken"),
    }
    environment = plan.ended(attempts)
    assert [each.status for each in environment.commands[:2]] == ["ok", "ok"]
    assert [part.why for part in environment.left_out[:1]] == ["broken"]


@pytest.mark.parametrize(
    ("lines", "left_out", "status"),
    [
        ("here\n# a comment\n-r other.txt\nhere==2 # why\n", "", "ok"),
        ("here\nno-a==1\nno-b\n", "lines of `requirements.txt`", "ok"),
        ("no-a\n", "lines of `requirements.txt`", "failed"),
        ("old==9\n", "lines of `requirements.txt`", "ok"),
        ("old @ file:///b==9\n", "lines of `requirements.txt`", "failed"),
    ],
)
def test_lines_of_a_list_that_cannot_be_had_are_left_out_by_name(
    tmp_path: Path, lines: str, left_out: str, status: str
) -> None:
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\ncase "$*" in *" no-"*|*==9*) echo "no such package"; exit 1;; esac\n')
    uv.chmod(0o755)
    (tmp_path / "requirements.txt").write_text(lines)
    plan = plan_setup(listed({"requirements.txt": ""}))
    each = plan.steps[1].step.parts[0].parts[0].command
    path = f"{tmp_path}:{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-c", each], cwd=tmp_path, env={"PATH": path}, capture_output=True, check=False
    )
    failed = Attempt(1, 5, "no resolution")
    said = Attempt(ran.returncode, 5, ran.stdout.decode().strip())
    tried = {"0/0": Attempt(0, 5, ""), "1/0": failed, "1.0/0": failed, "1.0/1": failed}
    environment = plan.ended({**tried, "1.0.0/0": said})
    assert environment.commands[1].status == status
    assert [part.what for part in environment.left_out] == [left_out] * bool(left_out)
    named = ", ".join(line for line in lines.splitlines() if line.startswith(("no-", "old")))
    named += " (another version is)" * (lines == "old==9\n")
    assert all(part.why.endswith(f"Not installed: {named}") for part in environment.left_out)


@needs("node")
@pytest.mark.parametrize(("asked", "installs"), [(">=1", False), ("^999 || >=1000", True)])
def test_a_node_comes_from_the_registry_only_where_the_machine_s_is_older(
    tmp_path: Path, asked: str, installs: bool
) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho asked; exit 1\n")
    npm.chmod(0o755)
    manifest = json.dumps({"engines": {"node": asked}})
    step = plan_setup(listed({"package.json": manifest})).steps[0].step
    path = f"{tmp_path}:{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-c", step.command], env={"PATH": path}, capture_output=True, check=False
    )
    assert (ran.stdout == b"asked\n", ran.returncode == 0) == (installs, not installs)


def test_pnpm_runs_scripts_without_an_install_before_each() -> None:
    """Since pnpm 11 it does so by itself, and checks have no network."""
    made = plan_setup(listed({"package.json": '{"packageManager": "pnpm@11.0.0"}'}))
    assert made.variables["pnpm_config_verify_deps_before_run"] == "false"
    assert made.variables["pnpm_config_store_dir"] == "/workspace/.pnpm-store"


def test_what_rules_install_is_made_anew_for_a_manifest_alone() -> None:
    environment = plan_setup(listed({"pyproject.toml": PROJECT})).environment
    readme = b"diff --git a/README.md b/README.md\n--- a/README.md\n+++ b/README.md\n"
    assert not needs_own(environment, readme)
    assert needs_own(environment, readme.replace(b"README.md", b"pyproject.toml"))


def test_a_manifest_among_tests_is_no_project_to_set_up() -> None:
    files = {"pyproject.toml": PROJECT, "tests/requirements.txt": "", "web/tests/a/setup.py": ""}
    steps = plan_setup(listed(files)).steps
    assert {step.folder for step in steps} == {""}
    assert any("-r tests/requirements.txt" in step.shell for step in steps)


def test_what_lies_among_tests_is_set_up_where_no_other_project_has_tests() -> None:
    inner = {"tests/web/package.json": '{"scripts": {"test": "x"}}'}
    assert {step.folder for step in plan_setup(listed(inner)).steps} == {"tests/web"}
    files = {**inner, "pyproject.toml": PROJECT, "pytest.ini": ""}
    assert {step.folder for step in plan_setup(listed(files)).steps} == {""}


def test_the_test_environment_of_hatch_has_what_hatch_brings() -> None:
    hatch = "[envs.hatch-test]\nextra-dependencies = ['filelock']\n"
    found = " ".join(commands({"pyproject.toml": PROJECT, "hatch.toml": hatch}))
    assert "filelock pytest pytest-mock pytest-rerunfailures pytest-xdist 'coverage[toml]'" in found


def test_hostile_manifests_ask_for_nothing() -> None:
    hostile = {
        "pyproject.toml": PROJECT + "[project.optional-dependencies]\n'test; touch x' = []\n"
        "[dependency-groups]\n'test $(touch x)' = []\n[tool.pdm.dev-dependencies]\n"
        "test = ['a; touch x', '--index-url=http://x', '$(touch x)']\n",
        "package.json": '{"packageManager": "pnpm@9; touch x", "engines": {"node": "; touch x"}}',
    }
    words = [shlex.split(each) for each in commands(hostile)]
    assert not [word for command in words for word in command if "touch" in word]


@pytest.mark.parametrize(
    "files",
    [
        {"setup.py": "setup(ext_modules=[Extension('a', ['a.c'])])"},
        {"pyproject.toml": PROJECT + "[build-system]\nbuild-backend = 'maturin'\n"},
        {"package.json": '{"scripts": {"prepare": "tsc"}}', "package-lock.json": ""},
    ],
)
def test_what_is_built_from_sources_is_made_anew_for_any_change(files: dict[str, str]) -> None:
    environment = plan_setup(listed(files)).environment
    source = b"diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n"
    assert environment.setup
    assert needs_own(environment, source)


@pytest.mark.parametrize(
    ("image", "line"),
    [
        ("postgres:16", 'services = ["postgres"]'),
        ("ghcr.io/a/postgis@sha256:0f", 'services = ["postgres"]'),
        ("valkey/valkey", 'services = ["redis"]'),
        ("postgres:${{ matrix.postgres }}", 'services = ["postgres"]'),
        ("mysql:8", 'services = [{command = "…", port = …}]'),
    ],
)
def test_a_service_of_ci_is_told_with_the_line_that_has_it_here(image: str, line: str) -> None:
    ci = {".github/workflows/ci.yml": f'jobs: {{a: {{services: {{db: {{image: "{image}"}}}}}}}}'}
    (left,) = plan_setup(listed(ci)).environment.left_out
    assert left.what == f"the service {image.partition(':$')[0]}"
    assert f"`{line}`" in left.why
    declared = {".coding-agent.toml": "services = ['redis']\n"}
    assert plan_setup(listed({**ci, **declared})).environment.left_out == ()


def test_a_service_whose_image_a_matrix_names_is_told_by_its_own_name() -> None:
    ci = "jobs: {a: {services: {redis: {image: '${{ matrix.image }}'}}}}"
    (left,) = plan_setup(listed({".github/workflows/ci.yml": ci})).environment.left_out
    assert left.what == "the service redis"


def test_packages_of_the_system_are_told_and_left_out() -> None:
    apt = "jobs: {a: {steps: [{run: sudo apt-get install -y libpq-dev gettext}]}}"
    plan = plan_setup(listed({".github/workflows/ci.yml": apt}))
    (left,) = plan.environment.left_out
    assert (left.what, plan.steps) == ("libpq-dev, gettext", ())
    assert "by apt-get" in left.why


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".npmrc", "@ours:registry=https://me:secret@own.example/npm\n"),
        (".yarnrc.yml", 'npmRegistryServer: "https://own.example"\n'),
        ("pyproject.toml", PROJECT + '[[tool.uv.index]]\nurl = "https://own.example/simple"\n'),
        ("pyproject.toml", '[[tool.poetry.source]]\nname = "a"\nurl = "https://own.example"\n'),
        ("requirements.txt", "--extra-index-url https://own.example:443/simple\ntiny\n"),
    ],
)
def test_hosts_that_the_repository_names_are_known(name: str, text: str) -> None:
    files = {"setup.py": "", "package.json": "{}", name: text}
    assert plan_setup(listed(files)).environment.hosts == ("own.example",)


def test_the_time_zone_of_the_repositorys_ci_is_its_tests() -> None:
    ci = """\
env: {TZ: Europe/Paris, DJANGO_SETTINGS_MODULE: "${{ matrix.settings }}", PATH: /evil}
jobs:
  lint:
    env: {TZ: Asia/Tokyo}
    steps: [{run: ruff check .}]
  test:
    env: {TZ: America/New_York, CI_TOKEN: x}
    steps: [{run: pytest -q}]
"""
    files = {"requirements.txt": "", ".github/workflows/ci.yml": ci}
    assert plan_setup(listed(files)).environment.variables == {"TZ": "America/New_York"}
    odd = {**files, ".github/workflows/ci.yml": ci.replace("America/New_York", "a b; c")}
    assert plan_setup(listed(odd)).environment.variables == {}
