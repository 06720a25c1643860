"""How do the command-line agents work for us? Each is a child process that prints what it does as lines of JSON."""

from wfe_mcp.providers.agents.work import AGENT_KINDS, AGENTS, RunProgram, Surroundings, ask_agent, run_agent

__all__ = ["AGENTS", "AGENT_KINDS", "RunProgram", "Surroundings", "ask_agent", "run_agent"]
