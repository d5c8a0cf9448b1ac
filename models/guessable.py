"""Passwords that are tried first, as zxcvbn judges: common ones, words, names, runs, rows, dates, repeats."""

import re

ENOUGH = 10**10
"""zxcvbn's highest mark: who stole the hashes needs eleven days for so many tries, at its 10,000 a second."""
JUDGED = 32
"""So many characters, since the work grows with their cube; what begins well is good."""
SHORTEST_WORD = 3
OURS = "Team Room"


def guessable(password: str, *own: str) -> bool:
    """Whether it is one of those; what is in it of the person's `own` name and address counts for nothing."""
    # 20 ms and 13 MB, which most processes never need.
    from zxcvbn.matching import RANKED_DICTIONARIES, build_ranked_dict, omnimatch
    from zxcvbn.scoring import most_guessable_match_sequence

    words = _words(OURS, *own)
    rest = re.sub("|".join(words), "", password, flags=re.IGNORECASE)[:JUDGED]
    rest = rest.replace("\n", " ")  # digits that end in one break the library's search for dates
    if not rest:
        return True
    # Not by the library's one function: it keeps these words for whoever asks at the same moment.
    matches = omnimatch(rest, {**RANKED_DICTIONARIES, "own": build_ranked_dict(words)})
    return bool(most_guessable_match_sequence(rest, matches)["guesses"] < ENOUGH)


def _words(*texts: str) -> list[str]:
    """The longest first, so that one which begins another does not take it apart."""
    found = re.findall(rf"[^\W_]{{{SHORTEST_WORD},}}", " ".join(texts).lower())
    return sorted(set(found), key=lambda word: (-len(word), word))
