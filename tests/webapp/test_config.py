"""Settings: typed, and one sentence when one is wrong."""

import re
import subprocess
import sys
from typing import Any

import pytest

from scripts.programs import ROOT
from webapp import config
from webapp.config import BadSetting, load

GOOD = "pJ3mQ8vXzL5tR1wY7kN2bH6dF9sG4cA0eU"


def settings(**environ: str) -> dict[str, Any]:
    return load(environ={"SECRET_KEY": GOOD} | environ)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://u:p%40ss@h:5432/d", "postgresql+psycopg://u:p%40ss@h:5432/d"),
        ("postgresql://u@h/d?sslmode=require", "postgresql+psycopg://u@h/d?sslmode=require"),
        ("postgresql+psycopg://u@/d?host=/run", "postgresql+psycopg://u@/d?host=%2Frun"),
        ("sqlite:////tmp/x.sqlite3", "sqlite:////tmp/x.sqlite3"),
        ("sqlite:///var/x.sqlite3", f"sqlite:///{config.ROOT}/var/x.sqlite3"),
    ],
)
def test_addresses_of_databases(given: str, used: str) -> None:
    assert settings(DATABASE_URL=given)["SQLALCHEMY_DATABASE_URI"] == used


def test_without_one_the_database_is_a_file_of_ours() -> None:
    assert settings()["DATABASE_URL"] == f"sqlite:///{config.VAR}/teamroom.sqlite3"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://u@h/d"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_OWNER_URL", "redis://x"),
        ("PORT", "http"),
        ("PORT", "0"),
        ("PORT", "99999"),
        ("DATABASE_POOL", "0"),
        ("TRUSTED_PROXIES", "yes"),
        ("TRUSTED_PROXIES", "-1"),
        ("LOG_LEVEL", "NOPE"),
        ("REDIS_URL", "foo"),
        ("REDIS_URL", "http://[x"),
        ("PUBLIC_URL", "garbage"),
        ("PUBLIC_URL", "https://"),
        ("PUBLIC_URL", "https://[x"),
        ("PUBLIC_URL", "https://room.example/team"),
        ("ANTHROPIC_BASE_URL", "localhost:8000"),
        ("CHAT_SLOTS", "0"),
        ("CHAT_SLOTS", "-3"),
        ("WATCHDOG_SECONDS", "-5"),
        ("WATCHDOG_SECONDS", "nan"),
        ("CHAT_SLOTS", "many"),
        ("SHELL_WITHOUT_ISOLATION", "1"),
        ("EGRESS_INTERNAL", "10.0.0.1"),
        ("EGRESS_INTERNAL", "a.example:443,b.example:443"),
        ("EGRESS_INTERNAL", "https://a.example:443"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(name: str, value: str) -> None:
    with pytest.raises(BadSetting, match=name) as refused:
        settings(**{name: value})

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "secret",
    ["", "short", "a" * 40, "changeme-changeme-changeme-changeme", "your-secret-key-your-secret-key-1"],
)
def test_a_missing_short_or_known_secret_stops_the_start(
    secret: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path,  # type: ignore[no-untyped-def]
) -> None:
    monkeypatch.setattr(config, "VAR", tmp_path)
    with pytest.raises(BadSetting, match="SECRET_KEY"):
        settings(SECRET_KEY=secret)


def test_the_key_that_make_run_made_serves_commands_too(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path,  # type: ignore[no-untyped-def]
) -> None:
    monkeypatch.setattr(config, "VAR", tmp_path)
    (tmp_path / "secret_key").write_text(GOOD + "\n")

    assert load(environ={})["SECRET_KEY"] == GOOD


def test_numbers_are_numbers() -> None:
    said = settings(PORT="8080", TRUSTED_PROXIES="1", WATCHDOG_SECONDS="3.5", LOG_LEVEL="debug")

    assert (said["PORT"], said["TRUSTED_PROXIES"], said["WATCHDOG_SECONDS"]) == (8080, 1, 3.5)
    assert said["LOG_LEVEL"] == "DEBUG"


def test_servers_inside_are_listed_with_their_ports() -> None:
    assert settings()["EGRESS_INTERNAL"] == frozenset()
    assert settings(EGRESS_INTERNAL=" 10.0.0.1:80  git.intern:8443 ")["EGRESS_INTERNAL"] == {
        "10.0.0.1:80",
        "git.intern:8443",
    }


@pytest.mark.parametrize("given", ["https://room.example", " https://room.example/ "])
def test_the_public_address_has_no_path(given: str) -> None:
    assert settings(PUBLIC_URL=given)["PUBLIC_URL"] == "https://room.example"


@pytest.mark.parametrize(
    "command",
    [
        ("wsgi.py",),
        ("-m", "queues.worker", "chat"),
        ("-m", "queues.worker", "runs"),
        ("-m", "queues.clock"),
        ("-m", "webapp.release"),
        ("-m", "flask", "--app", "webapp", "doctor"),
    ],
    ids=" ".join,
)
def test_every_process_says_so_in_one_sentence(command: tuple[str, ...]) -> None:
    environ = {"PATH": "/usr/bin:/bin", "SECRET_KEY": GOOD, "CHAT_SLOTS": "0"}

    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "CHAT_SLOTS cannot be used: it must be 1 to 1000." in said
    assert said.strip().count("\n") == 0, said


def test_an_override_wins_over_the_environment() -> None:
    assert load({"PORT": 1, "SECRET_KEY": GOOD}, environ={"PORT": "2"})["PORT"] == 1


def test_postgresql_connections_are_looked_at_before_use() -> None:
    options = settings(DATABASE_URL="postgres://u@h/d")["SQLALCHEMY_ENGINE_OPTIONS"]

    assert options["pool_pre_ping"] is True
    assert "pool_pre_ping" not in settings()["SQLALCHEMY_ENGINE_OPTIONS"]


def test_how_many_connections_a_process_keeps_is_a_setting() -> None:
    assert settings(DATABASE_POOL="3")["SQLALCHEMY_ENGINE_OPTIONS"]["pool_size"] == 3


def test_bodies_are_bounded() -> None:
    assert settings()["MAX_CONTENT_LENGTH"] == 1 << 20


def test_every_setting_is_explained() -> None:
    """Each name stands in the table of docs/operating.md, and no other does."""
    words = (config.ROOT / "docs/operating.md").read_text()
    table = words.partition("## Settings")[2].partition("## ")[0]

    assert set(re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE)) == set(config.SETTINGS)
