"""The log of a process: JSON lines that name their run, and no secret in any of them."""

import asyncio
import base64
import contextvars
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runs.model.current_run import CURRENT_RUN
from tests.standins.services.run_service import House, log_of, started
from tests.support.command.command_process import environment
from wiring.logging_setup import JsonLines, TextLines

KEY = "sk-ant-a-key-that-nobody-may-read"
TOKEN = "ghp_a-token-that-nobody-may-read"
API_KEY = "callers-key-0123456789-0123456789"
RUN = "01k9zq4c8e7m2v5x3w1t6b0n9d"


def record(message: str, *values: Any, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("runs.driver", logging.ERROR, "f.py", 1, message, values, None)
    vars(made).update(extra)
    return made


def hide(text: str) -> str:
    return text.replace(KEY, "***")


def line(made: logging.LogRecord) -> dict[str, Any]:
    text = JsonLines(hide).format(made)
    assert len(text.splitlines()) == 1
    told: dict[str, Any] = json.loads(text)
    return told


def raised() -> Any:
    try:
        int(f"{KEY}\nand more")
    except ValueError:
        return sys.exc_info()


def test_a_line_is_one_object() -> None:
    told = line(record("run %s failed", RUN))
    assert told.pop("time").endswith("+00:00")
    assert told == {
        "level": "error",
        "logger": "runs.driver",
        "message": f"run {RUN} failed",
    }


def test_a_line_names_the_run_it_is_about() -> None:
    assert line(record("x", run_id=RUN))["runId"] == RUN

    def within() -> dict[str, Any]:
        CURRENT_RUN.set(RUN)
        return line(record("x"))

    assert contextvars.copy_context().run(within)["runId"] == RUN
    assert "runId" not in line(record("x", run_id=None))


def test_a_traceback_is_kept_without_the_secret() -> None:
    told = line(record("it failed", exc_info=raised()))
    assert (
        "ValueError: invalid literal for int() with base 10: '***\\nand more'" in told["exception"]
    )
    assert "Traceback" in told["exception"]


@pytest.mark.parametrize("hostile", ["\x00", "a\r\nb", "\ud800", "\x1b[2J", "\u2028", "x" * 99_999])
def test_hostile_text_makes_one_line(hostile: str) -> None:
    told = line(record("%s", hostile))
    assert told["message"] == hostile[:16_000]
    text = TextLines(hide).format(record("%s", hostile))
    assert "\x1b" not in text
    assert "\r" not in text


def test_no_text_looks_like_a_line_of_its_own() -> None:
    forged = "no\n2026-01-01 00:00:00,000 INFO runs.driver: all is well"
    first, *more = TextLines(hide).format(record("%s", forged)).splitlines()
    assert first.endswith("runs.driver: no")
    assert [line[:4] for line in more] == [" " * 4]


def test_text_names_the_run_once() -> None:
    assert TextLines(hide).format(record("x", run_id=RUN)).endswith(f"x [run {RUN}]")
    assert TextLines(hide).format(record("run %s", RUN, run_id=RUN)).count(RUN) == 1


async def test_all_that_a_drive_logs_names_its_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(tmp_path)
    said: list[str] = []

    class Remember(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            said.append(CURRENT_RUN.get() or "")

    house.script.publish_error = RuntimeError("unexpected")
    handler = Remember()
    logging.getLogger("graph").addHandler(handler)
    try:
        async with house.open() as service:
            ids = [await started(service) for _ in range(3)]
            await asyncio.gather(*(log_of(service, run_id) for run_id in ids))
    finally:
        logging.getLogger("graph").removeHandler(handler)
    assert sorted(said) == sorted(ids)
    assert CURRENT_RUN.get() is None


_UNEXPECTED = """
import asyncio, base64, logging, sys, threading, warnings
from wiring.logging_setup import start_log
from wiring.settings import load_settings
settings = load_settings()
start_log(settings)
secrets = (settings.anthropic_api_key, settings.github_token)
key, token = (each.get_secret_value() for each in secrets)
pair = base64.b64encode(f"x-access-token:{token}".encode()).decode()
def fail(text):
    raise RuntimeError(text)
try:
    fail(f"{key} and {token} and {pair}")
except RuntimeError as error:
    logging.getLogger("runs.x").exception("of %s", key)
    logging.getLogger("foreign.library").warning("of %s", token)
    logging.getLogger("foreign.library").info("not told")
warnings.warn(f"about {token}")
thread = threading.Thread(target=fail, args=(f"thread {key}",))
thread.start()
thread.join()
async def task():
    asyncio.get_running_loop().create_task(asyncio.sleep(0)).add_done_callback(
        lambda _: fail(f"callback {token}")
    )
    await asyncio.sleep(0.01)
asyncio.run(task())
fail(f"at last {key} {settings.api_keys[0].key.get_secret_value()}")
"""


def logged(script: str, folder: Path, **more: str) -> str:
    env = {
        "ANTHROPIC_API_KEY": KEY,
        "GITHUB_TOKEN": TOKEN,
        "CODING_AGENT_API_KEYS": f"ann:{API_KEY}",
        **more,
    }
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(folder, env),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.stdout == ""
    return ended.stderr


def test_no_unexpected_error_shows_a_secret(tmp_path: Path) -> None:
    lines = [json.loads(each) for each in logged(_UNEXPECTED, tmp_path).splitlines()]
    assert [each["logger"] for each in lines] == [
        "runs.x",
        "foreign.library",
        "py.warnings",
        "wiring.logging_setup",
        "asyncio",
        "wiring.logging_setup",
    ]
    said = json.dumps(lines)
    for secret in (KEY, TOKEN, API_KEY, base64.b64encode(TOKEN.encode()).decode()[2:-4]):
        assert secret not in said
    told = [each.get("exception", "") for each in lines]
    assert "RuntimeError: *** and *** and " in told[0]
    assert "RuntimeError: thread ***" in told[3]
    assert "RuntimeError: callback ***" in told[4]
    assert "RuntimeError: at last *** ***" in told[5]


def test_the_level_and_the_format_are_the_operators(tmp_path: Path) -> None:
    script = """
import logging
from wiring.logging_setup import start_log
from wiring.settings import load_settings
start_log(load_settings())
for level in (10, 20, 30):
    logging.getLogger("runs").log(level, "level %s", level)
"""
    text = logged(
        script, tmp_path, CODING_AGENT_LOG_FORMAT="text", CODING_AGENT_LOG_LEVEL="warning"
    )
    assert text.endswith("WARNING runs: level 30\n")
    assert len(text.splitlines()) == 1
    assert len(logged(script, tmp_path, CODING_AGENT_LOG_LEVEL="debug").splitlines()) == 3
    assert os.linesep not in logged(script, tmp_path, CODING_AGENT_LOG_LEVEL="error")
