"""A `docker` program for tests: what the backend calls, done by bubblewrap, without a daemon.

A container outlives the program that is attached to it, as with a daemon; what ends one is `rm`.
Installed as a script: the standard library alone, and its state in its own folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

HERE = Path(__file__).resolve().parent
IMAGE = "sandbox-image"
IMAGE_ID = "sha256:0123456789ab"
VALUED = {"--name", "--label", "--env", "--mount", "--workdir", "--entrypoint"}


def install(folder: Path, seccomp: bytes, **broken: str) -> Path:
    """Put the program into a folder for a PATH. `broken` are texts that a call fails with."""
    folder.mkdir()
    program = folder / "docker"
    program.write_text(f"#!{sys.executable} -SI\n{Path(__file__).read_text()}")
    program.chmod(0o755)
    (folder / "containers").mkdir()
    (folder / "seccomp.bpf").write_bytes(seccomp)
    (folder / "broken.json").write_text(json.dumps(broken))
    return folder


def calls(folder: Path) -> list[list[str]]:
    """The words of every call, in order."""
    log = folder / "calls.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def containers(folder: Path) -> list[str]:
    """Those that were not removed."""
    return sorted(path.stem for path in (folder / "containers").glob("*.json"))


def say(*words: str, file: Any = None) -> None:
    (file or sys.stdout).write(" ".join(words) + "\n")


def main(words: list[str]) -> int:
    with (HERE / "calls.jsonl").open("a") as log:
        log.write(json.dumps(words) + "\n")
    broken = json.loads((HERE / "broken.json").read_text())
    if words[0] in broken:
        say(broken[words[0]], file=sys.stderr)
        return 1
    verbs = {"create": create, "start": start, "inspect": inspect, "rm": remove, "ps": ps}
    if words[0] == "info":
        say(json.dumps({"ServerVersion": "28.0", "DefaultRuntime": "runc", "ID": "stand-in"}))
        return 0
    if words[0] == "image":
        return image(words[-1])
    return verbs[words[0]](words[1:])


def image(name: str) -> int:
    if name not in (IMAGE, IMAGE_ID):
        say(f"Error: No such image: {name}", file=sys.stderr)
        return 1
    environment = ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"]
    say(json.dumps({"Id": IMAGE_ID, "Config": {"Env": environment}}))
    return 0


def create(words: list[str]) -> int:
    """As docker reads it: options with a value in the next word or behind `=`, then the image."""
    options: list[list[str]] = []
    rest = list(words)
    while rest[0].startswith("--"):
        name, equals, value = rest.pop(0).partition("=")
        options.append([name, value if equals or name not in VALUED else rest.pop(0)])
    told = {"options": options, "image": rest[0], "command": rest[1:], "Status": "created"}
    name = dict(options)["--name"]
    keep(name, told)
    say(name)
    return 0


def start(words: list[str]) -> int:
    import subprocess  # what is imported is paid for at each call

    name = words[-1]
    told = load(name)
    ours, theirs = os.pipe()
    seen, shown = os.pipe()
    if os.geteuid() == 0:
        os.fchown(shown, int(dict(told["options"])["--user"].partition(":")[0]), -1)
    line = bubblewrap(told, theirs)
    with (HERE / "seccomp.bpf").open("rb") as program:
        os.dup2(program.fileno(), 19)
    leader = subprocess.Popen(
        line,
        stdin=None if "--interactive" in words else subprocess.DEVNULL,
        stdout=shown,
        stderr=shown,
        pass_fds=(theirs, 19),
        start_new_session=True,
        cwd="/",
    )
    told |= {"Status": "running", "leader": leader.pid}
    keep(name, told)  # at once: who is killed after it leaves nothing that `rm` does not end
    os.close(theirs)
    os.close(shown)
    said = b""
    while not (found := re.search(rb'"child-pid": (\d+),', said)) and (data := os.read(ours, 4096)):
        said += data
    keep(name, {**told, "pid": int(found[1]) if found else leader.pid})
    starved = False
    while data := os.read(seen, 1 << 16):
        os.write(1, data)
        starved = starved or b"cannot allocate" in data
    code = leader.wait()
    if (HERE / "containers" / f"{name}.json").exists():
        keep(name, {**told, "Status": "exited", "ExitCode": code, "OOMKilled": starved})
    return code


def bubblewrap(told: dict[str, Any], status: int) -> list[str]:
    options = told["options"]
    one = dict(options)
    user, group = one["--user"].split(":")
    line = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--"]
    line = line if os.geteuid() == 0 else []
    line += [
        "bwrap",
        "--as-pid-1",
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
    ]
    line += ["--unshare-net"] if one["--network"] == "none" else []
    line += ["--uid", user, "--gid", group, "--cap-drop", one["--cap-drop"], "--clearenv"]
    line += ["--hostname", one["--hostname"], "--json-status-fd", str(status), "--seccomp", "19"]
    for folder in ("/usr", "/etc/alternatives", "/etc/ld.so.cache"):
        line += ["--ro-bind-try", folder, folder]
    for folder in ("bin", "sbin", "lib", "lib64"):
        line += ["--symlink", f"usr/{folder}", f"/{folder}"]
    line += ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"]
    for name, value in options:
        if name == "--env":
            line += ["--setenv", *value.split("=", 1)]
        if name == "--mount":
            mount = dict(field.partition("=")[::2] for field in value.split(","))
            kind = "--ro-bind" if "readonly" in mount else "--bind"
            line += [kind, mount["source"], mount["target"]]
    line += ["--remount-ro", "/"] if "--read-only" in one else []
    limits = [
        f"ulimit -f {int(dict_of(options)['fsize'].partition(':')[0]) // 1024}",
        f"ulimit -d {int(one['--memory'].rstrip('m')) * 1024}",
        f"ulimit -u {one['--pids-limit']}",
    ]
    entry = ["/bin/bash", "-c", "; ".join([*limits, 'exec "$@"']), "bash", one["--entrypoint"]]
    return [*line, "--chdir", one["--workdir"], "--", *entry, *told["command"]]


def dict_of(options: list[list[str]]) -> dict[str, Any]:
    return dict(value.split("=", 1) for name, value in options if name == "--ulimit")


def inspect(words: list[str]) -> int:
    try:
        told = load(words[-1])
    except FileNotFoundError:
        say(f"Error: No such object: {words[-1]}", file=sys.stderr)
        return 1
    shown = {"Error": "", "OOMKilled": False, "ExitCode": 0, "Pid": told.get("pid", 0)}
    known = {key: told[key] for key in ("Status", "ExitCode", "OOMKilled") if key in told}
    say(json.dumps(shown | known))
    return 0


def remove(words: list[str]) -> int:
    for name in (word for word in words if not word.startswith("--")):
        try:
            told = load(name)
        except FileNotFoundError:
            say(f"Error: No such container: {name}", file=sys.stderr)
            return 1
        if told["Status"] == "running":
            end(told["leader"], told.get("pid", told["leader"]))
        (HERE / "containers" / f"{name}.json").unlink()
    return 0


def end(leader: int, pid: int) -> None:
    for kill, whom in ((os.kill, pid), (os.killpg, leader)):
        with contextlib.suppress(ProcessLookupError):
            kill(whom, signal.SIGKILL)
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.005)


def ps(words: list[str]) -> int:
    wanted = next(word for word in words if word.startswith("--filter=label="))
    label = wanted.removeprefix("--filter=label=")
    for path in sorted((HERE / "containers").glob("*.json")):
        values = [value for name, value in load(path.stem)["options"] if name == "--label"]
        for value in values:
            if value.startswith(f"{label}="):
                say(path.stem, value.partition("=")[2])
    return 0


def keep(name: str, told: dict[str, Any]) -> None:
    path = HERE / "containers" / f"{name}.json"
    path.with_suffix(".new").write_text(json.dumps(told))
    path.with_suffix(".new").replace(path)


def load(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((HERE / "containers" / f"{name}.json").read_text())
    return told


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
