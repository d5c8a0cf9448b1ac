"""What requests of the room and the agents may say; whether a value is acceptable is the models' to judge."""

from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
from marshmallow import ValidationError, fields, validate

from models.actions import ACTIONS, LEVELS
from models.attachment import LONGEST_NAME
from models.delivery import LONGEST_REPORTED
from models.message import LONGEST
from models.note import OUTPUTS
from models.plan import LONGEST as LONGEST_PLAN
from models.proposal import LONGEST_REASON, OUTCOMES, STATUSES
from models.run_event import KINDS as RUN_EVENTS
from models.tag import MOST as MOST_TAGS
from models.task import APPROVAL, LONGEST_REMARK, PRIORITIES
from models.task import OUTCOMES as TASK_OUTCOMES
from models.task import STATUSES as TASK_STATUSES
from models.task_change import MOST as MOST_TASKS
from models.task_event import TYPES as TASK_EVENTS
from models.worker import CHAT, EXECUTORS

LAST_SEQ = 2**31 - 1
MOST = 100


class Number(fields.Integer):
    """A whole number of JSON: neither text, nor a fraction, nor true."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strict=True, **kwargs)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, (bool, str)):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


class Seq(fields.Integer):
    """A place in a thread or stream, from an address; one past all places is the last of them."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        seq = super()._deserialize(value, attr, data, **kwargs)
        if seq < 0:
            raise ValidationError("must not be negative")
        return min(seq, LAST_SEQ)


class Since(fields.Field[int | datetime]):
    """A seq, or a time with its zone, which says after what something came."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int | datetime:
        text = str(value)
        if text.isascii() and text.isdigit():
            return min(int(text[:20]), LAST_SEQ)
        try:
            at = datetime.fromisoformat(text.replace(" ", "+"))
            if at.tzinfo is not None:
                return at.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise ValidationError("must be a seq, or a time as ISO 8601 with its zone")


class NewMessage(ma.Schema):
    content = fields.String(required=True, metadata={"maxLength": LONGEST, "description": "Markdown"})
    client_id = fields.String(
        required=True,
        metadata={"maxLength": 64, "description": "Yours, once per message: a repeat gives the first answer"},
    )
    reply_to = fields.UUID(load_default=None, allow_none=True)
    attachments = fields.List(
        fields.UUID(),
        load_default=list,
        metadata={"description": "Files that were uploaded for this thread, in order"},
    )


class NewFile(ma.Schema):
    name = fields.String(load_default="", metadata={"maxLength": LONGEST_NAME})


class FileRow(ma.Schema):
    """A file, as its uploader is answered and the metadata of its message says it."""

    id = fields.UUID()
    name = fields.String()
    size = fields.Integer(metadata={"description": "In bytes"})
    media_type = fields.String(
        metadata={"description": "Of four kinds of image by the first bytes; else application/octet-stream"}
    )
    width = fields.Integer(metadata={"description": "Of an image"})
    height = fields.Integer(metadata={"description": "Of an image"})


class NewComment(ma.Schema):
    content = fields.String(required=True, metadata={"maxLength": LONGEST, "description": "Markdown"})
    client_id = fields.String(
        required=True,
        metadata={"maxLength": 64, "description": "Yours, once per comment: a repeat gives the first answer"},
    )


class MessageEdit(ma.Schema):
    content = fields.String(required=True, metadata={"maxLength": LONGEST})


class MessageWindow(ma.Schema):
    """Which page of a thread: the newest, or one before, after or around a seq."""

    before = Seq()
    after = Seq()
    around = Seq()
    limit = fields.Integer(load_default=50, validate=validate.Range(1, MOST))

    @ma.validates_schema
    def one_place(self, data: dict[str, Any], **kwargs: Any) -> None:
        given = data.keys() & {"before", "after", "around"}
        if len(given) > 1:
            raise ValidationError("give one of before, after and around", max(given))


class Flag(fields.Boolean):
    """True or false of JSON; to marshmallow, 1 and "yes" would be true as well."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class NoMetadata(ma.Schema):
    pass


class OutputMetadata(ma.Schema):
    """Exactly these three: two of them are null."""

    output_type = fields.String(required=True, validate=validate.OneOf(OUTPUTS))
    storage_path = fields.String(required=True, allow_none=True)
    link_url = fields.String(required=True, allow_none=True)


class RequestMetadata(ma.Schema):
    """The seed's schema. What the server says, it may be given as it is; nothing else may be claimed."""

    action_type = fields.String(required=True, validate=validate.OneOf(ACTIONS))
    params = fields.Raw(required=True)
    risk_level = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(LEVELS))
    requires_approval = Flag(validate=validate.Equal(True, error="is always true"))
    status = fields.String(validate=validate.Equal("proposed"))
    proposed_by = fields.String()
    proposed_at = fields.AwareDateTime()


EVENT_METADATA: dict[str, ma.Schema] = {
    "comment": NoMetadata(),
    "agent_update": NoMetadata(),
    "output_added": OutputMetadata(),
    "approval_request": RequestMetadata(),
}
"""What can be added to a task's timeline from outside, and what its metadata says."""
REFUSED_EVENTS = ("status_change", "approval_resolved")
"""What only the server writes."""


class NewTaskEvent(ma.Schema):
    event_type = fields.String(required=True, validate=validate.OneOf((*EVENT_METADATA, *REFUSED_EVENTS)))
    content = fields.String(
        required=True,
        metadata={"maxLength": LONGEST, "description": "Markdown; of an output its title, of a request why"},
    )
    metadata = fields.Dict(keys=fields.String(), load_default=None, allow_none=True)
    text = fields.String(
        load_default=None,
        allow_none=True,
        metadata={"maxLength": LONGEST, "description": "Markdown, of an output of the type text alone"},
    )
    client_id = fields.String(
        load_default=None,
        allow_none=True,
        metadata={"maxLength": 64, "description": "Yours, once per event: a repeat gives the first answer"},
    )

    @ma.validates_schema(skip_on_field_errors=True)
    def fits(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Text is of outputs only, and metadata is what this type of event says."""
        kind = data["event_type"]
        if data["text"] is not None and kind != "output_added":
            raise ValidationError("belongs to an output", "text")
        if kind in EVENT_METADATA and (wrong := EVENT_METADATA[kind].validate(data["metadata"] or {})):
            raise ValidationError({"metadata": wrong})


class TaskEventWindow(ma.Schema):
    """Which events: those after a seq or a time, of one type."""

    since = Since(load_default=0, metadata={"description": "A seq, or a time as ISO 8601 with its zone"})
    event_type = fields.String(validate=validate.OneOf(TASK_EVENTS))
    limit = fields.Integer(load_default=MOST, validate=validate.Range(1, MOST))


class ReadMark(ma.Schema):
    seq = Number(required=True, validate=validate.Range(0, LAST_SEQ))


class Mute(ma.Schema):
    muted = Flag(required=True)


class Deliver(ma.Schema):
    message_id = fields.String(
        required=True,
        metadata={
            "maxLength": 64,
            "description": "A message's id, or one of yours (its client_id) for a message made now",
        },
    )
    target_agent_key = fields.String(required=True)
    message = fields.String(required=True, metadata={"maxLength": LONGEST})
    project_id = fields.UUID(
        metadata={"description": "Without it: the token's project, or the one you used last"}
    )


class Delivered(ma.Schema):
    mode = fields.String(validate=validate.OneOf(("direct", "backup")))
    delivery_id = fields.UUID()


class ProposalWindow(ma.Schema):
    """Which proposals: the newest, or those before one."""

    project_id = fields.UUID(metadata={"description": "Without it: the project you used last"})
    status = fields.String(validate=validate.OneOf(STATUSES))
    before = fields.UUID(metadata={"description": "The id of the last proposal of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, MOST))


class Shown(ma.Schema):
    digest = fields.String(
        required=True,
        validate=validate.Length(equal=64),
        metadata={"description": "Of what you were shown; another content is refused with 409"},
    )


class Approve(Shown):
    name = fields.String(
        load_default=None,
        allow_none=True,
        metadata={"description": "A high risk needs its object_name, typed by the person"},
    )


class Reject(Shown):
    reason = fields.String(load_default="", metadata={"maxLength": LONGEST_REASON})


class Settle(Shown):
    outcome = fields.String(required=True, validate=validate.OneOf(OUTCOMES))
    note = fields.String(load_default="", metadata={"maxLength": LONGEST_REASON})


class ProposalEdit(Shown):
    params = fields.Raw(required=True, metadata={"description": "All parameters of the action"})
    risk_level = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(LEVELS))


class Rule(ma.Schema):
    level = fields.String(validate=validate.OneOf(LEVELS))
    rule = fields.String()
    by = fields.String(allow_none=True)


class Decision(ma.Schema):
    id = fields.UUID()
    digest = fields.String()
    attempt = fields.Integer()
    decision = fields.String(validate=validate.OneOf(("approved", "rejected")))
    reason = fields.String()
    user_id = fields.UUID()
    decided_at = fields.DateTime()
    voided_at = fields.DateTime(allow_none=True)
    void_reason = fields.String(allow_none=True)


class ProposalRow(ma.Schema):
    """A proposal as the API and its stream say it."""

    id = fields.UUID()
    project_id = fields.UUID()
    thread_id = fields.UUID(allow_none=True)
    message_id = fields.UUID(allow_none=True)
    task_event_id = fields.UUID(
        allow_none=True, metadata={"description": "The event of a task that shows it; else a message does"}
    )
    listed = fields.Boolean()
    action_type = fields.String(validate=validate.OneOf(ACTIONS))
    params = fields.Dict()
    headline = fields.String()
    effect = fields.String()
    object_name = fields.String()
    hindrance = fields.String(
        allow_none=True, metadata={"description": "What would make it fail as things are, while it waits"}
    )
    digest = fields.String()
    version = fields.Integer()
    risk_level = fields.String(validate=validate.OneOf(LEVELS))
    rules_shown = fields.List(fields.Nested(Rule))
    status = fields.String(validate=validate.OneOf(STATUSES))
    proposed_by = fields.String()
    proposed_at = fields.DateTime()
    edited_by = fields.UUID(allow_none=True)
    edited_at = fields.DateTime(allow_none=True)
    approval_id = fields.UUID(allow_none=True)
    approved_by = fields.UUID(allow_none=True)
    approved_at = fields.DateTime(allow_none=True)
    execution = fields.String(allow_none=True)
    waits = fields.Boolean(metadata={"description": "Whether a person has to decide, or to look"})
    executed_at = fields.DateTime(allow_none=True)
    execution_result = fields.String(allow_none=True)
    late_report = fields.String(allow_none=True)
    task = fields.Integer(allow_none=True, metadata={"description": "The number of the task that it became"})
    decisions = fields.List(fields.Nested(Decision))
    created_at = fields.DateTime()


class TaskRow(ma.Schema):
    """A task as the API and its stream say it."""

    id = fields.UUID()
    project_id = fields.UUID()
    number = fields.Integer()
    last_seq = fields.Integer()
    title = fields.String()
    description = fields.String()
    status = fields.String(validate=validate.OneOf(TASK_STATUSES))
    approval_status = fields.String(validate=validate.OneOf(APPROVAL), allow_none=True)
    plan_version = fields.Integer(allow_none=True)
    plan_digest = fields.String(allow_none=True)
    waits_since = fields.DateTime(
        allow_none=True, metadata={"description": "Since when a person has something to do here"}
    )
    scheduled_time = fields.DateTime(
        allow_none=True, metadata={"description": "When it is planned (pending) or carried out"}
    )
    run_post_op = fields.Boolean(metadata={"description": "Whether `/oasis-op` follows when it went well"})
    step = fields.Integer(allow_none=True, metadata={"description": "The step that the agent began last"})
    steps = fields.Integer(allow_none=True, metadata={"description": "How many its plan has"})
    priority = fields.String(validate=validate.OneOf(PRIORITIES))
    tags = fields.List(fields.String())
    source = fields.String()
    fingerprint = fields.String(
        allow_none=True, metadata={"description": "By which an audit knows again what it found"}
    )
    found_priority = fields.String(
        allow_none=True,
        metadata={"description": "The one that an audit gave it; a person may have changed it"},
    )
    gone_at = fields.DateTime(
        allow_none=True, metadata={"description": "Since when an audit does not find it any more"}
    )
    assignee_agent_key = fields.String(allow_none=True)
    proposal_id = fields.UUID(allow_none=True)
    message_id = fields.UUID(allow_none=True)
    created_at = fields.DateTime()


class TaskEdit(ma.Schema):
    """What a person says of a task; what is not named stays."""

    priority = fields.String(validate=validate.OneOf(PRIORITIES))
    tags = fields.List(fields.String(), metadata={"maxItems": MOST_TAGS})
    assignee_agent_key = fields.String(metadata={"description": "Of a pending task only"})

    @ma.validates_schema
    def names_something(self, said: dict[str, Any], **kwargs: Any) -> None:
        if not said:
            raise ValidationError("name what changes", "priority")


class TasksChange(ma.Schema):
    """Cancel, or else one or more of the others."""

    ids = fields.List(fields.UUID(), required=True, validate=validate.Length(1, MOST_TASKS))
    cancel = Flag(load_default=False)
    priority = fields.String(validate=validate.OneOf(PRIORITIES))
    add_tags = fields.List(fields.String(), validate=validate.Length(1, MOST_TAGS))
    assignee_agent_key = fields.String()

    @ma.validates_schema
    def means_one_thing(self, said: dict[str, Any], **kwargs: Any) -> None:
        if said["cancel"] == bool(said.keys() - {"ids", "cancel"}):
            raise ValidationError("cancel, or name what the tasks are to be", "cancel")


class PlanWish(ma.Schema):
    agent_key = fields.String(
        load_default=None,
        allow_none=True,
        metadata={"description": "Without it: whose task it is, or the project's default agent"},
    )
    remark = fields.String(
        load_default="", metadata={"maxLength": LONGEST_REMARK, "description": "The agent is told it"}
    )
    at = fields.AwareDateTime(
        load_default=None, allow_none=True, metadata={"description": "Not before; now without it"}
    )
    with_report = fields.Boolean(
        load_default=False, metadata={"description": "The agent is told the report of the last attempt, too"}
    )


class PlanAsked(ma.Schema):
    mode = fields.String(validate=validate.OneOf(("direct", "backup")))
    task = fields.Nested(TaskRow)


class PlanApproval(Shown):
    at = fields.AwareDateTime(
        load_default=None, allow_none=True, metadata={"description": "When it is carried out; now without it"}
    )
    run_post_op = fields.Boolean(
        load_default=False, metadata={"description": "Let `/oasis-op` follow when it went well"}
    )


class PlanEdit(Shown):
    text = fields.String(required=True, metadata={"maxLength": LONGEST_PLAN, "description": "Markdown"})
    step = fields.Integer(
        load_default=None,
        allow_none=True,
        metadata={"description": "The number of the step that `text` takes the place of; else of all"},
    )


class SettleTask(ma.Schema):
    outcome = fields.String(required=True, validate=validate.OneOf(TASK_OUTCOMES))
    note = fields.String(load_default="", metadata={"maxLength": LONGEST_REMARK})


class TaskRunRow(ma.Schema):
    """One attempt to carry out a plan."""

    id = fields.UUID()
    project_id = fields.UUID()
    task_id = fields.UUID()
    kind = fields.String()
    status = fields.String()
    approval_id = fields.UUID(allow_none=True)
    retry_of = fields.UUID(allow_none=True)
    run_after = fields.DateTime(allow_none=True, metadata={"description": "Nobody takes it before"})
    attempt = fields.Integer(metadata={"description": "How often it was handed out"})
    started_at = fields.DateTime(allow_none=True)
    finished_at = fields.DateTime(allow_none=True)
    report = fields.String(allow_none=True)
    late_report = fields.String(allow_none=True)
    error = fields.String(allow_none=True)
    usage = fields.Dict(allow_none=True)
    created_at = fields.DateTime()


class TaskRunList(ma.Schema):
    runs = fields.List(fields.Nested(TaskRunRow))


class PlanWindow(ma.Schema):
    before = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, LAST_SEQ))
    limit = fields.Integer(load_default=20, validate=validate.Range(1, 100))


class RunEventWindow(ma.Schema):
    after = Seq(load_default=0)
    limit = fields.Integer(load_default=MOST, validate=validate.Range(1, 1000))


class RunEventRow(ma.Schema):
    id = fields.UUID()
    run_id = fields.UUID()
    attempt = fields.Integer()
    seq = fields.Integer()
    kind = fields.String(validate=validate.OneOf(RUN_EVENTS))
    content = fields.String()
    created_at = fields.DateTime()


class RunEventList(ma.Schema):
    events = fields.List(fields.Nested(RunEventRow))


class ReportFormat(ma.Schema):
    format = fields.String(load_default="md", validate=validate.OneOf(("md", "json")))


class PlanStep(ma.Schema):
    number = fields.Integer()
    title = fields.String()
    body = fields.String()


class PlanRow(ma.Schema):
    """One version of a task's plan. What a decision names is its digest."""

    version = fields.Integer()
    digest = fields.String()
    agent_key = fields.String()
    text = fields.String()
    opening = fields.String(metadata={"description": "What stands before the first step"})
    steps = fields.List(fields.Nested(PlanStep))
    budget = fields.Dict()
    run_id = fields.UUID(allow_none=True)
    user_id = fields.UUID(allow_none=True, metadata={"description": "Who changed it by hand"})
    created_at = fields.DateTime()


class PlanList(ma.Schema):
    plans = fields.List(fields.Nested(PlanRow))


class TaskEventRow(ma.Schema):
    """What happened to a task, as the API and its stream say it."""

    id = fields.UUID()
    project_id = fields.UUID()
    task_id = fields.UUID()
    seq = fields.Integer()
    event_type = fields.String()
    author = fields.String(metadata={"description": "An agent's key, or ui for a person"})
    user_id = fields.UUID(allow_none=True)
    content = fields.String()
    text = fields.String(metadata={"description": "Of an output that is text"})
    client_id = fields.String(allow_none=True)
    proposal_id = fields.UUID(allow_none=True)
    legacy_ref = fields.String(allow_none=True)
    metadata = fields.Dict(metadata={"description": "By event_type; of a proposal, as it stands now"})
    created_at = fields.DateTime()


class TaskEventList(ma.Schema):
    events = fields.List(fields.Nested(TaskEventRow))
    since = fields.Integer(metadata={"description": "Ask with it for what comes next"})
    more = fields.Boolean(metadata={"description": "Whether there is more already"})


class ProposalPage(ma.Schema):
    proposals = fields.List(fields.Nested(ProposalRow))
    before = fields.UUID(allow_none=True, metadata={"description": "Ask with it for the next page"})


class StreamPosition(ma.Schema):
    since = Seq(load_default=None, allow_none=True)
    wait = fields.Float(load_default=0.0, validate=validate.Range(0, 30))


class NewAgent(ma.Schema):
    key = fields.String(required=True)
    name = fields.String(required=True)
    title = fields.String(load_default="")
    persona = fields.String(load_default="")
    model = fields.String(load_default="")
    runtime = fields.String(load_default="builtin")


class AgentEdit(ma.Schema):
    name = fields.String()
    title = fields.String()
    persona = fields.String()
    model = fields.String()


class Claim(ma.Schema):
    wait = fields.Float(
        load_default=0.0,
        validate=validate.Range(0, 25),
        metadata={"description": "Seconds to wait for work when there is none"},
    )


class Work(ma.Schema):
    """A delivery that the agent holds now, and all that it is answered from."""

    delivery_id = fields.UUID()
    attempt = fields.Integer(metadata={"description": "Every report on this delivery names it"})
    message = fields.Dict()
    thread = fields.Dict()
    context = fields.Dict(metadata={"description": "system, messages, model and budget"})


class Report(ma.Schema):
    attempt = Number(required=True, validate=validate.Range(1, LAST_SEQ))


class Progress(Report):
    status = fields.String(load_default=None, validate=validate.OneOf(("thinking", "tool", "writing")))
    activity = fields.String(load_default="", validate=validate.Length(max=200))
    text = fields.String(load_default="", metadata={"description": "The next piece of the answer"})
    offset = Number(
        validate=validate.Range(0, LONGEST_REPORTED),
        metadata={"description": "How many characters of the answer come before this piece"},
    )

    @ma.validates_schema
    def placed(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["text"] and "offset" not in data:
            raise ValidationError("a piece of text needs its place", "offset")


class Propose(Report):
    action_type = fields.String(required=True, validate=validate.OneOf(ACTIONS))
    params = fields.Raw(required=True, metadata={"description": "Exactly what the action takes"})
    why = fields.String(required=True, metadata={"description": "For the person who decides, as Markdown"})
    risk_level = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(LEVELS))


class Proposed(ma.Schema):
    proposal_id = fields.UUID()
    message_id = fields.UUID()
    risk_level = fields.String(validate=validate.OneOf(LEVELS))
    headline = fields.String()


class TextSoFar(ma.Schema):
    offset = fields.Integer(metadata={"description": "Where the next piece begins"})


class Tokens(ma.Schema):
    input = Number(load_default=0, validate=validate.Range(0, 1_000_000))
    output = Number(load_default=0, validate=validate.Range(0, 1_000_000))


class Finish(Report):
    text = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=LONGEST_REPORTED),
        metadata={"description": "The whole answer, as Markdown; without it, what progress told"},
    )
    usage = fields.Nested(Tokens, load_default=dict)


class Fail(Report):
    reason = fields.String(required=True, metadata={"maxLength": 300, "description": "People read it"})


class Requested(ma.Schema):
    mode = fields.String(validate=validate.OneOf(("direct", "backup")))
    request_id = fields.UUID()


class MessageRow(ma.Schema):
    """A message as the API and its stream say it."""

    id = fields.UUID()
    project_id = fields.UUID()
    thread_id = fields.UUID()
    seq = fields.Integer()
    author_kind = fields.String(validate=validate.OneOf(("person", "agent", "system")))
    author_key = fields.String(allow_none=True)
    user_id = fields.UUID(allow_none=True)
    content = fields.String()
    message_type = fields.String(
        validate=validate.OneOf(("text", "task_proposal", "action_proposal", "system"))
    )
    metadata = fields.Dict()
    status = fields.String(validate=validate.OneOf(("sent", "delivered", "read", "failed")))
    target_agent_key = fields.String(allow_none=True)
    client_id = fields.String(allow_none=True)
    reply_to = fields.UUID(allow_none=True)
    addressed = fields.List(fields.UUID(), allow_none=True)
    created_at = fields.DateTime()
    edited_at = fields.DateTime(allow_none=True)
    deleted_at = fields.DateTime(allow_none=True)


class ShownMessage(ma.Schema):
    id = fields.UUID()
    seq = fields.Integer()
    html = fields.String()
    row = fields.Nested(MessageRow)


class MessagePage(ma.Schema):
    messages = fields.List(fields.Nested(ShownMessage))
    first = fields.Integer(allow_none=True)
    last = fields.Integer(allow_none=True)
    has_before = fields.Boolean()
    has_after = fields.Boolean()


class Partial(ma.Schema):
    offset = fields.Integer()
    text = fields.String(allow_none=True)
    delivery_id = fields.UUID()


class ReadRow(ma.Schema):
    thread_id = fields.UUID()
    read_seq = fields.Integer()
    muted = fields.Boolean()


class ThreadRow(ma.Schema):
    id = fields.UUID()
    project_id = fields.UUID()
    title = fields.String()
    kind = fields.String(validate=validate.OneOf(("room", "dm")))
    last_seq = fields.Integer()
    paused_at = fields.DateTime(allow_none=True)


class ThreadList(ma.Schema):
    threads = fields.List(fields.Nested(ThreadRow))


class ConversationRow(ma.Schema):
    agent_key = fields.String()
    title = fields.String()
    thread_id = fields.UUID()
    begun = fields.Boolean()
    last_seq = fields.Integer()
    read_seq = fields.Integer()
    muted = fields.Boolean()


class ConversationList(ma.Schema):
    dms = fields.List(fields.Nested(ConversationRow))


class AgentList(ma.Schema):
    agents = fields.List(fields.Dict())


class StreamPart(ma.Schema):
    seq = fields.Integer()
    items = fields.List(fields.Dict(), allow_none=True)
    reset = fields.Boolean()
    more = fields.Boolean()
    live = fields.List(fields.Dict())


class Ticket(ma.Schema):
    ticket = fields.String()


class HealthOf(ma.Schema):
    queue = fields.String(load_default=CHAT, validate=validate.OneOf(EXECUTORS))


class Health(ma.Schema):
    mode = fields.String(validate=validate.OneOf(("live", "backup")))
    executor = fields.Dict()
    executors = fields.Dict(metadata={"description": "Each queue: whether a worker of it is there"})
    checked_at = fields.DateTime()
    last_ok_at = fields.DateTime(allow_none=True)


_WRONG = fields.Dict(
    required=True,
    keys=fields.String(),
    values=fields.List(fields.String()),
    metadata={"description": "What is wrong where: sentences by the name of the field"},
)
# Made of a dictionary, since one of its fields is called `fields`.
Refusal = ma.Schema.from_dict(
    {"code": fields.String(required=True), "message": fields.String(required=True), "fields": _WRONG},
    name="Refusal",
)


class TaskOutcome(ma.Schema):
    id = fields.UUID()
    number = fields.Integer(allow_none=True)
    task = fields.Nested(TaskRow, allow_none=True)
    error = fields.Nested(
        lambda: Refusal, allow_none=True, metadata={"description": "None: it is as was wanted"}
    )


class TaskOutcomes(ma.Schema):
    results = fields.List(fields.Nested(TaskOutcome), metadata={"description": "In the order of the ids"})


class Error(ma.Schema):
    """What every refusal is, as webapp/errors.py answers it."""

    error = fields.Nested(Refusal, required=True)
    row = fields.Dict(metadata={"description": "With a conflict, where there is one: the row as it stands"})
