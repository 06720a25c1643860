"""No vendor SDK loads before a model is called."""

import subprocess
import sys

import pytest

HEAVY = {"anthropic", "openai", "pydantic_ai", "genai_prices", "httpx", "httpx2", "google", "google.genai"}


# Measured, CPU: pydantic_ai 0.5 s, anthropic 0.9, openai 0.4, genai_prices 0.15; memory 40 MB together.
@pytest.mark.parametrize("door", ["wfe_mcp.server", "wfe_mcp.providers", "wfe_mcp.providers.call"])
def test_importing_the_providers_loads_no_sdk(door: str) -> None:
    assert loaded(f"import {door}") & HEAVY == set()


@pytest.mark.parametrize("module", ["questions", "probing", "prices", "faults"])
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


TWO_AT_ONCE = """
import sys, threading
from importlib.abc import MetaPathFinder
from tests.fake_models.server import ModelServer
from wfe_mcp.providers.call import Connection, Question, Task
from wfe_mcp.providers.questions import ask
from wfe_mcp.providers.questions import work

begun, inside = threading.Event(), threading.Event()

class Order(MetaPathFinder):
    "The thread that loads pydantic-ai waits in the middle for the other one, which a lock may keep outside."
    first = None

    def find_spec(self, name, path=None, target=None):
        me = threading.get_ident()
        if name == "pydantic_ai.agent" and self.first is None:
            self.first = me
            begun.set()
            inside.wait(0.5)
        if name == "pydantic_ai._gateway_cost" and self.first != me:
            inside.set()

def second():
    begun.wait(30)
    ask(connection, Question("?"))

sys.meta_path.insert(0, Order())
with ModelServer() as server:
    connection = Connection("l", "openai-compatible", "m", base_url=server.v1)
    other = threading.Thread(target=second)
    other.start()
    assert work(connection, Task("Do it", {"type": "object"})).ending == "done"
    other.join()
assert server.count == 2
"""


def test_two_threads_that_call_a_model_first_do_not_find_half_an_sdk() -> None:
    assert "pydantic_ai" in loaded(TWO_AT_ONCE)
