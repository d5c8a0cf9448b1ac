"""Processes that are forked from one that has loaded everything, where the system can; see template.py."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import IO

from scripts.programs import ROOT
from scripts.supervisor import adopting_orphans
from tests.support.processes import Process, Running, wait_until

KINDS = {
    "wsgi.py": "web",
    "tests.realtime.web": "web",
    "tests.faults.broken": "web",
    "tests.browser.careless_pages": "web",
    "tests.webapp.careless_web": "web",
    "queues.worker": "worker",
    "queues.clock": "worker",
    "tests.queues.worlds": "worker",
    "agents.scripted_server": "worker",
}
"""What a command names first, and the template that has loaded it."""


class Forked(Process):
    """Does what its command does, without the time that loading takes."""

    def _begin(self, log: IO[bytes]) -> Running:
        kind = KINDS.get(next(word for word in self.command[1:] if word != "-m"))
        if kind is None or sys.platform != "linux":
            return super()._begin(log)
        return Fork(_template(kind).fork(self.command[1:], self.environ, log))


class Fork:
    """What `subprocess.Popen` is for a process that somebody else started and we wait for."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float) -> int:
        wait_until(lambda: self.poll() is not None, timeout, f"the end of process {self.pid}", pause=0.005)
        assert self.returncode is not None
        return self.returncode


class Template:
    def __init__(self, kind: str) -> None:
        self._one_by_one = threading.Lock()
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.template", kind],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"},
                stdin=theirs,
                start_new_session=True,
            )

    def fork(self, words: Sequence[str], environ: Mapping[str, str], log: IO[bytes]) -> int:
        """Start what these words after `python` would start; its number."""
        order = {"words": [*words], "environ": dict(environ), "folder": str(ROOT), "parent": os.getpid()}
        with self._one_by_one, adopting_orphans():
            socket.send_fds(self._orders, [json.dumps(order).encode()], [log.fileno()])
            answer = self._orders.recv(20)
        assert answer, "the template ended; it said why on stderr"
        return int(answer)

    def end(self) -> None:
        self._orders.close()
        self._process.wait(10)


@cache
def _template(kind: str) -> Template:
    template = Template(kind)
    atexit.register(template.end)
    return template
