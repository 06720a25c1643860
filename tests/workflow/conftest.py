"""The template of the design, and a small one in which everything is available."""

import copy
import json
from typing import Any

import pytest

DESIGN = r"""
{"format":"wfe/1","name":"tiny","version":"1.0.0","title":"Plan, build, review",
 "inputs":{"type":"object","required":["goal"],"properties":{"goal":{"type":"string"}}},
 "roles":{"reviewer":{"provider":"second"}}, "limits":{"max_parallel":2,"max_iterations":3},
 "phases":[
  {"id":"plan","prompt":"Plan this: ${inputs.goal}","output":{"artifact":"plan","schema":"plan@1","editable":true},
   "gates":[{"kind":"expr","assert":"${size(artifacts.plan.steps) > 0}"},{"kind":"approval","assurance":"human"}]},
  {"id":"build","kind":"loop","for_each":{"in":"${artifacts.plan.steps}","as":"step","key":"${step.id}","max_parallel":1},
   "phases":[{"id":"code","prompt":"Do ${step.title}","output":{"artifact":"change","schema":"change@1"},
     "gates":[{"kind":"command","check":"test","expect":{"exit_code":0}}],
     "on_fail":[{"do":"retry","max_attempts":3},{"do":"wait_human"}]}]},
  {"id":"ci","kind":"steps","needs":["build"],"steps":[
    {"id":"open_pr","tool":"github.create_pull_request","if":"${inputs.goal != ''}","params":{"title":"${inputs.goal}"},"assign":"pr",
     "retry":{"max_attempts":3,"backoff":"exponential","initial":"2s","max":"60s"}}]},
  {"id":"review","needs":["ci"],"output":{"artifact":"review","schema":"review@1"},"gates":[{"kind":"opinion","reviewers":["reviewer"],"quorum":1}],
   "next":[{"if":"${artifacts.review.verdict == 'pass'}","goto":"$complete"},{"goto":"build","max":2}]}]}
"""

PLAIN: dict[str, Any] = {
    "format": "wfe/1",
    "name": "plain",
    "version": "1.0.0",
    "inputs": {"type": "object", "properties": {"goal": {"type": "string"}}},
    "phases": [
        {
            "id": "plan",
            "prompt": "Plan ${inputs.goal}",
            "output": {"artifact": "plan", "schema": "plan@1"},
            "gates": [{"kind": "approval"}],
        },
        {
            "id": "code",
            "prompt": "Do ${artifacts.plan.summary}",
            "context": ["plan"],
            "output": {"artifact": "change", "schema": "change@1"},
            "gates": [{"kind": "command", "check": "test", "level": "worktree"}],
        },
        {
            "id": "review",
            "output": {"artifact": "review", "schema": "review@1"},
            "next": [{"if": "${artifacts.review.verdict == 'fail'}", "goto": "code", "max": 2}],
        },
    ],
}


@pytest.fixture
def design() -> dict[str, Any]:
    """The template of design §5; its last check says that the agent's own folder is enough."""
    found = json.loads(DESIGN)
    found["phases"][1]["phases"][0]["gates"][0]["level"] = "worktree"
    return found


@pytest.fixture
def plain() -> dict[str, Any]:
    """Plan, code, review: nothing that is not available yet."""
    return copy.deepcopy(PLAIN)
