"""Format, lint, types and the units of the browser, counted by the one closing line."""

import subprocess
import sys

import pytest

from scripts import programs
from scripts.programs import ROOT

CHECKS = {
    "format": [sys.executable, "-m", "ruff", "format", "--check", "."],
    "lint": [sys.executable, "-m", "ruff", "check", "."],
    "types": [sys.executable, "-m", "mypy"],
    "browser units": [f"{programs.node()}/node", "--test", *map(str, sorted(ROOT.glob("tests/js/*.mjs")))],
}


@pytest.mark.parametrize("check", CHECKS)
def test_the_source_passes(check: str) -> None:
    done = subprocess.run(CHECKS[check], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
