"""Keeps a set of processes running, tells their output apart, and leaves none behind."""

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

GRACE = 25.0  # seconds; a worker lets its turns end for 20
STEADY = 30.0  # seconds up, after which a crash is a new story and the back-off starts again
BACKOFF = (0.5, 1, 2, 4, 8, 16, 30)  # seconds
COLOURS = (36, 33, 32, 35, 34, 31)

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Stopped(Exception):
    """A signal asked for the end while something else was waited for."""


def die_with_parent() -> None:
    """Runs in a new child: when the parent is killed outright, the kernel ends the child too."""
    if _libc:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """Meanwhile, grandchildren whose parent ends become our own children."""
    assert _libc
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@dataclass
class Child:
    name: str
    command: Sequence[str]
    restart: bool
    support: bool  # the others stand on it, so it ends after them
    colour: int
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    crashes: int = 0
    due: float | None = None  # when to start it again
    rest: bytes = b""  # output after the last newline

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None

    def signal_group(self, number: int) -> None:
        """The child leads a group of its own, which also holds what it started itself."""
        if self.process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


@dataclass
class Supervisor:
    environ: Mapping[str, str]
    cwd: Path
    children: list[Child] = field(default_factory=list)
    stopping: bool = False
    impatient: bool = False

    def __post_init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wakeup, wakeup = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._wakeup, selectors.EVENT_READ)
        if _libc:  # grandchildren whose parent died come to us, so that we can end them too
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def say(self, text: str) -> None:
        for line in text.splitlines():
            self._print("room", 0, line)

    def start(self, name: str, command: Sequence[str], restart: bool = True, support: bool = False) -> Child:
        colour = COLOURS[len(self.children) % len(COLOURS)]
        child = Child(name, command, restart, support, colour)
        self.children.append(child)
        self._spawn(child)
        return child

    def finish(self, name: str, command: Sequence[str]) -> int:
        """Run a command to its end beside the others and answer its exit code."""
        child = self.start(name, command, restart=False)
        self.wait_for(lambda: not child.alive)
        return child.process.returncode if child.process else 1

    def wait_for(self, condition: Callable[[], bool], timeout: float = float("inf")) -> bool:
        """Serve the processes until the condition holds; False when the time was up first."""
        deadline = time.monotonic() + timeout
        while not condition():
            if self.stopping:
                raise Stopped
            if time.monotonic() > deadline:
                return False
            self._step(0.05)
        return True

    def serve(self) -> None:
        """Serve the processes until a signal asks for the end."""
        while not self.stopping:
            self._step(1.0)

    def stop(self) -> None:
        """End everything: politely first, by force after the grace or a second Ctrl-C."""
        self.stopping = True
        self.say("stopping; answers being written may end first, Ctrl-C again does not wait")
        deadline = time.monotonic() + GRACE
        for support in (False, True):
            self._stop_politely([each for each in self.children if each.support is support], deadline)
        for child in self._alive():
            self.say(f"{child.name} did not end by itself and is killed")
        for child in self.children:
            child.signal_group(signal.SIGKILL)
        while self._alive():
            self._step(0.1)
        _kill_orphans()

    def _stop_politely(self, children: list[Child], deadline: float) -> None:
        for child in children:
            child.due = None
            if child.alive and child.process:
                child.process.terminate()
        while any(child.alive for child in children):
            if self.impatient or time.monotonic() > deadline:
                return
            self._step(0.1)

    def _alive(self) -> list[Child]:
        return [child for child in self.children if child.alive]

    def _asked_to_stop(self, *_: object) -> None:
        self.impatient = self.stopping
        self.stopping = True

    def _spawn(self, child: Child) -> None:
        child.due, child.started = None, time.monotonic()
        child.process = subprocess.Popen(
            child.command,
            cwd=self.cwd,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        stdout = child.process.stdout
        assert stdout
        os.set_blocking(stdout.fileno(), False)
        self._selector.register(stdout, selectors.EVENT_READ, child)

    def _step(self, timeout: float) -> None:
        """Pass on output, notice who ended, start again what is due."""
        for key, _ in self._selector.select(timeout):
            if key.data:
                self._pass_on(key.fileobj, key.data)
            else:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wakeup, 4096)
        self._reap()
        for child in self.children:
            if child.due is not None and child.due <= time.monotonic() and not self.stopping:
                self._spawn(child)

    def _pass_on(self, pipe: object, child: Child) -> None:
        data = os.read(pipe.fileno(), 65536)  # type: ignore[attr-defined]
        *lines, child.rest = (child.rest + data).split(b"\n")
        if not data:
            self._selector.unregister(pipe)  # type: ignore[arg-type]
            pipe.close()  # type: ignore[attr-defined]
            lines, child.rest = ([child.rest] if child.rest else []), b""
        for line in lines:
            self._print(child.name, child.colour, line.decode(errors="replace"))

    def _reap(self) -> None:
        """Collect every ended process: ours, and orphans that came to us."""
        by_pid = {child.process.pid: child for child in self.children if child.process}
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                child = by_pid.get(pid)
                if child and child.process:
                    child.process.returncode = os.waitstatus_to_exitcode(status)
                    self._ended(child)

    def _ended(self, child: Child) -> None:
        if self.stopping or not child.restart or not child.process:
            return
        now = time.monotonic()
        child.crashes = 0 if now - child.started > STEADY else child.crashes
        pause = BACKOFF[min(child.crashes, len(BACKOFF) - 1)]
        child.crashes += 1
        child.due = now + pause
        self.say(f"{child.name} ended ({_why(child.process.returncode)}), again in {pause:g} s")

    def _print(self, name: str, colour: int, line: str) -> None:
        width = max([4, *(len(child.name) for child in self.children)])
        head = f"{name:<{width}} |"
        if colour and sys.stdout.isatty():
            head = f"\x1b[{colour}m{head}\x1b[0m"
        with contextlib.suppress(OSError):  # the terminal may be gone before we are
            print(f"{head} {line}", flush=True)


def _why(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def _kill_orphans() -> None:
    """End what left its parent's group; on Linux such processes became our children."""
    while pids := _own_children():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _own_children() -> list[int]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []
