"""Skills: folders with a SKILL.md, read as what they are: text that somebody else wrote."""
