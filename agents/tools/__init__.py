"""The tools of agents, one a file, and the registry that says which job may have which."""
