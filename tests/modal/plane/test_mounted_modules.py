"""What containers begin with of a deployment: what was deployed, and nothing else."""

import subprocess
import sys
from pathlib import Path

from tests.modal_plane.containers import mounted_modules

TELL = """
import runpy, sys
imports = runpy.run_path(sys.argv[1])
imports["import_mounted"](sys.argv[2], ["whole", "rooms.inner", "lacking", "wrong"])
names = ("whole", "rooms.inner", "lacking", "wrong", "graph")
print([name for name in names if name in sys.modules])
print(sys.modules["rooms.inner"].__file__)
"""


def test_a_module_that_was_not_deployed_is_not_found_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "rooms").mkdir()
    for name, text in {
        "whole.py": "import rooms.inner\n",
        "rooms/__init__.py": "",
        "rooms/inner.py": "",
        "lacking.py": "import graph.errors\n",
        "wrong.py": "1 / 0\n",
    }.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-I", "-c", TELL, mounted_modules.__file__, str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == ["['whole', 'rooms.inner']", "/root/rooms/inner.py"]
