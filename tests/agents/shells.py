"""Shells of each isolation that works here, keepers that are broken on purpose, and who is alive."""

import asyncio
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest

from agents.shell import NoIsolation, Shell, shell
from agents.shell.isolation import Bubblewrap, Isolation, Landlock, Unshare
from agents.shell.probing import holds

LEVELS: dict[str, Isolation] = {
    "bubblewrap": Bubblewrap(shutil.which("bwrap") or "bwrap is not installed"),
    "unshare": Unshare(),
    "landlock": Landlock(),
}
NONE = NoIsolation()


class Pretending(NoIsolation):
    """Holds nothing and says that it does."""

    name = "pretending"


@cache
def works(name: str) -> bool:
    with TemporaryDirectory() as scratch:
        return asyncio.run(holds(LEVELS[name], Path(scratch)))


def level(name: str) -> Isolation:
    """The isolation of this name; the test is skipped where this machine has none such."""
    if name in LEVELS and not works(name):
        pytest.skip(f"{name} does not work on this machine")
    return LEVELS.get(name, NONE)


def run(isolation: Isolation, folder: Path, command: str, seconds: float = 20.0, **values: Any) -> Any:
    """What became of one command; `on_output` is passed on, the rest belongs to the shell."""
    on_output = values.pop("on_output", None)
    made = Shell(isolation, folder, values.pop("run_id", None) or uuid4(), **values)
    return asyncio.run(made.run(command, seconds, on_output))


def alive(tag: str) -> list[int]:
    """The processes whose command line holds the tag."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if tag.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def broken_keeper(monkeypatch: pytest.MonkeyPatch, folder: Path, changes: dict[str, str]) -> None:
    """From now on commands are kept by a keeper in whose program these words were replaced."""
    home = shell.KEEPER_HOME
    shutil.copytree(home / "agents/keeper", folder / "agents/keeper")
    shutil.copy(home / "agents/__init__.py", folder / "agents/__init__.py")
    path = folder / "agents/keeper/program.py"
    source = path.read_text()
    for old, new in changes.items():
        assert old in source
        source = source.replace(old, new)
    path.write_text(source)
    monkeypatch.setattr(shell, "KEEPER_HOME", folder)
