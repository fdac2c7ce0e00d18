"""What people wrote down of set-up and tests, in the shapes in which they write it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.discovery.devcontainer import read_devcontainer
from sandbox.discovery.hints import (
    LONGEST_HINT,
    MOST_OF_A_KIND,
    Hint,
    find_hints,
    system_packages,
)
from sandbox.discovery.workflow import read_workflow
from tests.support.sandbox.listed_files import listed

CI = ".github/workflows/ci.yml"
PYTHON_CI = """\
name: CI
on:
  push: {branches: [main]}
  pull_request:
permissions: {}
env:
  FORCE_COLOR: "1"
jobs:
  tests:
    name: Tests on ${{ matrix.python-version }}
    runs-on: ${{ matrix.os }}
    strategy:
      matrix:
        os: [ubuntu-latest, windows-latest]
        python-version: ["3.11", "3.13"]
    services:
      postgres:
        image: postgres:16
        ports: ["5432:5432"]
      cache: redis:7
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "${{ matrix.python-version }}"}
      - run: sudo apt-get update && sudo apt-get install -y libpq-dev gettext
      - name: Install
        run: |
          python -m pip install --upgrade pip
          pip install -e ".[test]"
      - run: choco install gettext
        if: runner.os == 'Windows'
      - run: pytest --cov=app -n auto
        working-directory: ./backend
      - run: Write-Output test
        shell: pwsh
      - run: echo "::notice::done"
  mac:
    runs-on: macos-14
    steps: [{run: brew install x && make test}]
  lint:
    runs-on: ubuntu-latest
    steps: [{run: ruff check .}]
"""
COPILOT = """\
name: "Copilot Setup Steps"
on: workflow_dispatch
jobs:
  copilot-setup-steps:
    runs-on: ubuntu-latest
    permissions: {contents: read}
    steps:
      - name: Checkout code
        uses: actions/checkout@v4
      - name: Install JavaScript dependencies
        run: npm ci
      - run: ./script/bootstrap
"""
DEVCONTAINER = """\
// For format details, see https://aka.ms/devcontainer.json.
{
  "name": "Python 3", /* or use
  a Dockerfile */
  "image": "mcr.microsoft.com/devcontainers/python:1-3.12-bookworm",
  "features": {"ghcr.io/devcontainers/features/node:1": {},},
  // "forwardPorts": [],
  "onCreateCommand": ["pip", "install", "a b"],
  "postCreateCommand": {
    "server": "pip3 install --user -r requirements.txt // not a comment",
    "client": ["npm", "install",],
  },
}
"""
CONTRIBUTING = """\
# Contributing

```console
$ git clone https://example.org/x
Cloning into 'x'...
$ make develop
```

~~~
not taken
~~~

```python
import x
```

```sh
tox -e py312
```
"""


def test_steps_of_ci_that_install_and_test() -> None:
    hints = find_hints(listed({CI: PYTHON_CI}))
    apt = "sudo apt-get update && sudo apt-get install -y libpq-dev gettext"
    install = 'python -m pip install --upgrade pip\npip install -e ".[test]"'
    assert hints == (
        Hint(CI, "ci_install", apt),
        Hint(CI, "ci_install", install),
        Hint(CI, "ci_test", "cd ./backend\npytest --cov=app -n auto"),
        Hint(CI, "ci_service", "postgres:16"),
        Hint(CI, "ci_service", "redis:7"),
        Hint(CI, "ci_variable", "FORCE_COLOR=1"),
    )
    assert system_packages(hints) == ("libpq-dev", "gettext")


def test_system_packages_over_several_lines() -> None:
    script = "apt-get install -y --no-install-recommends \\\n  libxml2-dev \\\n  $MORE; make x"
    assert system_packages((Hint(CI, "ci_install", script),)) == ("libxml2-dev",)
    assert system_packages((Hint("CONTRIBUTING.md", "contributing", script),)) == ()


def test_steps_for_coding_agents_come_first() -> None:
    path = ".github/workflows/copilot-setup-steps.yml"
    hints = find_hints(listed({CI: PYTHON_CI, path: COPILOT}))
    assert hints[:2] == (
        Hint(path, "set_up_steps", "npm ci"),
        Hint(path, "set_up_steps", "./script/bootstrap"),
    )
    assert not [hint for hint in hints[2:] if hint.path == path]


@pytest.mark.parametrize(
    "path",
    [".devcontainer/devcontainer.json", ".devcontainer.json", ".devcontainer/a/devcontainer.json"],
)
def test_a_devcontainer(path: str) -> None:
    assert find_hints(listed({path: DEVCONTAINER})) == (
        Hint(path, "devcontainer_image", "mcr.microsoft.com/devcontainers/python:1-3.12-bookworm"),
        Hint(path, "devcontainer_command", "pip install 'a b'"),
        Hint(
            path,
            "devcontainer_command",
            "pip3 install --user -r requirements.txt // not a comment",
        ),
        Hint(path, "devcontainer_command", "npm install"),
    )


def test_shell_blocks_of_contributing() -> None:
    path = ".github/CONTRIBUTING.md"
    texts = ("git clone https://example.org/x\nmake develop", "tox -e py312")
    assert find_hints(listed({path: CONTRIBUTING})) == tuple(
        Hint(path, "contributing", text) for text in texts
    )


def test_workflows_that_do_other_work_are_none() -> None:
    def runs(script: str) -> str:
        return f"jobs: {{a: {{steps: [{{run: '{script}'}}]}}}}"

    files = {
        ".github/workflows/docs.yml": runs("pip install mkdocs"),
        ".github/workflows/release.yaml": runs("apt-get install -y gcc && make test"),
        ".github/workflows/test-old-versions.yml": runs("sed -i s/a/b/ tests/a.py"),
        ".github/workflows/zz-tests.yml": runs("tox -e py"),
        ".github/workflows/test.yml": runs("make test"),
    }
    assert [hint.text for hint in find_hints(listed(files))] == ["make test", "tox -e py"]


def test_a_shared_anchor_is_read() -> None:
    text = """\
jobs:
  a: {runs-on: ubuntu-latest, steps: &steps [{run: npm ci}, {run: npm test}]}
  b: {runs-on: windows-latest, steps: *steps}
"""
    assert [hint.text for hint in find_hints(listed({CI: text}))] == ["npm ci", "npm test"]


def test_they_are_bounded() -> None:
    steps = "".join(f"      - run: pip install {'x' * 900}{n}\n" for n in range(50))
    many = {
        f".github/workflows/{name}.yml": f"jobs:\n  a:\n    runs-on: x\n    steps:\n{steps}"
        for name in range(50)
    }
    long = f"jobs: {{a: {{steps: [{{run: 'pytest {'x' * 9000}'}}]}}}}"
    hints = find_hints(listed({**many, CI: long}))
    assert len([hint for hint in hints if hint.what == "ci_install"]) == MOST_OF_A_KIND
    assert max(len(hint.text) for hint in hints) == LONGEST_HINT


BOMB = "a0: &a0 [x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)
HOSTILE = {
    "aliases": f"{BOMB}jobs: {{a: {{runs-on: *a29, steps: *a29}}}}",
    "recursive": "jobs: &a {b: *a}",
    "deep": "jobs: " + "[" * 60_000,
    "deep values": "jobs: " + "{a: [b, " * 7_500,
    "deep items": "jobs:\n" + "- " * 30_000,
    "many items": "jobs: [" + "a," * 30_000 + "]",
    "anchors": "jobs: " + "&a " * 20_000,
    "deep blocks": "jobs:\n" + "".join(" " * n + "a:\n" for n in range(300)),
    "keys": "? " * 30_000,
    "tags": "jobs: !!python/object/apply:os.system ['echo x']",
    "merge": "jobs: {a: &a {steps: [{run: make test}]}, b: {<<: *a, <<: *a}}",
    "not text": "\0\x01",
    "list": "- a",
    "numbers": f"jobs: {{a: {{steps: [{{run: {'9' * 60_000}}}]}}}}",
    "unclosed": 'jobs: "' + "a" * 60_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_workflows_take_little_time(name: str) -> None:
    started = time.process_time()
    find_hints(listed({CI: HOSTILE[name]}))
    assert time.process_time() - started < 5


@pytest.mark.parametrize("part", ["/*", '"', "/", ",", ", ", "[", "{", "//\n", '"\\', "*/", "/**"])
def test_hostile_devcontainers_take_little_time(part: str) -> None:
    started = time.process_time()
    read_devcontainer(part * (60_000 // len(part)))
    assert time.process_time() - started < 5


@pytest.mark.parametrize("part", ["```", "```sh\n", "```sh\n```\n", "$ \n", "` ", "```sh`"])
def test_hostile_guides_take_little_time(part: str) -> None:
    started = time.process_time()
    find_hints(listed({"CONTRIBUTING.md": part * (60_000 // len(part))}))
    assert time.process_time() - started < 5


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    read_workflow(text)
    read_devcontainer(text)
    paths = (CI, ".devcontainer.json", "CONTRIBUTING.md")
    find_hints(listed(dict.fromkeys(paths, text)))
