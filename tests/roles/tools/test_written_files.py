"""What a shell command writes to by name."""

import pytest

from roles.tools.written_files import WrittenFiles


@pytest.mark.parametrize(
    ("command", "paths"),
    [
        ("cat > a.env <<'END'\nx\nEND", ["a.env"]),
        ("cat <<END >> sub/a.env\nx\nEND", ["sub/a.env"]),
        ("printf x >'with space.env'", ["with space.env"]),
        ('echo x >| "b.env"', ["b.env"]),
        ("echo x | tee -a conf/c.env", ["conf/c.env"]),
        ("cp -r x.example /workspace/x.env && mv 'a' 'b.env'; ls", ["b.env", "x.env"]),
        ("cd web && echo x > d.env", ["d.env", "web/d.env"]),
        ("make 2>&1 >/tmp/x; make > make.log 2>err.txt; a >&2; b <<<c", []),
        ("echo x > ../out; echo x > /etc/y; echo > $HOME/z; cp a", []),
    ],
)
def test_files_that_a_command_names(command: str, paths: list[str]) -> None:
    written = WrittenFiles()
    written.add_of(command)
    assert sorted(written) == paths
    assert all(path in written for path in paths)


def test_so_many_are_known() -> None:
    written = WrittenFiles()
    for number in range(2_000):
        written.add_of(f"echo > {number}.env")
    assert len(written) == 1_000
