"""Audits over HTTP: who may ask for one, and what a page says of what it found."""

import re
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from models import Worker, db, labs
from models.inspection import Inspection
from models.run import Run
from tests import factories
from tests.webapp.conftest import Site

pytestmark = pytest.mark.databases("sqlite")


def address(site: Site, name: str = "qa-audit") -> str:
    return f"{site.api}/audits/{name}/runs"


def page(site: Site, client: FlaskClient, name: str = "qa-audit") -> str:
    answer = client.get(f"/{site.project.key}/tasks/{name}")
    assert answer.status_code == 200
    return answer.text


def tabs(html: str) -> list[str]:
    """What each tab says, and its tone."""
    [nav] = re.findall('<nav class="tabs".*?</nav>', html, re.DOTALL)
    links = re.findall("<a .*?</a>", nav, re.DOTALL)
    tones = (" ".join(["", *re.findall('tone="(.*?)"', one)]) for one in links)
    return [re.sub("<.*?>", "", one).strip() + tone for one, tone in zip(links, tones, strict=True)]


def test_an_operator_asks_and_a_second_press_gives_the_same(site: Site) -> None:
    operator = site.browser("operator")
    first = operator.post(address(site), json={})
    again = site.browser("owner").post(address(site), json={})

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json["mode"] == "backup", "no worker is there"
    assert first.json["run"]["id"] == again.json["run"]["id"]
    assert first.json["run"]["status"] == "queued"
    there = site.browser("viewer").get(address(site)).json
    assert (there["open"]["id"], there["ended"]) == (first.json["run"]["id"], [])
    assert "no worker is there" in page(site, operator)
    db.session.add(Worker(queue="runs", host="here", pid=1, slots=1))
    db.session.commit()
    assert operator.post(address(site), json={}).json["mode"] == "direct"
    assert "waits for a free worker" in page(site, operator)


def test_who_may_not_and_what_is_not_there(site: Site) -> None:
    assert site.browser("member").post(address(site), json={}).status_code == 403
    assert site.browser("stranger").post(address(site), json={}).status_code == 404
    operator = site.browser("operator")
    assert operator.post(address(site, "my-audit"), json={}).status_code == 404
    assert operator.get(f"/{site.project.key}/tasks/my-audit").status_code == 404
    factories.skill(site.project, "qa-audit", "blocked", reasons=[{"code": "disabled", "text": "It is off."}])
    db.session.commit()
    refused = operator.post(address(site), json={})
    assert (refused.status_code, "It is off." in refused.json["error"]["message"]) == (409, True)
    assert "Its skill is blocked" in page(site, operator)
    labs.write(site.project.id, {"task_threads": False})
    db.session.commit()
    for answer in (operator.post(address(site), json={}), operator.get(address(site)),
                   operator.get(f"/{site.project.key}/tasks/qa-audit")):  # fmt: skip
        assert answer.status_code == 404
    assert db.session.scalar(db.select(Run)) is None


def test_the_page_says_what_was_found_known_dismissed_and_gone(site: Site) -> None:
    owner = site.people["owner"]
    sly = factories.finding(
        "a.md", title="Links <b> lead nowhere", evidence="a\u202eb <i>", priority="urgent"
    )
    grave, other, third = sly, factories.finding("b.md"), factories.finding("c.md")
    client = site.browser("viewer")
    assert "was never made here" in page(site, client)
    factories.audited(site.project, owner, grave, other, third)
    factories.db.session.flush()
    task = db.session.scalars(db.select(factories.Task).where(factories.Task.number == 2)).one()
    task.cancel(owner)
    assert tabs(page(site, client)) == ["Tasks3 open", "Ops Check", "QA Audit2 found bad", "Security Audit"]
    factories.audited(site.project, owner, grave, other)
    factories.audited(site.project, owner, factories.finding("db", audit="ops-check"))
    db.session.commit()

    said = page(site, client)
    told = ["Tasks3 open", "Ops Check1 found warn", "QA Audit1 found bad", "Security Audit"]
    assert tabs(said) == told == tabs(client.get(f"/{site.project.key}/tasks").text)
    for words in ("Rule check", "Urgent and high", "Links &lt;b&gt; lead nowhere", "a⟨U+202E⟩b &lt;i&gt;",
                  "Urgent · Known", "Still there, and dismissed", "Gone since the run before", "closed",
                  "1 check could not look", "Not looked at: it is dark.", "The last 2 runs",
                  f"/{site.project.key}/tasks/1"):  # fmt: skip
        assert words in said, words
    assert "Run QA Audit" in said, "hidden by the body's class, and refused by the server"
    ended = client.get(address(site)).json["ended"]
    assert [one["became"] for one in ended[0]["result"]["findings"]] == ["known", "dismissed"]
    assert ended[0]["result"]["closed"][0]["closed"] is True
    task_page = client.get(f"/{site.project.key}/tasks/1").text
    assert f'href="/{site.project.key}/tasks/qa-audit">QA Audit</a>' in task_page

    Run.of_audit(site.project.id, "qa-audit", asked_by=str(owner.id), agent_key="").try_advance(
        "status", "queued", "error", error="The worker was lost.", finished_at=task.created_at
    )
    db.session.commit()
    assert "The last one failed" in page(site, client)


def test_a_skill_of_the_project_is_run_in_the_same_place(site: Site) -> None:
    labs.write(site.project.id, {"skills": True})
    factories.skill(site.project, "stale-notes", source="project", description="Finds <b>notes</b>.")
    factories.skill(site.project, "oasis-op")
    factories.agent(site.project, "bulma")
    db.session.commit()
    operator, viewer = site.browser("operator"), site.browser("viewer")
    there = page(site, operator, "stale-notes")
    for words in (
        "was never run here",
        "Finds &lt;b&gt;notes&lt;/b&gt;.",
        "What it is about",
        "Run stale-notes",
    ):
        assert words in there, words
    shelf = operator.get(f"/{site.project.key}/agents/skills").text
    assert f"/{site.project.key}/tasks/stale-notes" in shelf
    assert f"/{site.project.key}/tasks/oasis-op" not in shelf, "it follows an execution"

    refused = operator.post(address(site, "stale-notes"), json={"words": "x" * 2001})
    assert (refused.status_code, list(refused.json["error"]["fields"])) == (422, ["words"])
    older = operator.post(address(site, "stale-notes"), json={"revision": "b" * 64})
    assert (older.status_code, "was changed" in older.json["error"]["message"]) == (409, True)
    wanted = {"revision": "a" * 64, "words": "the <i>folder</i> notes"}
    asked = operator.post(address(site, "stale-notes"), json=wanted)
    assert (asked.status_code, asked.json["run"]["audit"]) == (202, "stale-notes")
    assert asked.json["run"]["revision"] == "a" * 64
    other = operator.post(address(site, "stale-notes"), json={"words": "another"})
    assert (other.status_code, "other words" in other.json["error"]["message"]) == (409, True)

    held = Inspection.hold(UUID(asked.json["run"]["id"]))
    token = held.claim("here:1")
    assert token
    assert held.done(token, (), "bulma", said="One **note** is <script>stale\u202e</script>.")
    stale = factories.finding("n.md", audit="stale-notes", rule="other")
    factories.Task.from_finding(site.project.id, stale, "bulma")
    db.session.commit()
    said = page(site, viewer, "stale-notes")
    assert tabs(said) == ["Tasks1 open", "Ops Check", "QA Audit", "Security Audit", "stale-notes1 found warn"]
    for words in (
        "<strong>note</strong>",
        "&lt;script&gt;stale⟨U+202E⟩",
        "the &lt;i&gt;folder&lt;/i&gt; notes",
        "0 findings",
    ):
        assert words in said, words
    assert (
        viewer.get(address(site, "stale-notes")).json["ended"][0]["result"]["said"].startswith("One **note**")
    )

    labs.write(site.project.id, {"skills": False})
    db.session.commit()
    factories.skill(site.project, "never-run", source="project")
    db.session.commit()
    for name in ("never-run", "oasis-op"):
        assert viewer.get(f"/{site.project.key}/tasks/{name}").status_code == 404
        assert operator.post(address(site, name), json={}).status_code == 404
