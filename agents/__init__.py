"""How an agent's turn runs: provider, loop, tools, prompts and the context it is given."""
