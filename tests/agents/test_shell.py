"""Commands of agents: what they see, what is told of them, and that nothing of them stays."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import tracemalloc
from contextlib import contextmanager, suppress
from uuid import uuid4

import pytest

from agents.shell import Limits, NoIsolation, Shell, ShellFailed, end_marked, output, probe
from agents.shell.isolation import MARK, levels
from agents.shell.probing import holds
from scripts.programs import ROOT
from tests.agents.shells import LEVELS, NONE, Pretending, alive, broken_keeper, level, run

WITHIN = 15.0
HOLDING = [*LEVELS]
ALL = [*LEVELS, "none"]


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "workspaces/ours"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def tag():
    """An argument that only processes of this test have; whoever is left is ended."""
    number = f"7{uuid4().int % 10**9:09}"
    yield number
    for pid in alive(number):
        os.kill(pid, signal.SIGKILL)


# --- which isolation ---


def test_the_best_that_holds_is_taken_and_nothing_is_left_of_the_trial(tmp_path):
    found = asyncio.run(probe(tmp_path / "made", unisolated=True))

    assert found.name == next((name for name in LEVELS if level_works(name)), "none")
    assert os.listdir(tmp_path / "made") == []


def test_without_isolation_nothing_runs_but_by_the_setting(tmp_path, monkeypatch):
    monkeypatch.setattr("agents.shell.probing.levels", list)

    assert asyncio.run(probe(tmp_path, unisolated=False)) is None
    assert asyncio.run(probe(tmp_path, unisolated=True)) == NoIsolation()


def test_the_trial_sees_what_does_not_hold(tmp_path, caplog):
    caplog.set_level("INFO", "agents")

    assert not asyncio.run(holds(Pretending(), tmp_path))
    for breach in ("reads a secret", "writes outside", "reaches the network", "writes here"):
        assert breach in caplog.text


def test_without_isolation_planning_runs_nothing(folder):
    """I3: it would act without an approval. Control: what only pretends to hold lets it write."""
    with pytest.raises(ShellFailed, match="planning runs none"):
        run(NONE, folder, "touch made", profile="planning")
    assert os.listdir(folder) == []

    run(Pretending(), folder, "touch made", profile="planning")
    assert os.listdir(folder) == ["made"]


def test_bubblewrap_is_tried_only_where_it_is_installed(monkeypatch):
    monkeypatch.setattr("agents.shell.isolation.shutil.which", lambda name: None)

    assert [each.name for each in levels()] == ["unshare", "landlock"]


def level_works(name):
    try:
        return bool(level(name))
    except pytest.skip.Exception:
        return False


# --- what a command sees ---


@pytest.mark.parametrize("name", ALL)
def test_a_command_has_four_variables_no_input_and_no_file_of_ours(name, folder):
    run_id = uuid4()
    said = run(
        level(name), folder, "unset PWD OLDPWD SHLVL; env | grep -v ^_=; cat; ls /proc/self/fd", run_id=run_id
    ).text.split()

    assert sorted(said) == sorted(
        ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
         f"HOME={folder}", f"{MARK}={run_id}", *said[said.index("0"):]]
    )  # fmt: skip
    assert said[said.index("0") :] == ["0", "1", "2", "3"], "the fourth is that of ls"


SECRETS = (
    "cat /proc/[0-9]*/environ /proc/[0-9]*/cwd/secret {outside}/secret 2>&- | tr '\\0' '\\n' | grep -c {word}"
)
OF_OUR_USER = "from agents.keeper import linux; linux.drop_capabilities(); print(flush=True); input()"
"""Without what an administrator may: uid 0 is no stronger then than the command, as any other user."""


@contextmanager
def beside(outside, word):
    """Another process of our user with a secret in its environment, and one in a file."""
    outside.mkdir()
    (outside / "secret").write_text(word)
    process = subprocess.Popen(
        [sys.executable, "-c", OF_OUR_USER], cwd=ROOT, env={"SECRET_KEY": word}, stdin=-1, stdout=-1
    )
    with process:
        process.stdout.readline()
        yield
        process.stdin.close()


@pytest.mark.parametrize("name", HOLDING)
def test_no_secret_of_another_process_or_project_is_read(name, folder, tmp_path):
    with beside(tmp_path / "workspaces/other", word := f"w{uuid4().hex}"):
        command = SECRETS.format(outside=tmp_path / "workspaces/other", word=word)

        assert run(level(name), folder, command).text == "0\n"
        assert int(run(NONE, folder, command).text) >= 2, "control: what holds nothing reads both"


def test_no_command_reads_the_environment_of_a_stronger_worker(folder):
    """Even without isolation a worker as uid 0 is not read: the command lost what uid 0 may."""
    if os.geteuid():
        pytest.skip("the tests do not run as uid 0")

    assert run(NONE, folder, f"head -c 1 /proc/{os.getpid()}/environ").exit_code == 1


@pytest.mark.parametrize("name", HOLDING)
def test_planning_writes_nowhere_and_execution_only_here(name, folder, tmp_path):
    writes = (
        f"echo a > here; echo b > {tmp_path}/workspaces/b; echo c > /usr/c; echo d > /etc/d; ls; cat here"
    )

    assert run(level(name), folder, writes, profile="planning").text.endswith("No such file or directory\n")
    assert os.listdir(folder) == []

    assert run(level(name), folder, writes).text.endswith("here\na\n")
    assert os.listdir(tmp_path / "workspaces") == ["ours"]


@pytest.mark.parametrize("name", HOLDING)
def test_there_is_no_network_and_no_socket_of_the_machine(name, folder, tmp_path):
    with (
        socket.socket() as tcp,
        socket.socket(type=socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        unix.bind(str(folder.parent / "redis.sock"))
        unix.listen()
        tries = REACHES.format(
            tcp=tcp.getsockname()[1], udp=udp.getsockname()[1], path=folder.parent / "redis.sock"
        )

        assert run(level(name), folder, tries).text == "\n"
        with pytest.raises(BlockingIOError):
            udp.recv(10)
        assert run(level(name), folder, tries, network=True).text == "tcp\n"
        assert udp.recv(10) == b"udp\n"
        assert run(NONE, folder, tries).text == "tcp unix\n", "control: what holds nothing reaches all"


REACHES = """
exec 2>&-
(exec 3<>/dev/tcp/127.0.0.1/{tcp}) && said=tcp
echo udp > /dev/udp/127.0.0.1/{udp}
python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect("{path}")' && said="$said unix"
echo $said
"""


@pytest.mark.parametrize("name", HOLDING)
def test_no_command_rules_the_kernel(name, folder):
    """Its settings belong to uid 0, who needs no capability for them; they are opened here, not written."""
    tries = "(: >> /proc/sys/kernel/core_pattern) 2>&- && echo opened; cat /proc/sys/kernel/ostype"

    assert run(level(name), folder, tries).text == "Linux\n"
    if not os.geteuid():
        assert run(NONE, folder, tries).text == "opened\nLinux\n", "control"


@pytest.mark.parametrize("name", HOLDING)
def test_a_command_may_do_nothing_that_an_administrator_may(name, folder):
    said = run(
        level(name), folder, "grep -E '^(Cap|NoNewPrivs)' /proc/self/status; mount -t tmpfs t . ; ls"
    ).text

    status = dict(line.split() for line in said.splitlines()[:6])
    assert {status[f"Cap{which}:"] for which in ("Inh", "Prm", "Eff", "Amb")} == {"0" * 16}
    assert status["NoNewPrivs:"] == "1"
    assert "mount" in said.splitlines()[6]


@pytest.mark.parametrize("name", ALL)
def test_programs_that_people_use_work(name, folder):
    """A long text for a program, a repository, a file set aside: each needs something of the machine."""
    text = "x" * 99 + "\n"
    command = (
        f"cat > big <<'END'\n{text * 900}END\nwc -c < big; git init -q . && git add big && git status -s"
    )

    assert run(level(name), folder, command).text == "90000\nA  big\n"


# --- its limits ---

LIMITED = {
    "address_space": ("64", "head -c 200M /dev/zero | tail -c 150M | wc -c", 64 << 20),
    "file_size": ("4096", "head -c 10000 /dev/zero > f; stat -c %s f", 4096),
    "open_files": ("", 'for i in $(seq 10 40); do eval "exec $i</dev/null" || break; done; echo opened', 16),
    "cpu_seconds": ("137", "while :; do :; done", 1),
}


@pytest.mark.parametrize("limit", LIMITED)
def test_each_limit_holds(limit, folder):
    """In the weakest level, since each process takes them along; control: far larger, it runs to its end."""
    _, command, amount = LIMITED[limit]
    lower = run(NONE, folder, command, limits=Limits(**{limit: amount}))
    if limit == "cpu_seconds":
        assert lower.exit_code in (128 + signal.SIGXCPU, 128 + signal.SIGKILL)
        return
    higher = run(NONE, folder, command)

    assert "limit" in lower.text or "large" in lower.text or "memory" in lower.text or "open" in lower.text
    assert higher.exit_code == 0
    assert lower.text != higher.text


@pytest.mark.parametrize("name", ["bubblewrap", "unshare"])
def test_the_number_of_processes_is_limited(name, folder):
    """The kernel holds uid 0 to no number; the limit is set all the same."""
    limits = Limits(processes=20)
    said = run(level(name), folder, "ulimit -u; for i in $(seq 40); do sleep 5 & done", limits=limits).text

    assert 20 <= int(said.split()[0]) < 30
    if os.geteuid():
        assert "Resource temporarily unavailable" in said


# --- what is told ---


def told_of(folder, command, limits=None, isolation=NONE):
    said = []

    async def tell(text):
        said.append(text)

    return run(isolation, folder, command, limits=limits, on_output=tell), said


@pytest.mark.parametrize("name", ALL)
def test_output_and_errors_come_in_order_as_they_are_printed(name, folder):
    done, said = told_of(folder, "echo one; echo two >&2; printf 'thr\\303'; printf '\\251e\\0\\377'; exit 3",
                         isolation=level(name))  # fmt: skip

    assert "".join(said) == done.text == "one\ntwo\nthrée\N{REPLACEMENT CHARACTER}"
    assert (done.status, done.exit_code, done.printed, done.cut, done.left) == ("ended", 3, 16, False, 0)
    assert done.told() == f"[exit code 3]\n{done.text}"


def test_a_signal_is_told_as_a_shell_tells_it(folder):
    assert run(NONE, folder, "kill -9 $$").exit_code == 137


def test_a_long_output_is_cut_where_it_is_told_and_its_tail_is_kept(folder):
    done, said = told_of(folder, "printf 'é%.0s' $(seq 50000); echo the end", Limits(output=1001))

    assert "".join(said) == "é" * 500 + "\n[output cut after 1001 bytes]\n"
    assert done.cut
    assert done.printed == 100_008
    assert done.text.startswith("éé")
    assert "bytes left out" in done.text
    assert done.text.endswith("é" + "the end\n")
    assert len(done.text) < 16_000


def test_who_is_told_holds_up_the_command(folder):
    reached = []

    async def slow(text):
        for _ in range(0 if len(reached) > 2 else 20):
            await asyncio.sleep(0.01)
        reached.append((folder / "done").exists())

    run(NONE, folder, "head -c 3000000 /dev/zero | tr '\\0' x; touch done", on_output=slow,
        limits=Limits(output=4_000_000))  # fmt: skip

    assert reached[:10] == [False] * 10
    run(NONE, folder, "rm done; head -c 3000000 /dev/zero; touch done")
    assert (folder / "done").exists(), "control: nobody is told, and it runs through"


def memory_for(folder, size):
    """Bytes that this process took at most, beyond what it has, while a command printed."""
    tracemalloc.start()
    done, _ = told_of(folder, f"head -c {size} /dev/zero")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (done.printed, done.status, done.cut) == (size, "ended", True)
    return peak


def test_a_gigabyte_of_output_takes_no_memory(folder, monkeypatch):
    assert memory_for(folder, 1 << 30) < 8 << 20

    monkeypatch.setattr(output, "TAIL", 64 << 20)
    assert memory_for(folder, 32 << 20) > 24 << 20, "control: what keeps it is seen"


def test_what_never_ends_to_print_is_ended(folder):
    done = run(NONE, folder, "yes", limits=Limits(drained=5_000_000))

    assert (done.status, done.left) == ("flooded", 0)
    assert done.told().startswith("[ended after ")
    assert done.seconds < WITHIN


# --- its end ---

NASTY = """
trap '' TERM
(setsid sleep {tag} &)
(env -i setsid sleep {tag} &)
(env -i setsid bash -c 'trap "" TERM; (setsid sleep {tag} &) ; while :; do sleep {tag}; done' >&- 2>&- &)
sleep {tag} &
echo begun
while :; do sleep {tag}; done
"""
"""Ignores to be asked, forks twice, leaves its session, its environment, its parent and its output."""


async def begun(shell, command):
    """A task that runs the command, once it has printed something."""
    heard = asyncio.Event()

    async def hear(text):
        heard.set()

    task = asyncio.create_task(shell.run(command, 60.0, hear))
    waiting = asyncio.create_task(heard.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return task


async def cancelled(isolation, folder, command):
    """How long the end took, and what became of it."""
    shell = Shell(isolation, folder, uuid4())
    task = await begun(shell, command)
    began = time.monotonic()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # impatience changes nothing
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    return time.monotonic() - began, shell.ended, await shell.close()


def test_no_end_of_a_command_leaves_a_process(folder, tag):
    """In each isolation that works here, at once, since each takes the three seconds of grace."""
    held = [level(name) for name in ALL if level_works(name)]

    async def stories():
        late = [Shell(each, folder, uuid4()).run(NASTY.format(tag=tag), 1.0) for each in held]
        stopped = [cancelled(each, folder, NASTY.format(tag=tag)) for each in held]
        return await asyncio.gather(asyncio.gather(*late), asyncio.gather(*stopped))

    late, stopped = asyncio.run(stories())

    assert alive(tag) == []
    for done in late:
        assert (done.status, done.exit_code, done.left) == ("timeout", None, 0)
        assert done.told().startswith("[ended after ")
        assert done.seconds < WITHIN
    for seconds, done, closed in stopped:
        assert (done.status, done.exit_code, done.left, closed) == ("stopped", None, 0, 0)
        assert 2.5 < seconds < WITHIN


@pytest.mark.parametrize("name", ALL)
def test_who_puts_his_things_in_order_has_the_time(name, folder):
    tidy = "trap 'echo tidy > tidied; exit' TERM; echo begun; while :; do sleep 0.1; done"
    asyncio.run(cancelled(level(name), folder, tidy))

    assert (folder / "tidied").read_text() == "tidy\n"


@pytest.mark.parametrize("name", ALL)
def test_what_runs_in_the_background_ends_with_its_command(name, folder, tag):
    done = run(level(name), folder, f"(env -i setsid sleep {tag} >&- 2>&- &); sleep {tag} & echo done")

    assert (alive(tag), done.text, done.exit_code, done.left) == ([], "done\n", 0, 0)
    assert done.seconds < WITHIN


QUICK = {"GRACE_SECONDS = 3.0": "GRACE_SECONDS = 0.3", "KILL_SECONDS = 5.0": "KILL_SECONDS = 0.5"}
BROKEN = {
    "nothing": {},
    "no subreaper": {"linux.prctl(linux.SET_CHILD_SUBREAPER, 1)": "pass"},
    "no killing": {"_send(pid, signal.SIGKILL)": "pass"},
}


@pytest.mark.parametrize("broken", BROKEN)
def test_control_a_weaker_keeper_leaves_processes(broken, folder, tag, tmp_path, monkeypatch):
    broken_keeper(monkeypatch, tmp_path / "broken", {**QUICK, **BROKEN[broken]})
    monkeypatch.setattr("agents.shell.shell.ENDING_SECONDS", 3.0)

    asyncio.run(cancelled(NONE, folder, NASTY.format(tag=tag)))

    assert bool(alive(tag)) == (broken != "nothing")


def test_processes_that_no_keeper_found_are_known_by_their_mark(folder, tag, tmp_path, monkeypatch):
    broken_keeper(monkeypatch, tmp_path / "broken", {"while family := self._family():": "while False:"})
    monkeypatch.setattr("agents.shell.shell.end_marked", lambda run_id: 0)
    run(NONE, folder, f"(setsid sleep {tag} >&- 2>&- &)", run_id=(run_id := uuid4()))

    assert alive(tag), "control: the keeper alone would have left it"
    assert end_marked(uuid4()) == 0
    assert alive(tag), "control: another run's mark is another one"
    assert end_marked(run_id) == 0
    assert alive(tag) == []


WORKER = """
import asyncio, sys
from pathlib import Path
from uuid import uuid4
from agents.shell import Shell, shell
from tests.agents.shells import LEVELS, NONE

name, folder, command, home = sys.argv[1:]
shell.KEEPER_HOME = Path(home)

async def tell(text):
    print(text, flush=True)

asyncio.run(Shell(LEVELS.get(name, NONE), Path(folder), uuid4()).run(command, 60, tell))
"""


def killed_worker(name, folder, command, home=ROOT):
    """Begins the command in a worker of its own, and kills that as soon as the command has begun."""
    arguments = [sys.executable, "-c", textwrap.dedent(WORKER), name, str(folder), command, str(home)]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=-1, text=True) as worker:
        assert worker.stdout.readline() == "begun\n"
        worker.kill()


def gone(tag, seconds):
    end = time.monotonic() + seconds
    while alive(tag) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(tag)


@pytest.mark.parametrize("name", ALL)
def test_a_killed_worker_takes_its_commands_along(name, folder, tag):
    level(name)
    killed_worker(name, folder, NASTY.format(tag=tag))

    assert gone(tag, WITHIN)


def test_control_a_keeper_that_does_not_look_leaves_them(folder, tag, tmp_path, monkeypatch):
    broken_keeper(monkeypatch, tmp_path / "broken", {"self._deserted = not said": "pass"})
    killed_worker("none", folder, NASTY.format(tag=tag), tmp_path / "broken")

    assert not gone(tag, 1.0)
    for pid in alive(f"{tmp_path}/broken"):
        os.kill(pid, signal.SIGKILL)


# --- what cannot be run ---


@pytest.mark.parametrize("name", ["unshare", "landlock", "none"])
def test_that_a_command_could_not_begin_is_said(name, folder):
    folder.rmdir()

    with pytest.raises(ShellFailed, match="No such file or directory"):
        run(level(name), folder, "echo never")


@pytest.mark.parametrize("command", ["a" * 100_001, "echo \0"])
def test_a_command_that_cannot_be_one_is_refused(command, folder):
    with pytest.raises(ShellFailed, match="at most 100000"):
        run(NONE, folder, command)


def test_that_its_keeper_was_ended_is_said_and_nothing_is_left(folder, tag):
    """Only without isolation can a command reach who keeps it."""
    with pytest.raises(ShellFailed, match="ended from outside"):
        run(NONE, folder, f"(setsid sleep {tag} &); kill -9 $PPID; sleep {tag}")

    assert alive(tag) == []


def test_who_is_told_cannot_hold_up_the_end(folder, tag, monkeypatch):
    """As one who waits for a database that is away, and does not let himself be cancelled."""
    monkeypatch.setattr("agents.shell.shell.ENDING_SECONDS", 1.0)
    free = asyncio.Event()

    async def waits(text):
        with suppress(asyncio.CancelledError):
            await free.wait()
        with suppress(TimeoutError):
            await asyncio.wait_for(free.wait(), 60)

    done = run(NONE, folder, f"echo a; sleep {tag}", 0.3, on_output=waits)

    assert (done.status, done.left, alive(tag)) == ("timeout", 0, [])
    assert done.seconds < WITHIN


def test_what_the_told_raises_ends_the_command(folder, tag):
    async def refuses(text):
        raise TimeoutError("the database")

    with pytest.raises(TimeoutError, match="the database"):
        run(NONE, folder, f"echo a; sleep {tag}", on_output=refuses)

    assert alive(tag) == []


def test_one_command_at_a_time(folder):
    async def both():
        shell = Shell(NONE, folder, uuid4())
        await asyncio.gather(
            shell.run("mkdir lock && sleep 0.2; rmdir lock"), shell.run("mkdir lock; rmdir lock")
        )
        return shell.ended

    assert asyncio.run(both()).exit_code == 0
