"""Fixtures for agents: no model, no network, and for what reads also a project with a room."""

import pytest
from flask_sqlalchemy import SQLAlchemy

from tests.agents.bench import Bench
from tests.agents.team import Team


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def team(db: SQLAlchemy) -> Team:
    return Team.create()
