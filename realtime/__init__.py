"""How a committed change reaches every open page."""
