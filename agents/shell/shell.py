"""Runs the commands of one run, one at a time, and leaves no process of them behind."""

import asyncio
import json
import sys
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar
from uuid import UUID

from agents.errors import AgentError
from agents.keeper.program import STOP
from agents.shell.isolation import Isolation, Profile, Wanted
from agents.shell.limits import Limits
from agents.shell.marks import end_marked
from agents.shell.output import OnOutput, Output
from models.isolation import NONE

CHUNK = 64 << 10
LONGEST = 100_000
"""Characters of a command; Linux takes no argument of more than 128 KiB."""
ENDING_SECONDS = 9.0
"""The keeper's three seconds of grace and five of killing, and one to say so."""
KEEPER_HOME = Path(__file__).parents[2]
WRITES = "Nothing here keeps a command from writing, so planning runs none."
NO_WORD = "its keeper was ended from outside"
_START = "import sys; sys.path.insert(0, {home!r}); from agents.keeper.program import main; main()"

Status = Literal["ended", "timeout", "flooded", "stopped", "lost"]
T = TypeVar("T")


class ShellFailed(AgentError):
    """The command could not be started."""


@dataclass(frozen=True)
class Finished:
    """What became of a command: `exit_code` as a shell says it (128 and the signal's number)."""

    status: Status
    exit_code: int | None
    text: str
    printed: int
    cut: bool
    seconds: float
    left: int
    """Processes of the command that are still alive."""

    def told(self) -> str:
        """In words for a model, before its output."""
        how = {
            "ended": f"exit code {self.exit_code}",
            "timeout": f"ended after {self.seconds:.0f} s, its time limit",
            "flooded": f"ended after {self.printed} bytes of output",
            "stopped": "stopped",
            "lost": "lost",
        }[self.status]
        left = f", {self.left} of its processes could not be ended" if self.left else ""
        return f"[{how}{left}]\n{self.text}"


@dataclass
class _Running:
    """A command with its keeper, while it runs."""

    keeper: asyncio.subprocess.Process
    transport: asyncio.SubprocessTransport
    output: Output
    told: "asyncio.Task[bytes]"
    """What the keeper says at its end."""
    telling: "asyncio.Task[Status]"
    began: float = field(default_factory=time.monotonic)


class Shell:
    """The folder and the isolation in which a run's commands are started."""

    def __init__(
        self,
        isolation: Isolation,
        folder: Path,
        run_id: UUID,
        *,
        profile: Profile = "execution",
        network: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.isolation, self.profile = isolation, profile
        self.limits = limits or Limits()
        self._folder, self._run_id, self._network = folder.resolve(), run_id, network
        self._one = asyncio.Lock()
        self.ended: Finished | None = None
        """What became of the last command, also when whoever waited for it was cancelled."""

    async def run(
        self, command: str, seconds: float | None = None, on_output: OnOutput | None = None
    ) -> Finished:
        """Run it by bash, within `seconds` (at most the limit); all its processes end with it.

        Cancelled, it ends them first: asked, and after 3 s forced. Raises ShellFailed.
        """
        if len(command) > LONGEST or "\0" in command:
            raise ShellFailed(f"A command has no NUL and at most {LONGEST} characters.")
        if self.profile == "planning" and self.isolation.name == NONE:
            raise ShellFailed(WRITES)
        async with self._one:
            self.ended = None
            return await self._run(
                command, min(seconds or self.limits.seconds, self.limits.seconds), on_output
            )

    async def close(self) -> int:
        """End whatever still carries the mark of the run; how many processes are left."""
        return await asyncio.to_thread(end_marked, self._run_id)

    async def _run(self, command: str, seconds: float, on_output: OnOutput | None) -> Finished:
        running = await self._start(command, Output(self.limits, on_output))
        status: Status = "stopped"
        try:
            async with asyncio.timeout(seconds) as clock:
                status = await _follow(running)
        except TimeoutError:
            if not clock.expired():
                raise  # it is of whoever is told the output
            status = "timeout"
        finally:
            said = await _to_its_end(self._end(running, status))
        if "error" in said or (status in ("ended", "lost") and "code" not in said):
            raise ShellFailed(f"The command could not be run: {said.get('error', NO_WORD)}.")
        assert self.ended
        return self.ended

    async def _start(self, command: str, output: Output) -> _Running:
        wanted = Wanted(command, self._folder, self._run_id, self.profile, self._network, self.limits)
        order = self.isolation.order(wanted)
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.subprocess_exec(
            lambda: asyncio.subprocess.SubprocessStreamProtocol(limit=CHUNK, loop=loop),
            sys.executable, "-I", "-S", "-c", _START.format(home=str(KEEPER_HOME)),
            cwd="/", env={}, start_new_session=True,
        )  # fmt: skip
        keeper = asyncio.subprocess.Process(transport, protocol, loop)
        assert keeper.stdin
        assert keeper.stderr
        # It stays open: by its end the keeper knows that this process is gone.
        keeper.stdin.write(order.written())
        return _Running(
            keeper,
            transport,
            output,
            asyncio.create_task(keeper.stderr.read()),
            asyncio.create_task(_tell(keeper, output)),
        )

    async def _end(self, running: _Running, status: Status) -> dict[str, Any]:
        """Let nothing be left, whatever the command does, within 15 s; what the keeper said of it."""
        keeper, output = running.keeper, running.output
        assert keeper.stdin
        if status == "lost":
            await self.close()
        elif status != "ended":
            keeper.stdin.write(STOP)
        running.telling.cancel()
        draining, gone = asyncio.create_task(_drain(running)), asyncio.create_task(keeper.wait())
        await asyncio.wait({running.told, draining, gone}, timeout=ENDING_SECONDS)
        # A keeper that is still there is killed by that, and nobody can hold us by his end of a pipe.
        running.transport.close()
        draining.cancel()
        await asyncio.wait({running.told, gone})
        marked = await self.close()
        said = _said(await running.told)
        self.ended = Finished(
            status=status,
            exit_code=said.get("code") if status == "ended" else None,
            text=output.text(),
            printed=output.printed,
            cut=output.cut,
            seconds=time.monotonic() - running.began,
            left=max(marked, said.get("left", 0)),
        )
        return said


async def _follow(running: _Running) -> Status:
    """Until the command has ended, or the keeper has, and told nothing of it."""
    await asyncio.wait({running.telling, running.told}, return_when=asyncio.FIRST_COMPLETED)
    if running.told.done() and not running.told.result():
        return "lost"
    status = await asyncio.shield(running.telling)
    if status == "ended":
        await asyncio.shield(running.told)
    return status


async def _tell(keeper: asyncio.subprocess.Process, output: Output) -> Status:
    """Tell the output until there is no more, or too much."""
    assert keeper.stdout
    while chunk := await keeper.stdout.read(CHUNK):
        await output.take(chunk)
        if output.flooded:
            return "flooded"
    await output.end()
    return "ended"


async def _drain(running: _Running) -> None:
    """Nobody is told any more; a command that cannot print could not end."""
    await asyncio.wait({running.telling})
    assert running.keeper.stdout
    while chunk := await running.keeper.stdout.read(CHUNK):
        running.output.keep(chunk)


def _said(lines: bytes) -> dict[str, Any]:
    """What the keeper said; what is no word of it is an error of its own."""
    said: dict[str, Any] = {}
    for line in lines.splitlines():
        try:
            said.update(json.loads(line))
        except ValueError:
            said["error"] = line.decode("utf-8", "replace")
    return said


async def _to_its_end(doing: Coroutine[Any, Any, T]) -> T:
    """Wait until it is done, however often we are cancelled meanwhile; that counts afterwards."""
    task, cancelled = asyncio.create_task(doing), False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    result = task.result()
    if cancelled:
        raise asyncio.CancelledError
    return result
