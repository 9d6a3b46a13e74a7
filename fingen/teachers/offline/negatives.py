"""Questions that a passage does not answer: one of the items that investors look for in a report, of which it says nothing."""

from __future__ import annotations

_NAME = "negative-words"
