"""The one exception that a user can cause, and the search for the name that was meant.

Whatever raises :class:`KwsError` states the rule, the value, the nearest valid one and the fix in one
sentence; ``__main__`` prints it without a traceback and exits with status 2. Every other exception is a
bug of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable


class KwsError(Exception):
    """A mistake that the user can mend, told in one sentence."""


def complain(sentence: str) -> int:
    """Print a sentence to standard error and return the exit status that goes with it."""
    print(f"kws_exp: {sentence}", file=sys.stderr)
    return 2


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the known name closest to ``name``, or an empty string."""
    by_folded = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), by_folded, n=1, cutoff=0.5)
    return f" (did you mean '{by_folded[matches[0]]}'?)" if matches else ""
