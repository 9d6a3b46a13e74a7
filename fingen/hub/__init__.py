"""The Hub: sets, adapters and models go there whole, checked and documented, in one commit, and sets and adapters come back."""

from __future__ import annotations

from fingen.errors import HubError
from fingen.hub.pull import Pulled, pull
from fingen.hub.pull_adapter import PulledAdapter
from fingen.hub.push import PushPlan, push
from fingen.hub.push_adapter import AdapterPlan, push_adapter
from fingen.hub.push_model import ModelPlan, push_model
from fingen.hub.shipment import Pushed

__all__ = [
    "AdapterPlan",
    "HubError",
    "ModelPlan",
    "Pulled",
    "PulledAdapter",
    "PushPlan",
    "Pushed",
    "pull",
    "push",
    "push_adapter",
    "push_model",
]
