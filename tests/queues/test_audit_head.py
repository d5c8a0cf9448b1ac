"""The clock tells its own log where the audit log ends, out of reach of who can rewrite the database."""

import logging
import re

import pytest
from flask import Flask

from models import audit
from models.base import db
from queues.clock import duties_of
from tests.queues.crew import Crew


def test_every_hour_the_head_is_told(crew: Crew, app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """Also where nothing but warnings is written down, as `make run` has it."""
    entry = audit.record("test", "happened", "something")
    db.session.commit()
    (duty,) = [duty for duty in duties_of(app) if duty.name == "audit"]
    assert duty.every == 3600

    with caplog.at_level(logging.WARNING):
        caplog.handler.setLevel(logging.NOTSET)
        assert duty.do() == 0

    told = re.search(r"audit head: (\S+)", caplog.text)
    assert told
    assert audit.Mark.parse(told[1]) == (entry.seq, entry.hash)
