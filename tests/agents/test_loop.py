"""The loop: answers, tool calls, limits and cancelling."""

import asyncio

import pytest

from agents.usage import Budget
from agents.wire import Call, Fault, Say

LOOK = Call("look", {"path": "a"})


def test_an_answer_is_streamed_and_is_the_outcome(bench):
    asked = bench.ask(Say("Hello there,\n\nteam."))

    assert asked.outcome.status == "done"
    assert asked.outcome.text == "Hello there,\n\nteam." == asked.sink.shown
    assert asked.sink.kinds == ["thinking", "writing"]
    assert asked.outcome.turns == 1


def test_a_tool_is_run_and_its_result_goes_back_as_data(bench):
    asked = bench.ask(Say("Let me look.", (LOOK,)), Say("Nothing there."))

    assert asked.outcome.text == "Let me look.\n\nNothing there." == asked.sink.shown
    assert asked.outcome.tools == ["look"]
    assert ("tool", "look") in asked.sink.told
    first, second = asked.requests
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]
    (result,) = asked.tool_results()
    assert "seen a" in result["content"]
    assert result["content"].startswith("[data ")
    assert not result["is_error"]
    assert first["tools"] == second["tools"]


def test_several_tool_calls_of_one_answer_are_all_answered(bench):
    asked = bench.ask(Say(calls=(LOOK, Call("look", {"path": "b"}))), Say("Done."))

    assert bench.used == ["a", "b"]
    ids = [block["id"] for block in asked.requests[1]["messages"][1]["content"]]
    assert [result["tool_use_id"] for result in asked.tool_results()] == ids


def test_input_that_does_not_fit_is_explained_and_not_run(bench):
    asked = bench.ask(Say(calls=(Call("look", {"path": 3, "extra": 1}),)), Say("Sorry."))

    (result,) = asked.tool_results()
    assert result["is_error"]
    assert "path" in result["content"]
    assert "extra" in result["content"]
    assert bench.used == []


@pytest.mark.parametrize("name", ["rm_rf", "launch"])
def test_a_tool_that_is_unknown_or_not_of_this_job_does_not_exist(bench, name):
    asked = bench.ask(Say(calls=(Call(name, {"path": "a"}),)), Say("I cannot."))

    (result,) = asked.tool_results()
    assert result["is_error"]
    assert result["content"].startswith(f"Unknown tool '{name}'")
    assert bench.used == []
    assert asked.outcome.status == "done"


def test_the_same_tool_runs_in_a_job_that_may_have_it(bench):
    bench.ask(Say(calls=(Call("launch", {"path": "a"}),)), Say("Done."), job="execution")

    assert bench.used == ["a"]


def test_a_broken_tool_does_not_end_the_answer_nor_show_its_insides(bench):
    asked = bench.ask(Say(calls=(Call("crash", {"path": "a"}),)), Say("Odd."))

    (result,) = asked.tool_results()
    assert result["is_error"]
    assert "secret detail" not in result["content"]
    assert asked.outcome.text == "Odd."


def test_a_tool_of_an_answer_that_was_cut_never_runs(bench):
    cut = Say("Going.", (Call("look", '{"path": "/tmp/x'),), stop="max_tokens")
    asked = bench.ask(cut, Say("never asked"))

    assert asked.outcome.status == "failed"
    assert asked.outcome.error == "The answer was cut inside a tool call, so the tool was not run."
    assert asked.outcome.text == "Going."
    assert bench.used == []
    assert len(asked.requests) == 1


def test_a_long_answer_is_kept_up_to_its_cut(bench):
    asked = bench.ask(Say("Once upon a", stop="max_tokens"))

    assert (asked.outcome.status, asked.outcome.text) == ("stopped", "Once upon a")
    assert asked.outcome.error == "The answer was cut at its length limit."


@pytest.mark.parametrize(
    ("stop", "sentence"),
    [
        ("refusal", "The model declined to answer."),
        ("model_context_window_exceeded", "The conversation is too long for this model."),
    ],
)
def test_an_answer_that_is_none_fails_with_a_sentence(bench, stop, sentence):
    asked = bench.ask(Say("", stop=stop))

    assert (asked.outcome.status, asked.outcome.error) == ("failed", sentence)


def test_an_empty_answer_fails(bench):
    assert bench.ask(Say("")).outcome.error == "The model gave an empty answer."


def test_turns_are_limited(bench):
    asked = bench.ask(*[Say(calls=(LOOK,))] * 9, budget=Budget(turns=3))

    assert asked.outcome.status == "stopped"
    assert asked.outcome.error == "The limit of 3 turns was reached."
    assert len(asked.requests) == 3


def test_money_is_limited(bench):
    asked = bench.ask(*[Say(calls=(LOOK,), usage=(10**6, 10**5))] * 9, budget=LARGE_BUT_CHEAP)

    assert asked.outcome.error == "The cost limit of $0.20 was reached."
    assert len(asked.requests) == 2
    assert asked.outcome.usage["micro_usd"] == 300_000


LARGE_BUT_CHEAP = Budget(usd=0.2, output_tokens=10**9)


def test_the_cost_of_an_unknown_model_is_unknown(bench):
    asked = bench.ask(Say("Hi."), model="somebody-elses")

    assert asked.outcome.usage["micro_usd"] is None
    assert asked.outcome.usage["input"] == 12


def test_written_tokens_are_limited_and_the_model_is_told_what_is_left(bench):
    script = [Say(calls=(LOOK,), usage=(1, 60))] * 9
    asked = bench.ask(*script, budget=Budget(output_tokens=100))

    assert [request["max_tokens"] for request in asked.requests] == [100, 40]
    assert asked.outcome.error == "The limit of 100 written tokens was reached."


def test_time_is_limited_and_the_text_is_kept(bench):
    asked = bench.ask(Say("word " * 400, delay=0.02), budget=Budget(seconds=0.3))

    assert asked.outcome.status == "stopped"
    assert asked.outcome.error == "The time limit of 0.3 s was reached."
    assert asked.outcome.text.startswith("word")
    assert asked.outcome.text == asked.sink.shown


def test_cancelling_a_stream_keeps_its_text_and_counts_what_it_used(bench):
    async def some_text(bench, sink):
        await sink.heard.wait()

    asked = bench.ask_and_cancel(Say("word " * 400, delay=0.01, usage=(99, 500)), when=some_text)

    assert asked.outcome.status == "cancelled"
    assert asked.outcome.text.startswith("word")
    assert asked.outcome.text == asked.sink.shown
    assert asked.outcome.usage["input"] == 99
    assert 0 < asked.outcome.usage["output"] < 500
    assert asked.outcome.usage["estimated"]
    assert asked.transport.streams[0].closed


def test_cancelling_in_a_tool_keeps_the_text_before_it(bench):
    async def in_tool(bench, sink):
        await bench.running.wait()

    asked = bench.ask_and_cancel(Say("Wait.", (Call("stay", {"path": "a"}),)), when=in_tool)

    assert (asked.outcome.status, asked.outcome.text) == ("cancelled", "Wait.")
    assert asked.outcome.tools == ["stay"]
    assert asked.outcome.usage["output"] == 7


def test_after_a_cancel_the_same_task_can_record_the_outcome(bench):
    async def some_text(bench, sink):
        await sink.heard.wait()

    bench.ask_and_cancel(Say("word " * 400, delay=0.01), when=some_text)

    assert bench.still_cancelling == 0


def test_cancelling_while_waiting_for_the_first_word(bench):
    async def asked_the_model(bench, sink):
        while not sink.told:
            await asyncio.sleep(0)

    asked = bench.ask_and_cancel(Say("Late.", first_delay=30), when=asked_the_model)

    assert (asked.outcome.status, asked.outcome.text) == ("cancelled", "")


def test_a_fault_after_a_tool_takes_back_only_the_text_of_its_own_call(bench):
    broken = Say("one two three", fault=Fault("drop", after=4))
    asked = bench.ask(Say("Looking.", (LOOK,)), broken, Say("All fine."))

    assert asked.outcome.text == "Looking.\n\nAll fine." == asked.sink.shown
    assert asked.sink.resets == [len("Looking.")]
    assert bench.used == ["a"]
