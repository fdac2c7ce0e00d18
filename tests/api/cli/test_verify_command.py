"""`verify` where what it is given is no pull request."""

from pathlib import Path

import pytest
import typer

from api.cli.exit_handling import exit_code_of
from api.cli.verification.verify_command import verify_pull
from wiring.settings import Settings


@pytest.mark.slow
def test_an_address_of_no_pull_request_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    with pytest.raises(typer.Exit) as ended:
        exit_code_of(verify_pull(settings, "octo/sample"))
    said = capsys.readouterr()
    assert ended.value.exit_code == 2
    assert "Error: 'octo/sample' is not the address of a pull request." in said.err
    assert said.out == ""
