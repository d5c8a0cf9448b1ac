"""Run a command in the workspace: an execution may change it there, planning only looks."""

from pydantic import Field

from agents.errors import ToolFailed
from agents.shell import Shell, ShellFailed
from agents.shell.shell import LONGEST
from agents.tools.tool import Tool, ToolContext, Verbatim

LONGEST_SECONDS = 600
ENDING = 30
"""More seconds than the shell needs to end a command by itself."""
NO_SHELL = "No command can be run here: this worker has no isolation for it."
TOLD = (
    "Run a command with bash in the workspace folder, which is also its home. It has no input, no network and"
    " no other file of this machine but programs. Tells its exit code, and what it printed, head and tail."
    " What it leaves in the background ends with it."
)


class Bash(Verbatim):
    command: str = Field(min_length=1, max_length=LONGEST)
    seconds: int = Field(120, ge=1, le=LONGEST_SECONDS, description="After which it is ended")


async def bash(context: ToolContext, arguments: Bash) -> str:
    return await _run(_shell(context), context, arguments)


async def bash_read_only(context: ToolContext, arguments: Bash) -> str:
    shell = _shell(context)
    if shell.profile != "planning":
        raise ToolFailed("This shell is not read-only.")
    return await _run(shell, context, arguments)


def _shell(context: ToolContext) -> Shell:
    if context.shell is None:
        raise ToolFailed(NO_SHELL)
    return context.shell


async def _run(shell: Shell, context: ToolContext, arguments: Bash) -> str:
    try:
        finished = await shell.run(arguments.command, arguments.seconds, context.output)
    except ShellFailed as error:
        raise ToolFailed(str(error)) from None
    return finished.told()


BASH = Tool(
    name="bash",
    description=TOLD,
    arguments=Bash,
    run=bash,
    effect="acts",
    jobs=frozenset(("execution",)),
    seconds=LONGEST_SECONDS + ENDING,
)
BASH_READ_ONLY = Tool(
    name="bash_read_only",
    description=f"{TOLD} The workspace cannot be changed; /tmp can be used where there is one.",
    arguments=Bash,
    run=bash_read_only,
    effect="reads",
    jobs=frozenset(("planning", "skill")),
    seconds=LONGEST_SECONDS + ENDING,
)
