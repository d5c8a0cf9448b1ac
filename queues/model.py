"""The model endpoint that the configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.provider import ProviderSettings


def settings_of(config: Mapping[str, Any]) -> ProviderSettings:
    """None named means the demo. Loads the provider's library, which takes a second."""
    from agents.provider import ProviderSettings

    given = {"model_default": config["ANTHROPIC_MODEL"]} if config["ANTHROPIC_MODEL"] else {}
    return ProviderSettings(
        api_key=config["ANTHROPIC_API_KEY"] or None,
        base_url=config["ANTHROPIC_BASE_URL"] or None,
        **given,
    )
