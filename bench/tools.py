"""Makes what the benchmarks need beside the project itself: C programs and Node's socket.io."""

import os
import shutil
import subprocess
from pathlib import Path

from scripts import programs, setup

FOLDER = Path(__file__).parent
BUILT = programs.ROOT / "var/bench"


def compiled(source: str) -> Path:
    """The program made from `bench/<source>.c`, compiled again when its text changed."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit("bench: this benchmark needs a C compiler: install gcc.")
    program = BUILT / source.replace("/", "-")
    BUILT.mkdir(parents=True, exist_ok=True)
    with setup.once(program.with_suffix(".built"), FOLDER / f"{source}.c") as needed:
        if needed or not program.exists():
            command = [compiler, "-O2", "-Wall", "-o", program, FOLDER / f"{source}.c"]
            if subprocess.run(command, check=False).returncode:
                raise SystemExit(f"bench: bench/{source}.c does not compile.")
    return program


def node() -> Path:
    """Node itself, with the modules of bench/package.json installed."""
    folder = setup.node()
    lock = FOLDER / "package-lock.json"
    with setup.once(FOLDER / "node_modules/.installed", lock) as needed:
        if needed:
            environ = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
            command = [folder / "npm", "ci", "--no-audit", "--no-fund", "--silent"]
            if subprocess.run(command, cwd=FOLDER, env=environ, check=False).returncode:
                raise SystemExit("bench: `npm ci` failed in bench/.")
    return folder / "node"
