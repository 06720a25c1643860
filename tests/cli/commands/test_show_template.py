"""What `templates show` says of a template."""

import json
from typing import Any

from tests.cli.scene import Terminal


def test_a_template_is_shown_with_the_defaults_of_its_inputs_its_loops_and_its_model_calls(cli: Terminal) -> None:
    body = {
        "id": "code",
        "prompt": "x",
        "output": {"artifact": "c", "schema": "change@1"},
        "gates": [{"kind": "git", "clean": True}],
    }
    many: dict[str, Any] = {
        "format": "wfe/1",
        "name": "many",
        "version": "1",
        "inputs": {
            "type": "object",
            "properties": {
                "most": {"type": "integer", "default": 3},
                "names": {"type": "array", "items": {"type": "string"}},
            },
        },
        "roles": {"judge": {}},
        "phases": [
            {"id": "each", "kind": "loop", "for_each": {"in": "${inputs.names}"}, "phases": [body]},
            {"id": "sum", "kind": "steps", "steps": [{"id": "ask", "llm": {"role": "judge", "prompt": "Sum up"}}]},
        ],
    }
    (cli.root / "many.json").write_text(json.dumps(many), encoding="utf-8")
    cli("templates", "import", "many.json")
    assert cli("templates", "show", "many").out.splitlines()[1:9] == [
        "role judge",
        "input most   integer, optional, else 3",
        "input names  array, optional",
        "each",
        "  code -> c",
        "    git  clean: true",
        "sum",
        "  step ask  model of judge",
    ]
