"""What exists, and what may happen to it."""

from models import authz
from models.agent import Agent, AgentStatus
from models.allowed_host import AllowedHost
from models.approval import Approval
from models.attachment import Attachment, AttachmentPiece
from models.audit import AuditEntry, AuditHead
from models.authz import AuthzEpoch
from models.base import db
from models.brain_doc import BrainDoc, BrainDocVersion
from models.delivery import Delivery
from models.executor_request import ExecutorRequest
from models.legacy import TaskComment, TaskOutput
from models.limits import IdempotencyKey, LoginAttempt
from models.message import Draft, Message, Reaction
from models.plan import Plan
from models.project import Project, ProjectSetting
from models.project_secret import ProjectSecret
from models.proposal import Proposal
from models.proposal_fold import ProposalFold
from models.run import Run
from models.run_event import RunEvent
from models.schedule import Schedule
from models.session import UserSession
from models.skill import Skill
from models.stream import Stream, StreamChange
from models.task import Task
from models.task_event import TaskEvent
from models.thread import Thread, ThreadRead
from models.token import ApiToken
from models.user import Invite, Membership, User
from models.worker import Worker

__all__ = [
    "Agent",
    "AgentStatus",
    "AllowedHost",
    "ApiToken",
    "Approval",
    "Attachment",
    "AttachmentPiece",
    "AuditEntry",
    "AuditHead",
    "AuthzEpoch",
    "BrainDoc",
    "BrainDocVersion",
    "Delivery",
    "Draft",
    "ExecutorRequest",
    "IdempotencyKey",
    "Invite",
    "LoginAttempt",
    "Membership",
    "Message",
    "Plan",
    "Project",
    "ProjectSecret",
    "ProjectSetting",
    "Proposal",
    "ProposalFold",
    "Reaction",
    "Run",
    "RunEvent",
    "Schedule",
    "Skill",
    "Stream",
    "StreamChange",
    "Task",
    "TaskComment",
    "TaskEvent",
    "TaskOutput",
    "Thread",
    "ThreadRead",
    "User",
    "UserSession",
    "Worker",
    "authz",
    "db",
]
