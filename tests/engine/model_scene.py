"""Models on loopback for a scene: two vendors, their keys, and the roles that they fill."""

from collections.abc import Sequence
from typing import Any

from tests.engine.scene import Scene
from tests.fake_models.script import Turn
from tests.fake_models.server import ModelServer
from wfe_mcp.engine.templates.config_drift import note_own_configuration

KEY = "sk-canary-0123456789"


def opinion(verdict: str = "pass", **more: Any) -> Turn:
    """A turn that is an opinion."""
    return Turn(value={"verdict": verdict, "findings": [], "summary": f"I say {verdict}", **more})


def configure(scene: Scene, server: ModelServer, *, extra: str = "", trusted: bool = True) -> None:
    """``first`` is filled by Anthropic's API, ``second`` by OpenAI's, ``third`` by the chat API; all of ``server``."""
    from wfe_mcp.workspace.system.location import user_config_file

    file = user_config_file()
    assert file.is_relative_to(scene.root.parent), "the `home` fixture keeps the user's own file out of tests"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f"""
[providers.anthropic]
base_url = "{server.origin}"
[providers.openai]
base_url = "{server.v1}"
[providers.local]
kind = "openai-compatible"
base_url = "{server.v1}"
[roles.first]
provider = "anthropic"
model = "claude"
[roles.second]
provider = "openai"
model = "gpt"
[roles.third]
provider = "local"
model = "llama"
{extra}
""",
        encoding="utf-8",
    )
    if trusted:
        trust_own(scene)
    scene.engine.environment |= {"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY}


def trust_own(scene: Scene) -> None:
    """The person trusts their own configuration as it is now."""
    with scene.store.tx() as tx:
        note_own_configuration(scene.engine, tx, scene.human)


def server(first: Sequence[Turn] = (), second: Sequence[Turn] = (), third: Sequence[Turn] = ()) -> ModelServer:
    """A server whose models say these turns, then what the asked schema accepts."""
    return ModelServer({"claude": list(first), "gpt": list(second), "llama": list(third)}, key=None)


ROLES = {"one": {"provider": "first"}, "two": {"provider": "second"}, "three": {"provider": "third"}}


def gate(*reviewers: str, **more: Any) -> dict[str, Any]:
    return {"kind": "opinion", "reviewers": list(reviewers or ("one",)), **more}
