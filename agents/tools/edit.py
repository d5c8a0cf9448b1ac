"""Change the workspace's text files: a new one, a text for another, or lines put between others."""

from pydantic import Field

from agents.errors import ToolFailed
from agents.tools.text_files import FilePath, TextFile, around, in_workspace, lines_of
from agents.tools.tool import Job, Tool, ToolContext, Verbatim
from models.workspace import LARGEST, Workspace

TOLD_LINES = 10


class CreateFile(Verbatim):
    path: FilePath
    text: str = Field(max_length=LARGEST)


class ReplaceInFile(Verbatim):
    path: FilePath
    old_text: str = Field(min_length=1, max_length=LARGEST, description="Stands there once, to the letter")
    new_text: str = Field(max_length=LARGEST)


class InsertInFile(Verbatim):
    path: FilePath
    after_line: int = Field(ge=0, description="0 for the beginning")
    text: str = Field(min_length=1, max_length=LARGEST, description="Whole lines")


async def create_file(context: ToolContext, arguments: CreateFile) -> str:
    content = _encoded(arguments.text, "text")

    def work(workspace: Workspace) -> str:
        if workspace.read(arguments.path) is not None:
            raise ToolFailed("path: there is such a file already; replace_in_file changes it.")
        workspace.write(arguments.path, content, None)
        return f"Created {arguments.path}, {len(lines_of(arguments.text))} lines."

    return await in_workspace(context, work)


async def replace_in_file(context: ToolContext, arguments: ReplaceInFile) -> str:
    _encoded(arguments.new_text, "new_text")

    def work(workspace: Workspace) -> str:
        file = TextFile.read(workspace, arguments.path)
        first = file.text[: _only_place(file.text, arguments.old_text)].count("\n") + 1
        text = file.text.replace(arguments.old_text, arguments.new_text, 1)
        file.become(workspace, text)
        last = first + arguments.new_text.count("\n")
        return f"Changed {arguments.path}:\n{around(text, first, last)}"

    return await in_workspace(context, work)


async def insert_in_file(context: ToolContext, arguments: InsertInFile) -> str:
    _encoded(arguments.text, "text")

    def work(workspace: Workspace) -> str:
        file = TextFile.read(workspace, arguments.path)
        lines = lines_of(file.text)
        if arguments.after_line > len(lines):
            raise ToolFailed(f"after_line: the file has {len(lines)} lines.")
        added = lines_of(arguments.text)
        place = arguments.after_line
        whole = "\n".join([*lines[:place], *added, *lines[place:]])
        # The end of the file stays as it was, unless it is what was put there.
        text = whole + ("\n" if place == len(lines) or file.text.endswith("\n") else "")
        file.become(workspace, text)
        return f"Changed {arguments.path}:\n{around(text, place + 1, place + len(added))}"

    return await in_workspace(context, work)


def _only_place(text: str, old: str) -> int:
    """Where it begins; ToolFailed unless it stands there exactly once."""
    places: list[int] = []
    place = text.find(old)
    while place >= 0 and len(places) <= TOLD_LINES:
        places.append(place)
        place = text.find(old, place + 1)
    if not places:
        raise ToolFailed("old_text: does not stand in the file.")
    if len(places) > 1:
        lines = ", ".join(str(text[:each].count("\n") + 1) for each in places[:TOLD_LINES])
        raise ToolFailed(f"old_text: stands there more than once, in lines {lines}; give more of it.")
    return places[0]


def _encoded(text: str, field: str) -> bytes:
    try:
        content = text.encode()
    except UnicodeEncodeError:
        raise ToolFailed(f"{field}: holds half of a character.") from None
    if b"\0" in content:
        raise ToolFailed(f"{field}: holds a NUL, which no text has.")
    if len(content) > LARGEST:
        raise ToolFailed(f"{field}: is longer than {LARGEST:,} bytes.")
    return content


_EXECUTION: frozenset[Job] = frozenset(("execution",))
EDIT = (
    Tool(
        name="create_file",
        description="Make a new text file in the workspace, and the folders that it lies in.",
        arguments=CreateFile,
        run=create_file,
        effect="acts",
        jobs=_EXECUTION,
    ),
    Tool(
        name="replace_in_file",
        description="Put one text in place of another in a file; what is replaced stands there exactly once.",
        arguments=ReplaceInFile,
        run=replace_in_file,
        effect="acts",
        jobs=_EXECUTION,
    ),
    Tool(
        name="insert_in_file",
        description="Put lines into a file, after the line of a number as read_file tells it.",
        arguments=InsertInFile,
        run=insert_in_file,
        effect="acts",
        jobs=_EXECUTION,
    ),
)
