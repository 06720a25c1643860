"""Every configuration key has an effect. (B-08)

Each key has a row: an observation, and two configurations that differ in that key alone; the observations must differ.
A key that needs its own set-up names the test that covers it. Keys described as not used yet are listed, never skipped.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine.models.setting_effects import (
    bundle,
    how_a_phase_ends,
    what_a_call_answers,
    what_a_changed_file_does,
    what_a_check_shows,
    what_a_checkpoint_leaves_out,
    what_is_handed_over,
    what_may_go,
    what_the_environment_gives,
    what_the_log_says_of_prompts,
    whether_it_continues,
    whether_it_is_stale,
    whether_it_is_stuck,
    whether_it_starts,
    whether_models_get_a_shell,
    who_answers,
    who_fills_the_roles,
    who_is_asked,
)
from tests.engine.models.setting_keys import keys_of
from tests.engine.scene import Scene
from tests.tools.stub import STUB, Stub, running_stub
from wfe_mcp.workspace.config.settings_tables import Settings

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    with running_stub(tmp_path_factory.mktemp("stub") / "calls.jsonl") as running:
        yield running


@dataclass(frozen=True)
class Row:
    """Two configurations that differ in one key."""

    see: Callable[[Scene], object]
    one: str
    other: str


def check(code: str, **keys: object) -> str:
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    return f"[checks.test]\nargv = {json.dumps([sys.executable, '-S', '-c', code])}\n{lines}"


def server(*words: str, **keys: object) -> str:
    args = "".join(f"{key} = {json.dumps(value)}\n" for key, value in {"args": list(words), **keys}.items())
    return f"[mcp_servers.stub]\ncommand = {json.dumps(sys.executable)}\n{args}"


def in_plan(line: str) -> str:
    return f"[templates.drill.phases.plan]\n{line}\n"


def local(line: str = "", role: str = "") -> str:
    """A role filled by a server of models on this machine, and ``line`` of its provider's table."""
    table = '[providers.local]\nkind = "openai-compatible"\nbase_url = "http://127.0.0.1:1/v1"\n'
    return f'[roles.second]\nprovider = "local"\nmodel = "m"\n{role}\n{table}{line}\n'


def agent(line: str = "") -> str:
    """A role filled by a command-line agent."""
    return f'[roles.second]\nprovider = "mine"\n[providers.mine]\nkind = "codex"\n{line}\n'


def in_template(role: str, line: str) -> str:
    return f'[roles.second]\nprovider = "codex"\n[templates.drill.{role}]\n{line}\n'


SEES = "import os, sys; sys.exit('WFE_SEEN' not in os.environ)"
WRITES = "open('{}', 'w').write('''{}''')"
JUNIT = WRITES.format("r.xml", '<testsuite tests="1"><testcase classname="a" name="b"/></testsuite>')
COVERAGE = WRITES.format("c.json", json.dumps({"totals": {"percent_covered": 50}}))
SARIF = WRITES.format(
    "s.json", json.dumps({"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "scan"}}, "results": []}]})
)
READS = "open('sub/here')"
MANY = "import random; open('log', 'w').write(str(random.random()))"
CALLS = "calls.jsonl"

TABLE: dict[str, Row] = {
    "checks.*.argv": Row(what_a_check_shows, check("pass"), check("raise SystemExit(1)")),
    "checks.*.cwd": Row(what_a_check_shows, check("open('here')"), check("open('here')", cwd="sub")),
    "checks.*.env": Row(what_a_check_shows, check(SEES), check(SEES, env=["WFE_SEEN"])),
    "checks.*.timeout": Row(
        what_a_check_shows, check("import time; time.sleep(1)"), check("import time; time.sleep(1)", timeout="50ms")
    ),
    "checks.*.junit": Row(what_a_check_shows, check(JUNIT), check(JUNIT, junit="r.xml")),
    "checks.*.coverage": Row(what_a_check_shows, check(COVERAGE), check(COVERAGE, coverage="c.json")),
    "checks.*.sarif": Row(what_a_check_shows, check(SARIF), check(SARIF, sarif="s.json")),
    "checks.*.writes": Row(what_a_check_shows, check(MANY), check(MANY, writes=["log"])),
    "checks.*.where": Row(
        what_a_check_shows, check(READS, writes=["sub"]), check(READS, writes=["sub"], where="checkout")
    ),
    "checks.*.bring": Row(
        what_a_check_shows,
        check(READS, writes=["sub"], where="checkout"),
        check(READS, writes=["sub"], where="checkout", bring=["sub/here"]),
    ),
    "mcp_servers.*.command": Row(
        what_a_call_answers,
        server(str(STUB), CALLS),
        server(str(STUB), CALLS).replace(sys.executable, "no-such-program"),
    ),
    "mcp_servers.*.args": Row(what_a_call_answers, server(str(STUB), CALLS), server("-c", "pass")),
    "mcp_servers.*.env": Row(what_a_call_answers, server(str(STUB), CALLS), server(str(STUB), CALLS, env=["WFE_SEEN"])),
    "mcp_servers.*.url": Row(
        what_a_call_answers,
        '[http]\nallow = ["{origin}"]\n[mcp_servers.stub]\nurl = "{url}"',
        '[http]\nallow = ["{origin}"]\n[mcp_servers.stub]\nurl = "{origin}/elsewhere"',
    ),
    "tools.bash": Row(whether_models_get_a_shell, "", "[tools]\nbash = true"),
    "http.allow": Row(
        what_a_call_answers,
        '[http]\nallow = ["{origin}"]\n[mcp_servers.stub]\nurl = "{url}"',
        '[mcp_servers.stub]\nurl = "{url}"',
    ),
    "templates.*.phases.*.approver": Row(who_is_asked, in_plan('approver = "human"'), in_plan('approver = "skip"')),
    "templates.*.phases.*.max_retries": Row(how_a_phase_ends, "", in_plan("max_retries = 0")),
    "templates.*.phases.*.allow_rewrite": Row(whether_it_starts, "", in_plan("allow_rewrite = true")),
    "templates.*.phases.*.timeout": Row(how_a_phase_ends, "", in_plan('timeout = "2h"')),
    "templates.*.phases.*.auto_proceed": Row(how_a_phase_ends, "", in_plan("auto_proceed = false")),
    "templates.*.phases.*.write_json": Row(whether_it_starts, "", in_plan("write_json = true")),
    "templates.*.phases.*.role": Row(
        who_fills_the_roles,
        in_template("phases.plan", ""),
        in_template("phases.plan", 'role = "third"\n[roles.third]\nprovider = "claude-code"'),
    ),
    "templates.*.phases.*.provider": Row(
        who_fills_the_roles, in_template("phases.plan", ""), in_template("phases.plan", 'provider = "claude-code"')
    ),
    "templates.*.phases.*.model": Row(
        who_fills_the_roles, in_template("phases.plan", ""), in_template("phases.plan", 'model = "m"')
    ),
    "templates.*.roles.*.provider": Row(
        who_fills_the_roles,
        "[roles.second]\nprovider = 'codex'",
        in_template("roles.maker", 'provider = "claude-code"'),
    ),
    "templates.*.roles.*.model": Row(
        who_fills_the_roles,
        in_template("roles.maker", 'provider = "codex"'),
        in_template("roles.maker", 'provider = "codex"\nmodel = "m"'),
    ),
    "templates.*.roles.*.fs_ability": Row(
        who_fills_the_roles,
        in_template("roles.maker", 'provider = "codex"'),
        in_template("roles.maker", 'provider = "codex"\nfs_ability = "none"'),
    ),
    "providers.*.kind": Row(who_answers, agent(), agent().replace("codex", "gemini-cli")),
    "providers.*.enabled": Row(who_answers, agent(), agent("enabled = false")),
    "providers.*.base_url": Row(who_answers, local(), local().replace("127.0.0.1:1", "127.0.0.1:2")),
    "providers.*.key": Row(
        who_answers,
        '[roles.second]\nprovider = "openai"\nmodel = "m"',
        '[roles.second]\nprovider = "openai"\nmodel = "m"\n[providers.openai]\nkey = "env:OTHER_KEY"',
    ),
    "providers.*.connect_timeout": Row(who_answers, local(), local('connect_timeout = "2s"')),
    "providers.*.response_timeout": Row(who_answers, local(), local('response_timeout = "2s"')),
    "providers.*.total_timeout": Row(who_answers, local(), local('total_timeout = "2s"')),
    "providers.*.max_tokens": Row(who_answers, local(), local("max_tokens = 9")),
    "providers.*.temperature": Row(who_answers, local(), local("temperature = 0.5")),
    "providers.*.argv": Row(who_answers, agent(), agent('argv = ["my-codex"]')),
    "providers.*.fs_ability": Row(who_answers, agent(), agent('fs_ability = "none"')),
    "providers.*.options.*": Row(who_answers, agent(), agent('options.sandbox = "read-only"')),
    "roles.*.provider": Row(who_answers, "[roles.second]\nprovider = 'codex'", "[roles.second]\nprovider = 'manual'"),
    "roles.*.model": Row(who_answers, agent(), agent().replace('"mine"', '"mine"\nmodel = "m"')),
    "roles.*.fallback": Row(who_answers, local(), local(role='fallback = ["codex"]')),
    "roles.*.fs_ability": Row(who_answers, local(), local(role='fs_ability = "local-read"')),
    "context.*.files": Row(what_is_handed_over, bundle('files = ["a.md"]'), bundle('files = ["b.md"]')),
    "context.*.layers.*": Row(
        what_is_handed_over, bundle('layers._universal = ["a.md"]'), bundle('layers._universal = ["b.md"]')
    ),
    "context.*.scopes.*": Row(
        what_is_handed_over,
        bundle('layers.x = ["a.md"]\nfiles = ["b.md"]\nscopes.s = ["x"]'),
        bundle('layers.x = ["a.md"]\nfiles = ["b.md"]\nscopes.s = []'),
    ),
    "context.*.rules": Row(
        what_is_handed_over, bundle('files = ["b.md"]'), bundle('files = ["b.md"]\nrules = ["a.md"]')
    ),
    "context.*.prefixes.*": Row(
        what_is_handed_over,
        bundle('rules = ["a.md"]\nprefixes.s = ["A"]'),
        bundle('rules = ["a.md"]\nprefixes.s = ["A", "B"]'),
    ),
    "artifacts.on_mismatch": Row(
        what_a_changed_file_does, '[artifacts]\non_mismatch = "warn"', '[artifacts]\non_mismatch = "block"'
    ),
    "templates.*.on_mismatch": Row(
        what_a_changed_file_does, '[templates.drill]\non_mismatch = "warn"', '[templates.other]\non_mismatch = "warn"'
    ),
    "artifacts.hash_prompts": Row(what_the_log_says_of_prompts, "", "[artifacts]\nhash_prompts = true"),
    "env.allow": Row(what_the_environment_gives, "", '[env]\nallow = ["WFE_SEEN"]'),
    "auto": Row(whether_it_continues, "", "auto = false"),
    "checkpoints.file_limit": Row(what_a_checkpoint_leaves_out, "", '[checkpoints]\nfile_limit = "1 kB"'),
    "checkpoints.total_limit": Row(what_a_checkpoint_leaves_out, "", '[checkpoints]\ntotal_limit = "1.5 kB"'),
    "checkpoints.file_count": Row(what_a_checkpoint_leaves_out, "", "[checkpoints]\nfile_count = 1"),
    "runs.stale_after": Row(whether_it_is_stale, "", '[runs]\nstale_after = "1h"'),
    "runs.stuck_after": Row(whether_it_is_stuck, "", '[runs]\nstuck_after = "5m"'),
    "retention.runs": Row(what_may_go, "", '[retention]\nruns = "1d"'),
    "retention.keep": Row(what_may_go, '[retention]\nruns = "1d"', '[retention]\nruns = "1d"\nkeep = 1'),
    "retention.archived_only": Row(
        what_may_go, '[retention]\nruns = "1d"', '[retention]\nruns = "1d"\narchived_only = true'
    ),
    "policy.evidence": Row(
        what_a_check_shows,
        '[checks.test]\nargv = ["true"]',
        '[checks.test]\nargv = ["true"]\n[policy]\nevidence = "checkout"',
    ),
    "policy.templates": Row(whether_it_starts, "", '[policy]\ntemplates = ["other"]'),
}

NOT_USED_YET: set[str] = set()
"""By name: what configuration may say already, and nothing reads."""

SHOWN_ELSEWHERE: dict[str, str] = {
    "claims.require": "tests/engine/evaluation/test_claims.py::test_without_a_claim_the_gate_is_passed_over_unless_one_is_required",
    "claims.gold_sets.*.path": "tests/engine/evaluation/test_claims.py::test_an_output_is_compared_with_a_gold_set_of_the_configuration",
    "claims.gold_sets.*.key": "tests/engine/evaluation/test_claims.py::test_an_output_is_compared_with_a_gold_set_of_the_configuration",
    "claims.gold_sets.*.value": "tests/engine/evaluation/test_claims.py::test_an_output_is_compared_with_a_gold_set_of_the_configuration",
    "checks.*.labels": "tests/server/http/test_runners.py::test_a_runner_gets_only_checks_whose_labels_it_has",
    **dict.fromkeys(
        ("policy.people", "templates.*.phases.*.people"),
        "tests/workflow/test_overrides.py::test_as_many_people_approve_as_template_or_configuration_asks_whichever_is_more",
    ),
    "server.login": "tests/server/people/test_login.py::test_a_person_logs_in_and_out_and_the_log_says_so",
    "server.workers": "tests/server/http/test_workers.py::test_a_signal_ends_all_processes_in_order",
    "server.origin": "tests/server/people/test_login.py::test_a_change_by_the_cookie_needs_our_origin",
    **{
        f"server.roles.*.{key}": "tests/engine/access/test_roles.py::test_a_role_is_given_by_group_or_subject_and_the_highest_counts"
        for key in ("groups", "people", "projects", "role")
    },
    "worktrees.folder": "tests/cli/commands/test_worktree.py::test_they_are_made_in_the_configured_folder",
    "worktrees.ports": "tests/cli/commands/test_worktree.py::test_each_has_ports_of_its_own_which_its_checks_see",
    "worktrees.setup": "tests/cli/commands/test_worktree.py::test_a_set_up_that_fails_is_said_and_the_same_command_completes_it",
    "delivery.mode": "tests/engine/delivery/test_git_steps.py::test_without_git_or_without_the_setting_each_step_says_that_it_did_nothing",
    "delivery.base": "tests/engine/delivery/test_delivery_settings.py::test_branches_begin_at_the_configured_base_under_the_configured_name",
    "delivery.prefix": "tests/engine/delivery/test_delivery_settings.py::test_branches_begin_at_the_configured_base_under_the_configured_name",
    "delivery.branch": "tests/engine/delivery/test_delivery_settings.py::test_branches_begin_at_the_configured_base_under_the_configured_name",
    "delivery.message": "tests/engine/delivery/test_delivery_settings.py::test_branches_begin_at_the_configured_base_under_the_configured_name",
    "delivery.remote": "tests/engine/delivery/test_delivery_settings.py::test_the_configured_remote_is_pushed_to_and_an_empty_one_keeps_all_here",
    "delivery.address": "tests/engine/delivery/test_delivery_settings.py::test_a_remote_with_another_address_gets_nothing",
    "delivery.credential": "tests/engine/delivery/test_delivery_settings.py::test_a_credential_is_given_to_no_remote_without_a_configured_address",
    "delivery.forge": "tests/delivery/test_forges.py::test_the_forge_is_that_of_the_remote_unless_configured",
    "delivery.api": "tests/delivery/test_forges.py::test_a_token_never_goes_to_a_host_that_only_the_remote_names",
    "delivery.strategy": "tests/engine/delivery/test_git_steps.py::test_each_strategy_leads_to_the_approved_files",
    "delivery.never": "tests/engine/delivery/test_git_steps.py::test_what_never_gets_in_and_files_of_wfe_mcp_stay_out_and_the_first_is_said",
    "delivery.protected": "tests/engine/delivery/test_delivery_settings.py::test_a_protected_branch_is_no_branch_of_a_change",
    "checks.*.credentials.*": "tests/engine/credentials/test_handing.py::test_a_check_is_given_a_variable_and_a_file_and_each_is_an_event",
    "http.logins.*": "tests/engine/phases/test_step_logins.py::test_a_step_logs_in_with_its_credential_and_keeps_no_value",
    "delivery.close_issues": "tests/engine/delivery/test_issues.py::test_after_a_direct_merge_the_server_closes_the_issue_only_where_configuration_says_so",
    **{
        f"server.limits.{whose}.{key}": f"tests/{place}"
        for whose in ("team", "project", "person", "token")
        for key, place in {
            "runs_per_hour": "server/http/test_limits.py::test_a_run_above_the_limit_of_its_token_is_refused_with_what_frees_it",
            "open_runs": "server/http/test_limits.py::test_of_runs_that_start_at_once_no_more_than_the_limit_begin",
            "cost_per_day": "engine/models/test_budgets.py::test_the_cost_of_a_token_and_of_its_owner_is_capped_in_a_day",
            "cost_per_month": "engine/models/test_budgets.py::test_a_month_of_the_team_is_capped_and_frees_with_the_next_one",
        }.items()
    },
    **{
        f"server.limits.{whose}.running_jobs": "tests/store/jobs/test_jobs.py::test_a_team_and_a_project_have_only_so_many_jobs_at_once_and_times_are_never_held_up"
        for whose in ("team", "project")
    },
    "webhooks.*.url": "tests/engine/webhooks/test_deliveries.py::test_the_events_of_a_run_reach_the_receiver_in_their_order",
    "webhooks.*.secret": "tests/engine/webhooks/test_deliveries.py::test_a_test_is_tried_once_and_a_missing_secret_is_said",
    "webhooks.*.format": "tests/engine/webhooks/test_deliveries.py::test_a_cloudevent_says_the_same",
    "webhooks.*.enabled": "tests/engine/webhooks/test_deliveries.py::test_a_webhook_gets_only_what_it_asked_for",
    "webhooks.*.projects": "tests/engine/webhooks/test_deliveries.py::test_a_webhook_gets_only_what_it_asked_for",
    "webhooks.*.templates": "tests/engine/webhooks/test_deliveries.py::test_a_webhook_gets_only_what_it_asked_for",
    "webhooks.*.events": "tests/engine/webhooks/test_deliveries.py::test_a_webhook_gets_only_what_it_asked_for",
    "incoming.*.template": "tests/engine/triggers/test_incoming.py::test_a_signed_message_starts_a_run_that_says_who_started_it",
    "incoming.*.from_body.*": "tests/engine/triggers/test_incoming.py::test_a_signed_message_starts_a_run_that_says_who_started_it",
    "incoming.*.inputs.*": "tests/engine/triggers/test_incoming.py::test_inputs_and_the_driver_of_the_table_reach_the_run",
    "incoming.*.driver": "tests/engine/triggers/test_incoming.py::test_inputs_and_the_driver_of_the_table_reach_the_run",
    "incoming.*.enabled": "tests/engine/triggers/test_incoming.py::test_whatever_is_wrong_with_a_message_it_is_refused_alike",
    "incoming.*.secret": "tests/engine/triggers/test_incoming.py::test_what_keeps_a_system_from_starting_is_said",
    "schedule.*.template": "tests/engine/triggers/test_schedules.py::test_a_run_starts_at_its_time_and_says_what_started_it",
    "schedule.*.inputs.*": "tests/engine/triggers/test_schedules.py::test_a_run_starts_at_its_time_and_says_what_started_it",
    "schedule.*.cron": "tests/engine/triggers/test_schedules.py::test_a_run_starts_at_its_time_and_says_what_started_it",
    "schedule.*.timezone": "tests/engine/triggers/test_schedules.py::test_a_cron_expression_or_a_time_zone_that_is_none_is_named_and_does_not_count",
    "schedule.*.enabled": "tests/engine/triggers/test_schedules.py::test_a_schedule_that_changed_or_is_off_starts_nothing",
    "schedule.*.driver": "tests/engine/triggers/test_schedules.py::test_the_driver_of_a_schedule_works_its_run",
    "notify.desktop": "tests/engine/notifications/test_notify.py::test_the_desktop_is_asked_by_its_own_program_outside_the_project",
    "notify.command": "tests/engine/notifications/test_notify.py::test_a_person_hears_once_that_a_decision_waits_and_not_what_about",
    "notify.quiet": "tests/engine/notifications/test_notify.py::test_quiet_hours_hold_back_until_their_end",
    "notify.apprise": "tests/engine/notifications/test_notify.py::test_apprise_gets_it_at_the_address_of_a_credential",
    "notify.remind": "tests/engine/notifications/test_notify.py::test_a_reminder_comes_before_the_end_of_an_open_request_only",
    "notify.terminal": "tests/cli/commands/test_watch.py::test_watch_rings_at_a_terminal_when_a_person_is_needed_and_wants_it",
    "notify.events": "tests/engine/notifications/test_notify.py::test_a_person_is_notified_only_of_the_configured_kinds",
    "environments.*.kind": "tests/engine/deployments/test_environment_settings.py::test_the_checks_get_the_address_and_the_variables_of_the_environment",
    "environments.*.address": "tests/engine/deployments/test_environment_settings.py::test_the_checks_get_the_address_and_the_variables_of_the_environment",
    "environments.*.variables.*": "tests/engine/deployments/test_environment_settings.py::test_the_checks_get_the_address_and_the_variables_of_the_environment",
    "environments.*.credentials.*": "tests/engine/deployments/test_environment_settings.py::test_each_environment_gives_the_same_check_its_own_credential",
    "environments.*.deploy": "tests/engine/deployments/test_environment_settings.py::test_the_checks_get_the_address_and_the_variables_of_the_environment",
    "environments.*.health": "tests/engine/deployments/test_environment_settings.py::test_health_is_asked_as_often_as_configured",
    "environments.*.tries": "tests/engine/deployments/test_environment_settings.py::test_health_is_asked_as_often_as_configured",
    "environments.*.wait": "tests/engine/deployments/test_environment_settings.py::test_health_is_asked_as_often_as_configured",
    "environments.*.test": "tests/engine/deployments/test_environment_settings.py::test_a_second_deployment_to_an_environment_waits_for_the_first",
    "environments.*.rollback": "tests/engine/deployments/test_environment_settings.py::test_its_own_rollback_check_brings_the_commit_before_back",
    "environments.*.approval": "tests/engine/deployments/test_environment_settings.py::test_an_environment_with_passkeys_takes_no_other_approval",
    "environments.*.phrase": "tests/engine/deployments/test_environment_settings.py::test_the_phrase_of_the_environment_is_asked_for_and_checked",
    "environments.*.host": "tests/engine/deployments/test_environment_settings.py::test_by_ssh_each_check_runs_on_the_host_and_gets_the_files_of_the_commit",
    "environments.*.user": "tests/engine/deployments/test_environment_settings.py::test_by_ssh_each_check_runs_on_the_host_and_gets_the_files_of_the_commit",
    "environments.*.port": "tests/engine/deployments/test_environment_settings.py::test_by_ssh_each_check_runs_on_the_host_and_gets_the_files_of_the_commit",
    "environments.*.known_hosts": "tests/engine/deployments/test_environment_settings.py::test_by_ssh_each_check_runs_on_the_host_and_gets_the_files_of_the_commit",
    "environments.*.repeatable": "tests/engine/deployments/test_deploy_survives.py::test_a_repeatable_deployment_is_called_again",
    "facts.*": "tests/cli/commands/test_config_fact.py::test_a_corrected_fact_holds_survives_a_new_scan_and_ends_when_it_is_undone",
    "http.ca_file": "tests/security/test_addresses.py::test_no_variable_adds_an_authority_and_configuration_does",
    "http.proxy": "tests/security/test_addresses.py::test_a_configured_proxy_is_used",
    "checks.*.sandbox": "tests/gates/test_place.py::test_a_sandbox_has_no_network_unless_it_is_asked_for",
    "checks.*.network": "tests/gates/test_place.py::test_a_sandbox_has_no_network_unless_it_is_asked_for",
    "sandbox.bubblewrap": "tests/gates/test_room_writers.py::test_a_configured_bubblewrap_makes_the_sandbox_and_the_evidence_names_it",
    "sandbox.container": "tests/gates/test_container.py::test_the_evidence_names_the_image_its_content_and_its_digest",
    "sandbox.container_program": "tests/gates/test_container.py::test_the_evidence_names_the_image_its_content_and_its_digest",
    "sandbox.sha256": "tests/gates/test_room_writers.py::test_a_configured_bubblewrap_with_another_sha256_is_not_started",
    "providers.*.concurrency": "tests/engine/models/test_call_log.py::test_only_so_many_calls_of_a_provider_are_in_flight",
    "providers.*.requests_per_minute": "tests/engine/models/test_call_log.py::test_the_rate_of_a_provider_holds_over_all_that_call_it",
    "templates.*.phases.*.missing_checks": "tests/cli/test_missing_scanner.py::test_a_release_without_a_scanner_is_refused_until_a_person_says_that_there_is_none",
    "templates.*.phases.*.same_blocker": "tests/cli/commands/test_recovery.py::test_a_project_says_how_often_the_same_blocker_is_met",
    "templates.*.phases.*.prompt.approver": "tests/workflow/test_overrides.py::test_each_stage_has_an_approver_of_its_own",
    "templates.*.phases.*.prompt.model": "tests/engine/templates/test_effective_gates.py::test_each_difference_names_the_key_of_its_stage",
    "templates.*.phases.*.prompt.max_retries": "tests/workflow/test_overrides.py::test_each_stage_has_retries_of_its_own",
    "templates.*.phases.*.prompt.allow_rewrite": "tests/workflow/test_overrides.py::test_each_stage_has_rewrites_and_criteria_of_its_own",
    "templates.*.phases.*.prompt.criteria": "tests/workflow/test_overrides.py::test_each_stage_has_rewrites_and_criteria_of_its_own",
    "templates.*.phases.*.response.approver": "tests/workflow/test_overrides.py::test_each_stage_has_an_approver_of_its_own",
    "templates.*.phases.*.response.model": "tests/engine/templates/test_effective_gates.py::test_each_difference_names_the_key_of_its_stage",
    "templates.*.phases.*.response.max_retries": "tests/workflow/test_overrides.py::test_each_stage_has_retries_of_its_own",
    "templates.*.phases.*.response.allow_rewrite": "tests/workflow/test_overrides.py::test_each_stage_has_rewrites_and_criteria_of_its_own",
    "templates.*.phases.*.response.criteria": "tests/workflow/test_overrides.py::test_each_stage_has_rewrites_and_criteria_of_its_own",
    "templates.*.roles.*.fallback": "tests/engine/models/test_roles.py::test_a_templates_own_role_brings_its_own_fallbacks",
    "budget.cost_per_run": "tests/engine/models/test_budgets.py::test_the_smaller_cap_of_template_and_configuration_counts",
    "budget.tokens_per_run": "tests/engine/models/test_budgets.py::test_tokens_are_capped_where_no_price_is_known",
    "budget.cost_per_day": "tests/engine/models/test_budgets.py::test_a_day_is_capped_over_all_runs_and_restarts",
    "budget.tokens_per_day": "tests/engine/models/test_budgets.py::test_the_tokens_of_a_day_are_capped_too",
    "outage.wait": "tests/engine/phases/test_model_worker.py::test_configuration_says_how_long_a_paused_run_waits_for_its_provider",
    "queues.*.concurrency": "tests/engine/background/test_queues.py::test_a_queue_does_no_more_at_once_than_configured",
    "queues.*.per_minute": "tests/engine/background/test_queues.py::test_a_queue_begins_no_more_in_a_minute_than_configured",
    "ui.auto": "tests/dashboard/test_on_demand.py::test_configuration_may_say_that_no_page_starts",
    "checkpoints.keep": "tests/engine/files/test_checkpoint_retention.py::test_a_run_lets_its_old_checkpoints_go_as_it_continues",
    "checkpoints.keep_for": "tests/engine/files/test_checkpoint_retention.py::test_the_first_checkpoint_of_a_run_lets_those_of_old_runs_go",
    "queues.*.timeout": "tests/engine/background/test_queues.py::test_a_job_takes_no_longer_than_its_queue_allows",
}
"""Key → the file and name of a test that shows its effect, where that takes a scene of its own."""


@pytest.mark.requirement("B-08", "S0-37")
@pytest.mark.parametrize("key", TABLE)
def test_the_key_changes_what_happens(
    tmp_path: Path, scene: Scene, stub: Stub, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("WFE_SEEN", "1")
    scene.engine.environment["WFE_SEEN"] = "1"
    scene.write("sub/here")
    row = TABLE[key]
    seen = list[object]()
    for text in (row.one, row.other):
        scene.write(".wfe/config.toml", text.replace("{origin}", stub.origin).replace("{url}", stub.url))
        scene.trust_config()
        seen.append(row.see(scene))
    assert seen[0] != seen[1]


@pytest.mark.requirement("B-08")
def test_every_key_has_a_row_or_says_that_nothing_uses_it_yet() -> None:
    keys = dict(keys_of(Settings))
    unused = {key for key, description in keys.items() if "Not used yet" in description}
    assert unused == NOT_USED_YET
    assert {*TABLE, *SHOWN_ELSEWHERE} == set(keys) - unused


def test_what_is_shown_elsewhere_is_there() -> None:
    for place in SHOWN_ELSEWHERE.values():
        file, _, name = place.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), place
