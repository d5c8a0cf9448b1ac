"""Keeps what was found in bench/results.json and writes it as bench/RESULTS.md."""

import json
import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.measure import Outcome, short
from scripts import programs

FOLDER = Path(__file__).parent
PACKAGES = ("flask", "flask-socketio", "python-socketio", "eventlet", "sqlalchemy", "psycopg", "redis", "rq")
HEAD = "| what | ours | compared with | theirs | ratio | goal | |\n|---|--:|---|--:|--:|--:|---|\n"
INTRODUCTION = """# Results

Written by `make bench`. Each benchmark measures ours and what it is compared with in the same run, taking
turns; a figure is the median of the rounds. The load clients run on the same machine and share its cores,
so read the ratios rather than the figures.
"""


def keep(name: str, outcome: Outcome, rounds: int, folder: Path = FOLDER) -> None:
    """Replace what was known of this benchmark; the others stay as they were."""
    path = folder / "results.json"
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    known[name] = {
        "title": outcome.title,
        "command": f"python -m bench {name}",
        "date": datetime.now(UTC).strftime("%d %b %Y, %H:%M UTC"),
        "rounds": rounds,
        "machine": machine(),
        "rows": [row.stored() for row in outcome.rows],
        "notes": outcome.notes,
    }
    path.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    (folder / "RESULTS.md").write_text(page(known))


def page(known: dict[str, Any]) -> str:
    return "\n".join([INTRODUCTION, *(_section(known[name]) for name in sorted(known, key=_letter))])


def _letter(name: str) -> str:
    from bench.__main__ import BENCHMARKS

    return f"{list(BENCHMARKS).index(name):02}" if name in BENCHMARKS else name


def _section(one: dict[str, Any]) -> str:
    rows = "".join(map(line, one["rows"]))
    notes = "".join(f"- {note}\n" for note in one["notes"])
    made = f"`{one['command']}`, {one['rounds']} rounds, {one['date']}. {one['machine']}"
    return f"## {one['title']}\n{made}\n\n{HEAD}{rows}\n{notes}"


def line(row: dict[str, Any]) -> str:
    said = {None: "", True: "reached", False: "**missed**"}[row["reached"]]
    cells = (
        row["what"],
        short(row["ours"]),
        row["against"],
        "" if row["other"] is None else short(row["other"]),
        "" if row["ratio"] is None else f"{row['ratio']:.2f} ×",
        row["goal"],
        said,
    )
    return f"| {' | '.join(cells)} |\n"


def machine() -> str:
    """What the figures depend on, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = [
        f"{os.cpu_count()} cores ({_processor()})",
        f"{memory:.0f} GiB",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
        *(f"{name} {version(name)}" for name in PACKAGES),
        *filter(None, (_told("node"), _told("redis"), _told("postgresql"))),
    ]
    return ", ".join(parts) + "."


def _processor() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except FileNotFoundError:
        found = None
    return found[1].strip() if found else platform.processor() or "unknown"


def _told(name: str) -> str:
    """What a program says about its version, "" when it is missing."""
    node, postgresql = programs.node(), programs.postgresql()
    paths = {
        "node": node and node / "node",
        "redis": programs.redis_server(),
        "postgresql": postgresql and postgresql / "postgres",
    }
    path = paths[name]
    if not path:
        return ""
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+(\.\d+)+", said)
    return f"{name} {found[0]}" if found else ""
