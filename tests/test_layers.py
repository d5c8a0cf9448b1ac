"""Who may import whom and who may touch what, read from the source; each rule has a control."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from realtime.registry import PRIVATE
from scripts.programs import ROOT
from tests.support.databases import SECRET_KEY

OURS = ("models", "realtime", "agents", "queues", "webapp", "fleet")
MAY_IMPORT = {
    "models": ("models",),
    "realtime": ("realtime", "models"),
    "agents": ("agents", "models"),
    "queues": ("queues", "models", "agents", "realtime"),
    "webapp": ("webapp", "models", "realtime", "queues.doorbell", "queues.direct", "queues.external"),
    "fleet": ("fleet",),
    "wsgi": ("webapp", "realtime"),
}
# Where a process is put together, the application is needed.
ENTRY_POINTS = {"queues.worker": ("webapp",), "queues.clock": ("webapp",)}
ONLY_IN = {
    "eventlet": ("wsgi", "realtime.fanout"),
    "anthropic": ("agents.provider",),
    "flask_socketio": ("wsgi", "realtime"),
    "socketio": ("wsgi", "realtime"),
    "engineio": ("wsgi", "realtime"),
    # Whoever can ask another server (T-SS4): the agents' provider, and the one door for everything else.
    "httpx2": ("agents",),
    "httpcore2": ("queues.egress",),
    "ssl": ("queues.egress",),
    **dict.fromkeys(("http", "urllib3", "requests", "aiohttp", "ftplib", "smtplib", "websocket"), ()),
}
REACHING = {"socket.create_connection", "socket.getaddrinfo", "urllib.request", "asyncio.open_connection"}
# Who may touch a file by its path (T-FS3): one door for paths that people and agents give, and those whose
# paths no request, person or agent has a word in.
FILES = (
    "models.workspace",
    "agents.prompts", "agents.scripted_server", "webapp.assets", "webapp.config",
    "webapp.ballast", "webapp.release",
    "agents.keeper.child", "agents.keeper.family", "agents.keeper.landlock", "agents.keeper.namespaces",
    "agents.keeper.program", "agents.shell.marks", "agents.shell.probing",
)  # fmt: skip
OPENING = {"open", "fdopen", "read_text", "read_bytes", "write_text", "write_bytes", "send_file",
           "send_from_directory"}  # fmt: skip
ARCHIVES = {"zipfile", "tarfile"}
WRITES = re.compile(r"\b(?:insert\s+into|update|delete\s+from)\s+\"?(\w+)", re.IGNORECASE)


@dataclass(frozen=True)
class Import:
    module: str  # the importing module
    target: str
    where: str
    nested: bool  # inside a function, so it runs later


class Tree:
    """The project's own modules below a folder, parsed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        paths = [path for name in OURS for path in sorted(root.glob(f"{name}/**/*.py"))]
        paths += [path for path in [root / "wsgi.py"] if path.exists()]
        self.modules = {self._name(path): ast.parse(path.read_text()) for path in paths}

    def _name(self, path: Path) -> str:
        parts = path.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def nodes(self, kind: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
        for module, tree in self.modules.items():
            yield from ((module, node) for node in ast.walk(tree) if isinstance(node, kind))

    def imports(self) -> Iterator[Import]:
        for module, tree in self.modules.items():
            top = set(map(id, _outside_functions(tree)))
            for node in ast.walk(tree):
                for target in self._targets(module, node):
                    where = f"{module}:{getattr(node, 'lineno', 0)}"
                    yield Import(module, target, where, id(node) not in top)

    def _targets(self, module: str, node: ast.AST) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if not isinstance(node, ast.ImportFrom):
            return []
        base = node.module or ""
        if node.level:
            base = ".".join([*module.split(".")[: -node.level], *([base] if base else [])])
        # `from models import labs` is about the module labs, where there is one.
        names = [f"{base}.{alias.name}" for alias in node.names]
        return sorted({name if name in self.modules else base for name in names})

    def tables(self) -> set[str]:
        """The names of the tables that models declare."""
        return {
            node.value.value
            for module, node in self.nodes(ast.Assign)
            if module.startswith("models.")
            and isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == "__tablename__"
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        }


def _outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    """What runs when the module is imported; names that only types need are not there then."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _outside_functions(node)


def _within(module: str, places: tuple[str, ...]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


def wrong_directions(tree: Tree) -> list[str]:
    return [
        f"{each.where} imports {each.target}"
        for each in tree.imports()
        if each.target.split(".")[0] in OURS
        and not _within(each.target, MAY_IMPORT[each.module.split(".")[0]])
        and not _within(each.target, ENTRY_POINTS.get(each.module, ()))
    ]


def cycles(tree: Tree) -> list[str]:
    graph: dict[str, set[str]] = {module: set() for module in tree.modules}
    for each in tree.imports():
        if each.target in graph and not each.nested and each.target != each.module:
            graph[each.module].add(each.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" imports ".join(reversed(error.args[1]))]
    return []


def libraries_out_of_place(tree: Tree) -> list[str]:
    return [
        f"{each.where} imports {each.target}"
        for each in tree.imports()
        if not _within(each.module, ONLY_IN.get(each.target.split(".")[0], (each.module,)))
    ]


def servers_asked_elsewhere(tree: Tree) -> list[str]:
    """Parts of the standard library that reach another server, beside the one door (T-SS4)."""
    found = [each for each in tree.imports() if each.target in REACHING]
    named = [(module, node) for module, node in tree.nodes(ast.Attribute) if ast.unparse(node) in REACHING]
    return [f"{each.where} imports {each.target}" for each in found if each.module != "queues.egress"] + [
        f"{module}:{getattr(node, 'lineno', 0)} reaches out"
        for module, node in named
        if module != "queues.egress"
    ]


def files_out_of_place(tree: Tree) -> list[str]:
    """Whatever opens, reads, writes or sends a file by a path."""
    calls = [(module, node) for module, node in tree.nodes(ast.Call) if isinstance(node, ast.Call)]
    return [
        f"{module}:{node.lineno} calls {ast.unparse(node.func)}"
        for module, node in calls
        if ast.unparse(node.func).rpartition(".")[2] in OPENING and module not in FILES
    ]


def archives_unpacked(tree: Tree) -> list[str]:
    """Nothing unpacks an archive (T-FS5): no path in it can lead anywhere, and nothing grows."""
    calls = [(module, node) for module, node in tree.nodes(ast.Call) if isinstance(node, ast.Call)]
    return [f"{each.where} imports {each.target}" for each in tree.imports() if each.target in ARCHIVES] + [
        f"{module}:{node.lineno} unpacks"
        for module, node in calls
        if ast.unparse(node.func).rpartition(".")[2] == "unpack_archive"
    ]


def environment_read(tree: Tree) -> list[str]:
    """Reads of the environment; wsgi.py may set a variable before a library looks at it."""
    found = []
    for module, node in [*tree.nodes(ast.Attribute), *tree.nodes(ast.ImportFrom)]:
        names = [node.attr] if isinstance(node, ast.Attribute) else []
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            names = [alias.name for alias in node.names]
        if {"environ", "getenv"}.intersection(names) and module not in ("webapp.config", "wsgi"):
            found.append(f"{module}:{getattr(node, 'lineno', 0)} reads the environment")
    return found


def emits_out_of_place(tree: Tree) -> list[str]:
    return [
        f"{module}:{node.lineno} emits"
        for module, node in tree.nodes(ast.Call)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "emit"
        and not _within(module, ("realtime",))
    ]


def raw_writes(tree: Tree) -> list[str]:
    """SQL that changes a published table behind the back of the commit hook."""
    published = tree.tables() - PRIVATE
    return [
        f"{module}:{node.lineno} writes to {match[1]} by raw SQL"
        for module, node in tree.nodes(ast.Constant)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for match in WRITES.finditer(node.value)
        if match[1] in published
    ]


DECIDING = {
    # who may make a decision, and who may let one be carried out
    "Approval": ("models.approval",),
    "Approval.add": ("models.proposal", "models.task"),
    "Run": ("models.run",),
    "Run.of_action": ("models.proposal",),
    "Run.of_execution": ("models.task",),
    "Run.of_post_op": ("models.task",),
}
DECIDED = ("approved", "rejected")


def decisions_out_of_place(tree: Tree) -> list[str]:
    """Code that would decide, or carry out, beside the verbs that ask a person's session (T-AP1)."""
    found = []
    for module, node in tree.nodes(ast.Call):
        assert isinstance(node, ast.Call)
        name = ast.unparse(node.func)
        if name in DECIDING and module not in DECIDING[name]:
            found.append(f"{module}:{node.lineno} calls {name}")
        verb = name.rpartition(".")[2]
        if verb in ("advance", "try_advance") and module != "models.proposal":
            words = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            found += [f"{module}:{node.lineno} sets {word}" for word in words if word in DECIDED]
        decides = verb in ("approve", "reject") or name in ("proposal.retry", "proposal.settle")
        if decides and module not in ("webapp.api.proposals", "webapp.api.plans"):
            found.append(f"{module}:{node.lineno} calls {verb}")
    return found


Rule = Callable[[Tree], list[str]]
TABLE = 'class Task:\n    __tablename__ = "tasks"\n'
# rule, source that must be caught, source that must not
CONTROLS: list[tuple[Rule, dict[str, str], dict[str, str]]] = [
    (
        wrong_directions,
        {"models/a.py": "def f():\n    from webapp import create_app\n"},
        {"queues/worker.py": "from webapp import create_app\n"},
    ),
    (
        wrong_directions,
        {"webapp/a.py": "from queues import jobs\n", "queues/jobs.py": ""},
        {"webapp/a.py": "from queues import doorbell\n", "queues/doorbell.py": ""},
    ),
    (
        wrong_directions,
        {"agents/a.py": "import realtime.pump\n"},
        {"agents/a.py": "import realtimes, models.task\n"},
    ),
    (
        wrong_directions,
        {"realtime/deep/a.py": "from ...agents import loop\n"},
        {"realtime/deep/a.py": "from ..pump import Pump\n"},
    ),
    (
        cycles,
        {"models/a.py": "from models import b\n", "models/b.py": "import models.a\n"},
        {"models/a.py": "from models import b\n", "models/b.py": "def f():\n    import models.a\n"},
    ),
    (
        libraries_out_of_place,
        {"realtime/pump.py": "def f():\n    import eventlet.semaphore\n"},
        {"realtime/fanout.py": "import eventlet.semaphore\n"},
    ),
    (
        libraries_out_of_place,
        {"agents/loop.py": "from anthropic import AsyncAnthropic\n"},
        {"agents/provider.py": "from anthropic import AsyncAnthropic\n"},
    ),
    (
        libraries_out_of_place,
        {"queues/chat.py": "from flask_socketio import SocketIO\n"},
        {"realtime/server.py": "from flask_socketio import SocketIO\n"},
    ),
    (
        libraries_out_of_place,
        {"webapp/a.py": "import httpx2\n"},
        {"agents/a.py": "import httpx2\n"},
    ),
    (
        libraries_out_of_place,
        {"queues/a.py": "def f():\n    from requests import get\n"},
        {"queues/egress.py": "import httpcore2\n"},
    ),
    (
        servers_asked_elsewhere,
        {"queues/a.py": "from urllib.request import urlopen\n"},
        {"queues/a.py": "from urllib.parse import quote\n"},
    ),
    (
        servers_asked_elsewhere,
        {"models/a.py": "import socket\nsocket.create_connection(('a', 1))\n"},
        {"queues/egress.py": "import socket\nsocket.getaddrinfo('a', 1)\n"},
    ),
    (
        files_out_of_place,
        {"webapp/a.py": "def f(path):\n    return send_file(path)\n"},
        {"webapp/assets.py": "send_from_directory('static', 'a.css')\n"},
    ),
    (
        files_out_of_place,
        {"queues/a.py": "import os\nos.open('a', os.O_RDONLY)\n"},
        {"models/workspace.py": "import os\nos.open('a', os.O_RDONLY)\n"},
    ),
    (
        files_out_of_place,
        {"agents/a.py": "(FOLDER / name).read_text()\n"},
        {"agents/a.py": "opened = thread.is_open\nresponse.read()\n"},
    ),
    (
        archives_unpacked,
        {"queues/a.py": "def f():\n    from zipfile import ZipFile\n"},
        {"queues/a.py": "from gzip import compress\n"},
    ),
    (
        archives_unpacked,
        {"models/workspace.py": "from shutil import unpack_archive\nunpack_archive('a')\n"},
        {"models/workspace.py": "import shutil\nshutil.which('a')\n"},
    ),
    (
        environment_read,
        {"agents/a.py": "import os\nkey = os.environ.get('KEY')\n"},
        {"webapp/config.py": "import os\nkey = os.environ.get('KEY')\n"},
    ),
    (
        environment_read,
        {"agents/a.py": "from os import getenv\n"},
        {"agents/a.py": "from os import path\n"},
    ),
    (
        emits_out_of_place,
        {"queues/a.py": "socketio.emit('changes', {})\n"},
        {"realtime/a.py": "socketio.emit('changes', {})\n"},
    ),
    (
        raw_writes,
        {"models/task.py": TABLE, "queues/a.py": "q = text('UPDATE tasks SET status = 1')\n"},
        {"models/task.py": TABLE, "queues/a.py": "q = text('SELECT 1 FROM tasks')\n"},
    ),
    (
        raw_writes,
        {"models/task.py": TABLE, "models/a.py": "q = f'delete  from tasks where {x}'\n"},
        {"models/task.py": TABLE, "models/a.py": "'Update the tasks, insert into task lists.'\n"},
    ),
    (
        decisions_out_of_place,
        {"queues/a.py": "proposal.approve(session, digest)\n"},
        {"webapp/api/proposals.py": "proposal.approve(session, digest)\n"},
    ),
    (
        decisions_out_of_place,
        {"queues/a.py": "proposal.retry(session, digest)\n"},
        {"queues/a.py": "delivery.retry()\n"},
    ),
    (
        decisions_out_of_place,
        {"agents/a.py": "Approval(decision='approved')\n"},
        {"models/approval.py": "Approval(decision='approved')\n"},
    ),
    (
        decisions_out_of_place,
        {"queues/a.py": "Run.of_action(approval)\n"},
        {"models/proposal.py": "Run.of_action(approval)\n"},
    ),
    (
        decisions_out_of_place,
        {"webapp/a.py": "row.try_advance('status', 'proposed', 'approved')\n"},
        {"webapp/a.py": "row.try_advance('status', 'queued', 'running')\n"},
    ),
]
RULES = list(dict.fromkeys(rule for rule, _, _ in CONTROLS))


@pytest.mark.parametrize("rule", RULES)
def test_the_project_keeps_the_rule(rule: Rule) -> None:
    assert rule(Tree(ROOT)) == []


@pytest.mark.parametrize(("rule", "bad", "good"), CONTROLS)
def test_the_rule_catches_a_breach_and_nothing_else(
    rule: Rule, bad: dict[str, str], good: dict[str, str], tmp_path: Path
) -> None:
    assert rule(_tree(tmp_path / "bad", bad))
    assert rule(_tree(tmp_path / "good", good)) == []


def _tree(root: Path, files: dict[str, str]) -> Tree:
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return Tree(root)


def test_the_web_process_loads_no_worker_and_no_provider(tmp_path: Path) -> None:
    """`import anthropic` alone takes 1.5 s; what a worker does has no place in the web process."""
    program = (
        "import sys; from webapp import create_app; create_app({'TESTING': True});"
        "print(*sorted(name for name in sys.modules"
        " if name.split('.')[0] in ('anthropic', 'agents', 'rq', 'eventlet')))"
    )
    environ = {"SECRET_KEY": SECRET_KEY, "DATABASE_URL": f"sqlite:///{tmp_path}/none.sqlite3"}

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environ, capture_output=True, text=True,
        check=False,
    )  # fmt: skip

    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr
