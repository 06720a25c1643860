"""Fake models for tests: a loopback server that speaks vendors' APIs and answers from a script.

    server    the HTTP server in a thread: which request gets which turn, what was asked, how often
    script    what it says: turns, also read from JSON
    anthropic, responses, chat, gemini    the words of each API
    process   the same server as a child process, which outlives whoever asks it: python -m wfe_mcp.testing.models

Standard library only. Nothing is imported here: each module when it is used.
"""
