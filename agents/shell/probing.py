"""Which isolation works on this machine, found out by trying to get out of each."""

import logging
import shlex
import socket
import tempfile
from pathlib import Path
from uuid import uuid4

from agents.shell.isolation import Isolation, NoIsolation, Profile, levels
from agents.shell.shell import Shell, ShellFailed

log = logging.getLogger(__name__)

SECONDS = 10.0
_PROFILES: tuple[Profile, ...] = ("execution", "planning")
_ATTEMPTS = """
cat {outside}/secret 2>&-
(echo > {outside}/written) 2>&- && echo writes outside
(exec 3<>/dev/tcp/127.0.0.1/{port}) 2>&- && echo reaches the network
(echo > written) 2>&- && echo writes here
echo runs
"""
_EXPECTED = {"execution": "writes here\nruns\n", "planning": "runs\n"}


async def probe(scratch: Path, unisolated: bool) -> Isolation | None:
    """The best that holds a command which tries to get out; None when nothing does and without is refused.

    `scratch` is a folder on the file system of the workspaces; it is made, and nothing is left in it.
    """
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    for level in levels():
        if await holds(level, scratch):
            return level
    return NoIsolation() if unisolated else None


async def holds(level: Isolation, scratch: Path) -> bool:
    """Whether it runs commands in both profiles, and lets them do what they may, and nothing else."""
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".probe-") as made, socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        inside, outside = Path(made) / "inside", Path(made) / "outside"
        inside.mkdir()
        outside.mkdir()
        (outside / "secret").write_text("reads a secret\n")
        command = _ATTEMPTS.format(outside=shlex.quote(str(outside)), port=server.getsockname()[1])
        try:
            said = [await _said(level, inside, profile, command) for profile in _PROFILES]
        except ShellFailed as error:
            log.info("%s does not work here: %s", level.name, error)
            return False
    wrong = [text for text, profile in zip(said, _PROFILES, strict=True) if text != _EXPECTED[profile]]
    if wrong:
        log.info("%s does not hold here: %s", level.name, " / ".join(wrong)[:500])
    return not wrong


async def _said(level: Isolation, folder: Path, profile: Profile, command: str) -> str:
    shell = Shell(level, folder, uuid4(), profile=profile)
    return (await shell.run(command, SECONDS)).text
