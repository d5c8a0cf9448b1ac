"""Failing model calls: what is tried again, what is not, and what a person is told."""

import pytest

from agents.errors import ModelFailed
from agents.provider import ProviderSettings
from agents.retry import Retry
from agents.wire import Fail, Fault, Say

OVERLOADED = ModelFailed("Too much.", transient=True)


def test_an_overloaded_endpoint_is_asked_again(bench):
    asked = bench.ask(Fail(529), Fail(529), Say("Fine."))

    assert (asked.outcome.status, asked.outcome.text) == ("done", "Fine.")
    assert asked.outcome.turns == 1
    assert len(asked.requests) == 3
    assert asked.sink.resets == []


@pytest.mark.parametrize("kind", ["drop", "truncate", "error"])
def test_a_stream_that_breaks_starts_again_without_its_partial_text(bench, kind):
    broken = Say("one two three four", fault=Fault(kind, after=4))
    asked = bench.ask(broken, Say("The whole answer."))

    assert asked.outcome.text == "The whole answer." == asked.sink.shown
    assert asked.sink.resets == [0]
    assert asked.outcome.status == "done"


def test_a_stream_that_stalls_starts_again(bench):
    bench.settings = ProviderSettings(api_key="key", read_seconds=0.05)
    stalled = Say("one two three", fault=Fault("stall", after=4, seconds=60))
    asked = bench.ask(stalled, Say("The whole answer."))

    assert asked.outcome.text == "The whole answer." == asked.sink.shown


def test_what_a_broken_call_used_is_counted(bench):
    broken = Say("one two three four", usage=(100, 50), fault=Fault("drop", after=4))
    asked = bench.ask(broken, Say("Fine.", usage=(100, 50)))

    assert asked.outcome.usage["input"] == 200
    assert asked.outcome.usage["estimated"]


def test_an_endpoint_that_stays_broken_fails_with_the_text_so_far(bench):
    broken = Say("one two three four", fault=Fault("drop", after=5))
    asked = bench.ask(*[broken] * 9)

    assert asked.outcome.status == "failed"
    assert asked.outcome.error == "The connection to the model was lost."
    assert asked.outcome.text == "one two three" == asked.sink.shown
    assert len(asked.requests) == 1 + bench.retry.tries


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (400, "The model provider answered with an error (400). scripted failure"),
        (401, "The API key was refused by the model provider."),
        (403, "The API key may not use this model."),
        (404, "The model or its endpoint was not found. scripted failure"),
        (413, "The conversation is too long for the model provider."),
    ],
)
def test_a_refusal_is_final_and_said_plainly(bench, status, sentence):
    asked = bench.ask(Fail(status), Say("never asked"))

    assert (asked.outcome.status, asked.outcome.error) == ("failed", sentence)
    assert len(asked.requests) == 1


def test_nobody_waits_an_hour(bench):
    asked = bench.ask(Fail(429, {"retry-after": "3600"}), Say("never asked"))

    assert asked.outcome.error == (
        "The model provider limits how often it may be asked. It asks to wait 60 minutes before the next try."
    )
    assert len(asked.requests) == 1


def test_a_short_wait_is_kept_and_shown(bench):
    asked = bench.ask(Fail(429, {"retry-after": "0.01"}), Say("Fine."))

    assert asked.outcome.status == "done"
    limited = "The model provider limits how often it may be asked."
    assert ("thinking", limited) in asked.sink.told


def test_an_endpoint_that_says_not_to_retry_is_not_asked_again(bench):
    asked = bench.ask(Fail(529, {"x-should-retry": "false"}), Say("never asked"))

    assert asked.outcome.error == "The model provider is overloaded."
    assert len(asked.requests) == 1


def test_an_error_inside_a_stream_that_is_final_is_not_tried_again(bench):
    fault = Fault("error", after=4, error_type="invalid_request_error")
    asked = bench.ask(Say("one two three", fault=fault), Say("never asked"))

    assert asked.outcome.status == "failed"
    assert asked.outcome.text == "one two"
    assert len(asked.requests) == 1


def test_waits_double_up_to_a_ceiling():
    retry = Retry(tries=9, first=0.5, ceiling=8.0)
    waits = [retry.delay(OVERLOADED, attempt) for attempt in range(9)]

    for attempt, wait in enumerate(waits):
        full = min(8.0, 0.5 * 2**attempt)
        assert 0.75 * full <= wait <= full
    assert retry.delay(OVERLOADED, 9) is None


def test_a_lost_connection_is_tried_at_once_but_only_once():
    lost = ModelFailed("Lost.", transient=True, kind="connection")

    assert Retry().delay(lost, 0) == 0
    assert Retry().delay(lost, 1) > 0
