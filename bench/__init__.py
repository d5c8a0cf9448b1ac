"""Measures what Team Room promises, each time against a limit or a peer in the same run."""
