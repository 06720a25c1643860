"""Fake models for tests: a loopback server that speaks vendors' APIs and answers from a script.

    server    the HTTP server in a thread: assigns a scripted reply to each request, and records the requests
    script    the scripted replies, also read from JSON
    anthropic, responses, chat, gemini    the format of each API
    process   the same server as a child process, which outlives its callers: python -m tests.fake_models

Standard library only. Nothing is imported here: each module loads on use.
"""
