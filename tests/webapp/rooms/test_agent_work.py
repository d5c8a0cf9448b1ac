"""The door of external agents: they claim what is addressed to them and report, each on its own alone."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import update
from werkzeug.test import TestResponse

from models import Agent, AgentStatus, ApiToken, Delivery, Message, Proposal, Worker
from models.agent import NEVER
from models.base import changed_rows, db_now, reading, utcnow
from models.delivery import LONGEST_REPORTED
from models.thread import BREAKER_TURNS
from queues.sweeper import Sweeper
from queues.watchdog import Watchdog
from realtime import streams
from scripts.programs import ROOT
from tests import factories
from tests.webapp.rooms.conftest import House
from tests.webapp.rooms.test_pages import roster
from webapp.api import agent_work

CLAIM = "/api/agent/claim"


@dataclass
class Program:
    """An external agent's program, which has a token."""

    client: FlaskClient
    agent: Agent

    def claim(self, **said: Any) -> TestResponse:
        return self.client.post(CLAIM, json=said)

    def work(self) -> Any:
        """What it claims; there must be something."""
        answer = self.claim()
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()

    def report(self, work: Any, verb: str, **said: Any) -> TestResponse:
        body = {"attempt": work["attempt"]} | said
        return self.client.post(f"/api/agent/deliveries/{work['delivery_id']}/{verb}", json=body)


@pytest.fixture
def program(house: House, db: SQLAlchemy) -> Callable[..., Program]:
    """`program(key)` provisions an external agent and gives its program a token."""

    def make(key: str = "faraway", scopes: list[str] | None = None) -> Program:
        agent = factories.agent(house.project, key, runtime="external")
        text = factories.token(house.project, "agent", agent_key=key, scopes=scopes)[1]
        db.session.commit()
        return Program(factories.bearer(house.app, text), agent)

    return make


@pytest.fixture
def far(program: Callable[..., Program]) -> Program:
    return program()


class Pausing:
    """What happens in the pauses of one that waits for work; they take no time."""

    def __init__(self) -> None:
        self.times = 0
        self.does: Callable[[], object] = lambda: None
        self.pump: Callable[[], object] = lambda: None
        self.monotonic = time.monotonic

    def sleep(self, seconds: float) -> None:
        self.times += 1
        assert self.times < 3, "it should have ended"
        self.does()

    def current(self) -> object:
        return self.pump()


@pytest.fixture
def pausing(monkeypatch: pytest.MonkeyPatch) -> Pausing:
    pausing = Pausing()
    monkeypatch.setattr(agent_work, "time", pausing)
    monkeypatch.setattr(agent_work, "pump", pausing)
    return pausing


def told(pages: list[Any]) -> list[tuple[int, str, bool]]:
    return [(said["offset"], said["text"], said.get("reset", False)) for _, said, _ in pages]


@pytest.fixture
def pages(house: House, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What open pages are told beside the streams."""
    heard: list[Any] = []

    class Server:
        def tell(self, *said: Any) -> None:
            heard.append(said)

    monkeypatch.setitem(house.app.extensions, "realtime", Server())
    return heard


def delivery_of(work: Any, db: SQLAlchemy) -> Delivery:
    delivery = db.session.get_one(Delivery, UUID(work["delivery_id"]))
    db.session.refresh(delivery)
    return delivery


def age(db: SQLAlchemy, **seconds: float) -> None:
    """Move times of all deliveries into the past."""
    changed_rows(update(Delivery).values({name: db_now(-ago) for name, ago in seconds.items()}))
    db.session.commit()


def silent_for(db: SQLAlchemy, program: Program, seconds: float) -> None:
    mine = AgentStatus.agent_id == program.agent.id
    changed_rows(update(AgentStatus).where(mine).values(last_seen_at=db_now(-seconds)))
    db.session.commit()


def code(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["error"]["code"]


def line(house: House, browser: FlaskClient, key: str = "faraway") -> tuple[str, str]:
    """What the roster says of the agent."""
    found = browser.get(f"/api/projects/{house.project.id}/agents").get_json()["agents"]
    return next((one["status"], one["activity"]) for one in found if one["key"] == key)


class TestClaim:
    def test_it_gets_the_message_with_all_that_it_is_answered_from(
        self, house: House, jonas: FlaskClient, far: Program, db: SQLAlchemy
    ) -> None:
        house.post(jonas, "the pump leaks")
        asked = house.post(jonas, "@faraway what now?").get_json()

        work = far.work()

        assert work["message"] == asked | {"status": "delivered"}
        assert (work["thread"]["id"], work["thread"]["title"]) == (str(house.thread.id), "Team Room")
        context = work["context"]
        assert 'You are "Faraway"' in context["system"]
        [said] = context["messages"]
        assert said["role"] == "user"
        assert "the pump leaks" in said["content"]
        assert "@faraway what now?" in said["content"].rpartition("addressed to you")[2]
        assert context["budget"].keys() == {"turns", "output_tokens", "seconds"}
        delivery = delivery_of(work, db)
        assert (delivery.status, delivery.attempts, work["attempt"]) == ("delivered", 1, 1)
        assert line(house, jonas) == ("thinking", "")

    def test_without_work_it_answers_nothing(self, house: House, jonas: FlaskClient, far: Program) -> None:
        house.post(jonas, "@bulma for another agent")

        answer = far.claim()

        assert (answer.status_code, answer.data) == (204, b"")

    def test_a_body_is_not_needed(self, far: Program) -> None:
        assert far.client.post(CLAIM).status_code == 204

    def test_the_oldest_comes_first_and_none_comes_twice(
        self, house: House, jonas: FlaskClient, far: Program
    ) -> None:
        for text in ("@faraway one", "@faraway two"):
            house.post(jonas, text)

        assert [far.work()["message"]["content"] for _ in range(2)] == ["@faraway one", "@faraway two"]
        assert far.claim().status_code == 204

    def test_each_delivery_is_given_to_one_of_many_polls(
        self, house: House, jonas: FlaskClient, far: Program, db: SQLAlchemy
    ) -> None:
        for number in range(3):
            house.post(jonas, f"@faraway {number}")
        db.session.remove()
        start = threading.Barrier(6)

        def poll() -> TestResponse:
            client = house.app.test_client()
            client.environ_base |= far.client.environ_base
            start.wait()
            return client.post(CLAIM, json={})

        with ThreadPoolExecutor(6) as pool:
            answers = [each.result() for each in [pool.submit(poll) for _ in range(6)]]

        assert sorted(each.status_code for each in answers) == [200] * 3 + [204] * 3
        given = [each.get_json()["message"]["content"] for each in answers if each.status_code == 200]
        assert sorted(given) == ["@faraway 0", "@faraway 1", "@faraway 2"]
        assert {each.attempts for each in db.session.query(Delivery)} == {1}

    def test_one_that_was_taken_in_between_is_not_given_again(
        self, house: House, jonas: FlaskClient, far: Program, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between reading what waits and taking it, another poll may be first."""
        house.post(jonas, "@faraway one")
        house.post(jonas, "@faraway two")
        take: Any = agent_work.external.take
        firsts: list[UUID] = []

        def second(agent: Agent, delivery_id: UUID) -> Any:
            if not firsts:
                firsts.append(delivery_id)
                assert take(agent, delivery_id)["attempt"] == 1
            return take(agent, delivery_id)

        monkeypatch.setattr(agent_work.external, "take", second)

        assert far.work()["message"]["content"] == "@faraway two"

    def test_another_project_has_an_agent_of_the_same_name(
        self, house: House, jonas: FlaskClient, db: SQLAlchemy
    ) -> None:
        other = factories.project()
        factories.agent(other, "faraway", runtime="external")
        factories.agent(house.project, "faraway", runtime="external")
        theirs = factories.bearer(house.app, factories.token(other, "agent", agent_key="faraway")[1])
        house.post(jonas, "@faraway hello")

        assert theirs.post(CLAIM, json={}).status_code == 204

    def test_who_waits_gets_what_comes_meanwhile(
        self, house: House, jonas: FlaskClient, far: Program, pausing: Pausing
    ) -> None:
        """A transaction left open would not let the message in, or would not see it."""
        pausing.does = lambda: house.post(jonas, "@faraway hello")

        answer = far.claim(wait=25)

        assert answer.get_json()["message"]["content"] == "@faraway hello"
        assert pausing.times == 1

    def test_who_waits_is_let_go_in_the_end(self, far: Program) -> None:
        assert far.claim(wait=0.05).status_code == 204

    def test_a_right_that_is_withdrawn_meanwhile_counts(
        self, house: House, jonas: FlaskClient, db: SQLAlchemy, pausing: Pausing
    ) -> None:
        factories.agent(house.project, "faraway", runtime="external")
        token, text = factories.token(house.project, "agent", agent_key="faraway")
        db.session.commit()

        def meanwhile() -> None:
            db.session.get_one(ApiToken, token.id).revoke()
            db.session.commit()
            house.post(jonas, "@faraway hello")

        pausing.does = meanwhile
        answer = factories.bearer(house.app, text).post(CLAIM, json={"wait": 5})

        assert (answer.status_code, pausing.times) == (401, 1)

    def test_the_worker_leaves_alone_what_an_external_agent_answers(
        self, house: House, jonas: FlaskClient, far: Program
    ) -> None:
        house.post(jonas, "@faraway and @bulma")

        assert [each.target_agent_key for each in Delivery.claim(10)] == ["bulma"]

    def test_the_web_process_loads_no_provider_for_it(self) -> None:
        program = "import models, queues.external, agents.context, sys; print('anthropic' in sys.modules)"

        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
        )

        assert done.stdout.strip() == "False"


class TestProgress:
    @pytest.fixture
    def work(self, house: House, jonas: FlaskClient, far: Program) -> Any:
        house.post(jonas, "@faraway hello")
        return far.work()

    def test_a_repeat_under_its_key_gets_the_first_answer_in_a_conversation_too(
        self, house: House, far: Program, work: Any, db: SQLAlchemy
    ) -> None:
        """Which no token may read, and of which the agent knows what it was asked."""
        house.thread.kind, house.thread.owner_user_id = "dm", house.jonas.id
        db.session.commit()
        address = f"/api/agent/deliveries/{work['delivery_id']}/progress"
        said = {"attempt": work["attempt"], "text": "one", "offset": 0}
        first, again = (
            far.client.post(address, json=said, headers={"Idempotency-Key": "one"}) for _ in range(2)
        )

        assert (again.status_code, again.get_json()) == (200, first.get_json())
        assert again.headers["Idempotent-Replayed"] == "true"

    def test_people_see_the_text_grow(
        self, house: House, mara: FlaskClient, far: Program, work: Any, pages: list[Any]
    ) -> None:
        assert far.report(work, "progress", text="Hällo ", offset=0).get_json() == {"offset": 6}
        assert far.report(work, "progress", text="👍 you", offset=6).get_json() == {"offset": 11}

        assert told(pages) == [(0, "Hällo ", False), (6, "👍 you", False)]
        event, said, stream = pages[0]
        assert (event, stream) == ("delta", f"project:{house.project.id}")
        assert (said["agent"], said["attempt"]) == ("faraway", 1)
        with reading():
            [live] = streams.catch_up(f"project:{house.project.id}", 0)["live"]
        assert (live["text"], live["message_id"]) == ("Hällo 👍 you", said["message_id"])
        partial = mara.get(f"/api/messages/{said['message_id']}/partial").get_json()
        assert partial["text"] == "Hällo 👍 you"
        assert line(house, mara) == ("writing", "")

    def test_people_see_what_it_does(
        self, house: House, mara: FlaskClient, far: Program, work: Any, pages: list[Any]
    ) -> None:
        far.report(work, "progress", status="tool", activity="reading the <logs>")

        assert line(house, mara) == ("tool", "reading the <logs>")
        assert "reading the &lt;logs&gt;" in mara.get(f"/{house.project.key}/agents").text
        assert told(pages) == []

    def test_a_repeat_changes_nothing(
        self, far: Program, work: Any, pages: list[Any], db: SQLAlchemy
    ) -> None:
        for text, offset in (("one ", 0), ("two", 4), ("one ", 0)):
            assert far.report(work, "progress", text=text, offset=offset).status_code == 200

        assert delivery_of(work, db).partial == "one two"
        assert len(pages) == 2

    def test_an_earlier_place_takes_back_what_followed(
        self, far: Program, work: Any, pages: list[Any], db: SQLAlchemy
    ) -> None:
        far.report(work, "progress", text="one two", offset=0)

        assert far.report(work, "progress", text="2", offset=4).get_json() == {"offset": 5}

        assert delivery_of(work, db).partial == "one 2"
        assert told(pages)[-1] == (0, "one 2", True)

    def test_a_gap_is_refused_and_named(self, far: Program, work: Any, db: SQLAlchemy) -> None:
        far.report(work, "progress", text="one", offset=0)

        answer = far.report(work, "progress", text="three", offset=8)

        assert code(answer) == (409, "gap")
        assert answer.get_json()["error"]["fields"] == {"offset": ["the text so far has 3 characters"]}
        assert delivery_of(work, db).partial == "one"

    def test_it_extends_the_two_minutes(self, far: Program, work: Any, db: SQLAlchemy) -> None:
        age(db, progress_at=119)

        far.report(work, "progress")

        age(db, picked_up_at=600)
        assert Watchdog(120).watch() == 0
        assert delivery_of(work, db).status == "delivered"


class TestFinish:
    @pytest.fixture
    def work(self, house: House, jonas: FlaskClient, far: Program) -> Any:
        house.post(jonas, "@faraway hello")
        return far.work()

    def test_the_answer_is_a_message_of_the_thread(
        self, house: House, jonas: FlaskClient, far: Program, work: Any, db: SQLAlchemy
    ) -> None:
        answer = far.report(work, "finish", text="**Done**", usage={"input": 7, "output": 3})

        assert answer.status_code == 200
        row = answer.get_json()
        assert (row["status"], row["usage"]) == ("processed", {"input": 7, "output": 3})
        message = db.session.get_one(Message, UUID(row["reply_id"]))
        assert (message.author, message.content, message.seq) == ("agent:faraway", "**Done**", 2)
        assert "<strong>Done</strong>" in message.content_html
        shown = jonas.get(f"/api/threads/{house.thread.id}/messages").get_json()["messages"]
        assert [each["row"]["author_key"] for each in shown] == [None, "faraway"]
        assert shown[0]["row"]["status"] == "read"
        assert line(house, jonas) == ("idle", "")

    def test_markdown_is_cleaned_like_that_of_any_agent(
        self, far: Program, work: Any, db: SQLAlchemy
    ) -> None:
        bad = "<script>alert(1)</script> <img src=x onerror=y> [x](javascript:alert(1)) ![i](http://spy)"

        far.report(work, "finish", text=bad)

        html = db.session.query(Message).filter_by(author_key="faraway").one().content_html
        assert all(word not in html for word in ("<script", "<img", 'href="javascript'))

    def test_long_markdown_is_rendered_beside_the_loop_and_no_lock_waits_for_it(
        self, house: House, far: Program, work: Any, db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        locked: list[bool] = []

        def offload(render: Callable[[], Any]) -> Any:
            locked.append(db.session().in_transaction())
            return render()

        monkeypatch.setitem(house.app.extensions, "offload", offload)

        assert far.report(work, "finish", text="*[" * 2000).status_code == 200

        assert locked == [False]

    def test_without_a_text_it_is_what_progress_told(self, far: Program, work: Any, db: SQLAlchemy) -> None:
        far.report(work, "progress", text="so far", offset=0)

        far.report(work, "finish")

        assert db.session.query(Message).filter_by(author_key="faraway").one().content == "so far"
        assert delivery_of(work, db).partial == ""

    def test_without_any_text_nothing_is_said(self, far: Program, work: Any, db: SQLAlchemy) -> None:
        assert far.report(work, "finish", text=" ").get_json()["status"] == "processed"

        assert db.session.query(Message).filter_by(author_key="faraway").count() == 0

    def test_the_agents_that_it_mentions_are_called_and_itself_is_not(
        self, far: Program, work: Any, db: SQLAlchemy
    ) -> None:
        far.report(work, "finish", text="@trunks please; I, @faraway, am done")

        waiting = db.session.query(Delivery).filter_by(status="queued").all()
        assert [each.target_agent_key for each in waiting] == ["trunks"]

    def test_agents_that_only_call_each_other_are_held(
        self, house: House, program: Callable[..., Program], far: Program, work: Any, db: SQLAlchemy
    ) -> None:
        speaks, hears = far, program("near")
        for _ in range(BREAKER_TURNS):
            speaks.report(work, "finish", text=f"@{hears.agent.key} your turn")
            speaks, hears = hears, speaks
            work = speaks.work()

        speaks.report(work, "finish", text=f"@{hears.agent.key} your turn")

        db.session.refresh(house.thread)
        assert house.thread.paused_at is not None
        assert hears.claim().status_code == 204

    def test_it_can_say_why_it_failed(
        self, house: House, jonas: FlaskClient, far: Program, work: Any, db: SQLAlchemy
    ) -> None:
        answer = far.report(work, "fail", reason="the <model>\n is away")

        assert answer.get_json()["result"] == {"reason": "the <model> is away"}
        assert delivery_of(work, db).status == "failed"
        assert "the &lt;model&gt; is away" in jonas.get(f"/{house.project.key}/chat").text
        assert line(house, jonas) == ("idle", "")


VERBS = [("progress", {}), ("finish", {"text": "x"}), ("fail", {"reason": "x"})]


@pytest.mark.parametrize(("verb", "said"), VERBS)
class TestRefused:
    @pytest.fixture
    def work(self, house: House, jonas: FlaskClient, far: Program) -> Any:
        house.post(jonas, "@faraway hello")
        return far.work()

    def test_what_is_another_agents_is_not_there(
        self, house: House, program: Callable[..., Program], work: Any, verb: str, said: Any, db: SQLAlchemy
    ) -> None:
        near = program("near")
        other = factories.project()
        factories.agent(other, "faraway", runtime="external")
        elsewhere = factories.bearer(house.app, factories.token(other, "agent", agent_key="faraway")[1])
        missing = work | {"delivery_id": work["message"]["id"]}

        answers = [near.report(work, verb, **said), near.report(missing, verb, **said),
                   Program(elsewhere, near.agent).report(work, verb, **said)]  # fmt: skip

        assert [code(each) for each in answers] == [(404, "not_found")] * 3
        assert answers[0].get_json() == answers[1].get_json()
        assert delivery_of(work, db).status == "delivered"

    def test_what_the_watchdog_ended_has_failed(
        self, far: Program, work: Any, verb: str, said: Any, db: SQLAlchemy
    ) -> None:
        age(db, progress_at=121)
        assert Watchdog(120).watch() == 1

        answer = far.report(work, verb, **said)

        assert code(answer) == (409, "failed")
        assert "did not answer in two minutes" in answer.get_json()["error"]["message"]
        assert answer.get_json()["row"]["status"] == "failed"
        assert db.session.query(Message).filter_by(author_key="faraway").count() == 0

    def test_what_was_answered_is_finished(
        self, far: Program, work: Any, verb: str, said: Any, db: SQLAlchemy
    ) -> None:
        far.report(work, "finish", text="first")

        assert code(far.report(work, verb, **said)) == (409, "finished")
        assert [m.content for m in db.session.query(Message).filter_by(author_key="faraway")] == ["first"]

    def test_what_a_person_stopped_is_stopped_before_and_after_it_ended(
        self, house: House, jonas: FlaskClient, far: Program, work: Any, verb: str, said: Any, db: SQLAlchemy
    ) -> None:
        far.report(work, "progress", text="so far", offset=0)
        assert jonas.post(f"/api/deliveries/{work['delivery_id']}/stop").status_code == 200

        assert code(far.report(work, verb, **said)) == (409, "stopped")
        assert Sweeper().sweep() == 1
        assert code(far.report(work, verb, **said)) == (409, "stopped")

        answer = db.session.query(Message).filter_by(author_key="faraway").one()
        assert (answer.content, answer.meta) == ("so far", {"stopped_by": "Jonas Weber"})
        assert line(house, jonas) == ("idle", "")

    def test_an_earlier_attempt_is_over(
        self, house: House, jonas: FlaskClient, far: Program, work: Any, verb: str, said: Any, db: SQLAlchemy
    ) -> None:
        far.report(work, "fail", reason="first try")
        assert jonas.post(f"/api/deliveries/{work['delivery_id']}/retry").status_code == 200

        assert code(far.report(work, verb, **said)) == (409, "lost")
        again = far.work()
        assert (again["delivery_id"], again["attempt"]) == (work["delivery_id"], 2)
        assert code(far.report(work, verb, **said)) == (409, "lost")
        assert delivery_of(work, db).status == "delivered"
        assert far.report(again, verb, **said).status_code == 200


class TestWho:
    @pytest.fixture
    def refused(
        self, house: House, jonas: FlaskClient, program: Callable[..., Program], db: SQLAlchemy
    ) -> Callable[[FlaskClient], list[int]]:
        """The statuses that a client is answered that claims, and that reports on another's work."""
        far = program()
        house.post(jonas, "@faraway hello")
        work = far.work()

        def ask(client: FlaskClient) -> list[int]:
            other = Program(client, far.agent)
            reports = [other.report(work, verb, **said).status_code for verb, said in VERBS]
            assert delivery_of(work, db).status == "delivered"
            return [other.claim().status_code, *reports]

        return ask

    @pytest.mark.parametrize("role", ["viewer", "member", "operator", "owner"])
    def test_no_person(self, house: House, refused: Any, role: str) -> None:
        assert refused(house.newcomer(role)) == [403] * 4

    @pytest.mark.parametrize("kind", ["user", "worker"])
    def test_no_other_token(self, house: House, refused: Any, kind: str) -> None:
        text = factories.token(house.project, kind, house.mara if kind == "user" else None)[1]

        assert refused(factories.bearer(house.app, text)) == [403] * 4

    def test_no_agent_that_is_answered_here(self, house: House, refused: Any) -> None:
        """Else a token could write under the lease of our own worker."""
        text = factories.token(house.project, "agent", agent_key="bulma")[1]

        assert refused(factories.bearer(house.app, text)) == [403] * 4

    def test_no_agent_that_is_gone(self, house: House, far: Program, db: SQLAlchemy) -> None:
        db.session.merge(far.agent).archived_at = utcnow()
        db.session.commit()

        assert far.claim().status_code == 401

    @pytest.mark.parametrize("scope", ["message.read", "message.post"])
    def test_no_token_without_the_scope(
        self, house: House, jonas: FlaskClient, program: Callable[..., Program], scope: str
    ) -> None:
        house.post(jonas, "hello")
        rights = {"project.read", "message.read", "message.post"} - {scope}

        assert program(scopes=sorted(rights)).claim().status_code == 403

    def test_nobody(self, house: House) -> None:
        assert house.app.test_client().post(CLAIM, json={}).status_code == 401


class TestLimits:
    @pytest.fixture
    def work(self, house: House, jonas: FlaskClient, far: Program) -> Any:
        house.post(jonas, "@faraway hello")
        return far.work()

    @pytest.mark.databases("sqlite")
    @pytest.mark.parametrize(
        ("verb", "said", "field"),
        [
            ("progress", {"text": "x"}, "offset"),
            ("progress", {"text": "x", "offset": -1}, "offset"),
            ("progress", {"text": "x", "offset": "0"}, "offset"),
            ("progress", {"text": "x" * (LONGEST_REPORTED + 1), "offset": 0}, "text"),
            ("progress", {"text": "nul\0", "offset": 0}, "text"),
            ("progress", {"activity": "x" * 201}, "activity"),
            ("progress", {"status": "idle"}, "status"),
            ("progress", {"attempt": None}, "attempt"),
            ("progress", {"attempt": 0}, "attempt"),
            ("progress", {"more": 1}, "more"),
            ("finish", {"text": "x" * (LONGEST_REPORTED + 1)}, "text"),
            ("finish", {"text": 7}, "text"),
            ("finish", {"usage": {"output": -1}}, "usage.output"),
            ("finish", {"usage": {"output": 10**12}}, "usage.output"),
            ("finish", {"usage": []}, "usage"),
            ("fail", {}, "reason"),
            ("fail", {"reason": " "}, "reason"),
            ("fail", {"reason": "x" * 301}, "reason"),
        ],
    )
    def test_bad_input_is_named_at_its_field(
        self, far: Program, work: Any, verb: str, said: dict[str, Any], field: str, db: SQLAlchemy
    ) -> None:
        answer = far.report(work, verb, **said)

        assert answer.status_code == 422
        assert list(answer.get_json()["error"]["fields"]) == [field]
        assert delivery_of(work, db).status == "delivered"

    def test_an_answer_cannot_grow_for_ever(self, far: Program, work: Any) -> None:
        assert far.report(work, "progress", text="x" * LONGEST_REPORTED, offset=0).status_code == 200

        answer = far.report(work, "progress", text="y", offset=LONGEST_REPORTED)

        assert answer.status_code == 422
        assert far.report(work, "finish").status_code == 200

    @pytest.mark.parametrize("wait", [-1, 26, "long", float("1e999")])
    def test_nobody_waits_for_ever(self, far: Program, wait: Any) -> None:
        assert far.claim(wait=wait).status_code in (400, 422)


class TestPresence:
    def mode(self, client: FlaskClient) -> str:
        body = {"message_id": "m", "target_agent_key": "faraway", "message": "hello"}
        return str(client.post("/api/chat/deliver", json=body).get_json()["mode"])

    def test_one_that_never_asked_is_offline(
        self, house: House, mara: FlaskClient, far: Program, db: SQLAlchemy
    ) -> None:
        db.session.add(Worker(queue="chat", host="here", pid=1, slots=4))
        db.session.commit()

        assert far.agent.state.last_seen_at == NEVER
        assert line(house, mara)[0] == "offline"
        assert self.mode(mara) == "backup"
        page = mara.get(f"/{house.project.key}/chat").text
        assert "Queued<span" in page
        assert "agent will process when online" in page
        [said] = [one for one in roster(page)["agents"] if one["key"] == "faraway"]
        assert (said["runtime"], said["status"]) == ("external", "offline")
        assert 'data-status="offline"' in mara.get(f"/{house.project.key}/agents").text

    def test_to_ask_is_to_be_there(self, house: House, mara: FlaskClient, far: Program) -> None:
        before = streams.head(f"project:{house.project.id}")

        far.claim()

        assert line(house, mara) == ("idle", "")
        assert self.mode(mara) == "direct"
        part = streams.catch_up(f"project:{house.project.id}", before)
        said = [item["row"]["status"] for item in part["items"] if item["table"] == "agent_status"]
        assert said == ["idle"], "open pages hear of it"

    def test_one_that_is_silent_goes_offline_and_open_pages_hear_of_it(
        self, house: House, mara: FlaskClient, far: Program, db: SQLAlchemy
    ) -> None:
        far.claim()
        silent_for(db, far, 29)
        Watchdog(120).watch()
        assert (line(house, mara)[0], self.mode(mara)) == ("idle", "direct")
        silent_for(db, far, 31)
        before = streams.head(f"project:{house.project.id}")

        Watchdog(120).watch()
        Watchdog(120).watch()

        assert (line(house, mara)[0], self.mode(mara)) == ("offline", "backup")
        part = streams.catch_up(f"project:{house.project.id}", before)
        said = [item["row"]["status"] for item in part["items"] if item["table"] == "agent_status"]
        assert said == ["offline"]

    def test_one_that_answers_is_not_offline_and_a_report_is_a_sign_of_life(
        self, house: House, jonas: FlaskClient, far: Program, db: SQLAlchemy
    ) -> None:
        house.post(jonas, "@faraway hello")
        work = far.work()
        silent_for(db, far, 60)
        Watchdog(120).watch()
        assert line(house, jonas)[0] == "thinking"

        far.report(work, "progress")

        assert self.mode(jonas) == "direct"

    def test_a_poll_writes_only_now_and_then(self, far: Program, db: SQLAlchemy) -> None:
        far.claim()
        state = db.session.get_one(AgentStatus, far.agent.state.id)
        silent_for(db, far, 3)
        db.session.refresh(state)
        seen = state.last_seen_at

        far.claim()
        db.session.refresh(state)
        assert state.last_seen_at == seen

        silent_for(db, far, 6)
        far.claim()
        db.session.refresh(state)
        assert state.last_seen_at > seen

    def test_a_built_in_agent_is_never_marked(self, house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
        changed_rows(update(AgentStatus).values(last_seen_at=db_now(-600)))
        db.session.commit()

        Watchdog(120).watch()

        assert line(house, mara, "bulma") == ("idle", "")


class TestWatchdog:
    @pytest.fixture
    def waiting(self, house: House, jonas: FlaskClient, far: Program, db: SQLAlchemy) -> Delivery:
        house.post(jonas, "@faraway hello")
        return db.session.query(Delivery).one()

    def aging(self, db: SQLAlchemy, delivery: Delivery) -> bool:
        Watchdog(120).watch()
        db.session.refresh(delivery)
        aging = delivery.aging_since is not None
        db.session.rollback()
        return aging

    def test_what_waits_ages_while_the_agent_asks(
        self, far: Program, waiting: Delivery, db: SQLAlchemy
    ) -> None:
        db.session.add(Worker(queue="chat", host="here", pid=1, slots=4))
        db.session.commit()
        assert not self.aging(db, waiting), "our own worker does not take it"

        silent_for(db, far, 5)
        assert self.aging(db, waiting)

        silent_for(db, far, 31)
        assert not self.aging(db, waiting)

    def test_it_does_not_age_while_the_agent_answers_another(
        self, house: House, jonas: FlaskClient, far: Program, waiting: Delivery, db: SQLAlchemy
    ) -> None:
        work = far.work()
        house.post(jonas, "@faraway and this?")
        second = db.session.query(Delivery).filter_by(status="queued").one()
        db.session.rollback()
        assert not self.aging(db, second)

        far.report(work, "finish", text="done")

        assert self.aging(db, second)

    def test_a_silent_answer_fails_after_two_minutes_and_not_before(
        self, far: Program, waiting: Delivery, db: SQLAlchemy
    ) -> None:
        work = far.work()
        age(db, progress_at=119, picked_up_at=119)
        assert (Sweeper().sweep(), Watchdog(120).watch()) == (0, 0), "it has no lease to lose"

        age(db, progress_at=121)

        assert Watchdog(120).watch() == 1
        assert delivery_of(work, db).reason == "Faraway did not answer in two minutes"


@pytest.fixture(autouse=True)
def _nothing_left(db: SQLAlchemy) -> Iterator[None]:
    yield
    db.session.remove()


def test_a_wait_ends_when_the_process_stops(far: Program, pausing: Pausing) -> None:
    running: list[Any] = [object()]
    pausing.pump = lambda: running[0]
    pausing.does = lambda: running.__setitem__(0, None)

    assert far.claim(wait=25).status_code == 204

    assert pausing.times == 1


def test_nothing_is_handed_out_or_said_in_a_room_that_is_switched_off(
    house: House, mara: FlaskClient, program: Callable[..., Program], db: SQLAlchemy
) -> None:
    faraway = program("faraway")
    house.post(mara, "@faraway hello")
    labs = f"/api/projects/{house.project.id}/labs"
    mara.put(labs, json={"team_room": False})
    assert faraway.claim().status_code == 204

    mara.put(labs, json={"team_room": True})
    work = faraway.work()
    mara.put(labs, json={"team_room": False})

    late = [
        faraway.report(work, "progress", text="so far", offset=0),
        faraway.report(work, "finish", text="an answer into a closed room"),
        faraway.report(work, "fail", reason="because"),
    ]
    assert [(answer.status_code, answer.get_json()["error"]["code"]) for answer in late] == [
        (409, "lost")
    ] * 3
    assert db.session.query(Message).count() == 1
    mara.put(labs, json={"team_room": True})
    assert faraway.work()["attempt"] == 2


# Proposing.

WISH: dict[str, Any] = {
    "action_type": "create_task",
    "params": {"title": "Look", "description": "", "assignee_agent_key": None},
    "why": "It is time.",
}


def test_a_far_agent_proposes_in_the_thread_where_it_was_asked(
    house: House, mara: FlaskClient, far: Program, db: SQLAlchemy
) -> None:
    house.post(mara, "@faraway look")
    work = far.work()
    answers = [far.report(work, "proposals", **WISH) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].get_json() == answers[1].get_json()
    [proposal] = db.session.query(Proposal).all()
    assert (proposal.proposed_by, proposal.thread_id, proposal.status) == (
        "faraway", house.thread.id, "proposed",
    )  # fmt: skip
    assert far.report(work, "finish", text="It waits.").status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"action_type": "approve"}, "action_type"),
        ({"params": {"title": "x"}}, "params.description"),
        ({"params": WISH["params"] | {"more": 1.5}}, "params.more"),
        ({"why": ""}, "why"),
        ({"risk_level": "none"}, "risk_level"),
        ({"requires_approval": False}, "requires_approval"),
    ],
)
def test_what_a_far_agent_says_wrongly_is_named(
    house: House, mara: FlaskClient, far: Program, db: SQLAlchemy, change: dict[str, Any], field: str
) -> None:
    house.post(mara, "@faraway look")
    answer = far.report(far.work(), "proposals", **(WISH | change))

    assert (answer.status_code, field in answer.get_json()["error"]["fields"]) == (422, True)
    assert db.session.query(Proposal).count() == 0


def test_who_holds_nothing_proposes_nothing(
    house: House, mara: FlaskClient, program: Callable[..., Program], db: SQLAlchemy
) -> None:
    far, other = program(), program("other")
    house.post(mara, "@faraway look")
    work = far.work()
    assert other.report(work, "proposals", **WISH).status_code == 404
    far.report(work, "finish", text="done")
    late = far.report(work, "proposals", **WISH)

    assert (late.status_code, late.get_json()["error"]["code"]) == (409, "finished")
    assert db.session.query(Proposal).count() == 0
