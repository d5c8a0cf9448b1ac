"""The rules of each audit on real facts: what should be found is found, and nothing where nothing is."""

import asyncio
import importlib
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import update

from agents.audits import RULES, ops_check, qa_audit
from agents.audits.folder import Folder
from agents.audits.rule import MOST, Place, Rule, Seen, look_at
from agents.shell import Finished, Shell
from agents.skills.frontmatter import parse
from models import Agent, AllowedHost, Delivery, Draft, Proposal, Run, Task, UserSession, Worker, db
from models.base import changed_rows, db_now, utcnow
from models.finding import Looked
from models.posting import post
from models.run import AUDITS
from models.skill_folder import shipped
from models.workspace import Workspace
from tests import factories
from tests.agents.shells import LEVELS, works
from tests.queues.crew import Crew

PEM = "-----BEGIN RSA PRIVATE KEY-----"
KEY = "AKIA" + "ABCDEFGHIJ234567"
LOOSE = '[project]\ndependencies = ["flask", "redis>=5", "x[y]==1"]\n'
FAILING = "def test_one():\n    assert False\n"


async def in_this_thread(fn: Callable[..., Any], *args: Any) -> Any:
    return fn(*args)


@pytest.fixture
def crew(db: SQLAlchemy) -> Crew:
    return Crew.create()


def task_of(crew: Crew) -> Task:
    return Task.promote(post(crew.project.room, Draft.of(crew.mara.id, "The disk is full", "m1")), crew.mara)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "space"
    folder.mkdir(mode=0o700)
    return folder


def look(audit: str, rule: str, project_id: UUID, root: Path, shell: Any = None) -> Looked:
    place = Place(project_id, in_this_thread, Workspace(root), shell)
    [one] = [one for one in RULES[audit] if one.key == rule]
    return asyncio.run(one.looked(audit, place))


def put(root: Path, path: str, text: str | bytes) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(text if isinstance(text, bytes) else text.encode())


FOUND_IN_FILES: list[tuple[str, dict[str, str | bytes], list[str]]] = [
    # The workspace has something to find beside what is well; the words are of titles and evidence.
    ("links", {"docs/a.md": "[b](b.md) [gone](../c.md#x)", "docs/b.md": "x"}, ["docs/a.md:1 → ../c.md#x"]),
    ("links", {"a.md": "x\n[one]: gone.md\n\n[two][one] ![p](pic.png)"}, ["a.md:2 → gone.md", "pic.png"]),
    ("todos", {"a.py": "x = 1  # TODO\n# TODO: because the sale ends, take it out\n"}, ["a.py:1"]),
    ("large-files", {"film.bin": b"\0" * (qa_audit.LARGE + 1)}, ["film.bin has 5.0 MiB"]),
    ("tests", {"app.py": "x = 1\n"}, ["There are no tests"]),
    ("secrets", {"deploy/id": f"{PEM}\nabc", "a.py": f"k = '{KEY}'"},
     ["deploy/id:1 a private key", "a.py:1 an AWS key"]),
    ("secrets", {".env": "DB_PASSWORD='hunter2hunter2'\n"}, [".env:1 a value that is called a secret"]),
    ("hidden-order", {"a.py": "if x:  # \u202e } begin \u2066\n"}, ["a.py:1"]),
    ("dependencies", {"requirements.txt": "flask\n# no\n-r other\nredis==5\n"},
     ["requirements.txt: flask"]),
    ("dependencies", {"pyproject.toml": LOOSE}, ["pyproject.toml: flask"]),
    ("dependencies", {"package.json": '{"dependencies": {"a": "*", "b": "^1.2"}}'}, ["package.json: a"]),
]  # fmt: skip

CLEAN = {
    "README.md": "[a](a.py) [web](https://example.org) [top](#top) [mail](mailto:a@b.c) `[no](x.md)`\n"
    "```\n[no](y.md)\n```\n[up](../outside.md)\n",
    "a.py": "# TODO: take it out when the sale has ended\npassword = os.environ['PASSWORD']\n",
    "test_a.py": "def test_a():\n    assert True\n",
    "settings.py": 'PASSWORD = "change-me-please"\nTOKEN = "${API_TOKEN_HERE}"\napi_key: "<your key>"\n',
    "requirements.txt": "flask>=3\nredis==5.0 ; python_version > '3'\n\n# a comment\n--hash=x\n",
    "package.json": '{"dependencies": {"a": "^1.0"}}',
    "broken/package.json": "[]",
    "broken/pyproject.toml": "dependencies = [",
}


@pytest.mark.parametrize(
    ("rule", "files", "words"),
    FOUND_IN_FILES,
    ids=[f"{rule}{number}" for number, (rule, *_) in enumerate(FOUND_IN_FILES)],
)
def test_what_is_wrong_in_files_is_found(
    rule: str, files: dict[str, str | bytes], words: list[str], root: Path
) -> None:
    audit = next(audit for audit, rules in RULES.items() if rule in {one.key for one in rules})
    for path, text in files.items():
        put(root, path, text)
    looked = look(audit, rule, uuid4(), root)

    assert looked.ran, looked.said
    told = "\n".join(f"{one.title}\n{one.evidence}" for one in looked.findings)
    assert [word for word in words if word not in told] == []
    assert len(looked.findings) <= len(files)


def test_nothing_is_found_where_nothing_is(root: Path) -> None:
    for path, text in CLEAN.items():
        put(root, path, text)
    for path in root.rglob("*"):
        path.chmod(0o700)
    for audit, rule in (("qa-audit", "links"), ("qa-audit", "todos"), ("qa-audit", "large-files"),
                        ("security-audit", "secrets"), ("security-audit", "hidden-order"),
                        ("security-audit", "dependencies"), ("security-audit", "writable")):  # fmt: skip
        looked = look(audit, rule, uuid4(), root)
        assert (looked.ran, looked.whole, looked.findings) == (True, True, ()), (rule, looked)


def test_a_secret_is_named_by_its_place_and_never_told(root: Path) -> None:
    put(root, "a.py", f"k = '{KEY}'  # TODO\nPASSWORD = 'hunter2hunter2'\n# TODO {PEM}\n")
    [found] = look("security-audit", "secrets", uuid4(), root).findings
    assert (found.priority, found.subject) == ("high", "a.py")
    [note] = look("qa-audit", "todos", uuid4(), root).findings
    printed = Seen("")
    printed.add("tests", "Tests fail", "They end with 1.", f"key={KEY}\napi_key = 'abcdefgh1'\n{PEM}\nMIIE")
    assert "a.py:1 # TODO" in note.evidence
    for secret in (KEY, "hunter2", "abcdefgh1", "MIIE", PEM):
        assert secret not in repr((found, note, printed)), secret


def test_what_everybody_may_write_is_found(root: Path) -> None:
    put(root, "open.txt", "x")
    put(root, "fine.txt", "x")
    (root / "open.txt").chmod(0o666)
    [found] = look("security-audit", "writable", uuid4(), root).findings
    assert "666 open.txt" in found.evidence
    assert "fine.txt" not in found.evidence


def test_an_empty_workspace_closes_nothing(root: Path) -> None:
    for audit, rule in (("qa-audit", "links"), ("qa-audit", "tests"), ("security-audit", "secrets")):
        looked = look(audit, rule, uuid4(), root)
        assert not looked.ran, "it may be another machine's"


def test_what_is_past_a_limit_was_not_looked_at_as_a_whole(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(MOST + 2):
        put(root, f"{number}.md", "[x](gone.md)")
    looked = look("qa-audit", "links", uuid4(), root)
    assert (len(looked.findings), looked.whole) == (MOST, False)
    monkeypatch.setattr("agents.audits.folder.MOST_FILES", 3)
    looked = look("qa-audit", "large-files", uuid4(), root)
    assert (looked.ran, looked.whole) == (True, False)


def test_links_are_followed_in_the_workspace_alone(root: Path) -> None:
    (root / "out").symlink_to("/etc")
    put(root, "a.md", "[x](out/passwd)")
    folder = Folder(Workspace(root))
    assert not [path for path in folder.all if path.startswith("out/")]
    assert folder.all["out"].kind == "other"


class TestCommands:
    """Tests and lint of the workspace, where they can change nothing."""

    def ended(self, code: int | None, text: str = "", status: Any = "ended") -> Any:
        async def run(command: str, seconds: float) -> Finished:
            return Finished(status, code, text, len(text), False, 1.0, 0)

        return SimpleNamespace(run=run)

    @pytest.mark.parametrize(
        ("shell", "ran", "found"),
        [
            ((0, "1 passed"), True, 0),
            ((1, "1 failed in 0.1s"), True, 1),
            ((5, "no tests ran"), False, 0),
            ((127, "npm: not found"), False, 0),
            ((1, "/usr/bin/python3: No module named pytest"), False, 0),
            ((None, "", "timeout"), False, 0),
        ],
        ids=["passed", "failed", "none", "no program", "no pytest", "too long"],
    )
    def test_what_a_run_of_tests_says(
        self, shell: tuple[Any, ...], ran: bool, found: int, root: Path
    ) -> None:
        put(root, "test_a.py", "")
        looked = look("qa-audit", "tests", uuid4(), root, self.ended(*shell))
        assert (looked.ran, len(looked.findings)) == (ran, found), looked.said

    def test_without_isolation_none_is_run(self, root: Path) -> None:
        put(root, "test_a.py", "")
        looked = look("qa-audit", "tests", uuid4(), root)
        assert (looked.ran, "no isolation" in looked.said) == (False, True)

    @pytest.mark.parametrize(
        ("files", "tests", "lint"),
        [
            (
                {"package.json": '{"scripts": {"test": "node t.js", "lint": "eslint ."}}'},
                "npm test",
                "npm run",
            ),
            ({"package.json": '{"scripts": {"test": "echo no test specified"}}'}, None, None),
            ({"package.json": '{"scripts": "x"}'}, None, None),
            (
                {"pyproject.toml": "[tool.pytest.ini_options]\n[tool.ruff]\nline-length = 80\n"},
                "pytest",
                "ruff",
            ),
            ({"setup.cfg": "[tool:pytest]\n", "ruff.toml": ""}, "pytest", "ruff"),
            ({"pyproject.toml": "not [ toml"}, None, None),
        ],
        ids=["node", "node's example", "odd json", "pyproject", "setup.cfg", "odd toml"],
    )
    def test_the_workspace_says_how(
        self, files: dict[str, str], tests: str | None, lint: str | None, root: Path
    ) -> None:
        for path, text in files.items():
            put(root, path, text)
        folder = Folder(Workspace(root))
        for command, word in ((qa_audit.tests_of(folder), tests), (qa_audit.lint_of(folder), lint)):
            assert (command is None) == (word is None)
            assert command is None or str(word) in command.line

    def test_they_run_and_leave_nothing_in_the_workspace(self, root: Path) -> None:
        """In the best isolation that this machine has; pytest need not be there, node's script needs npm."""
        name = next((name for name in LEVELS if works(name)), None)
        if name is None:
            pytest.skip("no isolation works on this machine")
        put(root, "test_a.py", FAILING)
        shell = Shell(LEVELS[name], root, uuid4(), profile="planning")
        before = sorted(os.listdir(root))
        command = qa_audit.Command("echo x > made; echo said; exit 1", "a test")
        place = Place(uuid4(), in_this_thread, Workspace(root), shell)
        finished = asyncio.run(qa_audit._run(place, command, 20))
        assert (finished.exit_code, "said" in finished.text) == (1, True)
        assert sorted(os.listdir(root)) == before


def test_a_rule_that_breaks_or_takes_too_long_takes_no_other_with_it(root: Path) -> None:
    async def breaks(place: Place) -> Seen:
        raise RuntimeError("an error of ours")

    async def sleeps(place: Place) -> Seen:
        await asyncio.Event().wait()
        return Seen("never")

    async def sees(place: Place) -> Seen:
        return Seen("All is well.")

    rules = (Rule("a", "A", breaks), Rule("b", "B", sleeps, seconds=0.01), Rule("c", "C", sees))
    place = Place(uuid4(), in_this_thread, Workspace(root))
    looked = asyncio.run(look_at("qa-audit", rules, place))
    assert [one.ran for one in looked] == [False, False, True]
    assert "an error of ours" not in looked[0].said


def test_what_a_file_is_called_stays_in_its_line(root: Path) -> None:
    put(root, "a\n\u202e# b.md", "[x](gone.md)")
    [found] = look("qa-audit", "links", uuid4(), root).findings
    assert "\n" not in found.title
    assert "\u202e" not in found.title + found.evidence + found.subject


def test_each_shipped_audit_names_its_collector() -> None:
    for key in AUDITS:
        folder = shipped(key)
        assert folder is not None
        said = parse(folder.manifest).fields["metadata"]
        assert importlib.import_module(said["collector"]).RULES is RULES[key]


class TestOfTheProject:
    """What rows say of one project, and of the installation."""

    @pytest.fixture
    def seen(self, app: Flask, crew: Crew, root: Path) -> Callable[..., Looked]:
        def seen(audit: str, rule: str) -> Looked:
            return look(audit, rule, crew.project.id, root)

        return seen

    def test_work_that_waits_and_answers_that_fail(self, crew: Crew, seen: Callable[..., Looked]) -> None:
        assert seen("ops-check", "queue-lag").findings == ()
        assert seen("ops-check", "failed-deliveries").findings == ()
        waiting = crew.ask()
        private = crew.ask("hello", crew.dm(crew.mara))
        for one in (waiting, private):
            changed_rows(update(Delivery).where(Delivery.id == one).values(created_at=db_now(-3600)))
        db.session.commit()
        [lag] = seen("ops-check", "queue-lag").findings
        assert (lag.subject, lag.priority) == ("chat", "high")
        assert lag.evidence.startswith("Waiting: 1."), "of direct conversations nothing is told"

        for one, why in ((waiting, "The model is away."), (private, "A secret reason.")):
            ended = {"status": "failed", "result": {"reason": why}}
            changed_rows(update(Delivery).where(Delivery.id == one).values(**ended))
        db.session.commit()
        db.session.expire_all()
        [failed] = seen("ops-check", "failed-deliveries").findings
        assert failed.subject == "The model is away."
        assert "1 of 1 in 24 hours, of @trunks." in failed.evidence

    def test_interrupted_work_and_decisions_that_wait(self, crew: Crew, seen: Callable[..., Looked]) -> None:
        task = task_of(crew)
        for at, lags in ((utcnow() + timedelta(hours=1), []), (None, ["runs"])):
            task.request_plan(crew.mara, at=at)
            changed_rows(update(Run).values(created_at=db_now(-3600)))
            db.session.commit()
            told = [one.subject for one in seen("ops-check", "queue-lag").findings]
            assert told == lags, "what has a time does not wait"
        factories.plan(task, crew.mara, "Do it.\n\n## Do it")
        db.session.commit()
        assert seen("ops-check", "stuck-runs").findings == ()
        assert seen("ops-check", "waiting").findings == ()
        changed_rows(update(type(task)).values(waits_since=utcnow() - timedelta(days=2)))
        db.session.commit()
        db.session.expire_all()
        [waits] = seen("ops-check", "waiting").findings
        assert waits.subject == "tasks"

        held, token = factories.begun(task, crew.mara)
        assert held.unknown(token, "its worker was lost")
        db.session.commit()
        [stuck] = seen("ops-check", "stuck-runs").findings
        assert (stuck.title, stuck.subject) == ("The work on task 1 was interrupted", str(held.run.id))

    def test_of_a_direct_conversation_no_wish_and_no_run_is_told(
        self, crew: Crew, seen: Callable[..., Looked]
    ) -> None:
        trunks = Agent.by_key(crew.project.id, "trunks")
        assert trunks is not None
        session, _ = UserSession.start(crew.mara, "127.0.0.1", "pytest")
        places = (crew.dm(crew.mara), crew.project.room, task_of(crew))
        proposals = [factories.proposal(where, trunks) for where in places]
        changed_rows(update(Proposal).values(proposed_at=utcnow() - timedelta(days=2)))
        db.session.commit()
        [waits] = seen("ops-check", "waiting").findings
        assert waits.evidence.startswith("Waiting: 2."), "those of the room and of the task"

        for proposal in proposals:
            proposal.approve(session.id, proposal.digest)
        changed_rows(update(Run).values(created_at=db_now(-3600)))
        db.session.commit()
        [lag] = seen("ops-check", "queue-lag").findings
        assert (lag.subject, lag.evidence[:11]) == ("runs", "Waiting: 2.")

        changed_rows(update(Run).values(status="interrupted"))
        db.session.commit()
        stuck = seen("ops-check", "stuck-runs").findings
        assert [one.title for one in stuck] == ["The work on an approved action was interrupted"] * 2

    def test_workers_and_how_they_hold_commands(self, crew: Crew, seen: Callable[..., Looked]) -> None:
        assert [one.subject for one in seen("ops-check", "workers").findings] == ["chat", "runs"]
        for queue in ("chat", "runs"):
            db.session.add(Worker(queue=queue, host="here", pid=1, slots=2, isolation="bubblewrap"))
        db.session.commit()
        assert seen("ops-check", "workers").findings == ()
        assert seen("security-audit", "isolation").findings == ()
        changed_rows(update(Worker).values(isolation="none"))
        db.session.commit()
        assert seen("security-audit", "isolation").findings[0].priority == "urgent"

    def test_tokens_servers_and_people(self, crew: Crew, seen: Callable[..., Looked]) -> None:
        told = [seen("security-audit", rule) for rule in ("tokens", "hosts", "members")]
        assert [len(one.findings) for one in told] == [0, 0, 1]
        assert "only owner" in told[2].findings[0].evidence

        soon, _ = factories.token(crew.project, "worker", life=timedelta(days=3))
        soon.last_used_at = utcnow()
        unused, _ = factories.token(crew.project, "worker")
        unused.created_at = utcnow() - timedelta(days=40)
        factories.token(crew.project, "worker")
        AllowedHost.add(crew.project.id, "http://plain.example.org", crew.mara)
        AllowedHost.add(crew.project.id, "https://fine.example.org", crew.mara)
        crew.jonas.join(crew.project, "owner")
        crew.jonas.created_at = utcnow() - timedelta(days=100)
        db.session.commit()
        tokens, hosts, members = (
            seen("security-audit", rule).findings for rule in ("tokens", "hosts", "members")
        )
        assert sorted(one.subject for one in tokens) == sorted([f"ends {soon.id}", f"unused {unused.id}"])
        assert [one.subject for one in hosts] == ["plain http"]
        assert [one.title.partition(" may")[0] for one in members] == ["Jonas Weber"]
        told = repr([*tokens, *hosts])
        assert not any(secret in told for secret in (soon.prefix, soon.name, "plain.example")), (
            "owners' alone"
        )

    def test_nothing_of_another_project_is_told(self, crew: Crew, root: Path, app: Flask) -> None:
        other = factories.project("other")
        factories.member(other, "owner")
        task = task_of(crew)
        factories.plan(task, crew.mara, "Do it.\n\n## Do it")
        waiting = crew.ask()
        changed_rows(update(Delivery).where(Delivery.id == waiting).values(created_at=db_now(-3600)))
        changed_rows(update(type(task)).values(waits_since=utcnow() - timedelta(days=2)))
        held, token = factories.begun(task, crew.mara)
        held.unknown(token, "lost")
        AllowedHost.add(crew.project.id, "http://plain.example.org", crew.mara)
        db.session.commit()
        for audit, rule in (("ops-check", "queue-lag"), ("ops-check", "waiting"), ("ops-check", "stuck-runs"),
                            ("security-audit", "hosts"), ("security-audit", "tokens")):  # fmt: skip
            assert look(audit, rule, other.id, root).findings == (), rule


@pytest.mark.databases("sqlite")
def test_disk_and_backups(app: Flask, crew: Crew, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(rule: str) -> Looked:
        return look("ops-check", rule, crew.project.id, root)

    monkeypatch.setitem(app.config, "BACKUP_FOLDER", str(root / "backups"))
    assert not seen("backups").ran
    (root / "backups").mkdir()
    assert [one.title for one in seen("backups").findings] == ["There is no backup"]
    kept = root / "backups/teamroom-1.sqlite3"
    kept.write_text("x")
    assert seen("backups").findings == ()
    os.utime(kept, (0, 0))
    assert [one.subject for one in seen("backups").findings] == ["backup"]

    usage = SimpleNamespace(total=100 << 30, free=50 << 30)
    monkeypatch.setattr(ops_check.shutil, "disk_usage", lambda path: usage)
    assert seen("disk").findings == ()
    for free, priority in ((5 << 30, "high"), (1 << 30, "urgent")):
        usage.free = free
        assert [one.priority for one in seen("disk").findings] == [priority]
