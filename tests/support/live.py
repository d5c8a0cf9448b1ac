"""The whole application as real processes, on a free port, each of which a test may kill."""

import sys
from collections.abc import Mapping
from pathlib import Path

import httpx2

from tests.support.databases import SECRET_KEY, Database
from tests.support.processes import Process, free_port, wait_until
from tests.support.redis import RedisServer

COMMANDS = {
    "web": ("wsgi.py",),
    "worker": ("-m", "queues.worker", "chat"),
    "runs": ("-m", "queues.worker", "runs"),
    "clock": ("-m", "queues.clock"),
}


class Live:
    """The processes of the Procfile by their names; `start("web2", "web", PORT=…)` adds more."""

    def __init__(
        self,
        database: Database,
        redis: RedisServer,
        folder: Path,
        variables: Mapping[str, str],
        process: type[Process] = Process,
    ) -> None:
        self.database, self.redis, self.folder, self.process = database, redis, folder, process
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environ = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(folder),
            "PYTHONUNBUFFERED": "1",
            "SECRET_KEY": SECRET_KEY,
            "REDIS_URL": redis.url,
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "WORKSPACES_FOLDER": str(folder / "workspaces"),
            **database.environ,
            **variables,
        }
        self.processes: dict[str, Process] = {}

    def start(self, name: str, kind: str | None = None, **variables: str) -> Process:
        command = [sys.executable, *COMMANDS[kind or name]]
        process = self.process(name, command, {**self.environ, **variables}, self.folder)
        self.processes[name] = process.start()
        return process

    def start_all(self) -> "Live":
        for name in COMMANDS:
            self.start(name)
        self.wait_ready()
        return self

    def wait_ready(self, timeout: float = 30) -> None:
        """Until web answers that it is ready, and that a worker beats where one was started."""
        wait_until(self._is_ready, timeout, "readiness", pause=0.1)

    def wait_web(self, timeout: float = 30) -> None:
        """Until web answers at all, however ill the rest is."""
        wait_until(lambda: self._answers(200, 503), timeout, "an answer of web", pause=0.1)

    @property
    def web(self) -> Process:
        return self.processes["web"]

    @property
    def worker(self) -> Process:
        return self.processes["worker"]

    @property
    def clock(self) -> Process:
        return self.processes["clock"]

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{each.log[-4000:]}" for name, each in self.processes.items())

    def end(self) -> None:
        for process in self.processes.values():
            process.end()

    def _is_ready(self) -> bool:
        if not self._answers(200):
            return False
        parts = httpx2.get(f"{self.url}/readyz", timeout=10).json()["parts"]
        needed = {"workers": "worker", "executor": "runs"}
        return all(parts[part] or name not in self.processes for part, name in needed.items())

    def _answers(self, *statuses: int) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=2).status_code in statuses
        except httpx2.TransportError:
            ended = [name for name, each in self.processes.items() if not each.alive]
            assert not ended, f"{', '.join(ended)} ended at the start\n{self.logs()}"
            return False
