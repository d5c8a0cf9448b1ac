"""Carrying out what a person approved: one file for each action."""
