"""Checks found in a repository's files."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.discovery.find_checks import MOST_LINTS, MOST_TESTS, find_checks
from sandbox.ecosystems.project import RepositoryFiles
from tests.support.sandbox.listed_files import listed

PYTEST = "python3 -m pytest -q"
UNITTEST = "python3 -m unittest discover"


def test_files_of_tests_that_pytest_does_not_look_into_are_named() -> None:
    tests = {"unittest": ("test.py", "a/tests.py", "a/b.py")}
    assert commands(RepositoryFiles({"pytest.ini": ""}, tests)) == (f"{PYTEST} a/tests.py test.py",)
    others = {"unittest": ("test.py",), "pytest": ("a/test_a.py",)}
    assert commands(RepositoryFiles({"pytest.ini": ""}, others)) == (PYTEST,)
    said = {"setup.cfg": "[tool:pytest]\npython_files = test.py\n"}
    assert commands(RepositoryFiles(said, tests)) == (PYTEST,)


NPX = "npx --offline --no-install"


def commands(repository: RepositoryFiles) -> tuple[str, ...]:
    return tuple(check.shell for check in find_checks(repository))


def package(**scripts: str) -> str:
    return json.dumps({"name": "x", "scripts": scripts})


def depending(*names: str) -> str:
    return json.dumps({"devDependencies": dict.fromkeys(names, "1")})


def scripts(manager: str, **named: str) -> str:
    return json.dumps({"packageManager": manager, "scripts": named})


PYTHON = [
    ({}, ()),
    ({"pytest.ini": ""}, (PYTEST,)),
    ({".pytest.ini": ""}, (PYTEST,)),
    ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, (PYTEST,)),
    ({"pyproject.toml": "[dependency-groups]\r\ndev = ['pytest>=8']\r\n"}, (PYTEST,)),
    ({"pyproject.toml": "[project]\nname = 'x'\n"}, ()),
    ({"setup.cfg": "[tool:pytest]\n"}, (PYTEST,)),
    ({"tox.ini": "[testenv]\ncommands = pytest\n"}, (PYTEST,)),
    ({"tox.ini": "[tox]\nenvlist = py\n"}, ("tox",)),
    ({"tox.ini": "[testenv]\r\ncommands = ./run\r\n"}, ("./run",)),
    (
        {"tox.ini": "[testenv]\ncommands =\n  python a.py {posargs}\n  python b.py {posargs:-v}\n"},
        ("python a.py && python b.py -v",),
    ),
    ({"tox.ini": "[testenv]\ncommands = ./run {toxinidir} {toxinidir}/a\n"}, ("./run . a",)),
    ({"tox.ini": "[testenv]\ncommands = ./run {envdir}\n"}, ("tox",)),
    (
        {"tox.ini": "[testenv]\ncommands =\n  python \\\n    -W error \\\n    a.py {posargs}\n"},
        ("python -W error a.py",),
    ),
    (
        {"tox.ini": "[testenv]\ncommands =\n  !cov: ./a\n  cov: ./b\n  docs,py: make html\n"},
        ("./a",),
    ),
    ({"tox.ini": "[testenv]\ncommands =\n  docs: make html\n"}, ("tox",)),
    ({"tox.ini": "[testenv]\nchangedir = {toxinidir}/a\ncommands = ./b\n"}, ("cd a && ./b",)),
    ({"tox.ini": "[testenv]\nchangedir = a\ncommands = ./b {tox_root}\n"}, ("tox",)),
    ({"tox.ini": "[testenv]\nchangedir = {envdir}\ncommands = ./b\n"}, ("tox",)),
    ({"setup.py": "", "runtests.py": ""}, ("python3 runtests.py",)),
    ({"setup.py": "", "tests/run_tests.py": ""}, ("python3 tests/run_tests.py",)),
    ({"pytest.ini": "", "runtests.py": ""}, (PYTEST,)),
    ({"tox.ini": "[testenv]\ncommands = - ./run; rm -r x\n"}, ("tox",)),
    ({"tox.ini": "commands = ./run\n[testenv]\n"}, ("tox",)),
    ({"requirements/3.3/dev-requirements.txt": "pytest\n", "a.py": ""}, ()),
    (
        {"tox.ini": "[testenv]\ncommands = ./run '$(rm x)' \"*.py\"\n"},
        ("./run '$(rm x)' \"*.py\"",),
    ),
    ({"tox.ini": '[testenv]\ncommands = ./run "$(rm x)"\n'}, ("tox",)),
    (
        {"pyproject.toml": "[tool.hatch.envs.test.scripts]\ntest = 'python -m run {args:-v}'\n"},
        ("python -m run -v",),
    ),
    ({"hatch.toml": "[envs.test.scripts]\ntest = ['./a', './b']\n"}, ("./a && ./b",)),
    ({"pyproject.toml": "[tool.hatch.envs.test.scripts]\ntest = './a; b'\n"}, ()),
    ({"tox.ini": "[flake8]\n"}, ("python3 -m flake8",)),
    ({"tox.toml": ""}, ("tox",)),
    ({"pyproject.toml": "[tool.tox]\n"}, ("tox",)),
    ({"setup.cfg": "[tox:tox]\n"}, ("tox",)),
    ({"noxfile.py": ""}, ("nox",)),
    ({"Pipfile": "[dev-packages]\npytest = '*'\n"}, (PYTEST,)),
    ({"requirements-dev.txt": "pytest==8\n"}, (PYTEST,)),
    ({"pytest.ini": "", "src/app/__init__.py": ""}, (f"PYTHONPATH=src {PYTEST}",)),
    ({"ruff.toml": ""}, ("python3 -m ruff check .",)),
    ({"pyproject.toml": "[tool.ruff.lint]\n"}, ("python3 -m ruff check .",)),
    ({".flake8": ""}, ("python3 -m flake8",)),
    ({"setup.cfg": "[flake8]\n[mypy]\n"}, ("python3 -m flake8", "python3 -m mypy .")),
    ({"mypy.ini": "[mypy]\nfiles = src\n"}, ("python3 -m mypy",)),
    ({"pyproject.toml": "[tool.mypy]\nstrict = true\n"}, ("python3 -m mypy .",)),
    ({"pyproject.toml": "[tool.mypy]\nfiles = 'src'\n"}, ("python3 -m mypy",)),
    ({"setup.cfg": "[mypy]\nstrict = true\n  packages = app\n"}, ("python3 -m mypy",)),
    ({"setup.cfg": "[options]\npackages = find:\n[mypy]\na = 1\n"}, ("python3 -m mypy .",)),
    ({"setup.cfg": "[mypy]\na = 1\n[mypy-b.*]\nfiles = c\n"}, ("python3 -m mypy .",)),
    (
        {"pyproject.toml": "[tool.setuptools]\npackages = ['a']\n[tool.mypy]\nstrict = true\n"},
        ("python3 -m mypy .",),
    ),
    ({"pyrightconfig.json": "{}"}, ("pyright",)),
    ({"pyproject.toml": "[tool.pyright]\n"}, ("pyright",)),
    ({"pyproject.toml": "# [tool.ruff]\n[tool.ruffle]\n"}, ()),
]
JAVASCRIPT = [
    (
        {"package.json": package(test="jest", lint="eslint .")},
        ("CI=true npm test", "npm run lint"),
    ),
    ({"package.json": package(build="tsc")}, ()),
    ({"package.json": package(test='echo "Error: no test specified" && exit 1')}, ()),
    ({"package.json": package(test="a"), "yarn.lock": ""}, ("CI=true yarn test",)),
    ({"package.json": package(test="a"), "pnpm-lock.yaml": ""}, ("CI=true pnpm test",)),
    (
        {
            "package.json": package(
                pretest="npm run --silent readme && npm run lint",
                test="a",
                posttest="npx npm@'>=10.2' audit --production",
            )
        },
        ("CI=true npm test --ignore-scripts",),
    ),
    ({"package.json": package(pretest="npm run build", test="a")}, ("CI=true npm test",)),
    ({"package.json": package(pretest="eslint . && tsc", test="a")}, ("CI=true npm test",)),
    ({"package.json": package(test="a"), "bun.lock": ""}, ("CI=true bun run test",)),
    (
        {"package.json": package(test="a"), "package-lock.json": "", "yarn.lock": ""},
        ("CI=true npm test",),
    ),
    ({"package.json": scripts("pnpm@9.1.0", test="a"), "yarn.lock": ""}, ("CI=true pnpm test",)),
    ({"package.json": scripts("rm -rf /@1", test="a")}, ("CI=true npm test",)),
    ({"package.json": depending("jest")}, (f"CI=true {NPX} jest",)),
    ({"package.json": depending("vitest", "mocha")}, (f"CI=true {NPX} vitest run",)),
    ({"package.json": depending("mocha")}, (f"CI=true {NPX} mocha",)),
    ({"package.json": depending("eslint"), "eslint.config.mjs": ""}, (f"{NPX} eslint .",)),
    ({"package.json": depending("eslint"), ".eslintrc.json": ""}, (f"{NPX} eslint .",)),
    ({"package.json": json.dumps({"eslintConfig": {}})}, (f"{NPX} eslint .",)),
    ({"package.json": depending("typescript"), "tsconfig.json": "{}"}, (f"{NPX} tsc --noEmit",)),
    ({"package.json": depending("typescript"), "tsconfig.json": '{"references": []}'}, ()),
    ({"package.json": depending(), "tsconfig.json": "{}"}, ()),
    ({"package.json": package(typecheck="tsc", lint="x")}, ("npm run lint", "npm run typecheck")),
]
COMPILED = [
    ({"Cargo.toml": ""}, ("cargo test --no-fail-fast",)),
    ({"Cargo.toml": "[workspace]\n"}, ("cargo test --workspace --no-fail-fast",)),
    (
        {"Cargo.toml": "[lints.clippy]\n", "rustfmt.toml": ""},
        ("cargo test --no-fail-fast", "cargo clippy --all-targets", "cargo fmt --all --check"),
    ),
    (
        {"Cargo.toml": "", ".github/workflows/ci.yml": "run: cargo clippy && cargo fmt"},
        ("cargo test --no-fail-fast", "cargo clippy --all-targets", "cargo fmt --all --check"),
    ),
    ({"go.mod": ""}, ("go test ./...",)),
    ({"go.mod": "", "Makefile": "vet:\n\tgo vet ./...\n"}, ("go test ./...", "go vet ./...")),
    ({"go.mod": "", ".golangci.yml": ""}, ("go test ./...", "golangci-lint run")),
    ({"pom.xml": ""}, ("mvn -B -fae test",)),
    ({"pom.xml": "", "mvnw": ""}, ("./mvnw -B -fae test",)),
    ({"build.gradle": ""}, ("gradle test --continue",)),
    ({"settings.gradle.kts": "", "gradlew": ""}, ("./gradlew test --continue",)),
]
RUBY = [
    (
        {"Gemfile": "gem 'rspec'\n", ".rubocop.yml": ""},
        ("bundle exec rspec", "bundle exec rubocop"),
    ),
    ({".rspec": ""}, ("rspec",)),
    ({"sum.gemspec": "add_development_dependency 'rspec'", "Gemfile": ""}, ("bundle exec rspec",)),
    ({"Gemfile": "", "Rakefile": "Rake::TestTask.new\n"}, ("bundle exec rake test",)),
    ({"Rakefile": "task :test do\n"}, ("rake test",)),
    ({"Rakefile": "task :deploy do\n"}, ()),
    ({"Gemfile": "gem 'rails'\n", "bin/rails": ""}, ("bin/rails test",)),
    ({"Gemfile": "gem 'rspec-rails'\n", "bin/rails": ""}, ("bundle exec rspec",)),
]
MAKE = [
    ({"Makefile": "test:\n\t./run\nlint:\n\tx\n"}, ("make test", "make lint")),
    ({"Makefile": "test:\r\n\t./run\r\n"}, ("make test",)),
    ({"Makefile": "check: build\n\t./run\n"}, ("make check",)),
    ({"Makefile": "test check lint:\n\t./run\n"}, ("make test", "make lint")),
    ({"Makefile": "test::\n\t./run\n"}, ("make test",)),
    ({"Makefile": "test:\n\tuv run py.test\n", "pytest.ini": ""}, (PYTEST,)),
    ({"Makefile": "test := 1\nlint = test:\ncheck ::= 2\n# test: no\nall: test\n"}, ()),
    ({"Makefile": "test: export A = b\ntest:\n\techo\n"}, ("make test",)),
    ({"Makefile": ".PHONY: test lint\n\ntests:\n\techo\n"}, ()),
    ({"GNUmakefile": "all:\n", "Makefile": "test:\n\techo\n"}, ()),
    ({"Makefile": "test:\n\tpython -m pytest\n", "pytest.ini": ""}, (PYTEST,)),
    ({"Makefile": "test:\n\tcargo test\n", "Cargo.toml": ""}, ("cargo test --no-fail-fast",)),
    ({"Makefile": "test:\n\tnpm test\n", "package.json": package(test="a")}, ("CI=true npm test",)),
    ({"Makefile": "lint:\n\truff check\n", "ruff.toml": ""}, ("python3 -m ruff check .",)),
]


@pytest.mark.parametrize(
    ("files", "expected"), [*PYTHON, *JAVASCRIPT, *COMPILED, *RUBY, *MAKE], ids=str
)
def test_commands_follow_the_files(files: dict[str, str], expected: tuple[str, ...]) -> None:
    assert commands(RepositoryFiles(files)) == expected
    assert commands(listed(files)) == expected


@pytest.mark.parametrize(
    ("python", "expected"),
    [
        (("test_a.py",), (UNITTEST,)),
        (("tests/__init__.py", "tests/test_a.py"), (f"{UNITTEST} -s tests -t .",)),
        (("tests/test_a.py",), (f"{UNITTEST} -s tests",)),
        (("tests/a_test.py",), (f"{UNITTEST} -s tests -p '*_test.py'",)),
        (("src/a.py", "tests/test_a.py"), (f"PYTHONPATH=src {UNITTEST} -s tests",)),
        (("one/test_a.py", "two/test_a.py"), (f"{UNITTEST} -s one", f"{UNITTEST} -s two")),
        (("tests/base.py",), ()),
        (("tests/unit/test_a.py",), (f"{UNITTEST} -s tests/unit",)),
        (("a/b/__init__.py", "a/b/test_a.py"), (f"{UNITTEST} -s a/b -t a",)),
        (
            ("src/a/b/__init__.py", "src/a/b/test_a.py"),
            (f"PYTHONPATH=src {UNITTEST} -s src/a/b -t src",),
        ),
        (
            ("src/__init__.py", "src/tests/__init__.py", "src/tests/test_a.py"),
            (f"PYTHONPATH=src {UNITTEST} -s src -t .",),
        ),
        (
            ("a/__init__.py", "a/b/__init__.py", "a/b/test_a.py", "a/b/test_b.py"),
            (f"{UNITTEST} -s a -t .",),
        ),
        (("__init__.py", "test_a.py"), (UNITTEST,)),
        (("a b/test_a.py", "$(x)/test_a.py", "-x/test_a.py"), ()),
    ],
)
def test_unittest_is_run_where_its_tests_are(
    python: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert commands(RepositoryFiles(dict.fromkeys(python, ""), {"unittest": python})) == expected


@pytest.mark.parametrize(
    ("test", "lock"),
    [
        ("pnpm run /^test:/", "pnpm-lock.yaml"),
        ("pnpm --parallel '/^test:/'", "pnpm-lock.yaml"),
        ('pnpm run --no-bail "/^test:.*/"', "pnpm-lock.yaml"),
        ('run-p "test:*"', "pnpm-lock.yaml"),
    ],
)
def test_scripts_that_are_named_by_a_pattern_are_run_apart(test: str, lock: str) -> None:
    named = {"test": test, "test:unit": "bnt", "test:lint": "oxlint", "test:size": "size-limit"}
    manifest = json.dumps({"scripts": {**named, "build": "x"}})
    assert commands(RepositoryFiles({"package.json": manifest, lock: ""})) == (
        "CI=true pnpm run test:unit",
        "pnpm run test:lint",
        "pnpm run test:size",
    )


@pytest.mark.parametrize(
    "test",
    [
        "pnpm " + "-a " * 100_000,
        "run-s lint" + " t*" * 3000,
        "run-s lint" + " t" * 41,
        "pnpm lint" + " && run-s t*" * 41,
    ],
)
def test_a_script_that_tells_of_too_much_is_run_as_it_is(test: str) -> None:
    scripts = {"test": test, "lint": "xo"} | {f"t{number}": "ava" for number in range(5000)}
    files = {"package.json": json.dumps({"scripts": scripts}), "pnpm-lock.yaml": ""}
    assert commands(RepositoryFiles(files)) == ("CI=true pnpm test", "pnpm run lint")


def test_pytest_is_preferred_where_a_file_imports_it() -> None:
    tests = ("tests/test_a.py", "tests/test_b.py")
    assert commands(RepositoryFiles(marked={"unittest": tests, "pytest": tests[1:]})) == (PYTEST,)
    assert commands(RepositoryFiles({"tests/conftest.py": ""})) == (PYTEST,)


NPX = "npx --offline --no-install"


@pytest.mark.parametrize(
    ("script", "lock", "expected"),
    [
        ("xo && ava && tsd", "", (f"CI=true {NPX} ava", f"{NPX} xo", f"{NPX} tsd")),
        (
            "pnpm lint && A=1 vitest --run",
            "pnpm-lock.yaml",
            (f"CI=true A=1 {NPX} vitest --run", "pnpm lint"),
        ),
        ("eslint . && npm run unit", "", ("CI=true npm run unit", f"{NPX} eslint .")),
        (
            "run-s lint test-node test:browser",
            "",
            ("CI=true npm run test-node && CI=true npm run test:browser", "npm run lint"),
        ),
        ("npm-run-all --serial lint test:*", "", ("CI=true npm test",)),
        (
            "npm run test:unit && npm run test:typescript",
            "",
            ("CI=true npm run test:unit", "npm run test:typescript"),
        ),
        ("c8 node --test && tstyche", "", (f"CI=true {NPX} c8 node --test", f"{NPX} tstyche")),
        ("npm run build && jest", "", ("CI=true npm test",)),
        ("tsc && node dist/test.js", "", ("CI=true npm test",)),
        ("eslint . && jest | tee log", "", ("CI=true npm test",)),
        ("eslint .", "", ("CI=true npm test",)),
    ],
)
def test_tests_are_run_apart_from_the_linters_of_their_script(
    script: str, lock: str, expected: tuple[str, ...]
) -> None:
    manifest = json.dumps({"scripts": {"test": script}})
    assert (
        commands(RepositoryFiles({"package.json": manifest, lock or "README.md": ""})) == expected
    )


def test_doctests_are_run_where_there_are_no_other_tests() -> None:
    documented = RepositoryFiles({"setup.py": ""}, {"doctest": ("shape.py",)})
    assert commands(documented) == (f"{PYTEST} --doctest-modules",)
    tested = RepositoryFiles({"setup.py": ""}, {"doctest": ("a.py",), "pytest": ("b.py",)})
    assert commands(tested) == (PYTEST,)
    named = {"setup.py": "", "tox.ini": "[testenv]\ncommands = django-admin test\n"}
    assert commands(RepositoryFiles(named, {"doctest": ("a.py",)})) == ("django-admin test",)
    unsaid = {"setup.py": "", "tox.ini": "[testenv]\n"}
    assert (
        commands(RepositoryFiles(unsaid, {"doctest": ("a.py",)}))[0]
        == f"{PYTEST} --doctest-modules"
    )


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"tox.ini": "[testenv]\ncommands = python -m django test {posargs:tests}\n"},
            ("python -m django test tests",),
        ),
        (
            {"tox.ini": "[testenv]\ncommands =\n  coverage run \\\n  tests/manage.py test core\n"},
            ("coverage run tests/manage.py test core",),
        ),
        ({"Makefile": "test:\n\tpython -m django test $(TESTS)\n"}, ("make test",)),
        ({"Makefile": "test:\n\tpython -m unittest\n"}, (f"{UNITTEST} -s tests",)),
        ({"Makefile": "other:\n\tpython manage.py test\n"}, (f"{UNITTEST} -s tests",)),
    ],
)
def test_a_django_package_is_tested_by_django_although_some_tests_are_of_unittest_alone(
    files: dict[str, str], expected: tuple[str, ...]
) -> None:
    tests = {"unittest": ("tests/test_a.py",)}
    assert commands(RepositoryFiles({"setup.py": "", **files}, tests)) == expected


def test_each_package_has_checks_of_its_own() -> None:
    repository = RepositoryFiles(
        {
            "package.json": scripts("pnpm@9", test="turbo test"),
            "packages/web/package.json": package(test="vitest run", lint="eslint ."),
            "packages/it's/package.json": package(test="jest"),
            "services/api/pyproject.toml": "[tool.ruff]\n",
            "services/api/src/api/__init__.py": "",
            "services/go/go.mod": "",
        },
        {"pytest": ("services/api/tests/test_a.py",), "unittest": ("tools/test_b.py",)},
    )
    assert [(check.folder, check.kind, check.shell) for check in find_checks(repository)] == [
        ("", "test", f"{UNITTEST} -s tools"),
        ("", "test", "CI=true pnpm test"),
        ("packages/it's", "test", """cd 'packages/it'"'"'s' && CI=true pnpm test"""),
        ("packages/web", "test", "cd packages/web && CI=true pnpm test"),
        ("services/api", "test", f"cd services/api && PYTHONPATH=src {PYTEST}"),
        ("services/go", "test", "cd services/go && go test ./..."),
        ("packages/web", "lint", "cd packages/web && pnpm run lint"),
        ("services/api", "lint", "cd services/api && python3 -m ruff check ."),
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"Cargo.toml": "[workspace]\n[workspace.lints]\n", "crates/a/Cargo.toml": ""},
            (
                "cargo test --workspace --no-fail-fast",
                "cd crates/a && cargo test --no-fail-fast",
                "cargo clippy --workspace --all-targets",
            ),
        ),
        (
            {"pom.xml": "<module>core</module>", "core/pom.xml": "<module> ./a/ </module>"}
            | {"core/a/pom.xml": ""},
            ("mvn -B -fae test",),
        ),
        (
            {"pom.xml": "<module>core</module>", "core/pom.xml": "", "tool/pom.xml": ""},
            ("mvn -B -fae test", "cd tool && mvn -B -fae test"),
        ),
        (
            {"pom.xml": "", "core/pom.xml": ""},
            ("mvn -B -fae test", "cd core && mvn -B -fae test"),
        ),
        ({"settings.gradle": "", "app/build.gradle": ""}, ("gradle test --continue",)),
        ({"app/build.gradle": ""}, ("cd app && gradle test --continue",)),
    ],
)
def test_a_part_is_covered_by_what_runs_around_it(
    files: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert commands(RepositoryFiles(files)) == expected


@pytest.mark.parametrize(
    "folder",
    ["node_modules/x", "a/vendor/b", "testdata", "-x", "a\nb", "latin-\ufffd", "tests/fixtures/y"],
)
def test_what_is_not_of_the_repository_or_not_to_be_named_is_no_package(folder: str) -> None:
    assert commands(RepositoryFiles({f"{folder}/package.json": package(test="a")})) == ()


AMONG_TESTS = [
    ({"pyproject.toml": "", "tests/requirements.txt": "x\n"}, (PYTEST,)),
    ({"a.py": "", "tests/tox.ini": "[pytest]\n"}, (PYTEST,)),
    ({"a.py": "", "tests/pytest.ini": "[pytest]\n"}, (f"{PYTEST} tests",)),
    ({"pytest.ini": "", "tests/pytest.ini": "[pytest]\n"}, (PYTEST,)),
    ({"pytest.toml": "", "tests/pytest.ini": "[pytest]\n"}, (PYTEST,)),
    ({"a.py": "", "test/.pytest.toml": "[pytest]\n"}, (f"{PYTEST} test",)),
    ({"a.py": "", "tests/pytest.ini": "addopts = -x\n"}, (f"{PYTEST} --maxfail=0 tests",)),
    ({"pytest.ini": "", "tests/pytest.ini": "addopts = -x\n"}, (PYTEST,)),
    (
        {"pyproject.toml": "", "tests/integration/pyproject.toml": "pytest\n"},
        (PYTEST, f"cd tests/integration && {PYTEST}"),
    ),
]


@pytest.mark.parametrize(("files", "expected"), AMONG_TESTS)
def test_settings_among_tests_make_no_project_of_them(
    files: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert commands(listed(files, {"pytest": ("tests/test_a.py",)})) == expected


@pytest.mark.parametrize("folder", ["examples/a", "docs", "tests/web", "benchmarks", "a/demo"])
def test_a_project_comes_before_what_shows_or_measures_it(folder: str) -> None:
    files = {f"{folder}/package.json": package(test="x"), "z/y/package.json": package(test="x")}
    assert commands(listed(files)) == (
        "cd z/y && CI=true npm test",
        f"cd {folder} && CI=true npm test",
    )


def test_tests_come_before_lint_and_all_is_bounded() -> None:
    many = {f"p{number}/package.json": package(test="a", lint="b") for number in range(200)}
    kinds = [check.kind for check in find_checks(RepositoryFiles(many))]
    assert kinds == ["test"] * MOST_TESTS + ["lint"] * MOST_LINTS
    files = {"package.json": package(test="a", lint="b"), "go.mod": "", "Makefile": "lint:\n\tx\n"}
    expected = ("CI=true npm test", "go test ./...", "npm run lint", "make lint")
    assert commands(RepositoryFiles(files)) == expected


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"scripts": []}', '{"scripts": {"test": 1}}', "[" * 9999]
)
def test_a_damaged_package_names_no_check(text: str) -> None:
    assert find_checks(RepositoryFiles({"package.json": text})) == ()


MANIFESTS = ["package.json", "Makefile", "tox.ini", "pyproject.toml", "Cargo.toml", "Gemfile"]


@given(st.dictionaries(st.sampled_from([*MANIFESTS, "a/package.json", "a b/go.mod"]), st.text()))
def test_any_content_is_read(files: dict[str, str]) -> None:
    for command in commands(RepositoryFiles(files)):
        assert "\n" not in command


def test_long_hostile_lines_take_no_long_time() -> None:
    for line in (" " * 65536, "a " * 32768, "a:" * 32768, "\t" * 65536, "[" * 65536, "\n" * 65536):
        find_checks(RepositoryFiles(dict.fromkeys(MANIFESTS, line)))


def test_a_large_repository_takes_no_long_time() -> None:
    files = {f"p{number}/src/m{part}.py": "" for number in range(200) for part in range(50)}
    files |= {f"p{number}/pyproject.toml": "[tool.pytest]\n" for number in range(200)}
    assert len(find_checks(RepositoryFiles(files))) == MOST_TESTS


def test_parts_of_a_workspace_are_built_before_tests_where_ci_does_so() -> None:
    def found(ci: str, entry: object, **files: str) -> str:
        part = {"name": "@x/a", "exports": entry}
        using = {"name": "@x/b", "dependencies": {"@x/a": "workspace:*"}}
        root = {"packageManager": "pnpm@10.0.0", "scripts": {"build": "tsdown", "test": "vitest"}}
        made = {
            "package.json": json.dumps(root),
            "pnpm-workspace.yaml": "packages: [packages/*]\n",
            "packages/a/package.json": json.dumps(part),
            "packages/b/package.json": json.dumps(using),
            ".github/workflows/ci.yml": ci,
        }
        return commands(listed({**made, **files}))[0]

    ci = "run: pnpm build\nrun: pnpm run test\n"
    nested = {".": {"types": "./a", "import": {"default": "./dist/a.js"}}}
    for entry in ("./dist/index.mjs", nested):
        assert found(ci, entry) == "pnpm run build && CI=true pnpm test"
    plain = "CI=true pnpm test"
    assert found("run: pnpm test\nrun: pnpm build\n", "./dist/index.mjs") == plain
    assert found("run: pnpm build:docs\nrun: pnpm test\n", "./dist/index.mjs") == plain
    assert found(ci, {".": {"import": "./src/index.ts"}}) == plain
    assert found(ci, "./dist/index.mjs", **{"packages/a/dist/index.mjs": ""}) == plain
    assert found(ci, "./dist/index.mjs", **{"packages/b/package.json": "{}"}) == plain
    unbuilt = {"package.json": scripts("pnpm@10.0.0", test="vitest")}
    assert found(ci, "./dist/index.mjs", **unbuilt) == plain


def test_what_tests_import_is_built_before_them_where_it_is_not_there() -> None:
    def found(main: str, kind: str, *paths: str, **scripts: str) -> tuple[str, ...]:
        manifest = json.dumps({"main": main, "scripts": {"test": "mocha", **scripts}})
        files = {"package.json": manifest, **dict.fromkeys(paths, "")}
        return commands(RepositoryFiles(files, {kind: ["test/a/b.js", "src/c.js"]}))

    top, folder = "imports from the top", "imports from a folder of builds"
    built = ("npm run build && CI=true npm test",)
    assert found("./index.js", top, build="esbuild") == built
    assert found("dist/a.cjs", folder, build="esbuild") == built
    plain = ("CI=true npm test",)
    assert found("./index.js", top, "index.js", build="esbuild") == plain
    assert found("./index.js", top, "index.ts", build="esbuild") == plain
    assert found("./index.js", folder, build="esbuild") == plain
    assert found("./index.js", top, build="esbuild", pretest="npm run build") == plain
    assert found("./index.js", top) == plain
    assert found("lib/a.js", folder, build="esbuild") == plain


@pytest.mark.parametrize(
    ("name", "settings", "ends_first"),
    [
        ("pytest.ini", "[pytest]\naddopts = -x\n", True),
        ("pytest.ini", "[pytest]\naddopts = -rxXs -p no:xdist\ntestpaths = -x\n", False),
        ("pytest.toml", '[pytest]\naddopts = ["-x"]\n', True),
        (".pytest.toml", '[pytest]\naddopts = ["--maxfail", "1"]\n', True),
        ("setup.cfg", "[tool:pytest]\naddopts =\n    -ra\n\n    --exitfirst\n", True),
        ("tox.ini", "[pytest]\r\naddopts = -qvx --tb=short\r\n", True),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = ["-ra", "--maxfail=2"]\n', True),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = [\n  "-x",\n]\n', True),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "-ra"\n[x]\ny = "-x"\n', False),
    ],
)
def test_pytest_goes_through_all_tests_whatever_its_settings_say(
    name: str, settings: str, ends_first: bool
) -> None:
    expected = f"{PYTEST} --maxfail=0" if ends_first else PYTEST
    assert commands(listed({name: settings})) == (expected,)
