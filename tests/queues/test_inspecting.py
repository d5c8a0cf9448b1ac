"""Audits: rules look, an agent words what they found, and each finding has one task that follows it."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from agents.provider import ProviderSettings
from agents.reported import Reported
from agents.scripted import ScriptedTransport
from agents.wire import Call, Fault, Say
from models import AuditEntry, Run, Task, db, labs
from models.base import changed_rows, db_now, reading
from models.crashpoint import KILLED
from models.errors import Conflict, Invalid
from models.finding import Finding, Looked
from models.inspection import MOST, Inspection
from models.task import LONGEST_DESCRIPTION
from models.workspace import Workspace
from queues.actions.worker import RunWorker
from queues.sweeper import Sweeper
from realtime.publication import on_commit
from tests import factories
from tests.queues.crew import Crew
from tests.queues.in_thread import InThread
from tests.queues.tasks import session_of
from tests.support.forked import Forked
from tests.support.live import Live
from tests.support.processes import wait_until

DEAD = "See [the plan](plan.md)."


def fact(subject: str = "README.md", **fields: Any) -> Finding:
    said = {"title": f"Links in {subject} lead nowhere", "description": "What they name is not there.",
            "evidence": f"{subject}:3 → plan.md"}  # fmt: skip
    return Finding(**{"audit": "qa-audit", "rule": "links", "subject": subject, **said, **fields})


def saw(*facts: Finding, **fields: Any) -> list[Looked]:
    return [Looked("links", "Links of documents", "3 links were followed.", findings=facts, **fields)]


class Desk:
    """Asks for audits and ends them by hand, as a worker would."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew

    def ask(self, name: str = "qa-audit") -> UUID:
        run_id = Inspection.ask_for(self.crew.project.id, name, self.crew.mara).id
        db.session.commit()
        return run_id

    def audit(self, looked: list[Looked], by: str | None = None) -> dict[str, Any]:
        """Made at once; what it says of itself."""
        run_id = self.ask(looked[0].findings[0].audit if looked[0].findings else "qa-audit")
        held = Inspection.hold(run_id)
        token = held.claim("host:1")
        assert token is not None
        assert held.done(token, looked, by)
        db.session.commit()
        result = db.session.get_one(Run, run_id).result
        assert result is not None
        return result

    def tasks(self) -> list[Task]:
        db.session.rollback()
        query = select(Task).order_by(Task.number).execution_options(populate_existing=True)
        return list(db.session.scalars(query))

    def task(self) -> Task:
        [task] = self.tasks()
        return task

    def told(self) -> list[str]:
        return [f"{event.author} {event.words}" for event in self.task().events(100)]


@pytest.fixture
def desk(crew: Crew) -> Desk:
    return Desk(crew)


class TestLife:
    """Of a finding and its one task."""

    def test_what_is_found_becomes_a_pending_task_with_its_evidence(self, desk: Desk) -> None:
        said = desk.audit(saw(fact(priority="high", tags=("docs",))))

        task = desk.task()
        assert (task.status, task.source, task.priority) == ("pending", "finding", "high")
        assert task.tags == ["qa-audit", "links", "docs"]
        assert "    README.md:3 → plan.md" in task.description
        assert desk.told() == ["ui found it by QA Audit"]
        assert [(one["task"], one["became"]) for one in said["findings"]] == [(1, "new")]
        assert said["rules"][0]["said"] == "3 links were followed."

    def test_a_second_audit_updates_it_whatever_its_words_are(self, desk: Desk) -> None:
        desk.audit(saw(fact(priority="high")))
        desk.task().edit(desk.crew.mara, priority="low")
        other = fact(title="Mend the links", evidence="README.md:9 → plan.md", priority="urgent")
        said = desk.audit(saw(other), "trunks")

        task = desk.task()
        assert (task.status, task.title) == ("pending", "Links in README.md lead nowhere")
        assert task.priority == "low", "a person's word stays"
        assert desk.told()[1:] == ["trunks found it again by QA Audit"]
        event = task.events(1)[0]
        assert (event.content, event.meta["found"]) == ("README.md:9 → plan.md", True)
        assert "<p>QA Audit found it again.</p>" in event.content_html
        assert "README.md:9" in event.content_html
        assert said["findings"][0]["became"] == "known"

    @pytest.mark.databases("sqlite")
    def test_what_gets_worse_is_more_urgent_and_never_less(self, desk: Desk) -> None:
        for found, there in (("normal", "normal"), ("high", "high"), ("low", "high"), ("urgent", "urgent")):
            desk.audit(saw(fact(priority=found)))
            assert desk.task().priority == there

    def test_one_that_vanished_is_closed_with_evidence_and_one_that_returned_is_open_again(
        self, desk: Desk
    ) -> None:
        desk.audit(saw(fact()))
        task = desk.task()
        plan = factories.plan(task, desk.crew.mara, "Mend it.\n\n## Mend")
        task.reject(session_of(desk.crew), plan.digest)
        db.session.commit()
        said = desk.audit(saw(), "trunks")
        task = desk.task()
        assert (task.status, task.gone_at is not None, task.approval_status) == ("completed", True, None)
        assert "3 links were followed." in task.events(1)[0].content
        assert [(one["task"], one["closed"]) for one in said["closed"]] == [(1, True)]
        assert desk.audit(saw())["closed"] == [], "it is gone already"

        assert desk.audit(saw(fact(priority="urgent")))["findings"][0]["became"] == "back"
        task = desk.task()
        assert (task.status, task.gone_at, task.priority) == ("pending", None, "urgent")
        assert desk.told()[-2:] == ["trunks did not find it any more, and closed it", "ui found it again"]

    @pytest.mark.databases("sqlite")
    def test_evidence_of_thousands_of_lines_is_kept_within_bounds(self, desk: Desk) -> None:
        lines = f"one{chr(10) * 3990}two"
        for became in ("new", "known"):
            said = desk.audit(saw(fact(description="d" * 4000, evidence=lines)))
            assert said["findings"][0]["became"] == became
        task = desk.task()
        assert task.description.startswith("dddd")
        assert len(task.description) <= LONGEST_DESCRIPTION
        assert task.events(1)[0].content == lines

    @pytest.mark.parametrize("how", [{"ran": False}, {"whole": False}], ids=["not made", "made in part"])
    def test_a_check_closes_nothing_that_it_did_not_look_at(self, desk: Desk, how: dict[str, bool]) -> None:
        desk.audit(saw(fact()))
        assert desk.audit(saw(**how))["closed"] == []
        assert desk.task().status == "pending"
        assert desk.audit([Looked("todos", "Notes", "None.")])["closed"] == [], "another rule's"
        assert desk.task().status == "pending"

        desk.audit(saw())
        assert desk.task().status == "completed", "the control: made whole, it closes"

    def test_it_is_not_closed_under_the_hands_of_who_plans_it(self, desk: Desk) -> None:
        desk.audit(saw(fact()))
        desk.task().request_plan(desk.crew.mara)
        db.session.commit()
        for _ in range(2):
            desk.audit(saw())
        assert desk.task().status == "planning"
        assert desk.told()[-1] == "ui did not find it any more by QA Audit", "once"
        assert len(desk.told()) == 3
        assert desk.audit(saw(fact()))["findings"][0]["became"] == "back"
        assert desk.told()[-1] == "ui found it again by QA Audit"

    def test_what_a_person_cancelled_stays_so_until_it_was_gone(self, desk: Desk) -> None:
        desk.audit(saw(fact()))
        desk.task().cancel(desk.crew.mara)
        db.session.commit()
        assert desk.audit(saw(fact()))["findings"][0]["became"] == "dismissed"
        assert desk.task().status == "cancelled"
        desk.audit(saw())
        assert desk.task().status == "cancelled"
        assert desk.audit(saw(fact()))["findings"][0]["became"] == "back"
        assert desk.task().status == "pending"

    def test_what_was_carried_out_and_is_still_there_is_open_again(self, desk: Desk) -> None:
        desk.audit(saw(fact()))
        task = desk.task()
        factories.plan(task, desk.crew.mara, "Mend it.\n\n## Mend")
        factories.executed(task, desk.crew.mara, "I mended it.")
        db.session.commit()
        assert desk.task().status == "completed"
        desk.audit(saw(fact()))
        task = desk.task()
        assert (task.status, task.plan_version, task.approval_status) == ("pending", None, None)
        factories.plan(task, desk.crew.mara, "Mend it.\n\n## Mend")

    def test_what_was_mended_while_the_audit_looked_is_not_open_again(self, desk: Desk) -> None:
        desk.audit(saw(fact()))
        run_id = desk.ask()
        token = Inspection.hold(run_id).claim("host:1")
        assert token is not None
        db.session.commit()
        task = desk.task()
        factories.plan(task, desk.crew.mara, "Mend it.\n\n## Mend")
        factories.executed(task, desk.crew.mara, "I mended it.")
        db.session.commit()
        assert Inspection.hold(run_id).done(token, saw(fact()))
        db.session.commit()
        assert desk.task().status == "completed"
        assert desk.audit(saw(fact()))["findings"][0]["became"] == "back", "the control: it is still there"

    def test_two_projects_have_a_task_each(self, desk: Desk) -> None:
        desk.audit(saw(fact()))
        other = factories.project("other")
        Task.from_finding(other.id, fact(), "ui", desk.crew.mara.id)
        db.session.commit()
        desk.audit(saw())
        assert {task.project_id: task.status for task in desk.tasks()} == {
            desk.crew.project.id: "completed",
            other.id: "pending",
        }

    def test_of_very_many_the_most_urgent_are_kept_and_none_is_closed(self, desk: Desk) -> None:
        desk.audit(saw(fact("old.md")))
        many = [fact(f"{number}.md", priority="low") for number in range(MOST)]
        said = desk.audit(saw(*many, fact("last.md", priority="urgent")))
        assert len(said["findings"]) == MOST
        assert "Links in last.md lead nowhere" in {task.title for task in desk.tasks()}
        assert (said["closed"], said["rules"][0]["whole"]) == ([], False)


class TestRuns:
    def test_of_each_audit_one_is_open(self, desk: Desk, app: Flask) -> None:
        def press(_: int) -> UUID:
            with app.app_context():
                run_id = Inspection.ask_for(project_id, "ops-check", mara).id
                db.session.commit()
                return run_id

        project_id, mara = desk.crew.project.id, desk.crew.mara
        db.session.rollback()
        with ThreadPoolExecutor(4) as pool:
            pressed = set(pool.map(press, range(4)))
        assert len(pressed) == 1
        assert desk.ask("qa-audit") not in pressed
        with pytest.raises(IntegrityError), db.session.begin_nested():
            db.session.add(Run(project_id=project_id, kind="audit", audit="ops-check", params={}))
        asked = select(func.count()).where(AuditEntry.action == "audit.asked")
        assert db.session.scalar(asked) == 2

    def test_two_that_find_the_same_at_once_have_one_task(self, desk: Desk, app: Flask) -> None:
        """As a worker does whose lease was lost, and another one in its place."""

        def find(_: int) -> int:
            with app.app_context():
                task, _ = Task.from_finding(project_id, fact(), "ui", mara)
                db.session.commit()
                return task.number

        project_id, mara = desk.crew.project.id, desk.crew.mara.id
        db.session.rollback()
        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(find, range(4))) == {1}
        assert len(desk.task().events(100)) == 4

    def test_a_lost_one_begins_again_and_at_last_fails_without_a_task(self, desk: Desk) -> None:
        run_id = desk.ask()
        for _ in range(3):
            token = Inspection.hold(run_id).claim("host:1")
            assert token is not None
            changed_rows(update(Run).where(Run.id == run_id).values(lease_until=db_now(-1)))
            db.session.commit()
            Sweeper().sweep()
        assert not Inspection.hold(run_id).done(token, saw(fact())), "a lease that was lost writes nothing"
        assert (db.session.get_one(Run, run_id).status, desk.tasks()) == ("error", [])

    def test_one_that_is_stopped_finds_nothing_and_another_can_be_asked_for(self, desk: Desk) -> None:
        waiting, begun = desk.ask("ops-check"), desk.ask("qa-audit")
        token = Inspection.hold(begun).claim("host:1")
        assert token is not None
        rung: list[frozenset[str]] = []
        deaf = on_commit(lambda committed: rung.append(committed.work))
        for name in ("ops-check", "qa-audit"):
            Inspection.stop(desk.crew.project.id, name, desk.crew.mara)
            db.session.commit()
        deaf()
        assert rung == [frozenset(), {"runs"}], "its worker hears of it; where none has it, nobody needs to"
        assert Inspection.hold(waiting).claim("host:1") is None
        assert not Inspection.hold(begun).done(token, saw(fact()))
        assert desk.tasks() == []
        for run_id in (waiting, begun):
            run = db.session.get_one(Run, run_id)
            assert (run.status, run.error) == ("cancelled", "Mara Lindqvist stopped it.")
        with pytest.raises(Conflict):
            Inspection.stop(desk.crew.project.id, "qa-audit", desk.crew.mara)
        assert desk.ask("qa-audit") != begun

    @pytest.mark.databases("sqlite")
    def test_nothing_is_found_where_tasks_are_switched_off(self, desk: Desk) -> None:
        waiting, begun = desk.ask("ops-check"), desk.ask("qa-audit")
        token = Inspection.hold(begun).claim("host:1")
        assert token is not None
        labs.write(desk.crew.project.id, {"task_threads": False})
        db.session.commit()
        assert Inspection.hold(waiting).claim("host:1") is None
        assert Inspection.hold(begun).done(token, saw(fact()))
        db.session.commit()
        for run_id in (waiting, begun):
            run = db.session.get_one(Run, run_id)
            assert (run.status, "switched off" in str(run.error)) == ("error", True)
        assert desk.tasks() == []
        with pytest.raises(Conflict):
            desk.ask()

    @pytest.mark.databases("sqlite")
    def test_a_blocked_skill_and_an_unknown_one_are_not_made(self, desk: Desk) -> None:
        blocked = [{"code": "disabled", "text": "It is switched off."}]
        factories.skill(desk.crew.project, "qa-audit", "blocked", reasons=blocked)
        with pytest.raises(Conflict, match="switched off"):
            desk.ask("qa-audit")
        with pytest.raises(Invalid):
            desk.ask("my-audit")


class TestReported:
    """What an agent says is taken as far as it fits, and hides nothing."""

    def said(self, **fields: Any) -> dict[str, Any]:
        return {"rule": "links", "subject": "README.md", "title": "Mend it", "description": "d",
                "evidence": "e", "priority": "low", "tags": ("docs",), **fields}  # fmt: skip

    def test_it_words_and_raises_and_never_lowers_or_leaves_out(self) -> None:
        facts = (fact(priority="high"), fact("b.md"), fact("c.md", priority="low"))
        reported = Reported("qa-audit", saw(*facts))
        key = "AKIA" + "ABCDEFGHIJ234567"
        reported.add(
            [self.said(description=f"It is \u202e{key}."), self.said(subject="b.md", priority="urgent")]
        )
        [links] = reported.judged()
        assert [(one.title, one.priority) for one in links.findings] == [
            ("Mend it", "high"),
            ("Mend it", "urgent"),
            ("Links in c.md lead nowhere", "low"),
        ]
        assert links.findings[0].description == "It is ⟨U+202E⟩[secret]."
        assert links.findings[0].fingerprint == facts[0].fingerprint
        assert links.findings[0].evidence == "README.md:3 → plan.md\n\nThe agent: e"

    @pytest.mark.parametrize(
        ("lie", "field"),
        [
            ({"subject": "other.md"}, "subject"),
            ({"rule": "secrets"}, "rule"),
            ({"priority": "fatal"}, "priority"),
            ({"title": "a\u202eb"}, "title"),
            ({"title": "x" * 201}, "title"),
            ({"description": "x" * 4001}, "description"),
            ({"evidence": " "}, "evidence"),
            ({"tags": ("A tag!",)}, "tags"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_does_not_fit_is_refused_by_its_field(self, lie: dict[str, Any], field: str) -> None:
        reported = Reported("qa-audit", saw(fact()))
        with pytest.raises(Invalid) as refused:
            reported.add([self.said(), self.said(**lie)])
        assert list(refused.value.fields) == [f"findings.1.{field}"]
        assert reported.empty, "all of a call, or nothing"

    def test_a_build_that_believes_it_opens_a_second_task_for_one_fact(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The control of what is refused above."""
        monkeypatch.setattr(Reported, "_check", lambda self, finding: None)
        monkeypatch.setattr(Reported, "_judged", lambda self, fact: next(iter(self._said.values())))
        desk.audit(saw(fact()))
        reported = Reported("qa-audit", saw(fact()))
        reported.add([self.said(subject="./README.md")])
        desk.audit(reported.judged(), "trunks")
        assert [task.status for task in desk.tasks()] == ["completed", "pending"]

    def test_what_it_saw_itself_is_never_closed_by_silence(self, desk: Desk) -> None:
        reported = Reported("qa-audit", saw())
        reported.add([self.said(rule="other", subject="src/app.py")])
        desk.audit(reported.judged(), "trunks")
        assert desk.told() == ["trunks found it by QA Audit"]
        desk.audit(saw())
        assert desk.task().status == "pending"
        with pytest.raises(Invalid, match="20"):
            reported.add([self.said(rule="other", subject=str(number)) for number in range(20)])


@pytest.fixture
def worker(make_app: Callable[..., Flask], crew: Crew) -> Iterator[Callable[..., ScriptedTransport]]:
    """`worker(script)` starts a worker of runs; without a script no model is connected."""
    started: list[InThread] = []

    def start(script: Any = None) -> ScriptedTransport:
        app = make_app(DRAIN_SECONDS=0.2)
        transport = ScriptedTransport(script or (lambda body: Say("nothing")))
        settings = ProviderSettings(api_key="key" if script else None, transport=transport)
        started.append(InThread(app, RunWorker(app, lambda: settings)))
        return transport

    yield start
    for running in started:
        running.end()


def ended(run_id: UUID, *statuses: str) -> Run:
    db.session.rollback()

    def look() -> str:
        with reading(), Session(db.engine) as session:
            return session.get_one(Run, run_id).status

    wait_until(lambda: look() in (statuses or ("success", "error")), 30, "the end of the audit")
    return db.session.get_one(Run, run_id, populate_existing=True)


def write(app: Flask, path: str, text: str) -> None:
    with app.app_context():
        Workspace.of("oasis").write(path, text.encode(), None)


def result_of(run: Run) -> dict[str, Any]:
    assert run.status == "success", run.error
    assert run.result is not None
    return run.result


@pytest.mark.databases("sqlite")
def test_without_a_model_the_rules_look_alone_and_say_so(
    desk: Desk, app: Flask, worker: Callable[..., ScriptedTransport]
) -> None:
    write(app, "README.md", DEAD)
    transport = worker()
    run = ended(desk.ask())

    said = result_of(run)
    assert (said["by"], said["note"]) == (None, "No AI model is connected: the rules looked alone.")
    assert [one["title"] for one in said["findings"]] == ["Links in README.md lead nowhere"]
    assert transport.requests == []
    assert desk.told() == ["ui found it by QA Audit"]
    assert [rule["rule"] for rule in said["rules"]] == ["tests", "lint", "links", "todos", "large-files"]


@pytest.mark.databases("sqlite")
def test_with_a_model_an_agent_words_it_and_is_told_what_does_not_fit(
    desk: Desk, app: Flask, worker: Callable[..., ScriptedTransport]
) -> None:
    write(app, "README.md", DEAD)
    said = {"rule": "links", "subject": "README.md", "title": "Mend the link", "description": "It is dead.",
            "evidence": "line 1", "priority": "normal", "tags": []}  # fmt: skip

    def script(body: dict[str, Any]) -> Say:
        tried = [
            {"findings": [said | {"priority": "worst"}]},
            {"findings": [said | {"fingerprint": "qa-audit/links/0"}]},
            {"findings": [said]},
        ]
        turn = len(body["messages"]) // 2
        return Say(calls=(Call("report_findings", tried[turn]),)) if turn < 3 else Say("One dead link.")

    transport = worker(script)
    run = ended(desk.ask())

    assert result_of(run)["by"] == "trunks"
    assert run.usage is not None
    task = desk.task()
    assert (task.title, task.priority) == ("Mend the link", "normal")
    assert desk.told() == ["trunks found it by QA Audit"]
    first, *_, last = transport.requests
    assert "# QA Audit" in str(first["system"])
    assert "Links in README.md lead nowhere" in str(first["messages"])
    answers = str([message for message in last["messages"] if message["role"] == "user"])
    assert "findings.0.priority" in answers
    assert "findings.0.fingerprint" in answers
    names = {tool["name"] for tool in first["tools"]}
    assert {"report_findings", "read_file"} <= names
    assert not {"bash", "bash_read_only", "create_file", "propose_create_task"} & names


@pytest.mark.databases("sqlite")
def test_a_model_that_fails_hides_nothing(
    desk: Desk, app: Flask, worker: Callable[..., ScriptedTransport]
) -> None:
    write(app, "README.md", DEAD)
    worker(lambda body: Say("x", fault=Fault("error", after=1, error_type="invalid_request_error")))
    said = result_of(ended(desk.ask()))
    assert said["by"] is None
    assert said["note"]
    assert desk.task().title == "Links in README.md lead nowhere"


@pytest.fixture
def killed(desk: Desk, live: Live) -> Callable[..., list[int]]:
    """An audit whose worker is killed at a point, and that another worker makes; how many tasks each left."""

    def killed(point: str, build: str = "sound") -> list[int]:
        (live.folder / "workspaces" / "oasis").mkdir(parents=True)
        (live.folder / "workspaces" / "oasis" / "README.md").write_text(DEAD)
        run_id = desk.ask()
        first = work("first", build, CRASHPOINT=point)
        wait_until(lambda: not first.alive, 20, "the end of the process", 0.05)
        assert first.popen
        assert first.popen.returncode == KILLED
        left = [len(desk.tasks())]
        held = (Run.id == run_id, Run.status == "running")
        changed_rows(update(Run).where(*held).values(lease_until=db_now(-1)))
        db.session.commit()
        Sweeper().sweep()
        db.session.rollback()
        work("second", build)
        run = ended(run_id)
        assert (run.status, run.attempt) == ("success", 1 if point == "audit.recorded" else 2)
        return [*left, len(desk.tasks())]

    def work(name: str, build: str, **variables: str) -> Forked:
        folder = {"WORKSPACES_FOLDER": str(live.folder / "workspaces")}
        command = [sys.executable, "-m", "tests.queues.worlds", build]
        process = Forked(name, command, {**live.environ, **folder, **variables}, live.folder)
        live.processes[name] = process.start()
        return process

    return killed


@pytest.mark.usefixtures("each_round")
@pytest.mark.parametrize("point", ["audit.looked", "audit.before_commit", "audit.recorded"])
def test_a_killed_one_is_made_again_and_nothing_is_doubled(
    point: str, desk: Desk, killed: Callable[..., list[int]]
) -> None:
    assert killed(point) == [1 if point == "audit.recorded" else 0, 1]
    assert desk.told() == ["ui found it by QA Audit"]


@pytest.mark.databases("sqlite")
def test_a_build_that_keeps_findings_one_by_one_doubles_them(killed: Callable[..., list[int]]) -> None:
    """The control: the same kill."""
    assert killed("audit.before_commit", "finds_everything_new") == [1, 2]
