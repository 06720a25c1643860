"""How does one test with models where there are none? A server on loopback that speaks their APIs and says what a script says.

    server    the HTTP server in a thread: which request gets which turn, what was asked, how often
    script    what it says: turns, also read from JSON
    anthropic, responses, chat, gemini    the words of each API
    process   the same server as a child process, which outlives whoever asks it: python -m wfe_mcp.testing.models

Standard library only. Nothing is imported here: each module when it is used.
"""
