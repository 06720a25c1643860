"""No vendor SDK loads before a model is called."""

import subprocess
import sys

import pytest

HEAVY = {"anthropic", "openai", "pydantic_ai", "genai_prices", "httpx", "httpx2", "google", "google.genai"}


# Measured, CPU: pydantic_ai 0.5 s, anthropic 0.9, openai 0.4, genai_prices 0.15; memory 40 MB together.
@pytest.mark.parametrize("door", ["wfe_mcp.server", "wfe_mcp.providers", "wfe_mcp.providers.call"])
def test_importing_the_providers_loads_no_sdk(door: str) -> None:
    assert loaded(f"import {door}") & HEAVY == set()


@pytest.mark.parametrize("module", ["questions", "tasks", "probing", "prices", "faults"])
def test_importing_what_asks_a_model_loads_no_sdk_yet(module: str) -> None:
    assert loaded(f"import wfe_mcp.providers.{module}") & HEAVY == set()


def test_each_kind_loads_its_own_vendor_only() -> None:
    program = (
        "from tests.fake_models.server import ModelServer\n"
        "from wfe_mcp.providers.call import Connection, Question\n"
        "from wfe_mcp.providers.questions import ask\n"
        "with ModelServer() as server:\n"
        "    ask(Connection('l', 'openai-compatible', 'm', base_url=server.v1), Question('?'))"
    )

    assert loaded(program) & {"anthropic", "openai", "google.genai"} == {"openai"}


def loaded(program: str) -> set[str]:
    """The modules that a fresh Python has loaded after ``program``."""
    listed = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"],
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    return set(listed.stdout.split())
