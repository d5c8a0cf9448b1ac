"""The pages of documents: who sees them, what they show, and that nothing in a document runs."""

import re

import pytest
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy

from models import BrainDoc, ExecutorRequest, labs
from tests import factories
from tests.webapp.conftest import Site

HOSTILE = (
    "# Title\n\n<script>alert(1)</script> <img src=x onerror=alert(1)> [a](javascript:alert(1)) a\u202eb"
)


@pytest.fixture
def address(site: Site) -> str:
    factories.agent(site.project, "trunks")
    factories.db.session.commit()
    return f"/{site.project.key}/knowledge"


@pytest.fixture
def operator(site: Site) -> FlaskClient:
    return site.browser("operator")


def write(site: Site, *contents: str, agent_key: str = "trunks") -> BrainDoc:
    for content in contents:
        doc = factories.doc(site.project, site.people["operator"], content, "runbook", agent_key)
    factories.db.session.commit()
    return doc


def test_documents_stand_with_their_agents(site: Site, operator: FlaskClient, address: str) -> None:
    assert "No document yet" in operator.get(address).text
    write(site, "Restart it.")

    page = operator.get(address).text

    assert re.search(r'id="docs_trunks"[^>]*>.*?knowledge/trunks/runbook', page, re.DOTALL)
    assert re.search(r'<section class="card" id="docs_project"[^>]* hidden', page)


def test_a_document_is_shown_as_messages_are(site: Site, operator: FlaskClient, address: str) -> None:
    write(site, HOSTILE)

    page = operator.get(f"{address}/trunks/runbook").text

    assert "<h1>Title</h1>" in page
    assert "<script>alert" not in page
    assert "onerror=alert" not in page.replace("&lt;img src=x onerror=alert(1)&gt;", "")
    assert 'href="javascript:' not in page
    assert "a⟨U+202E⟩b" in page
    assert "characters that cannot be seen: U+202E" in page


def test_an_older_version_says_that_it_is_one(site: Site, operator: FlaskClient, address: str) -> None:
    write(site, "one", "two")

    page = operator.get(f"{address}/trunks/runbook?version=1").text

    assert "<p>one</p>" in page
    assert "not what agents read now" in page
    assert operator.get(f"{address}/trunks/runbook?version=9").status_code == 404


def test_the_editor_holds_the_text_to_the_letter(site: Site, operator: FlaskClient, address: str) -> None:
    doc = write(site, "\n  <b>&amp; two\u202e\n")

    page = operator.get(f"{address}/trunks/runbook/edit").text

    assert ">\n\n  &lt;b&gt;&amp;amp; two\u202e\n</textarea>" in page
    assert f'data-doc-editor-base-value="{doc.digest}"' in page
    assert "characters that cannot be seen: U+202E" in page


def test_a_new_document_begins_empty(site: Site, operator: FlaskClient, address: str) -> None:
    answer = operator.get(f"{address}/new?agent_key=trunks&doc_type=Runbook")
    assert answer.location == f"{address}/trunks/runbook/edit"

    page = operator.get(answer.location).text

    assert 'data-doc-editor-base-value=""' in page
    assert operator.get(f"{address}/new?agent_key=trunks").location == address


@pytest.mark.parametrize("name", ["nobody/runbook", "trunks/Run%20Book"])
def test_what_cannot_be_a_document_has_no_editor(operator: FlaskClient, address: str, name: str) -> None:
    assert operator.get(f"{address}/{name}/edit").status_code == 422


def test_the_history_compares_two_versions(site: Site, operator: FlaskClient, address: str) -> None:
    write(site, "one\nsame", "two\nsame", "three\nsame")
    history = f"{address}/trunks/runbook/history"

    assert "Version 3" in operator.get(history).text
    page = operator.get(f"{history}?old=1&new=3").text
    assert "From version 1 to 3" in page
    assert re.search(r'class="del".*?one', page)
    assert re.search(r'class="add".*?three', page)
    assert "Nothing differs" in operator.get(f"{history}?old=2&new=2").text
    assert operator.get(f"{history}?old=1&new=9").status_code == 404


def test_a_long_history_has_pages(site: Site, operator: FlaskClient, address: str) -> None:
    write(site, *(f"text {number}" for number in range(53)))

    first = operator.get(f"{address}/trunks/runbook/history").text
    assert "history?before=4" in first
    assert "Version 3<" in operator.get(f"{address}/trunks/runbook/history?before=4").text


@pytest.mark.parametrize("role", ["viewer", "member"])
def test_who_may_not_write_has_no_editor(site: Site, address: str, role: str) -> None:
    write(site, "one")
    reader = site.browser(role)

    assert reader.get(f"{address}/trunks/runbook").status_code == 200
    assert reader.get(f"{address}/trunks/runbook/edit").status_code == 403
    assert reader.get(f"{address}/new?agent_key=trunks&doc_type=x").status_code == 403


def test_while_it_is_off_there_is_no_page_and_no_link(
    site: Site, operator: FlaskClient, address: str, db: SQLAlchemy
) -> None:
    write(site, "one")
    link = f'href="{address}"'
    assert link in operator.get(f"/{site.project.key}/agents").text

    labs.write(site.project.id, {"knowledge": False})
    db.session.commit()

    assert link not in operator.get(f"/{site.project.key}/agents").text
    for path in ("", "/new?agent_key=trunks&doc_type=x", "/trunks/runbook", "/trunks/runbook/history"):
        assert operator.get(address + path).status_code == 404
    assert operator.get(f"{address}/trunks/runbook/edit").status_code in (404, 409)


def failed(site: Site, who: str = "operator") -> ExecutorRequest:
    request = BrainDoc.ask_for(
        site.project.id, "trunks", "runbook", "what I typed", None, site.people[who].id
    )
    factories.db.session.flush()
    request.fail(None, "Mara wrote version 4")
    factories.db.session.commit()
    return request


def test_a_text_that_could_not_be_written_is_not_lost(
    site: Site, operator: FlaskClient, address: str
) -> None:
    request = failed(site)
    write(site, "theirs")

    page = operator.get(address).text
    assert "Mara wrote version 4" in page
    assert "what I typed" not in page
    link = f"{address}/trunks/runbook/edit?request={request.id}"
    assert link in page

    editor = operator.get(link).text
    assert "what I typed" in editor
    assert 'data-doc-editor-typed-value="true"' in editor
    assert 'data-doc-editor-base-value=""' in editor, "made from nothing, so that theirs is shown beside it"


def test_the_text_of_a_request_is_given_to_who_typed_it_alone(
    site: Site, operator: FlaskClient, address: str
) -> None:
    request = failed(site, "owner")
    own = failed(site)

    assert f"request={request.id}" not in operator.get(address).text
    for asked in (request.id, "nonsense", site.project.id):
        assert "what I typed" not in operator.get(f"{address}/trunks/runbook/edit?request={asked}").text
    assert "what I typed" not in operator.get(f"{address}/trunks/other/edit?request={own.id}").text
