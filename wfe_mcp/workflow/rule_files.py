"""Reads the rules of a rule file.

    YAML, JSON   {"rules": …} or … itself:   {id: text or object}   or   [{"id": …, …}]
    Markdown     ## SEC-1 …      the heading with the text below it
                 - SEC-1: …      the item

An id in Markdown consists of capitals and digits with a number at the end, ``SEC-1`` or ``JPA-MT-004``. Other text of a
Markdown file is left out: it belongs into ``files``.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused

_ID = r"[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*-[0-9]+"
_HEADING = re.compile(r"(#{1,6})\s+(.*)")
_RULE_HEADING = re.compile(rf"\W{{0,4}}({_ID})(?![A-Za-z0-9-])")
_RULE_ITEM = re.compile(rf"\s*[-*+]\s+\W{{0,4}}({_ID})(?![A-Za-z0-9-])")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_DATA = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; ``text`` begins with its id."""

    id: str
    text: str


def rules_of(path: str, text: str) -> list[Rule]:
    """The rules in ``text``, in its order. Refuses ``unavailable``: not a rule file, no rules, a duplicate id."""
    suffix = f".{path.rpartition('.')[2].lower()}"
    if suffix in _DATA:
        rules = list(_of_data(path, _value(path, text, is_json=suffix == ".json")))
    elif suffix in {".md", ".markdown"}:
        rules = list(_of_markdown(text))
    else:
        raise _refusal(f"'{path}' is not a rule file: it must be YAML, JSON or Markdown")
    if not rules:
        raise _refusal(f"'{path}' contains no rule")
    ((name, times),) = Counter(rule.id for rule in rules).most_common(1)
    if times > 1:
        raise _refusal(f"'{path}' contains the rule {name!r:.80} twice")
    return rules


def _value(path: str, text: str, *, is_json: bool) -> object:
    from wfe_mcp.artifacts.parse import parse_json
    from wfe_mcp.workflow.yaml_lines import yaml_value

    if not is_json:
        return yaml_value(text, f"'{path}'")[0]
    try:
        return parse_json(text)
    except Refused as no:
        why = f"{no.details[0].path} {no.details[0].message}".strip() if no.details else no.message
        raise _refusal(f"'{path}' is not JSON: {why}") from None


def _of_data(path: str, value: object) -> Iterator[Rule]:
    if isinstance(value, dict) and "rules" in value:
        value = cast("dict[str, object]", value)["rules"]
    if isinstance(value, dict):
        for name, rule in cast("dict[str, object]", value).items():
            yield _rule(name, rule)
        return
    if not isinstance(value, list):
        raise _refusal(
            f"'{path}' contains no rules: write {{\"rules\": {{id: text}}}} or a list of objects with an 'id'"
        )
    for number, entry in enumerate(cast("list[object]", value)):
        rule = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
        name = rule.get("id")
        if not isinstance(name, str) or not name.strip():
            raise _refusal(f"rule {number + 1} of '{path}' has no 'id'")
        yield _rule(name, {key: rule[key] for key in rule if key != "id"})


def _rule(name: str, rule: object) -> Rule:
    """``SEC-1: text``, or the id and each of its keys on a line."""
    if not isinstance(rule, dict):
        return Rule(name, f"{name}: {_plain(rule)}")
    lines = [f"  {key}: {_plain(value)}" for key, value in cast("dict[str, object]", rule).items()]
    return Rule(name, "\n".join([f"{name}:", *lines]))


def _plain(value: Any) -> str:
    return value.strip() if isinstance(value, str) else canonical_json(value)


def _of_markdown(text: str) -> Iterator[Rule]:
    """The rules of a Markdown file. A rule ends before the next rule, or a heading of the same or a higher level."""
    rule, depth, lines, fence = "", 0, list[str](), ""
    for line in text.splitlines():
        fence, was_code = _open_fence(line, fence), bool(fence)
        begins, level = ("", 0) if fence or was_code else _begins(line)
        heading = None if fence or was_code else _HEADING.match(line)
        if rule and (begins or (heading and len(heading[1]) <= depth)):
            yield Rule(rule, "\n".join(lines).strip())
            rule = ""
        if begins:
            rule, depth, lines = begins, level, []
        if rule:
            lines.append(line.rstrip())
    if rule:
        yield Rule(rule, "\n".join(lines).strip())


def _begins(line: str) -> tuple[str, int]:
    """The id of the rule that begins in this line, and the level of its heading; an item ends at any heading."""
    heading = _HEADING.match(line)
    if heading:
        match = _RULE_HEADING.match(heading[2])
        return (match[1], len(heading[1])) if match else ("", 0)
    item = _RULE_ITEM.match(line)
    return (item[1], 6) if item else ("", 0)


def _open_fence(line: str, fence: str) -> str:
    """The fence that is open after ``line``: text between fences is code, not a heading."""
    match = _FENCE.match(line)
    if fence:
        closes = match is not None and match[1].startswith(fence) and not line.strip(" `~\t")
        return "" if closes else fence
    return match[1] if match else ""


def _refusal(message: str) -> Refused:
    return Refused("unavailable", f"{message}.", "Fix the file, or set another one in .wfe/config.toml.")
