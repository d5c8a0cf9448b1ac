"""What agents do with a workspace: look at it, change its files, and run commands in it."""

import asyncio
import os
from uuid import UUID, uuid4

import pytest

from agents.quoting import last_quote
from agents.shell import NoIsolation, Shell
from agents.tools import files, registry
from agents.tools.tool import ToolContext
from models import workspace as workspaces
from models.workspace import LARGEST, Workspace
from tests.agents.shells import LEVELS, level

NOBODY = UUID(int=1)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "spaces/ours"


@pytest.fixture
def context(root):
    async def no_database(fn, *args):
        raise AssertionError("no database here")

    return ToolContext(NOBODY, NOBODY, "ops", db=no_database, workspace=Workspace(root))


@pytest.fixture
def call(context):
    """The tool's answer, without the frame around data; an error begins with `!`."""

    def calling(name, job="execution", context=context, **arguments):
        result = asyncio.run(registry.for_job(job).bind(context).call(name, arguments))
        return f"! {result.text}" if result.is_error else last_quote(result.text)

    return calling


def shelled(context, root, profile, isolation=None, output=None):
    root.mkdir(parents=True, exist_ok=True)
    shell = Shell(isolation or NoIsolation(), root, uuid4(), profile=profile)
    return ToolContext(
        NOBODY, NOBODY, "ops", context.db, workspace=context.workspace, shell=shell, output=output
    )


# --- files ---


def test_a_file_is_made_read_and_changed(call, root):
    assert call("create_file", path="src/a.txt", text="one\ntwo\n  three") == "Created src/a.txt, 3 lines."
    assert (
        call("read_file", path="src/a.txt") == "Lines 1 to 3 of 3:\n     1\tone\n     2\ttwo\n     3\t  three"
    )

    changed = call("replace_in_file", path="src/a.txt", old_text="two\n", new_text="2\n2.5\n")
    assert changed.startswith("Changed src/a.txt:\n     1\tone\n     2\t2\n     3\t2.5\n")
    call("insert_in_file", path="src/a.txt", after_line=0, text="zero")
    call("insert_in_file", path="src/a.txt", after_line=5, text="four\n")

    assert (root / "src/a.txt").read_text() == "zero\none\n2\n2.5\n  three\nfour\n"
    assert call("read_file", path="src/a.txt", first_line=2, lines=1) == "Lines 2 to 2 of 6:\n     2\tone"
    assert call("read_file", path="src/a.txt", first_line=7) == "6 lines."


def test_a_file_keeps_its_end_and_its_line_ends(call, root):
    root.mkdir(parents=True)
    (root / "a").write_bytes(b"a\r\nb")
    call("insert_in_file", path="a", after_line=1, text="x\r\n")
    assert (root / "a").read_bytes() == b"a\r\nx\r\nb"

    (root / "empty").touch()
    call("insert_in_file", path="empty", after_line=0, text="first")
    assert (root / "empty").read_bytes() == b"first\n"


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("create_file", {"path": "a", "text": "x"}, "path: there is such a file already; replace_in_file"),
        ("create_file", {"path": "../a", "text": "x"}, "path: must lead into the workspace, without"),
        ("create_file", {"path": "/etc/a", "text": "x"}, "path: must lead into the workspace, without"),
        ("create_file", {"path": "out/a", "text": "x"}, "path: leads through something that is no folder"),
        ("create_file", {"path": "a/b", "text": "x"}, "path: leads through something that is no folder"),
        ("create_file", {"path": "b", "text": "a\0b"}, "text: holds a NUL"),
        ("create_file", {"path": "b", "text": "\ud800"}, "text: "),
        ("create_file", {"path": "b", "text": "é" * LARGEST}, "text: is longer than 1,048,576 bytes"),
        ("create_file", {"path": "b" * 300, "text": "x"}, "path: is longer than the file system can have"),
        ("replace_in_file", {"path": "none", "old_text": "x", "new_text": "y"}, "path: there is no file"),
        ("replace_in_file", {"path": "a", "old_text": "z", "new_text": "y"}, "old_text: does not stand in"),
        ("replace_in_file", {"path": "a", "old_text": "x", "new_text": "y"},
         "old_text: stands there more than once, in lines 1, 3; give more of it."),
        ("replace_in_file", {"path": "binary", "old_text": "x", "new_text": "y"}, "path: is a binary file"),
        ("replace_in_file", {"path": "latin", "old_text": "x", "new_text": "y"}, "path: is a binary file"),
        ("insert_in_file", {"path": "a", "after_line": 4, "text": "x"}, "after_line: the file has 3 lines"),
        ("read_file", {"path": "link"}, "path: is no plain file"),
        ("read_file", {"path": "twice"}, "path: has a second name, perhaps outside (a hard link)"),
        ("read_file", {"path": "pipe"}, "path: is no plain file"),
        ("read_file", {"path": "large"}, "path: is longer than 1,048,576 bytes"),
        ("list_files", {"path": "out"}, "path: leads through something that is no folder"),
        ("list_files", {"path": ".."}, "path: must lead into the workspace"),
        ("search_files", {"path": "out", "text": "secret"}, "path: leads through something"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_of_the_field(call, root, tmp_path, name, arguments, said):
    root.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("secret")
    (root / "a").write_text("x\ny\nx\n")
    (root / "binary").write_bytes(b"x\0")
    (root / "latin").write_bytes(b"x\xe9")
    (root / "link").symlink_to(tmp_path / "outside/file")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "twice").hardlink_to(tmp_path / "outside/file")
    os.mkfifo(root / "pipe")
    (root / "large").write_bytes(b"x" * (LARGEST + 1))
    before = sorted(path for path in tmp_path.rglob("*"))

    answer = call(name, **arguments)

    assert answer.startswith("! ")
    assert said in answer
    assert sorted(path for path in tmp_path.rglob("*")) == before
    assert (root / "a").read_text() == "x\ny\nx\n"


def test_a_file_that_somebody_else_changed_meanwhile_is_not_written(call, root, context, monkeypatch):
    root.mkdir(parents=True)
    (root / "a").write_text("one")
    write = Workspace.write

    def late(self, path, content, base):
        (root / "a").write_text("somebody else's")
        return write(self, path, content, base)

    monkeypatch.setattr(Workspace, "write", late)

    assert "is not the one that was to be changed" in call(
        "replace_in_file", path="a", old_text="one", new_text="two"
    )
    assert (root / "a").read_text() == "somebody else's"


def test_the_workspace_is_listed_and_searched(call, root, tmp_path):
    assert call("list_files") == "There is nothing in it."
    (root / "src").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "src/a.py").write_text("import os\nNeedle here\n")
    (root / "src/b.bin").write_bytes(b"needle\0")
    (root / ".git/c").write_text("needle")
    (root / "up").symlink_to(tmp_path)
    (root / "z\n.txt").write_text("a needle\n")

    assert call("list_files", job="planning").split("\n") == [
        '{"name": ".git", "kind": "folder"}',
        '{"name": "src", "kind": "folder"}',
        '{"name": "up", "kind": "other"}',
        '{"name": "z\\n.txt", "kind": "file", "bytes": 9}',
    ]
    assert call("search_files", job="audit", text="needle") == "src/a.py:2: Needle here\nz\\n.txt:1: a needle"
    assert call("search_files", text="needle", count=1) == "src/a.py:2: Needle here"
    assert call("search_files", text="needle", path="up").startswith("! path: ")
    assert call("search_files", text="no such") == "No line holds that."


def test_much_is_told_in_parts(call, root, monkeypatch):
    monkeypatch.setattr(files, "LISTED", 2)
    monkeypatch.setattr(files, "LOOKED_AT", 2)
    monkeypatch.setattr(workspaces, "MOST", 4)
    root.mkdir(parents=True)
    for name in "abcdef":
        (root / name).write_text("needle " + "x" * 5_000 + "\n" + "y" * 499 + "\n" * 100)

    assert call("list_files").endswith("[… 2 more …]")
    assert call("search_files", text="needle").endswith("[… there are more files: search in a folder …]")
    first = call("read_file", path="a")
    assert "[… 4507 characters left out …]" in first
    assert len(call("search_files", text="needle")) < 1_000


def test_without_a_workspace_or_a_shell_that_is_said(call, context):
    bare = ToolContext(NOBODY, NOBODY, "ops", context.db)

    assert call("list_files", context=bare) == "! There is no workspace here."
    assert call("bash", context=bare, command="true").startswith("! No command can be run here")


# --- commands ---


def test_a_command_is_run_and_told_while_it_runs(call, context, root):
    heard = []

    async def hear(text):
        heard.append(text)

    shell = shelled(context, root, "execution", output=hear)

    assert call("bash", context=shell, command="echo made > a; cat a; exit 3") == "[exit code 3]\nmade\n"
    assert heard == ["made\n"]
    assert call("read_file", context=shell, path="a").endswith("made")


def test_a_command_that_takes_too_long_is_ended(call, context, root):
    said = call("bash", context=shelled(context, root, "execution"), command="echo a; sleep 60", seconds=1)

    assert said == "[ended after 1 s, its time limit]\na\n"


@pytest.mark.parametrize("name", LEVELS)
def test_planning_looks_and_changes_nothing(call, context, root, name):
    shell = shelled(context, root, "planning", level(name))
    (root / "a").write_text("text\n")

    said = call("bash_read_only", job="planning", context=shell, command="cat a; rm a || echo kept")

    assert said.startswith("[exit code 0]\ntext\n")
    assert said.endswith("kept\n")
    assert (root / "a").exists()


def test_planning_gets_no_shell_that_writes(call, context, root):
    shell = shelled(context, root, "execution")

    said = call("bash_read_only", job="planning", context=shell, command="touch a")

    assert said == "! This shell is not read-only."
    assert not (root / "a").exists()
