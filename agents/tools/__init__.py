"""The tools of agents, one a file, and the registry that says which job may have which."""

from agents.tools.agents_status import AGENTS_STATUS
from agents.tools.propose import PROPOSE
from agents.tools.read_thread import READ_THREAD
from agents.tools.registry import Registry
from agents.tools.search_messages import SEARCH_MESSAGES

registry = Registry(AGENTS_STATUS, *PROPOSE, READ_THREAD, SEARCH_MESSAGES)
