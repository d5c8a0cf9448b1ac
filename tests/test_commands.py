"""The commands of the Makefile: processes are kept and ended, and help tells every command."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from models.worker import EXECUTORS
from scripts import run
from scripts.programs import ROOT
from tests.support.processes import Process, wait_until
from webapp import config

SCRIPT = """
import sys
sys.path.insert(0, "")
from pathlib import Path
from scripts.supervisor import Supervisor
import os

supervisor = Supervisor(os.environ, Path.cwd())
for name in sys.argv[1:]:
    supervisor.start(name, [sys.executable, "-c", os.environ[name]], support=name == "support")
try:
    supervisor.serve()
finally:
    supervisor.stop()
    print("all ended", flush=True)
"""

SLEEP = "import time; print('ready', flush=True); time.sleep(600)"
CRASH = "raise SystemExit(3)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
# A child in a session of its own, as a step of a run has, which outlives its parent.
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}], start_new_session=True)
print(f"grandchild {{child.pid}}", flush=True)
child.wait()
"""


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def supervise(**programs: str) -> Process:
        command = [sys.executable, "-c", SCRIPT, *programs]
        process = Process("supervisor", command, {**os.environ, **programs}, tmp_path)
        started.append(process)
        process.start()
        return process

    yield supervise
    for process in started:
        process.end()


def log_shows(process: Process, pattern: str, times: int = 1) -> Callable[[], bool]:
    return lambda: len(re.findall(pattern, process.log, re.MULTILINE)) >= times


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def children(pid: int) -> list[int]:
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, check=False)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_process(supervise: Callable[..., Process], number: int) -> None:
    supervisor = supervise(one=SLEEP, two=SLEEP)
    wait_until(log_shows(supervisor, "ready", 2))
    pids = children(supervisor.pid)
    assert len(pids) == 2

    supervisor.signal(number)
    wait_until(lambda: not supervisor.alive)

    assert "all ended" in supervisor.log
    assert not any(map(exists, pids))


def test_the_end_reaches_what_left_its_parents_group(supervise: Callable[..., Process]) -> None:
    supervisor = supervise(parent=PARENT)
    wait_until(log_shows(supervisor, r"grandchild \d+"))
    match = re.search(r"grandchild (\d+)", supervisor.log)
    assert match
    assert exists(int(match[1]))

    supervisor.stop()

    assert not exists(int(match[1]))


def test_what_others_stand_on_ends_after_them(supervise: Callable[..., Process]) -> None:
    last_words = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('bye')))"
    slow = f"import atexit, time; atexit.register(time.sleep, 0.3); {last_words}; {SLEEP}"
    supervisor = supervise(support=f"{last_words}; {SLEEP}", slow=slow)
    wait_until(log_shows(supervisor, "ready", 2))

    supervisor.stop()

    assert re.findall(r"^(\w+) +\| bye$", supervisor.log, re.MULTILINE) == ["slow", "support"]


def test_a_second_signal_kills_what_does_not_end(supervise: Callable[..., Process]) -> None:
    supervisor = supervise(stubborn=STUBBORN)
    wait_until(log_shows(supervisor, "ready"))
    [pid] = children(supervisor.pid)

    supervisor.signal(signal.SIGINT)
    wait_until(log_shows(supervisor, "stopping"))
    assert exists(pid)
    supervisor.signal(signal.SIGINT)
    wait_until(lambda: not supervisor.alive, 5)

    assert "stubborn did not end by itself" in supervisor.log
    assert not exists(pid)


def test_a_crashed_process_is_started_again_later_each_time(
    supervise: Callable[..., Process],
) -> None:
    supervisor = supervise(steady=SLEEP, fragile=CRASH)

    wait_until(log_shows(supervisor, r"fragile ended \(exit code 3\)", 2))

    assert "again in 0.5 s" in supervisor.log
    assert "again in 1 s" in supervisor.log
    assert "steady ended" not in supervisor.log


def test_a_killed_process_is_started_again(supervise: Callable[..., Process]) -> None:
    supervisor = supervise(one=SLEEP)
    wait_until(log_shows(supervisor, "ready"))

    os.kill(children(supervisor.pid)[0], signal.SIGKILL)
    wait_until(log_shows(supervisor, "ready", 2))

    assert "one ended (SIGKILL)" in supervisor.log


def test_output_is_marked_with_its_process(supervise: Callable[..., Process]) -> None:
    supervisor = supervise(long_name=SLEEP, short=SLEEP)

    wait_until(log_shows(supervisor, r"^long_name \| ready$"))
    wait_until(log_shows(supervisor, r"^short     \| ready$"))


def test_a_supervisor_killed_outright_takes_its_processes_along(
    supervise: Callable[..., Process],
) -> None:
    supervisor = supervise(one=SLEEP)
    wait_until(log_shows(supervisor, "ready"))
    [pid] = children(supervisor.pid)

    supervisor.kill()

    wait_until(lambda: not exists(pid), what="the end of the child")


def test_the_procfile_names_every_process_and_each_queue_has_its_own() -> None:
    lines = run.procfile()

    assert set(lines) == {"release", "web", "worker", "runs", "clock"}
    assert {line.rpartition(" ")[2] for line in lines.values() if "queues.worker" in line} == set(EXECUTORS)


def test_a_busy_port_is_passed_over_or_named() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]

        assert not run.is_free(port)
        assert run.free_port(port) > port
        with pytest.raises(SystemExit, match=f"Port {port} is in use"):
            run.environment({"PATH": "/bin", "PORT": str(port), "SECRET_KEY": "given"})

    assert run.is_free(port)


@pytest.mark.parametrize("port", ["abc", "-1", "0", "65536", "99999", "5000.0"])
def test_a_port_that_is_none_is_named(port: str) -> None:
    with pytest.raises(SystemExit, match=f"PORT must be a number from 1 to 65535, not '{port}'"):
        run.environment({"PATH": "/bin", "PORT": port, "SECRET_KEY": "given"})


def test_what_is_given_is_kept_and_what_is_missing_is_filled() -> None:
    given = {"PATH": "/bin", "SECRET_KEY": "given", "REDIS_URL": "", "HOST": "0.0.0.0"}

    environ = run.environment(given)

    assert environ["SECRET_KEY"] == "given"
    assert environ["HOST"] == "0.0.0.0"
    assert environ["DATABASE_URL"] == f"sqlite:///{ROOT}/var/teamroom.sqlite3"
    assert int(environ["PORT"]) >= run.DEFAULT_PORT
    assert environ["LOG_LEVEL"] == "WARNING"
    assert "REDIS_URL" not in environ


def test_the_secret_is_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"

    first = run.secret(path)

    assert run.secret(path) == first
    assert len(first) >= 32
    assert path.stat().st_mode & 0o077 == 0


def test_the_port_is_told_to_other_commands_while_it_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "VAR", tmp_path)
    monkeypatch.setattr(run, "VAR", tmp_path)
    monkeypatch.setattr(run, "start", lambda supervisor, environ: seen.append((environ["PORT"], port())))
    monkeypatch.setattr(run, "Supervisor", Mock())
    seen: list[tuple[str, int]] = []

    def port() -> int:
        return int(config.load({"TESTING": True}, environ={})["PORT"])

    run.main()

    [(taken, read)] = seen
    assert int(taken) == read
    assert port() == 5000
    monkeypatch.setenv("PORT", str(run.free_port(20_000)))
    run.main()
    assert seen[1] == (os.environ["PORT"], int(os.environ["PORT"]))


def test_help_documents_every_command() -> None:
    makefile = (ROOT / "Makefile").read_text()
    commands = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())  # type: ignore[index]
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)

    assert set(re.findall(r"^  make ([a-z-]+) +\S", told.stdout, re.MULTILINE)) == commands == targets


@pytest.mark.parametrize("command", ["run", "test", "lint", "format", "types", "bench", "chaos", "vendor"])
def test_a_fresh_clone_is_set_up_by_every_command_that_needs_it(command: str) -> None:
    does = subprocess.run(["make", "-n", command], cwd=ROOT, capture_output=True, text=True, check=True)

    ours = [line for line in does.stdout.splitlines() if "python" in line]
    assert re.search(r"-m scripts\.setup (run|test|check)$", ours[0]), does.stdout


DIES = re.compile(r"\b(?:KILLED|CRASHPOINT|RuleBasedStateMachine)\b")
AGAIN = re.compile(r"each_round|\bROUNDS\b|\borders\(")


def done_once(root: Path, chaos: list[str]) -> list[str]:
    """Test files that kill at a crashpoint, or try orders, and that `make chaos` does not do more often."""
    found = []
    for file in sorted((root / "tests").rglob("test_*.py")):
        text, path = file.read_text(), file.relative_to(root)
        ours = path.name != Path(__file__).name and DIES.search(text)
        if ours and not (AGAIN.search(text) and any(path.is_relative_to(each) for each in chaos)):
            found.append(str(path))
    return found


def test_chaos_multiplies_every_test_that_kills_or_tries_orders() -> None:
    does = subprocess.run(["make", "-n", "chaos"], cwd=ROOT, capture_output=True, text=True, check=True)
    chaos = [word for word in does.stdout.split() if word.startswith("tests/")]
    assert {"tests/faults", "tests/webapp/test_fuzz.py"} <= set(chaos)
    assert done_once(ROOT, chaos) == []
    killed = ["tests/queues/test_killed.py", "tests/queues/test_actions_killed.py"]

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n0", *killed],
        cwd=ROOT, env=os.environ | {"CHAOS": "3"}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    names = Counter(re.findall(r"^\S+::(\w+)", done.stdout, re.MULTILINE))
    assert names["test_killed_at"] == 5 * 3
    assert {number % 3 for number in names.values()} == {0}


def test_a_killing_test_that_chaos_leaves_out_or_does_once_is_caught(tmp_path: Path) -> None:
    """The control."""
    folder = tmp_path / "tests" / "queues"
    folder.mkdir(parents=True)
    (folder / "test_a.py").write_text("from models.crashpoint import KILLED\nuse('each_round')\n")
    (folder / "test_b.py").write_text("class Any(RuleBasedStateMachine): ...\n")

    assert done_once(tmp_path, ["tests/queues/test_a.py"]) == ["tests/queues/test_b.py"]
    assert len(done_once(tmp_path, ["tests/queues/test_b.py"])) == 2


def test_nothing_that_is_ignored_is_in_the_repository() -> None:
    """A build that was added once stays for ever and is what a fresh clone then finds."""
    if not (ROOT / ".git").exists():
        pytest.skip("this copy has no history")
    ignored = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]

    assert subprocess.run(ignored, cwd=ROOT, capture_output=True, text=True, check=True).stdout == ""
