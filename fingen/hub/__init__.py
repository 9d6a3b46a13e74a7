"""The Hub: a set goes there whole, proved and documented, in one commit, and comes back."""

from __future__ import annotations

from fingen.errors import HubError
from fingen.hub.pull import Pulled, pull
from fingen.hub.push import Plan, Pushed, Wishes, push

__all__ = ["HubError", "Plan", "Pulled", "Pushed", "Wishes", "pull", "push"]
