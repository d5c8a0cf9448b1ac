"""What every answer carries: headers, caching, errors without details, logs without secrets."""

import json
import logging
import re
import sqlite3
import time
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.routing import Rule

from models import Thread, base, db
from models.errors import Busy, Conflict, ExecutorOffline
from models.policy import OPEN
from tests import factories
from tests.support.databases import Database
from tests.webapp.conftest import Site
from webapp import doctor
from webapp.assets import Assets, assets
from webapp.auth import policy
from webapp.logs import redact
from webapp.schemas import Error

pytestmark = pytest.mark.databases("sqlite")

# --- headers ---


def test_a_page_runs_nothing_that_is_not_ours(client: FlaskClient) -> None:
    answer = client.get("/sign-in")
    said = dict(part.strip().partition(" ")[::2]
                for part in answer.headers["Content-Security-Policy"].split(";"))  # fmt: skip

    nonce = re.search(r'<meta name="csp-nonce"[^>]* nonce="([^"]+)"', answer.text)
    assert nonce
    assert said == {
        "default-src": "'none'",
        "script-src": f"'self' '{assets().importmap_hash}'",
        "style-src": f"'self' 'nonce-{nonce[1]}'",
        "img-src": "'self' data: blob:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }


def test_the_import_map_on_the_page_is_the_one_that_the_policy_allows(client: FlaskClient) -> None:
    import base64
    import hashlib

    page = client.get("/sign-in").text
    found = re.search(r'<script type="importmap">(.*?)</script>', page, re.DOTALL)
    assert found
    digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()

    assert assets().importmap_hash == f"sha256-{digest}"
    assert re.findall(r"<script(?![^>]*(?:src=|importmap|application/json))", page) == []


def test_each_answer_has_its_own_nonce(client: FlaskClient) -> None:
    policies = {client.get("/sign-in").headers["Content-Security-Policy"] for _ in range(3)}

    assert len(policies) == 3


@pytest.mark.parametrize("path", ["/sign-in", "/api/me", "/healthz", "/nothing", "/api/openapi.json"])
def test_no_answer_is_kept_framed_or_guessed_at(owner: FlaskClient, path: str) -> None:
    headers = owner.get(path).headers

    assert headers["Cache-Control"] == "no-store, private"
    assert "Cookie" in headers["Vary"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Strict-Transport-Security" not in headers


def test_what_changes_its_address_with_its_content_is_kept_for_ever(app: Flask) -> None:
    name, file = next(iter(assets().manifest.items()))
    client = app.test_client()

    with client.get(assets().address(name)) as right:
        pass
    with client.get(f"/static/vendor/{file.partition('?')[0]}?v=000000000000") as wrong:
        pass

    assert right.status_code == wrong.status_code == 200
    assert "immutable" in right.headers["Cache-Control"]
    assert wrong.headers["Cache-Control"] == "no-cache"
    assert "Set-Cookie" not in right.headers


def test_assets_that_are_not_built_have_plain_addresses(tmp_path) -> None:  # type: ignore[no-untyped-def]
    assert Assets(tmp_path).address("app.css") == "/static/vendor/app.css"


# --- errors ---


@pytest.fixture
def failing(make_app: Callable[..., Flask]) -> Callable[[Exception], FlaskClient]:
    """A client of an application in which /api/fail and /fail raise."""

    def make(error: Exception) -> FlaskClient:
        app = make_app(PROPAGATE_EXCEPTIONS=False)

        @policy(OPEN)
        def fail() -> str:
            raise error

        for path in ("/api/fail", "/fail"):
            app.add_url_rule(path, path, fail)
        return app.test_client()

    return make


def of_sqlite(name: str) -> OperationalError:
    error = sqlite3.OperationalError("secret words of the driver")
    error.sqlite_errorname = name
    return OperationalError("SELECT secret", {}, error)


def of_postgresql(state: str) -> OperationalError:
    class Refused(Exception):
        sqlstate = state

    return OperationalError("SELECT secret", {}, Refused("secret words of the driver"))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (of_sqlite("SQLITE_FULL"), 507, "disk_full"),
        (of_postgresql("53100"), 507, "disk_full"),
        (of_sqlite("SQLITE_BUSY"), 503, "busy"),
        (of_postgresql("40P01"), 503, "busy"),
        (of_postgresql("57P03"), 503, "busy"),
        (of_postgresql("53300"), 503, "busy"),
        (PoolTimeout("no connection"), 503, "busy"),
        (Busy("the database is busy"), 503, "busy"),
        (ExecutorOffline("Executor offline"), 503, "executor_offline"),
        (of_sqlite("SQLITE_CORRUPT"), 500, "internal"),
        (ZeroDivisionError("secret words"), 500, "internal"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, Exception) else str(value),
)
def test_each_failure_has_its_answer_and_tells_nothing_more(
    failing: Callable[[Exception], FlaskClient], error: Exception, status: int, code: str
) -> None:
    client = failing(error)

    answer, page = client.get("/api/fail"), client.get("/fail")

    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)  # type: ignore[index]
    assert page.status_code == status
    assert page.mimetype == "text/html"
    for text in (answer.text, page.text):
        assert "secret" not in text
        assert "Traceback" not in text
    if code == "busy":
        assert answer.headers["Retry-After"] == "1"


@pytest.mark.databases("sqlite")
def test_who_lost_is_told_so_while_another_writes(
    make_app: Callable[..., Flask], site: Site, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row that stands is read after the rollback, when somebody else may have the write lock."""
    monkeypatch.setattr(base, "BUSY_PATIENCE", 0.05)
    app, other = make_app(), sqlite3.connect(database.url.removeprefix("sqlite:///"), isolation_level=None)

    def lose() -> None:
        row = db.session.get_one(Thread, site.project.room.id)
        db.session.rollback()
        other.execute("BEGIN IMMEDIATE")
        raise Conflict("somebody was first", row=row)

    app.view_functions["lose"] = policy(OPEN)(lose)
    app.url_map.add(Rule("/api/lose", endpoint="lose", methods=["POST"]))
    token = factories.token(site.project, "worker")[1]
    db.session.commit()
    answer = factories.bearer(app, token).post("/api/lose")
    other.close()

    assert (answer.status_code, answer.get_json()["row"]["title"]) == (409, "Team Room")


def test_what_broke_is_written_down_under_the_number_that_was_told(
    failing: Callable[[Exception], FlaskClient], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "web"):
        answer = failing(ZeroDivisionError("the cause")).get("/api/fail")

    [record] = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert isinstance(record.msg, dict)
    assert record.msg["request_id"] == answer.headers["X-Request-Id"]
    assert record.msg["request_id"] in answer.json["error"]["message"]  # type: ignore[index]
    assert "the cause" in record.msg["exception"]


def test_the_error_page_needs_no_database(make_app: Callable[..., Flask], tmp_path) -> None:  # type: ignore[no-untyped-def]
    app = make_app(DATABASE_URL=f"sqlite:///{tmp_path}/nothing/here.sqlite3", PROPAGATE_EXCEPTIONS=False)
    client = app.test_client()
    client.set_cookie("tr_sid", "x")

    answer = client.get("/")

    assert answer.status_code in (500, 503)
    assert "request" in answer.text


def test_an_error_page_speaks_in_sentences(site: Site) -> None:
    member = site.browser("member")

    assert (
        "The address is wrong, or what was here is gone or not for you."
        in member.get(f"/{site.project.key}/nothing-here").text
    )
    forbidden = member.get(f"{site.settings}/people").text
    assert forbidden.count("our role may not do this") == 2  # the title, and the title of the window
    assert "This invite was used, taken back, or is too old." in member.get("/invites/unknown").text


# --- logs ---


def test_logs_hold_no_secret_and_no_forged_line(
    app: Flask, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    _, token = factories.token(site.project, "user", site.people["member"])
    with caplog.at_level(logging.INFO):
        factories.bearer(app, token).get(f"{site.api}?q=%0d%0aforged%1b[31m")
        app.test_client().get("/invites/a-secret-that-opens-the-door")
        app.test_client().post("/sign-in", data={"email": "x", "password": "hunter2hunter2"})

    lines = [logging.getLogger().handlers[-1].format(record) for record in caplog.records]
    text = "\n".join(lines)
    assert len(lines) >= 3
    for secret in (token, "a-secret-that", "hunter2", "\x1b"):
        assert secret not in text


def test_asking_whether_it_is_ready_fills_no_log(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.get("/readyz")

    assert [record.getMessage() for record in caplog.records if record.name.startswith("alembic")] == []


@pytest.mark.parametrize(
    "secret",
    ["trm_usr_abc_def_123", "sk-ant-api03-AAAAAAAAAAAAAAAAAAAA", "Bearer abcdefgh12345", "user:pass@host"],
)
def test_what_looks_like_a_credential_is_blotted_out(secret: str) -> None:
    value = secret.partition(":")[2].partition("@")[0] or secret.split()[-1]

    assert value not in redact(f"see postgresql://{secret} there")


def test_a_log_line_is_one_line_of_json(app: Flask) -> None:
    handler = next(each for each in logging.getLogger().handlers if hasattr(each, "of_teamroom"))
    record = logging.LogRecord("x", logging.INFO, "f", 1, "two\nlines \x1b[31m", None, None)

    line = handler.format(record)

    assert "\n" not in line
    assert "\x1b" not in line
    assert json.loads(line)["event"] == "two\nlines \x1b[31m"


# --- description, probes ---


def test_the_api_describes_itself_without_foreign_scripts(app: Flask, client: FlaskClient) -> None:
    said = client.get("/api/openapi.json").json
    assert said

    assert said["openapi"].startswith("3.1")
    described = {re.sub(r"\{[^}]+\}", "{}", path) for path in said["paths"]}
    rules = {re.sub(r"<[^>]+>", "{}", rule.rule) for rule in app.url_map.iter_rules()}
    missing = {path for path in rules if path.startswith("/api/")} - described - {"/api/openapi.json"}
    assert missing == set()
    assert "/api/docs" not in rules


def test_refusals_are_as_they_are_described(app: Flask, site: Site, client: FlaskClient) -> None:
    said = client.get("/api/openapi.json").json
    assert said
    described = said["components"]["schemas"]["Error"]["properties"]
    owner, room = site.browser("owner"), f"/api/threads/{site.project.room.id}"

    refused = [
        client.get("/api/me"),
        owner.get("/api/nothing"),
        owner.post("/api/projects", json={"nmae": "x"}),
        owner.post(f"{room}/continue"),
        owner.put(f"{site.api}/labs", data="{"),
    ]

    assert [answer.status_code for answer in refused] == [401, 404, 422, 409, 415]
    for answer in refused:
        assert Error().validate(answer.json) == {}
        assert described.keys() >= answer.json.keys()
    assert described["error"] == {"$ref": "#/components/schemas/Refusal"}
    assert set(said["components"]["securitySchemes"]) == {name for each in said["security"] for name in each}


@pytest.mark.databases("sqlite", "postgresql")
def test_alive_needs_nothing_and_ready_says_what_is_missing(
    make_app: Callable[..., Flask],
    client: FlaskClient,
    tmp_path,  # type: ignore[no-untyped-def]
) -> None:
    ready = client.get("/readyz")
    broken = make_app(DATABASE_URL=f"sqlite:///{tmp_path}/no/such.sqlite3").test_client()

    assert ready.status_code == 200
    assert ready.json["parts"]["database"] is True  # type: ignore[index]
    assert ready.json["parts"]["workers"] is False  # type: ignore[index]
    assert broken.get("/healthz").status_code == 200
    assert broken.get("/readyz").status_code == 503


def test_readiness_is_found_out_once_a_second_whoever_asks(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is open to all, and each part that is looked at costs the database something."""
    now, asked = [time.monotonic() + 100], []
    database = doctor.Check("database", "Database", True, "It answers.", needed=True)
    redis = doctor.Check("redis", "Redis", False, "It is away.")
    found = [[database], [database, redis], [database]]
    monkeypatch.setattr("webapp.pages.probes.monotonic", lambda: now[0])
    monkeypatch.setattr(doctor, "examine", lambda: asked.append(now[0]) or found[len(asked) - 1])

    for seconds in (0, 0.9, 0.2, 0.1, 0.2):  # what is missing is looked for again sooner
        now[0] += seconds
        assert client.get("/readyz").status_code == 200

    assert [round(at - asked[0], 1) for at in asked] == [0, 1.1, 1.4]


def test_the_migrations_are_read_once_a_process() -> None:
    assert doctor.newest_revisions() is doctor.newest_revisions()
