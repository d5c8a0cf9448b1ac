"""Look at the workspace: what lies in a folder, what a file says, and where words stand."""

import json
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from agents.tools.text_files import FilePath, TextFile, in_workspace, lines_of, numbered, text_of
from agents.tools.tool import WORKING_JOBS, Arguments, Tool, ToolContext, Verbatim
from models.errors import Invalid
from models.workspace import LARGEST, Entry, Workspace

LISTED = 300
LINES = 400
CHARACTERS = 12_000
LOOKED_AT = 3_000
READ = 64 << 20
"""Files and bytes after which a search ends."""
DEEPEST = 30
ASIDE = {".git", "node_modules", ".venv", "__pycache__"}
"""Folders that a search leaves out."""
LONG = 200

FolderPath = Annotated[str, Field(max_length=1000, description="A folder; empty for the workspace itself")]


class ListFiles(Arguments):
    path: FolderPath = ""


class ReadFile(Arguments):
    path: FilePath
    first_line: int = Field(1, ge=1)
    lines: int = Field(LINES, ge=1, le=LINES)


class SearchFiles(Verbatim):
    text: str = Field(min_length=2, max_length=200, description="As it stands in a line; case does not count")
    path: FolderPath = ""
    count: int = Field(30, ge=1, le=100, description="How many lines at most")


async def list_files(context: ToolContext, arguments: ListFiles) -> str:
    found = await in_workspace(context, lambda workspace: workspace.entries(arguments.path))
    more = [f"[… {len(found) - LISTED} more …]"] if len(found) > LISTED else []
    return "\n".join([*map(_told, found[:LISTED]), *more]) or "There is nothing in it."


def _told(entry: Entry) -> str:
    told = {"name": entry.name, "kind": entry.kind}
    return json.dumps({**told, "bytes": entry.size} if entry.kind == "file" else told)


async def read_file(context: ToolContext, arguments: ReadFile) -> str:
    file = await in_workspace(context, lambda workspace: TextFile.read(workspace, arguments.path))
    count = len(lines_of(file.text))
    shown = numbered(file.text, arguments.first_line, arguments.first_line + arguments.lines - 1)
    if len(shown) > CHARACTERS:
        shown = shown[:CHARACTERS].rpartition("\n")[0]
    last = arguments.first_line + len(lines_of(shown)) - 1
    return f"Lines {arguments.first_line} to {last} of {count}:\n{shown}" if shown else f"{count} lines."


async def search_files(context: ToolContext, arguments: SearchFiles) -> str:
    return await in_workspace(context, lambda workspace: _searched(workspace, arguments))


def _searched(workspace: Workspace, arguments: SearchFiles) -> str:
    wanted, found, left = arguments.text.casefold(), [], READ
    for number, (path, entry) in enumerate(_files(workspace, arguments.path, 0)):
        left -= entry.size
        if number >= LOOKED_AT or left < 0:
            found.append("[… there are more files: search in a folder …]")
            break
        for line, text in _holding(workspace, path, wanted):
            found.append(f"{json.dumps(path)[1:-1]}:{line}: {text.strip()[:LONG]}")
            if len(found) == arguments.count:
                return "\n".join(found)
    return "\n".join(found) or "No line holds that."


def _files(workspace: Workspace, folder: str, depth: int) -> Iterator[tuple[str, Entry]]:
    """Every plain file that is small enough to read, by path; a folder that is gone meanwhile is empty."""
    for entry in workspace.entries(folder):
        path = f"{folder}/{entry.name}" if folder else entry.name
        if entry.kind == "file" and entry.size <= LARGEST:
            yield path, entry
        elif entry.kind == "folder" and entry.name not in ASIDE and depth < DEEPEST:
            yield from _files(workspace, path, depth + 1)


def _holding(workspace: Workspace, path: str, wanted: str) -> Iterator[tuple[int, str]]:
    """The lines with the words, from 1; none of what cannot be read as a text any more."""
    try:
        content = workspace.read(path)
    except Invalid:
        return
    text = text_of(content or b"")
    for number, line in enumerate(lines_of(text or ""), 1):
        if wanted in line.casefold():
            yield number, line


FILES = (
    Tool(
        name="list_files",
        description="List a folder of the workspace: files with their bytes, and folders.",
        arguments=ListFiles,
        run=list_files,
        effect="reads",
        jobs=WORKING_JOBS,
    ),
    Tool(
        name="read_file",
        description="Read a text file of the workspace with the numbers of its lines, a part at a time.",
        arguments=ReadFile,
        run=read_file,
        effect="reads",
        jobs=WORKING_JOBS,
    ),
    Tool(
        name="search_files",
        description="Find lines in the workspace's text files that hold some words.",
        arguments=SearchFiles,
        run=search_files,
        effect="reads",
        jobs=WORKING_JOBS,
    ),
)
