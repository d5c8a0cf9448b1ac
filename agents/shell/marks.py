"""The processes that carry a run's mark in their environment, wherever they are."""

import contextlib
import os
import signal
import time
from pathlib import Path
from uuid import UUID

from agents.shell.isolation import MARK

SECONDS = 3.0


def marked(run_id: UUID) -> list[int]:
    """Those of this machine whose environment we may read; a zombie has none."""
    entry = f"{MARK}={run_id}".encode()
    return [int(pid) for pid in _pids() if entry in _environment(pid).split(b"\0")]


def end_marked(run_id: UUID) -> int:
    """Kill them until there are none, for at most 3 s; how many there still are."""
    end = time.monotonic() + SECONDS
    while left := marked(run_id):
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > end:
            return len(left)
    return 0


def _pids() -> list[str]:
    try:
        return [name for name in os.listdir("/proc") if name.isdigit()]
    except FileNotFoundError:
        return []


def _environment(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
