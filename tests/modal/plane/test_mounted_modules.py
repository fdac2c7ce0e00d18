"""What containers begin with of a deployment: what was deployed, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

from tests.modal.deployment import OWN, ROOT
from tests.modal_plane.containers import mounted_modules

TELL = """
import runpy, sys
imports = runpy.run_path(sys.argv[1])
imports["import_mounted"](sys.argv[2], ["whole", "rooms.inner", "lacking", "wrong", "reads"])
names = ("whole", "rooms.inner", "lacking", "wrong", "reads", "graph")
print([name for name in names if name in sys.modules])
print(sys.modules["rooms.inner"].__file__)
"""

TELL_LEFT_OUT = """
import json, runpy, sys
imports, names = runpy.run_path(sys.argv[1]), json.loads(sys.argv[3])
imports["import_mounted"](sys.argv[2], names)
print([name for name in names if name not in sys.modules])
"""

READS = """
import inspect, sys
from pathlib import Path
here = Path(__file__).with_name("data.toml")
assert (here.exists(), here.read_text(), open(here).read()) == (True, "", "")
assert inspect.getsource(sys.modules[__name__]).startswith("\\nimport inspect")
"""


def test_a_module_that_was_not_deployed_is_not_found_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "rooms").mkdir()
    for name, text in {
        "whole.py": "import rooms.inner\n",
        "rooms/__init__.py": "",
        "rooms/inner.py": "",
        "lacking.py": "import graph.errors\n",
        "wrong.py": "1 / 0\n",
        "reads.py": READS,
        "data.toml": "",
    }.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-I", "-c", TELL, mounted_modules.__file__, str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [
        "['whole', 'rooms.inner', 'reads']",
        f"{mounted_modules.MOUNTED}/rooms/inner.py",
    ]


def test_all_of_ours_that_a_container_is_to_begin_with_can_be_imported() -> None:
    """What cannot be would be left out without a word."""
    asked = (mounted_modules.__file__, str(ROOT), json.dumps(OWN))
    command = [sys.executable, "-I", "-c", TELL_LEFT_OUT, *asked]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"
