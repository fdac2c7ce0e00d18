"""The program in a Sandbox that the client's `sandbox.filesystem` calls: files by JSON commands."""

import sys
from pathlib import Path

PLACE = "__modal/.bin/modal-sandbox-fs-tools"
PYTHON = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
"""Without packages: a Sandbox has none."""
PROGRAM = """
import grp, json, os, pwd, shutil, stat, sys

KINDS = {"FileNotFoundError": "NotFound", "NotADirectoryError": "NotDirectory",
         "IsADirectoryError": "IsDirectory", "PermissionError": "PermissionDenied"}

def fail(kind, message):
    json.dump({"error_kind": kind, "message": message}, sys.stderr)
    sys.exit(1)

def name(of, number):
    try:
        return of(number)[0]
    except KeyError:
        return str(number)

def told(path):
    status = os.lstat(path)
    kind = "symlink" if stat.S_ISLNK(status.st_mode) else "file"
    kind = "directory" if stat.S_ISDIR(status.st_mode) else kind
    return {"name": os.path.basename(path), "path": path, "type": kind, "size": status.st_size,
            "mode": stat.S_IMODE(status.st_mode), "permissions": stat.filemode(status.st_mode),
            "owner": name(pwd.getpwuid, status.st_uid), "group": name(grp.getgrgid, status.st_gid),
            "modified_time": status.st_mtime,
            "symlink_target": os.readlink(path) if kind == "symlink" else None}

def read(path):
    with open(path, "rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)

def write(path):
    if os.path.isdir(path):
        fail("IsDirectory", "Is a directory")
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    except FileExistsError:
        fail("NotDirectory", "Not a directory")
    with open(path, "wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)

def list_files(path):
    json.dump([told(os.path.join(path, entry)) for entry in sorted(os.listdir(path))], sys.stdout)

def tell(path):
    json.dump(told(path), sys.stdout)

def remove(path, recursive):
    if not os.path.isdir(path) or os.path.islink(path):
        os.unlink(path)
    elif recursive:
        shutil.rmtree(path)
    elif os.listdir(path):
        fail("DirectoryNotEmpty", "Directory not empty")
    else:
        os.rmdir(path)

def make_directory(path, parents):
    try:
        os.makedirs(path, exist_ok=True) if parents else os.mkdir(path)
    except FileExistsError:
        fail("NotDirectory" if parents else "PathAlreadyExists", "The path exists")

COMMANDS = {"ReadFile": read, "WriteFile": write, "ListFiles": list_files, "Stat": tell,
            "Remove": remove, "MakeDirectory": make_directory}
(command, arguments), = json.loads(sys.argv[1]).items()
if command not in COMMANDS:
    fail("NotSupported", command + " is not in the local plane")
try:
    COMMANDS[command](**arguments)
except OSError as error:
    fail(KINDS.get(type(error).__name__, "Other"), error.strerror or str(error))
"""


def put_tools(root: Path) -> None:
    """Write the program where the client looks for it."""
    path = root / PLACE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{PYTHON} -I\n{PROGRAM}", encoding="utf-8")
    path.chmod(0o755)
