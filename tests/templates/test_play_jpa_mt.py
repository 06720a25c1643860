"""``jpa_mt``, played to its end: the plan, exactly the planned files, a review that sends them back, and the person."""

from collections.abc import Generator, Mapping
from typing import Any

import pytest

from tests.playgrounds import Playgrounds
from tests.templates.outside import CHECKS
from wfe_mcp.testing.agent import PlayedRun, Script, Work, drive
from wfe_mcp.testing.playground import Playground

INPUTS = {
    "entity": "Invoice",
    "table": "billing.invoice",
    "bounded_context": "billing",
    "schema_file": "db/V7__invoice.sql",
}
SCHEMA = "create table billing.invoice (id bigint primary key, tenant_id uuid not null, number varchar(20) not null);\n"
CHECK = """import unittest


class Check(unittest.TestCase):
    def test_the_entity_names_its_table(self):
        self.assertIn("@Table", open("src/main/java/billing/Invoice.java").read())
"""
PATHS = {
    "entity": "main/java/billing/Invoice.java",
    "repository": "main/java/billing/InvoiceRepository.java",
    "test": "test/java/billing/InvoiceRepositoryTest.java",
}
PLAN: dict[str, Any] = {
    "summary": "Invoice, one per tenant and number",
    "columns": [
        {"name": "id", "type": "bigint", "nullable": False, "field": "Long id"},
        {"name": "tenant_id", "type": "uuid", "nullable": False, "field": "UUID tenantId"},
        {"name": "number", "type": "varchar(20)", "nullable": False, "field": "String number"},
    ],
    "tenancy": {
        "classification": "tenant",
        "column": "tenant_id",
        "isolation": ["filter", "composite_key"],
        "filter": "@TenantId",
        "key": ["tenant_id", "id"],
        "why": "An invoice belongs to one customer",
    },
    "entity": "Key id, equality by tenant and number",
    "files": [{"path": path, "kind": kind} for kind, path in PATHS.items()],
    "tests": ["Tenant B cannot read an invoice of tenant A"],
    "open_questions": [],
}
CROSSED: dict[str, Any] = {
    "severity": "critical",
    "title": "MT-2: findByNumber asks without the tenant",
    "file": "src/main/java/billing/InvoiceRepository.java",
    "line": 3,
}
PASS: dict[str, Any] = {"verdict": "pass", "findings": [], "summary": "Every query sees one tenant"}
FAIL: dict[str, Any] = {"verdict": "fail", "findings": [CROSSED], "summary": "One query crosses tenants"}
NOTE = Work({"front": {"entity": "Invoice"}, "body": "# Invoice\n\nOne tenant per query.\n"})


def code(changed: Mapping[str, str] | None = None, *, without: str = "") -> Work:
    texts = {
        "entity": '@Entity\n@Table(schema = "billing", name = "invoice")\nclass Invoice { }\n',
        "repository": "interface InvoiceRepository { }\n",
        "test": "class InvoiceRepositoryTest { }\n",
    } | dict(changed or {})
    return Work({"files": [{"path": PATHS[kind], "content": text} for kind, text in texts.items() if kind != without]})


HAPPY: Script = {"plan": [Work(PLAN)], "generate": [code()], "review": [Work(PASS)], "accept": [NOTE]}


@pytest.fixture
def project(playgrounds: Playgrounds) -> Generator[Playground]:
    files = {"db/V7__invoice.sql": SCHEMA, "check.py": CHECK}
    with playgrounds.made(files=files, checks={"test": CHECKS["test"]}) as made:
        yield made


def play(project: Playground, script: Script, **inputs: Any) -> PlayedRun:
    with project.agent() as agent:
        return drive(agent.call, project.root, "jpa_mt", INPUTS | inputs, script, person=project.approve)


def reported(played: PlayedRun, phase: str) -> list[dict[str, Any]]:
    """What the agent was handed each time it began ``phase``."""
    return [answer["data"] for tool, answer in played.steps if tool == "start_phase" and answer.get("phase") == phase]


@pytest.mark.requirement("S0-20")
def test_an_approved_plan_becomes_its_files_and_a_person_accepts_them(project: Playground):
    played = play(project, HAPPY)

    assert played.last["run_state"] == "completed"
    assert played.codes == ["needs_human"] * 2
    written = [path.relative_to(project.root / "src").as_posix() for path in project.root.glob("src/**/*.java")]
    assert sorted(written) == sorted(PATHS.values())
    assert project.problems(played.run) == []


def test_rules_and_conventions_are_given_to_who_writes_and_to_who_judges(project: Playground):
    played = play(project, HAPPY, conventions={"base_class": "AuditedEntity"})

    given = {"plan": ["AuditedEntity"], "generate": ["AuditedEntity", "MT-2"], "review": ["MT-2", PATHS["test"]]}
    for phase, wanted in given.items():
        (data,) = reported(played, phase)
        assert [text for text in wanted if text not in data["prompt"]] == []
        assert "## If it fails" in data["prompt"], "the answer is too long: the end of the prompt was cut"


@pytest.mark.requirement("S0-23")
def test_a_grave_finding_sends_the_code_back_until_the_review_passes(project: Playground):
    repaired = {"repository": "interface InvoiceRepository { /* tenant filter */ }\n"}
    script = {
        **HAPPY,
        "generate": [code()],
        "revise": [code(repaired)] * 2,
        "review": [Work(FAIL), Work(PASS)],
        "accept": [NOTE] * 2,
    }

    played = play(project, script)

    assert played.last["run_state"] == "completed"
    (again,) = reported(played, "revise")
    assert (again["attempt"], again["iteration"]) == (2, 2)
    assert again["feedback"][0]["from"] == "review"
    assert (project.root / "src" / PATHS["repository"]).read_text(encoding="utf-8") == repaired["repository"]
    assert project.problems(played.run) == []


def test_what_does_not_hold_comes_back_with_the_reason(project: Playground):
    homeless = PLAN | {"tenancy": PLAN["tenancy"] | {"column": "owner"}}
    untested = PLAN | {"files": PLAN["files"][:2]}
    script = {
        "plan": [Work(homeless), Work(untested), Work(PLAN)],
        "generate": [code(without="test"), code({"entity": "class Invoice { }\n"}), code()],
        "review": [
            Work(FAIL | {"verdict": "pass"}),
            Work(FAIL | {"findings": [CROSSED | {"severity": "low"}]}),
            Work(PASS),
        ],
        "accept": [NOTE],
    }

    played = play(project, script)

    assert played.last["run_state"] == "completed"
    assert played.codes.count("gate_failed") == 6
    assert project.problems(played.run) == []


@pytest.mark.parametrize(("scope", "missing"), [("service", "service"), ("api", "controller"), ("vertical", "mapper")])
def test_a_plan_that_leaves_out_what_the_scope_asks_for_waits_for_a_person_in_the_end(
    project: Playground, scope: str, missing: str
):
    kinds = ("service", "controller", "dto", "mapper", "integration_test")
    more = [{"path": f"main/java/{kind}.java", "kind": kind} for kind in kinds if kind != missing]

    played = play(project, {"plan": [Work(PLAN | {"files": PLAN["files"] + more})] * 3}, scope=scope)

    assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
    assert project.problems(played.run) == []


KINDS = ["service", "controller", "dto", "mapper", "integration_test"]
NO_TENANT: dict[str, Any] = {"classification": "global", "isolation": [], "why": "Rates are the same for all"}
SCOPES: dict[str, tuple[list[str], str, str]] = {
    "domain": ([], "entity, repository, test.", "the only way to the rows"),
    "service": (KINDS[:1], "repository, test, service.", "the service holds the transaction"),
    "api": (KINDS[:4], "controller, dto, mapper.", "controllers speak DTOs"),
    "full": (KINDS, "mapper, integration_test.", "as two tenants"),
    "vertical": (KINDS, "mapper, integration_test.", "as two tenants"),
}
"""Scope → the kinds of files it adds, and what its prompts say when planning and when writing."""
PATTERNS: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "planned": (
        PLAN["tenancy"] | {"isolation": []},
        PLAN["tenancy"],
        "Tenancy fits",
        "as the plan says",
    ),
    "global": (PLAN["tenancy"], NO_TENANT, "the pattern that this run was started with", "no tenant column"),
    "filter": (
        PLAN["tenancy"] | {"filter": None},
        PLAN["tenancy"],
        "names what adds the tenant to every query",
        "bulk statements carry the filter",
    ),
    "row_level_security": (
        PLAN["tenancy"] | {"isolation": ["row_level_security"]},
        PLAN["tenancy"] | {"isolation": ["row_level_security"], "policy": "invoice_of_tenant"},
        "names the policy of the database",
        "set on each connection",
    ),
    "composite_key": (
        PLAN["tenancy"] | {"key": ["id", "tenant_id"]},
        PLAN["tenancy"],
        "A composite key begins with the tenant's column",
        "joins use the whole key",
    ),
}
"""Tenant pattern → a tenancy that its gate refuses, one that fits, words of that gate, and of the prompt to write by."""


def planned(kinds: list[str], tenancy: dict[str, Any]) -> dict[str, Any]:
    more = [{"path": f"main/java/billing/{kind}.java", "kind": kind} for kind in kinds]
    held = {key: value for key, value in tenancy.items() if value is not None}
    return PLAN | {"files": PLAN["files"] + more, "tenancy": held}


@pytest.mark.requirement("S0-48", "S0-45")
@pytest.mark.parametrize(("scope", "tenancy"), [*zip(SCOPES, reversed(PATTERNS), strict=True)])
def test_each_scope_and_each_tenant_pattern_has_its_prompts_its_files_and_its_gate(
    project: Playground, scope: str, tenancy: str
):
    kinds, asked, layer = SCOPES[scope]
    wrong, right, rule, how = PATTERNS[tenancy]
    extra = [*kinds, "integration_test"] if scope in {"domain", "service", "api"} else kinds[:-1]
    written = [PLAN["files"], [{"path": f"main/java/billing/{kind}.java"} for kind in kinds]]
    bundle = {
        "files": [{"path": each["path"], "content": "@Table class Invoice { }\n"} for part in written for each in part]
    }
    plans = [planned(extra, right), planned(kinds, wrong), planned(kinds, right)]
    script: Script = {**HAPPY, "plan": [Work(each) for each in plans], "generate": [Work(bundle)]}

    played = play(project, script, scope=scope, tenancy=tenancy)

    assert played.last["run_state"] == "completed"
    first, second, third = reported(played, "plan")
    assert (f"Scope {scope}, kinds of files: " in first["prompt"], asked in first["prompt"]) == (True, True)
    assert "and none of a wider scope" in second["feedback"][0]["message"]
    assert rule in third["feedback"][-1]["message"]
    (write,), (judge,) = reported(played, "generate"), reported(played, "review")
    assert (layer in write["prompt"], how in write["prompt"], f"Tenancy {tenancy}: " in judge["prompt"]) == (True,) * 3
    assert project.problems(played.run) == []


@pytest.mark.requirement("S0-48")
def test_a_tenant_pattern_that_does_not_exist_is_refused_with_those_that_do(project: Playground):
    with pytest.raises(BaseExceptionGroup) as no:
        play(project, HAPPY, tenancy="schema_per_tenant")

    assert no.group_contains(AssertionError, match="row_level_security")


@pytest.mark.requirement("S0-48")
def test_without_its_schema_file_the_run_does_not_start(project: Playground):
    with pytest.raises(BaseExceptionGroup) as no:
        play(project, HAPPY, schema_file="db/V8__order.sql")

    assert no.group_contains(AssertionError, match="names db/V8__order.sql, which is not there")


def test_a_review_that_never_passes_ends_in_a_blocked_run(project: Playground):
    tries = [code({"test": f"// {at}\n"}) for at in range(4)]
    played = play(project, {**HAPPY, "revise": tries, "review": [Work(FAIL)] * 4})

    assert played.last["run_state"] == "blocked"
    assert project.problems(played.run) == []


STANDARDS = """
[context.standards]
rules = ["docs/rules.yaml"]
[context.standards.layers]
storage = ["docs/storage.md"]
web = ["docs/web.md"]
[context.standards.scopes]
domain = ["storage"]
api = ["storage", "web"]
[context.standards.prefixes]
_universal = ["MT-"]
api = ["API-"]
"""


@pytest.mark.requirement("S0-49")
def test_the_standards_of_the_scope_are_given_to_who_writes_and_to_who_judges(project: Playground):
    config = (project.root / ".wfe" / "config.toml").read_text(encoding="utf-8")
    rules = "MT-2: every query sees one tenant\nAPI-1: controllers speak DTOs\n"
    project.write(
        {
            "docs/storage.md": "Keys are long.\n",
            "docs/web.md": "Web is JSON.\n",
            "docs/rules.yaml": rules,
            ".wfe/config.toml": config + STANDARDS,
        }
    )
    project.trust()

    played = play(project, HAPPY)

    assert played.last["run_state"] == "completed"
    for phase, given in (("plan", False), ("generate", True), ("review", True), ("accept", False)):
        prompt = (project.root / ".wfe" / "runs" / played.run / phase / "1" / "prompt.md").read_text(encoding="utf-8")
        assert ("Context: standards (scope domain, sha256 " in prompt) is given, phase
        assert ("Keys are long." in prompt, "MT-2: every query sees one tenant" in prompt) == (given, given)
        assert "Web is JSON." not in prompt


def test_a_project_without_standards_is_reported_so_and_continues(project: Playground):
    played = play(project, HAPPY)

    prompt = (project.root / ".wfe" / "runs" / played.run / "review" / "1" / "prompt.md").read_text(encoding="utf-8")
    assert "Context: standards\nThis project has no such bundle" in prompt
    assert played.last["run_state"] == "completed"
