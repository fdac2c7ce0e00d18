"""Reports of commands that hang, flood, end a shell, or print what is no text."""

from typing import Final

from tests.e2e.replays.report import OVER, Report, coder, greets, outputs, says, works
from tests.standins.github import TOKEN
from tests.support.whole_runs.claude_script import MORNING, shell
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.service_client import Run
from tests.support.whole_runs.world import CLAUDE_KEY

_both_end: Final = says("over", times=2)


def _is_cut(run: Run, repo: Hosted) -> None:
    assert 0 < len(outputs(run)) < 100_000
    greets(run, repo)


def _is_readable(run: Run, repo: Hosted) -> None:
    assert "over" in outputs(run)
    _is_cut(run, repo)


def _each_is_fresh(run: Run, repo: Hosted) -> None:
    failed, after = run.of("tool.finished")
    assert (failed["ok"], failed["exitCode"]) == (False, 1)
    assert after["output"].split() == ["/workspace", "KEPT=[]"]


def _no_secret(run: Run, repo: Hosted) -> None:
    assert "PATH=" in outputs(run)
    for secret in (TOKEN, CLAUDE_KEY):
        assert secret not in outputs(run)


COMMANDS: Final = (
    Report(
        "modelscope/evalscope#1718",
        "A command read the input of the service and waited for its operator's keyboard.",
        works("cat; read -r answer; python3 -; echo over", OVER),
        _both_end,
    ),
    Report(
        "anthropics/claude-code#16306",
        "Reading /dev/stdin by its name hung the agent for good.",
        works("cat /dev/stdin; seq 2 | cat < /dev/stdin; echo over", OVER),
        _both_end,
    ),
    Report(
        "DhananjayThomble/URL-Shortener-App#484",
        "A server that an agent started by hand held the session until its time was spent.",
        works(
            "python3 -m http.server 8123 & nohup setsid sleep 93 >/dev/null 2>&1 & echo over", OVER
        ),
        _both_end,
    ),
    Report(
        "agentic-os-org/ANOLISA#1988",
        "`git log` opened a pager that waited for a key which nobody pressed.",
        works("git -p log; git -p diff HEAD; git -p show --stat; echo over", OVER),
        _both_end,
    ),
    Report(
        "Aider-AI/aider#185",
        "Git commands that open an editor hung until their process was killed.",
        works("git commit --amend; git rebase -i --root; git add -p; echo over", OVER),
        _both_end,
    ),
    Report(
        "anthropics/claude-code#62978",
        "After one background task was killed no further command ran.",
        coder(
            shell("sleep 300 & kill -9 $$"), shell("exit 7"), shell("set -e; false"), shell(OVER)
        ),
        says("over"),
    ),
    Report(
        "anomalyco/opencode#43003",
        "The role was told of a lasting shell and of no exit code, and took a failure for success.",
        coder(
            shell("cd /tmp && export KEPT=1 && false"),
            shell(f"{MORNING}; pwd; echo KEPT=[$KEPT]"),
        ),
        _each_is_fresh,
    ),
    Report(
        "agent0ai/agent-zero#833",
        "One command printed more than the model's window holds, and that ended the run.",
        works(f"{MORNING}; yes 'a line' | head -c 20000000; echo over"),
        _is_cut,
    ),
    Report(
        "SWE-agent/SWE-agent#697",
        "Binary output ended the run.",
        works(f"{MORNING}; head -c 20000 /dev/urandom; printf '\\0\\33[2J'; echo over"),
        _is_readable,
    ),
    Report(
        "SWE-agent/mini-swe-agent#154",
        "Output that is no UTF-8 ended the run.",
        works(f"{MORNING}; printf '\\360\\237'; printf '\\377\\376'; echo over"),
        says("over"),
    ),
    Report(
        "preloop/preloop#173",
        "The token stood in the address of the remote, and `git remote -v` printed it.",
        works(f"{MORNING}; git remote -v; cat .git/config; git config --list; env"),
        _no_secret,
    ),
    Report(
        "max-sixty/tend#598",
        "A look at the names of variables printed live tokens into a public log.",
        works(f"{MORNING}; env | sort; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'"),
        _no_secret,
    ),
)
