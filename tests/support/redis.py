"""A private Redis server for tests, which may kill it, hang it or flush it."""

import socket
from pathlib import Path

import redis

from scripts import programs
from tests.support.processes import Process, wait_until


class RedisServer(Process):
    """Listens on a unix socket in `folder`, whose path must be short."""

    def __init__(self, folder: Path, appendonly: bool = False) -> None:
        program = programs.redis_server()
        assert program, "no Redis server; run `make test` once, which installs what tests need"
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        options = {
            "--port": "0",
            "--unixsocket": str(self.socket),
            "--dir": str(folder),
            "--save": "",
            "--appendonly": "yes" if appendonly else "no",
        }
        words = [word for pair in options.items() for word in pair]
        super().__init__("redis", [str(program), *words], {}, folder)

    def start(self) -> "RedisServer":
        self.socket.unlink(missing_ok=True)
        super().start()
        wait_until(self._accepts, 10, "Redis")
        return self

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0
