"""What the containers wrote, in the report of a test that failed."""

from collections.abc import Generator

import pytest

from tests.modal_plane.plane import Plane


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """For a `conftest.py` to import: every plane among a failed test's fixtures reports."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Plane):
                report.sections.append(("Modal containers", value.report()))
    return report
