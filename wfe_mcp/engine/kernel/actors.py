"""The actors that the engine itself speaks for."""

from wfe_mcp.core.model import Assurance, By, Channel

SYSTEM = By("wfe-mcp", Channel.SYSTEM, Assurance.AGENT)
"""The server itself: conditions, gates, timers, approval requests that are issued again."""
