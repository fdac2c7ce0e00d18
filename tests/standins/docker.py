"""A `docker` program for tests: what the backend calls, done by bubblewrap, without a daemon.

A container outlives the program that is attached to it, as with a daemon; what ends one is `rm`.
A command is five calls: hence next to nothing is imported, which would take most of their time.
"""

import marshal
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

IMAGE = "sandbox-image"
REGISTRY = "registry.test/"
IMAGE_ID = "sha256:0123456789ab"
VALUED = {"--name", "--label", "--env", "--mount", "--workdir", "--entrypoint"}
KILL = 9

PROGRAM = """#!{python} -SI
import sys
sys.path.insert(0, {here!r})
import docker
sys.exit(docker.main({folder!r}, sys.argv[1:]))
"""


def install(folder: "Path", seccomp: bytes, **broken: str) -> "Path":
    """Put the program into a folder for a PATH. `broken` are texts that a call fails with."""
    for part in (folder, folder / "containers", folder / "broken", folder / "images"):
        part.mkdir()
    here = os.path.dirname(os.path.abspath(__file__))
    program = folder / "docker"
    program.write_text(PROGRAM.format(python=sys.executable, here=here, folder=str(folder)))
    program.chmod(0o755)
    (folder / "seccomp.bpf").write_bytes(seccomp)
    for call, said in broken.items():
        (folder / "broken" / call).write_text(said)
    return folder


def let_root_start_as_another(folder: "Path") -> None:
    """From now on a container's root has what it was given of root's rights; needs root."""
    (folder / "rights").touch()


def calls(folder: "Path") -> list[list[str]]:
    """The words of every call, in order."""
    log = folder / "calls"
    lines = log.read_text().splitlines() if log.exists() else []
    return [[bytes.fromhex(word).decode() for word in line.split(" ")] for line in lines]


def containers(folder: "Path") -> list[str]:
    """Those that were not removed."""
    return sorted(path.name for path in (folder / "containers").glob("[!.]*"))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def fail(text: str) -> int:
    sys.stderr.write(text + "\n")
    return 1


def main(folder: str, words: list[str]) -> int:
    os.chdir(folder)
    with open("calls", "a") as log:
        log.write(" ".join(word.encode().hex() for word in words) + "\n")
    if os.path.exists(f"broken/{words[0]}"):
        with open(f"broken/{words[0]}") as said:
            return fail(said.read())
    verbs = {"create": create, "start": start, "inspect": inspect, "rm": remove, "ps": ps}
    if words[0] == "info":
        say('{"ServerVersion": "28.0", "DefaultRuntime": "runc", "ID": "stand-in"}')
        return 0
    if words[0] == "image":
        return image(words[-1])
    if words[0] == "pull":
        return pull(words[-1])
    return verbs[words[0]](words[1:])


def image(name: str) -> int:
    known = {IMAGE: IMAGE_ID, **{found: image_id(found) for found in pulled()}}
    found = {**known, **{each: each for each in known.values()}}.get(name)
    if found is None:
        return fail(f"Error: No such image: {name}")
    path = "PATH=/usr/local/bin:/usr/bin:/bin"
    say(f'{{"Id": "{found}", "Config": {{"Env": ["{path}", "LANG=C.UTF-8"]}}}}')
    return 0


def set_variables(folder: "Path", *variables: str) -> None:
    """Let all images set variables, as `NAME=VALUE`."""
    (folder / "variables").write_text("\n".join(variables))


def image_variables() -> list[str]:
    try:
        with open("variables") as variables:
            return variables.read().splitlines()
    except FileNotFoundError:
        return []


def image_id(name: str) -> str:
    return f"sha256:{name.encode().hex()}"


def pulled() -> list[str]:
    return [bytes.fromhex(name).decode() for name in os.listdir("images")]


def pull(name: str) -> int:
    """Images of one registry can be had."""
    if not name.startswith(REGISTRY):
        return fail(f"Error response from daemon: manifest for {name} not found")
    with open(f"images/{name.encode().hex()}", "w"):
        say(name)
    return 0


def create(words: list[str]) -> int:
    """As docker reads it: options with a value in the next word or behind `=`, then the image."""
    options: list[list[str]] = []
    rest = list(words)
    while rest[0].startswith("--"):
        name, equals, value = rest.pop(0).partition("=")
        options.append([name, value if equals or name not in VALUED else rest.pop(0)])
    told = {"options": options, "image": rest[0], "command": rest[1:], "Status": "created"}
    container = dict(options)["--name"]
    keep(container, told)
    say(container)
    return 0


def start(words: list[str]) -> int:
    name = words[-1]
    told = load(name)
    ours, theirs = os.pipe()
    seen, shown = os.pipe()
    has_rights = "--cap-add" in dict(told["options"]) and os.path.exists("rights")
    if os.geteuid() == 0:
        os.fchown(shown, int(dict(told["options"])["--user"].partition(":")[0]), -1)
    line = bubblewrap(told, theirs, has_rights=has_rights)
    leader = os.fork()
    if not leader:
        run(line, theirs, shown, 2 if has_rights else shown, interactive="--interactive" in words)
    told |= {"Status": "running", "leader": leader}
    keep(name, told)  # at once: who is killed after it leaves nothing that `rm` does not end
    os.close(theirs)
    os.close(shown)
    keep(name, {**told, "pid": first_process(ours) or leader})
    starved = False
    while data := os.read(seen, 1 << 16):
        os.write(1, data)
        starved = starved or b"cannot allocate" in data
    code = os.waitstatus_to_exitcode(os.waitpid(leader, 0)[1])
    if os.path.exists(f"containers/{name}") and "--rm" in dict(told["options"]):
        os.unlink(f"containers/{name}")
    elif os.path.exists(f"containers/{name}"):
        keep(name, {**told, "Status": "exited", "ExitCode": code, "OOMKilled": starved})
    return code


def run(line: list[str], status: int, shown: int, errors: int, *, interactive: bool) -> None:
    os.setsid()
    os.dup2(os.open("seccomp.bpf", os.O_RDONLY), 19)
    if not interactive:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(shown, 1)
    os.dup2(errors, 2)
    os.set_inheritable(status, True)  # noqa: FBT003 - positional only
    os.chdir("/")
    os.execvp(line[0], line)


def first_process(status: int) -> int:
    """What bubblewrap says of it; 0 where it did not come to that."""
    said = b""
    while b"," not in said.partition(b'"child-pid": ')[2] and (data := os.read(status, 4096)):
        said += data
    return int(said.partition(b'"child-pid": ')[2].partition(b",")[0] or 0)


def bubblewrap(told: "dict[str, Any]", status: int, *, has_rights: bool) -> list[str]:
    options = told["options"]
    one = dict(options)
    user, group = one["--user"].split(":")
    line = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--"]
    line = line if os.geteuid() == 0 else []
    line += ["bwrap", "--as-pid-1", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    line += ["--unshare-net"] if one["--network"] == "none" else []
    line += [] if has_rights else ["--unshare-user", "--uid", user, "--gid", group]
    line += ["--cap-drop", one["--cap-drop"], "--clearenv"]
    for name, value in options if has_rights else ():
        line += ["--cap-add", f"CAP_{value}"] if name == "--cap-add" else []
    line += ["--hostname", one["--hostname"], "--json-status-fd", str(status), "--seccomp", "19"]
    for folder in ("/usr", "/etc/alternatives", "/etc/ld.so.cache"):
        line += ["--ro-bind-try", folder, folder]
    for folder in ("bin", "sbin", "lib", "lib64"):
        line += ["--symlink", f"usr/{folder}", f"/{folder}"]
    line += ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"]
    for name, value in [*(("--env", pair) for pair in image_variables()), *options]:
        if name == "--env":
            line += ["--setenv", *value.split("=", 1)]
        if name == "--mount":
            mount = dict(field.partition("=")[::2] for field in value.split(","))
            kind = "--ro-bind" if "readonly" in mount else "--bind"
            line += [kind, mount["source"], mount["target"]]
    line += ["--remount-ro", "/"] if "--read-only" in one else []
    sizes = dict(value.split("=", 1) for name, value in options if name == "--ulimit")
    limits = [
        f"ulimit -f {int(sizes['fsize'].partition(':')[0]) // 1024}",
        f"ulimit -d {int(one['--memory'].rstrip('m')) * 1024}",
        f"ulimit -u {one['--pids-limit']}",
    ]
    entry = ["/bin/bash", "-c", "; ".join([*limits, 'exec "$@"']), "bash", one["--entrypoint"]]
    return [*line, "--chdir", one["--workdir"], "--", *entry, *told["command"]]


def inspect(words: list[str]) -> int:
    try:
        told = load(words[-1])
    except FileNotFoundError:
        return fail(f"Error: No such object: {words[-1]}")
    starved = str(told.get("OOMKilled", False)).lower()
    code, pid = told.get("ExitCode", 0), told.get("pid", 0)
    shown = f'"Status": "{told["Status"]}", "ExitCode": {code}, "Pid": {pid}'
    say(f'{{"Error": "", "OOMKilled": {starved}, {shown}}}')
    return 0


def remove(words: list[str]) -> int:
    for name in (word for word in words if not word.startswith("--")):
        try:
            told = load(name)
        except FileNotFoundError:
            return fail(f"Error: No such container: {name}")
        if told["Status"] == "running":
            end(told["leader"], told.get("pid", told["leader"]))
        try:  # noqa: SIM105 - as below
            os.unlink(f"containers/{name}")
        except FileNotFoundError:  # with its end
            pass
    return 0


def end(leader: int, pid: int) -> None:
    for kill, whom in ((os.kill, pid), (os.killpg, leader)):
        try:  # noqa: SIM105 - what suppresses it would have to be imported
            kill(whom, KILL)
        except ProcessLookupError:
            pass
    while os.path.exists(f"/proc/{pid}"):
        time.sleep(0.005)


def ps(words: list[str]) -> int:
    wanted = next(word for word in words if word.startswith("--filter=label="))
    label = wanted.removeprefix("--filter=label=")
    for container in sorted(name for name in os.listdir("containers") if name[0] != "."):
        values = [value for name, value in load(container)["options"] if name == "--label"]
        for value in values:
            if value.startswith(f"{label}="):
                say(f"{container} {value.partition('=')[2]}")
    return 0


def keep(name: str, told: "dict[str, Any]") -> None:
    with open(f"containers/.{name}", "wb") as new:
        marshal.dump(told, new)
    os.replace(f"containers/.{name}", f"containers/{name}")


def load(name: str) -> "dict[str, Any]":
    with open(f"containers/{name}", "rb") as kept:
        told: dict[str, Any] = marshal.load(kept)
    return told
