"""Command-line agents as providers: child processes that print their events as lines of JSON."""

from wfe_mcp.providers.agents.work import AGENT_KINDS, AGENTS, LaunchContext, RunProgram, ask_agent, run_agent

__all__ = ["AGENTS", "AGENT_KINDS", "LaunchContext", "RunProgram", "ask_agent", "run_agent"]
