"""Which tools a job has, and that a call cannot get around it."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from agents.errors import ToolFailed
from agents.tools import registry
from agents.tools.bash import BASH
from agents.tools.edit import EDIT
from agents.tools.registry import Registry, Toolset
from agents.tools.tool import EFFECTS, Arguments, Tool, ToolContext

READING = ["agents_status", "list_docs", "read_doc", "read_thread", "search_messages"]
PROPOSING = [
    "propose_api_call",
    "propose_create_task",
    "propose_edit_doc",
    "propose_file_write",
    "propose_schedule_job",
    "propose_send_message",
]
CHAT = sorted([*READING, *PROPOSING])
LOOKING = ["list_files", "read_file", "search_files"]
ACTING = ["bash", "begin_step", "create_file", "insert_in_file", "replace_in_file"]
WORKING = {
    "planning": ["bash_read_only", *LOOKING],
    "audit": [*LOOKING, "report_findings"],
    "skill": ["bash_read_only", *LOOKING, "report_findings"],
    "execution": [*ACTING, *LOOKING],
}


async def no_database(fn, *args):
    raise AssertionError("no database here")


CONTEXT = ToolContext(UUID(int=1), UUID(int=1), "ops", db=no_database)


def tool(run, **values):
    allowed = frozenset(("chat",))
    return replace(Tool("probe", "Probe.", Arguments, run, "reads", allowed), **values)


def call(*tools, name="probe", arguments=None, job="chat"):
    toolset = Registry(*tools).for_job(job).bind(CONTEXT)
    return asyncio.run(toolset.call(name, {} if arguments is None else arguments))


async def fine(context, arguments):
    return "fine"


@pytest.mark.parametrize("job", EFFECTS)
def test_every_job_may_read(job):
    assert set(READING) <= set(registry.for_job(job).names())


@pytest.mark.parametrize("job", EFFECTS)
def test_who_talks_may_propose_and_nobody_has_anything_else(job):
    proposing = PROPOSING if job in ("chat", "heartbeat", "scheduled") else []

    assert registry.for_job(job).names() == sorted([*READING, *proposing, *WORKING.get(job, [])])


@pytest.mark.parametrize("job", ["chat", "heartbeat", "scheduled", "planning", "audit", "skill"])
@pytest.mark.parametrize("name", [*ACTING, "bash_read_only"])
def test_no_other_job_calls_what_works_on_the_machine(job, name):
    """I11; a control beneath: the same call is known to the job that may."""
    own = "planning" if name == "bash_read_only" else "execution"
    arguments = {"command": "true", "path": "a", "text": "b", "old_text": "c", "new_text": "d", "number": 1}

    for asked in {job, own}:
        toolset = registry.for_job(asked).bind(CONTEXT)
        answer = asyncio.run(toolset.call(name, arguments)).text
        assert answer.startswith("Unknown tool") == (name not in WORKING.get(asked, []))


@pytest.mark.parametrize("job", ["chat", "heartbeat", "scheduled", "planning", "audit"])
def test_a_tool_that_works_on_the_machine_cannot_be_given_to_another_job(job):
    for acting in (*EDIT, BASH):
        with pytest.raises(ValueError, match=f"acts, which {job} may not"):
            Registry(replace(acting, jobs=acting.jobs | {job}))


@pytest.mark.parametrize("job", ["chat", "heartbeat", "scheduled", "planning", "audit"])
def test_only_an_execution_acts(job):
    with pytest.raises(ValueError, match=f"probe acts, which {job} may not"):
        Registry(tool(fine, effect="acts", jobs=frozenset((job,))))


def test_planning_only_reads():
    with pytest.raises(ValueError, match="planning may not"):
        Registry(tool(fine, effect="proposes", jobs=frozenset(("planning",))))


def test_a_tool_of_another_job_is_unknown_when_called():
    result = call(tool(fine, effect="acts", jobs=frozenset(("execution",))))

    assert result.is_error
    assert result.text == "Unknown tool 'probe'. Tools: none."


def test_a_toolset_that_was_given_too_much_still_refuses():
    acting = tool(fine, effect="acts", jobs=frozenset(("execution",)))
    smuggled = replace(Registry().for_job("chat"), tools={"probe": acting})

    result = asyncio.run(Toolset(smuggled, CONTEXT).call("probe", {}))

    assert result.text.startswith("Unknown tool")


def test_a_result_is_data_with_its_source():
    result = call(tool(fine))

    assert not result.is_error
    head, text, _ = result.text.split("\n")
    assert head.endswith(" probe]")
    assert text == "fine"


def test_a_long_result_is_capped():
    async def long(context, arguments):
        return "x" * 100_000

    assert len(call(tool(long)).text) < 17_000


def test_a_tool_may_say_why_it_failed():
    async def fails(context, arguments):
        raise ToolFailed("There is no such page.")

    result = call(tool(fails))
    assert (result.text, result.is_error) == ("There is no such page.", True)


def test_a_slow_tool_ends():
    async def slow(context, arguments):
        await asyncio.Event().wait()

    result = call(tool(slow, seconds=0.01))
    assert (result.text, result.is_error) == ("probe took longer than 0.01 s.", True)


@pytest.mark.parametrize("arguments", [{"more": 1}, [], "text", 3])
def test_input_of_the_wrong_shape_is_refused(arguments):
    result = call(tool(fine), arguments=arguments)

    assert result.is_error
    assert result.text.startswith("Invalid input")


def test_two_tools_cannot_have_one_name():
    with pytest.raises(ValueError, match="two tools are called probe"):
        Registry(tool(fine), tool(fine))


def test_definitions_are_what_the_api_takes_and_in_a_stable_order():
    definitions = registry.for_job("chat").bind(CONTEXT).definitions()

    assert [definition["name"] for definition in definitions] == CHAT
    for definition in definitions:
        assert set(definition) == {"name", "description", "input_schema"}
        assert definition["input_schema"]["type"] == "object"
        assert definition["input_schema"]["additionalProperties"] is False
