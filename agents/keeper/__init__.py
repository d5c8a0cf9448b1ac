"""The small program beside each command of an agent: it confines it, watches it, and ends all of it.

It imports the standard library alone, and runs by `python -I -S`, so that nothing of ours is in its memory.
"""
