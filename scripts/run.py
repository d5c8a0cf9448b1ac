"""`make run`: a whole Team Room on this machine, from the Procfile, and what it needs beside it."""

import fcntl
import os
import secrets
import shlex
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from scripts import programs
from scripts.programs import ROOT, VENV
from scripts.supervisor import Stopped, Supervisor

VAR = ROOT / "var"
LONGEST_SOCKET_PATH = 100  # bytes; the kernels' own limits are 104 and 108
DEFAULT_PORT = 5000


def main() -> int:
    VAR.mkdir(exist_ok=True)
    with only_one():
        environ = environment()
        supervisor = Supervisor(environ, ROOT)
        try:
            with told(VAR / "port", environ["PORT"]):
                return start(supervisor, environ)
        except Stopped:
            return 0
        finally:
            supervisor.stop()


def start(supervisor: Supervisor, environ: dict[str, str]) -> int:
    commands = procfile()
    if "REDIS_URL" not in environ and not start_redis(supervisor, environ):
        return 1
    if supervisor.finish("release", shlex.split(commands.pop("release"))):
        supervisor.say("the release step failed, so nothing was started")
        return 1
    supervisor.start("web", shlex.split(commands.pop("web")))
    supervisor.start("setup", ["flask", "--app", "webapp", "setup-link"], restart=False)
    address = ("127.0.0.1", int(environ["PORT"]))
    supervisor.wait_for(lambda: accepts(address))
    url = environ.get("PUBLIC_URL") or "http://{}:{}".format(*address)
    supervisor.say(f"Team Room is at {url} - Ctrl-C stops it")
    # The rest comes later, so that a small machine shows its pages sooner.
    for name, command in commands.items():
        supervisor.start(name, shlex.split(command))
    supervisor.serve()
    return 0


def environment(given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What the processes get: the caller's variables, and a default for each that is missing."""
    environ = dict(given)
    environ["PATH"] = f"{VENV / 'bin'}{os.pathsep}{environ['PATH']}"
    environ["VIRTUAL_ENV"] = str(VENV)
    environ["PYTHONUNBUFFERED"] = "1"
    for name, default in (
        ("DATABASE_URL", lambda: f"sqlite:///{VAR / 'teamroom.sqlite3'}"),
        ("SECRET_KEY", lambda: secret(VAR / "secret_key")),
        ("PORT", lambda: str(free_port(DEFAULT_PORT))),
        ("LOG_LEVEL", lambda: "WARNING"),  # a line for each request would hide the link
    ):
        if not environ.get(name):
            environ[name] = default()
    if not (environ["PORT"].isdecimal() and 0 < int(environ["PORT"]) < 1 << 16):
        raise SystemExit(f"PORT must be a number from 1 to 65535, not {environ['PORT']!r}.")
    if not is_free(int(environ["PORT"])):
        raise SystemExit(f"Port {environ['PORT']} is in use; without PORT a free one is taken.")
    return {name: value for name, value in environ.items() if name != "REDIS_URL" or value}


def secret(path: Path) -> str:
    """The same key at every start, else each start would sign everybody out."""
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
    return path.read_text().strip()


@contextmanager
def told(path: Path, text: str) -> Iterator[None]:
    """Write down what commands given by hand must know, while it is true."""
    path.write_text(text)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def free_port(first: int) -> int:
    """The first port from here on that nobody listens on."""
    port = next(filter(is_free, range(first, first + 100)), None)
    if port is None:
        raise SystemExit(f"No port between {first} and {first + 99} is free; name one in PORT.")
    return port


def is_free(port: int) -> bool:
    """True when nobody listens there, on any interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True


def procfile() -> dict[str, str]:
    lines = (ROOT / "Procfile").read_text().splitlines()
    return {name: command.strip() for name, command in (line.split(":", 1) for line in lines)}


def start_redis(supervisor: Supervisor, environ: dict[str, str]) -> bool:
    """A private server, kept on disk; nobody else can reach it by the network."""
    program = programs.redis_server()
    if not program:
        supervisor.say("Team Room needs Redis: install redis-server, or set REDIS_URL.")
        return False
    folder = VAR / "redis"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "redis.sock"
    options = ["--dir", str(folder), "--appendonly", "yes", "--save", ""]
    options += ["--logfile", str(folder / "redis.log")]
    if len(bytes(path)) < LONGEST_SOCKET_PATH:
        environ["REDIS_URL"] = f"unix://{path}"
        options += ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "600"]
        address: tuple[str, int] | str = str(path)
    else:
        port = free_port(6380)
        environ["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
        options += ["--port", str(port), "--bind", "127.0.0.1"]
        address = ("127.0.0.1", port)
    supervisor.environ = environ
    supervisor.start("redis", [str(program), *options], support=True)
    return supervisor.wait_for(lambda: accepts(address), timeout=15)


def accepts(address: tuple[str, int] | str) -> bool:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(1)
        return probe.connect_ex(address) == 0


@contextmanager
def only_one() -> Iterator[None]:
    """Two rooms on one database file would share it, and the second's Redis its socket."""
    with (VAR / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("Team Room already runs from this folder; stop it first.") from None
        yield


if __name__ == "__main__":
    sys.exit(main())
