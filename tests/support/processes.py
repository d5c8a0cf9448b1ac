"""A real process of a test: its log, its signals, its certain end."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from scripts.programs import ROOT
from scripts.supervisor import die_with_parent


def wait_until(
    condition: Callable[[], object], timeout: float = 10, what: str = "", pause: float = 0.02
) -> None:
    """Poll until the condition is true; the test fails when the time (seconds) is up."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or 'what was waited for'} did not happen in {timeout} s")
        time.sleep(pause)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running(Protocol):
    """What is asked of a process once it was started, as `subprocess.Popen` answers it."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | Any: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float) -> int: ...


@dataclass
class Process:
    """Stopped with kill -9 by `kill`, politely by `stop`; `start` starts it again, same log."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    folder: Path
    popen: Running | None = field(default=None, init=False)

    def start(self) -> "Process":
        assert not self.alive, f"{self.name} runs already"
        with self.log_path.open("ab") as log:
            self.popen = self._begin(log)
        return self

    @property
    def log_path(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    @property
    def pid(self) -> int:
        assert self.popen, f"{self.name} was never started"
        return self.popen.pid

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9 of this process alone, as a crash would; what it started lives on."""
        self.signal(signal.SIGKILL)
        self._wait(5)

    def stop(self, timeout: float = 25) -> int:
        """Ask it to end and answer its exit code."""
        self.signal(signal.SIGTERM)
        return self._wait(timeout)

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def restart(self) -> None:
        self.kill()
        self.start()

    def end(self) -> None:
        """End it and its whole group, whatever state it is in."""
        if self.popen:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, signal.SIGKILL)
            self._wait(5)

    def _begin(self, log: IO[bytes]) -> Running:
        return subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )

    def _wait(self, timeout: float) -> int:
        assert self.popen
        return self.popen.wait(timeout)
