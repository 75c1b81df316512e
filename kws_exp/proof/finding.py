"""One line of a proof: what was checked, and what came of it."""

from __future__ import annotations

from typing import NamedTuple

EQUAL, DIFFERENT = "equal", "different"


class Finding(NamedTuple):
    """The outcome of one check."""

    what: str
    status: str  # "equal", "not run: WHY", or what is wrong
    detail: str = ""

    @property
    def wrong(self) -> bool:
        """Whether the export cannot be trusted."""
        return self.status != EQUAL and not self.status.startswith("not run")
