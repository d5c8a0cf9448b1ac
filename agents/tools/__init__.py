"""The tools of agents, one a file, and the registry that says which job may have which."""

from agents.tools.agents_status import AGENTS_STATUS
from agents.tools.bash import BASH, BASH_READ_ONLY
from agents.tools.begin_step import BEGIN_STEP
from agents.tools.edit import EDIT
from agents.tools.files import FILES
from agents.tools.list_docs import LIST_DOCS
from agents.tools.propose import PROPOSE
from agents.tools.read_doc import READ_DOC
from agents.tools.read_thread import READ_THREAD
from agents.tools.registry import Registry
from agents.tools.report_findings import REPORT_FINDINGS
from agents.tools.search_messages import SEARCH_MESSAGES

registry = Registry(
    AGENTS_STATUS, BASH, BASH_READ_ONLY, BEGIN_STEP, *EDIT, *FILES, LIST_DOCS, *PROPOSE, READ_DOC,
    READ_THREAD, REPORT_FINDINGS, SEARCH_MESSAGES,
)  # fmt: skip
