"""Fixtures for agents: no model, no network, and for what reads also a project with a room."""

import pytest

from tests.agents.bench import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()
