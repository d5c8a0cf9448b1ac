"""The commands behind the Makefile; only the standard library, since they make the environment."""
