"""QA Audit: what of the workspace is broken, untested or misleading. Its commands can change nothing."""

import json
import posixpath
import re
import tomllib
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from agents.audits.folder import Folder
from agents.audits.rule import CannotLook, Place, Rule, Seen, in_files
from agents.shell import Finished, ShellFailed

TEST_SECONDS, LINT_SECONDS = 300, 120
SLACK = 30
"""More seconds than the shell needs to end a command by itself."""
LARGE = 5 << 20
LINES, LONGEST_LINE = 10, 1000
OUTPUT = 3000
"""Characters of what a command printed, from its end: there it says how it ended."""
NOT_FOUND, NOT_EXECUTABLE, NO_TESTS = 127, 126, 5
CODE = (".py", ".js", ".ts", ".rb", ".go", ".rs", ".java", ".php", ".c", ".cpp")
MISSING = re.compile(r"No module named '?(pytest|ruff)\b|[Cc]annot find module|npm: command not found")
NO_SHELL = "no command can be run here: this worker has no isolation for it."

LINK = re.compile(r"(?<!\\)\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(\s*<?(?P<to>[^)\s>]+)>?(?:\s+[\"'(][^)]*)?\)")
LABEL = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?(?P<to>[^\s>]+)>?")
SCHEME = re.compile(r"^(?:[a-zA-Z][a-zA-Z0-9+.-]*:|//|#|/)")
TODO = re.compile(r"(?:#|//|/\*|<!--|--|;|\*|^)\s*(?P<word>TODO|FIXME|XXX)\b(?P<rest>.*)")
WORDS = 3
"""A reason has as many at least."""


@dataclass(frozen=True)
class Command:
    """What the workspace itself says how it is looked at."""

    line: str
    from_file: str


def tests_of(folder: Folder) -> Command | None:
    """By its own configuration, at the root of the workspace."""
    node = _node_scripts(folder).get("test", "")
    if node and "no test specified" not in node:
        return Command("npm test --silent", "package.json")
    python = _configured(folder, "pytest", "pytest.ini", ("tool", "pytest"))
    if python is None and any(re.search(r"(?:^|/)test_[^/]*\.py$|_test\.py$", path) for path in folder.files):
        python = "its files named test_*.py"
    if python:
        line = "PYTHONDONTWRITEBYTECODE=1 python3 -m pytest -q -p no:cacheprovider"
        return Command(line, python)
    return None


def lint_of(folder: Folder) -> Command | None:
    if (file := _configured(folder, "ruff", "ruff.toml", ("tool", "ruff"))) is not None:
        return Command("{ command -v ruff >/dev/null && ruff check --no-cache . ; } || "
                       "python3 -m ruff check --no-cache .", file)  # fmt: skip
    if _node_scripts(folder).get("lint"):
        return Command("npm run --silent lint", "package.json")
    return None


def _node_scripts(folder: Folder) -> dict[str, str]:
    try:
        said = json.loads(folder.text("package.json") or "{}")
    except ValueError:
        return {}
    scripts = said.get("scripts") if isinstance(said, dict) else None
    if not isinstance(scripts, dict):
        return {}
    return {name: line for name, line in scripts.items() if isinstance(line, str)}


def _configured(folder: Folder, tool: str, own: str, table: tuple[str, ...]) -> str | None:
    """The file that configures the tool."""
    if own in folder.files:
        return own
    try:
        said: Any = tomllib.loads(folder.text("pyproject.toml") or "")
    except ValueError:
        said = {}
    for name in table:
        said = said.get(name, {}) if isinstance(said, dict) else {}
    if said:
        return "pyproject.toml"
    return "setup.cfg" if f"[tool:{tool}]" in (folder.text("setup.cfg") or "") else None


async def tests(place: Place) -> Seen:
    command = tests_of(place.folder)
    if command is None:
        code = [path for path in place.folder.files if path.endswith(CODE)]
        if not code:
            raise CannotLook("the workspace has neither code nor tests.")
        seen = Seen(f"Files of code: {len(code)}. Tests: none.")
        seen.add(
            "none",
            "There are no tests",
            "Nothing says whether the code does what it should, before and after a change.",
            f"Files of code: {len(code)}, as {code[0]}. No test_*.py, no configuration of pytest, no script"
            " test in package.json.",
            "low",
        )
        return seen
    finished = await _run(place, command, TEST_SECONDS)
    if finished.exit_code == NO_TESTS and "pytest" in command.line:
        raise CannotLook("pytest found no tests.")
    return _judged(command, finished, "Tests", "Tests fail", "high")


async def lint(place: Place) -> Seen:
    command = lint_of(place.folder)
    if command is None:
        raise CannotLook("nothing in the workspace says how it is linted.")
    return _judged(command, await _run(place, command, LINT_SECONDS), "Lint", "Lint complains", "normal")


async def _run(place: Place, command: Command, seconds: int) -> Finished:
    if place.shell is None:
        raise CannotLook(NO_SHELL)
    try:
        finished = await place.shell.run(command.line, seconds)
    except ShellFailed as error:
        raise CannotLook(str(error)) from None
    if finished.status != "ended":
        raise CannotLook(f"`{command.line}` was {finished.status} after {finished.seconds:.0f} s.")
    if finished.exit_code in (NOT_FOUND, NOT_EXECUTABLE) or MISSING.search(finished.text):
        raise CannotLook(f"what `{command.line}` needs is not installed on the worker.")
    return finished


def _judged(command: Command, finished: Finished, what: str, title: str, priority: str) -> Seen:
    said = f"`{command.line}`, as {command.from_file} says, ended with {finished.exit_code} after"
    seen = Seen(f"{said} {finished.seconds:.0f} s.")
    if finished.exit_code:
        seen.add(
            what.lower(),
            title,
            f"`{command.line}` ends with {finished.exit_code} in the workspace as it is now.",
            f"$ {command.line}\n{finished.text.strip()[-OUTPUT:]}",
            priority,
        )
    return seen


def links(folder: Folder) -> Seen:
    files = folder.ending(".md", ".markdown")
    count, seen = 0, Seen("")
    for file in files:
        dead, inside = [], False
        for number, line in enumerate(file.lines, 1):
            if line.lstrip().startswith(("```", "~~~")):
                inside = not inside
            if inside:
                continue
            for to in _relative(line[:LONGEST_LINE]):
                count += 1
                if not _leads(folder, file.path, to):
                    dead.append(f"{file.path}:{number} → {to}")
        if dead:
            what = "What they name is not in the workspace."
            _add_lines(seen, file.path, f"Links in {file.path} lead nowhere", what, dead)
    seen.said = f"Relative links followed: {count}, in Markdown files: {len(files)}."
    return seen


def _relative(line: str) -> list[str]:
    plain = re.sub(r"(`+).*?\1", "", line)
    found = [found["to"] for found in LINK.finditer(plain)]
    if label := LABEL.match(plain):
        found.append(label["to"])
    return [to for to in found if not SCHEME.match(to)]


def _leads(folder: Folder, file: str, to: str) -> bool:
    target = unquote(to.partition("#")[0].partition("?")[0])
    path = posixpath.normpath(posixpath.join(posixpath.dirname(file), target))
    return path == "." or path.startswith("..") or path in folder.all


def todos(folder: Folder) -> Seen:
    count, seen = 0, Seen("")
    for file in folder.texts:
        bare = []
        for number, line in enumerate(file.lines, 1):
            if (note := TODO.search(line[:LONGEST_LINE])) is None:
                continue
            count += 1
            if len(re.findall(r"\w+", note["rest"])) < WORDS:
                bare.append(f"{file.path}:{number} {note[0].strip()[:120]}")
        if bare:
            what = "They say that something is to be done, and neither what nor why."
            _add_lines(seen, file.path, f"Notes without a reason in {file.path}", what, bare)
    seen.said = f"Notes of work to be done: {count}."
    return seen


def large(folder: Folder) -> Seen:
    seen = Seen(f"Files whose sizes were read: {len(folder.files)}.")
    for path, entry in folder.files.items():
        if entry.size > LARGE:
            seen.add(
                path,
                f"{path} is very large",
                "Agents cannot read it, and every copy of the workspace carries it. Perhaps it is better kept"
                " elsewhere.",
                f"{path} has {entry.size / (1 << 20):.1f} MiB; more than {LARGE >> 20} MiB is told.",
                "low",
            )
    return seen


def _add_lines(seen: Seen, path: str, title: str, description: str, lines: list[str]) -> None:
    more = [f"and {len(lines) - LINES} more"] if len(lines) > LINES else []
    seen.add(path, title, description, "\n".join(lines[:LINES] + more), "low")


RULES = (
    Rule("tests", "Tests", tests, ("tests",), TEST_SECONDS + SLACK),
    Rule("lint", "Lint", lint, ("lint",), LINT_SECONDS + SLACK),
    Rule("links", "Links of documents", in_files(links), ("docs",)),
    Rule("todos", "Notes without a reason", in_files(todos), ("todo",)),
    Rule("large-files", "Very large files", in_files(large), ("storage",)),
)
