"""A form with a text that nothing can mean is shown again: the error at its field, the rest as typed."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException

from models.allowed_host import AllowedHost
from models.audit import AuditEntry
from models.user import User
from tests import factories
from tests.webapp.conftest import Site
from webapp import accounts

BAD = {"a\0b": "NUL", "x" * 65_537: "65,537"}
NOT_TYPED = ("hidden", "checkbox")


@dataclass
class Form:
    """One of a page; `fields` are the attributes of each, by name; of a select also what is chosen."""

    action: str
    fields: dict[str, dict[str, str]] = field(default_factory=dict)

    def typed(self, name: str) -> bool:
        return self.fields[name].get("type", "hidden") not in NOT_TYPED

    def filled_in(self) -> dict[str, str]:
        return {
            name: f"typed-{name}" if self.typed(name) else said.get("last", said.get("value", ""))
            for name, said in self.fields.items()
        }


class Forms(HTMLParser):
    """What a page sends by itself; what a script sends goes to the API."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self.select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(said.get("action", "")))
        elif tag in ("input", "select", "textarea") and "name" in said and self.found:
            self.found[-1].fields[said["name"]] = said
            self.select = said["name"] if tag == "select" else ""
        elif tag == "option" and self.select:
            select = self.found[-1].fields[self.select]
            select["last"] = said["value"]
            if "selected" in said or "value" not in select:
                select["value"] = said["value"]


def forms_of(page: str) -> dict[str, Form]:
    """By their action; a form that says none is for a script."""
    return {form.action: form for form in Forms(page).found if form.action}


def ends_at(app: Flask, action: str) -> str | None:
    try:
        return str(app.url_map.bind("localhost").match(action, method="POST")[0])
    except HTTPException:
        return None


def pages(app: Flask, known: dict[str, object]) -> Iterator[str]:
    """The address of each page that these values lead to."""
    urls = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if rule.methods and "GET" in rule.methods and rule.arguments <= known.keys():
            address = urls.build(str(rule.endpoint), {name: known[name] for name in rule.arguments})
            if not address.startswith(("/api/", "/static/")):
                yield address


def refuses_each_field(client: FlaskClient, form: Form) -> None:
    for name in form.fields.keys() - {"csrf_token"}:
        for bad, why in BAD.items():
            answer = client.post(form.action, data=form.filled_in() | {name: bad})

            if name == "code":  # the page is for who has it
                assert answer.status_code == 403
                continue
            assert answer.status_code == 422, (form.action, name, answer.text)
            again = forms_of(answer.text)[form.action]
            assert again.fields.keys() == form.fields.keys()
            assert why in answer.text
            if form.typed(name):
                assert "aria-invalid" in again.fields[name], (form.action, name)
                assert re.search(rf'class="error" id="{name}-note"[^§]*{why}', answer.text)
            else:
                assert 'role="alert"' in answer.text
            for other in form.fields.keys() - {name, "csrf_token"}:
                secret = form.fields[other].get("type") == "password"
                kept = form.filled_in()[other]
                assert again.fields[other].get("value", "") == ("" if secret else kept), (form.action, other)
                assert not secret or kept not in answer.text


@pytest.fixture
def actions(site: Site, owner: FlaskClient) -> dict[str, tuple[FlaskClient, Form]]:
    """Every form of every page that sends more than its button, with who may send it."""
    app, project = site.app, site.project
    AllowedHost.add(project.id, "api.example.com", site.people["owner"])
    factories.db.session.commit()
    invite = owner.post(f"{site.api}/invites", json={"role": "member"}).json
    assert invite
    with app.test_request_context():
        reset = accounts.link_to_reset(site.people["member"])
    known: dict[str, object] = {
        "project_key": project.key,
        "membership_id": site.people["member"].memberships[0].id,
        "secret": invite["url"].rpartition("/")[2],
        "token": reset.rpartition("/")[2],
    }
    found = {}
    for client in (owner, app.test_client()):
        for address in pages(app, known):
            for action, form in forms_of(client.get(address).text).items():
                if ends_at(app, action) and form.fields.keys() - {"csrf_token"}:
                    found[action] = (client, form)
    return found


@pytest.mark.databases("sqlite")
def test_a_text_that_nothing_can_mean_is_named_at_its_field_and_the_rest_stays(
    actions: dict[str, tuple[FlaskClient, Form]], db
) -> None:
    before = db.session.query(AuditEntry).count()

    for client, form in actions.values():
        refuses_each_field(client, form)

    assert db.session.query(AuditEntry).count() == before


@pytest.mark.databases("sqlite")
def test_so_is_that_of_the_first_run(client: FlaskClient, app: Flask, db) -> None:
    form = forms_of(client.get(f"/setup?code={accounts.setup_code()}").text)["/setup"]
    assert len(form.fields) == 8

    refuses_each_field(client, form)

    assert db.session.query(User).count() == 0


@pytest.mark.databases("sqlite")
def test_who_has_not_the_code_is_not_shown_the_page_of_the_first_run(client: FlaskClient, db) -> None:
    sign_in = forms_of(client.get("/sign-in").text)["/sign-in"]

    answer = client.post("/setup", data=sign_in.filled_in() | {"code": "x", "name": "a\0b"})

    assert (answer.status_code, "password" in answer.text) == (403, False)


@pytest.mark.databases("sqlite")
def test_every_view_that_reads_a_form_is_tried_above(
    actions: dict[str, tuple[FlaskClient, Form]], site: Site
) -> None:
    """Also a new one: it is found among all addresses, and its form on a page."""
    app = site.app
    views = {
        str(rule.endpoint): inspect.unwrap(app.view_functions[rule.endpoint])
        for rule in app.url_map.iter_rules()
        if rule.methods and "POST" in rule.methods and not rule.rule.startswith("/api/")
    }
    reading = {name for name, view in views.items() if "form" in view.__code__.co_names}

    tried = {ends_at(app, action) for action in actions}

    assert reading - tried == {"setup.create"}
    assert len(tried) > 10
