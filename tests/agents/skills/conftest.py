from tests.agents.skills.shelf import shelf

__all__ = ["shelf"]
