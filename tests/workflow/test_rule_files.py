"""Rules out of YAML, JSON and Markdown."""

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.workflow.rule_files import Rule, rules_of


@pytest.mark.requirement("S0-49")
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("r.yaml", "rules:\n  - id: SEC-1\n    severity: high\n    tags: [a, b]\n  - {id: JPA-2, severity: low}\n"),
        ("r.yml", "SEC-1: {severity: high, tags: [a, b]}\nJPA-2:\n  severity: low\n"),
        ("r.json", '[{"id": "SEC-1", "severity": "high", "tags": ["a", "b"]}, {"id": "JPA-2", "severity": "low"}]'),
    ],
)
def test_a_map_or_a_list_of_rules_reads_the_same(path: str, text: str) -> None:
    assert rules_of(path, text) == [
        Rule("SEC-1", 'SEC-1:\n  severity: high\n  tags: ["a","b"]'),
        Rule("JPA-2", "JPA-2:\n  severity: low"),
    ]


def test_a_rule_may_be_just_a_text() -> None:
    assert rules_of("r.yaml", "SEC-1: never\n") == [Rule("SEC-1", "SEC-1: never")]


def test_markdown_rules_are_headings_with_what_stands_below_or_items() -> None:
    text = """# Rules

About them.

## SEC-1: No secrets

Not even in tests.

```sh
# SEC-9 is code
```

### Why

Logs.

## Storage

- **MT-2** every row has a tenant,
  never null
- MT-3: keys begin with it
"""

    assert [(rule.id, rule.text.splitlines()[-1]) for rule in rules_of("r.md", text)] == [
        ("SEC-1", "Logs."),
        ("MT-2", "  never null"),
        ("MT-3", "- MT-3: keys begin with it"),
    ]


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("r.txt", "SEC-1: x", "is not a rule file"),
        ("r.md", "nothing", "contains no rule"),
        ("r.yaml", "[]", "contains no rule"),
        ("r.yaml", "- text: x", "rule 1 of 'r.yaml' has no 'id'"),
        ("r.json", "3", "contains no rules"),
        ("r.json", '{"A-1": "x", "A-1": "y"}', "is used twice"),
        ("r.json", "[" * 100_000, "is not JSON"),
        ("r.json", "{", "is not JSON"),
        ("r.json", '{"A-1": NaN}', "is not JSON"),
        ("r.json", '{"A-1": "\\u0000"}', "NUL"),
        ("r.yaml", 'A-1: "\\0"', "NUL"),
        ("r.yaml", 'A-1: "\\uD800"', "half a surrogate pair"),
        ("r.md", "## A-1 x\n## A-1 y\n", "contains the rule 'A-1' twice"),
        ("r.yaml", "A-1: &a x\nA-2: *a\n", "the anchor &a is not supported"),
        ("r.yaml", "A-1: !!python/object:os.system x\n", "is not supported"),
    ],
)
def test_what_holds_no_rules_is_refused_with_the_reason(path: str, text: str, words: str) -> None:
    with pytest.raises(Refused) as caught:
        rules_of(path, text)

    assert words in caught.value.message
