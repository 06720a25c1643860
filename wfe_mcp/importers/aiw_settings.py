"""Converts the ``.ai-workflow.yaml`` of aiw to configuration and inputs of the template ``milestones``.

    agent.checks                              [checks.test]; in a shell where one is needed; further ones under their own names
    agent.stop_after_each_task                auto_proceed of the task's phase
    recovery.max_attempts_per_task, .enabled  max_retries of the task's phase: tries after the first
    recovery.max_attempts_per_blocker         same_blocker of the task's phase: its reports that a recovery goes on after
    git.base_branch, git.branch_prefix        the inputs ``base`` and ``branch_prefix``
    git.closeout_mode, .merge_strategy        [delivery], with these two

Settings that match the template's fixed behaviour are dropped without a loss (one lane, a branch per milestone, a commit
per task). Settings that differ from it are reported, and an unknown key is an error, as in aiw.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any, cast

from wfe_mcp.core.errors import near_miss, pointer
from wfe_mcp.importers.imported import ImportedSettings, ImportReport, free_name

FORMAT = "aiw settings"
TEMPLATE = "milestones"
TASK = "milestone.task.implement"

_SHELL = re.compile(r"[|&;<>()$`*?~#\n\[]|\A\s*(?:!|[A-Za-z_]\w*=)")
"""What only a shell reads, which ran the checks of aiw: its signs, and a negation or a variable before the program."""
_PREFIX = re.compile(r"([A-Za-z0-9][A-Za-z0-9._/-]{0,99})?")
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")

_ONE_LANE = "milestones are worked one after the other, in the project's own folder"
_FOLDERS = "the database keeps runs, plans lie in .wfe/plans"
_PROMPTS = "prompts are the template's own"
_HISTORY = "every run is kept in its log"
_PAGES = "pages are written on request, at most 8 KiB each"
_ADRS = "decisions are work items"

_SAME: dict[str, dict[str, tuple[object, str]]] = {
    "git": {
        "enabled": (True, "the template always works with git"),
        "milestone_branch": (True, "each milestone has its branch"),
        "task_commit": (True, "each task is one commit"),
        "integration_branch": (None, "there is one base branch, which milestones start from and are merged into"),
        "pr_provider": (None, "the forge is that of the remote's address, or `forge` of [delivery]"),
        "use_gh_cli": (False, "gh is used where it is logged in and [delivery] names no credential"),
    },
    "parallel": {
        "enabled": (False, _ONE_LANE),
        "worktrees": (False, _ONE_LANE),
        "worktrees_dir": (None, _ONE_LANE),
        "max_lanes": (1, _ONE_LANE),
    },
    "ai": {
        "entrypoint": (None, _PROMPTS),
        "prompt_dir": (None, _PROMPTS),
        "default_actor": (None, "who works is who claims the phase"),
    },
    "adr": {"required": (False, _ADRS), "dir": (None, _ADRS)},
    "reports": {
        "dir": (None, _PAGES),
        "auto_generate": (None, _PAGES),
        "active_file_max_bytes": (None, _PAGES),
    },
    "recovery": {
        "branch_per_recovery": (False, "a task is tried again on its milestone's branch"),
    },
    "agent": {
        "default_lane": ("core", "there is one lane"),
        "default_mode": (None, "a run continues, or waits after each task"),
        "enabled": (True, "an agent works every phase of this template"),
        "auto_report": (None, _HISTORY),
        "command_prefix": (
            None,
            "it stood before that system's own commands in prompts; checks run as they are written",
        ),
        "auto_commit": (True, "each task is one commit, which a gate looks for"),
    },
}
"""Section → key → the value that matches the template's fixed behaviour, and that behaviour. None: no value does."""

Wanted = tuple[str, Callable[[Any], bool]]
"""What a value must be, in words and as a test."""
_USED = {
    "git": ("base_branch", "branch_prefix", "closeout_mode", "merge_strategy", "pr_per_milestone"),
    "recovery": ("enabled", "max_attempts_per_task", "max_attempts_per_blocker", "auto_for_failed_checks"),
    "agent": ("stop_after_each_task", "checks"),
}
_TOP = {"workspace_dir": _FOLDERS, "plan_dir": _FOLDERS, "history": _HISTORY}
_SECTIONS = tuple(_SAME)
_FLAG: Wanted = ("true or false", lambda each: isinstance(each, bool))
_NUMBER: Wanted = (
    "a whole number, at least 0",
    lambda each: isinstance(each, int) and not isinstance(each, bool) and each >= 0,
)
_MODES = {"direct_merge": "merge", "pull_request": "pull_request"}
_STRATEGIES = ("merge", "squash", "rebase")
_KNOWN = ("version", *_TOP, *_SECTIONS)
_TELLTALE = frozenset({"agent", "git", "recovery", "workspace_dir", "plan_dir", "parallel"})


def is_aiw_settings(value: object) -> bool:
    """Whether the document looks like such settings."""
    return isinstance(value, dict) and not _TELLTALE.isdisjoint(cast("dict[str, object]", value))


def from_aiw_settings(document: Mapping[str, Any]) -> ImportedSettings:
    """The settings. Refuses ``invalid_template``: all errors at once, by pointer into ``document``."""
    reading = _SettingsReader(document)
    reading.read()
    report = reading.found
    report.refuse(f"The {FORMAT} file", "invalid_template")
    phases = {TASK: reading.task} if reading.task else {}
    return ImportedSettings(
        FORMAT, TEMPLATE, phases, tuple(report.not_carried), reading.checks, reading.inputs, reading.tables
    )


class _SettingsReader:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self.found = ImportReport()
        self.task: dict[str, Any] = {}
        self.checks: dict[str, dict[str, Any]] = {}
        self.inputs: dict[str, Any] = {}
        self.tables: dict[str, dict[str, Any]] = {}
        self._document = document

    def read(self) -> None:
        for key, value in self._document.items():
            if key in _SECTIONS:
                self._section(key, value)
            elif key in _TOP:
                if value is not None:
                    self.found.lose(pointer(key), _TOP[key])
            elif key != "version":
                self._unknown(key, _KNOWN, pointer(key))
            elif value not in (1, "1"):
                self.found.lose(pointer(key), f"version {value!r} is read as version 1")
        agent, git, recovery = (self._values(name) for name in ("agent", "git", "recovery"))
        self._read_checks(agent)
        self._input("base", git, "base_branch", _BRANCH)
        self._input("branch_prefix", git, "branch_prefix", _PREFIX)
        self._deliver(git)
        self._retries(recovery)
        if self._take("agent", agent, "stop_after_each_task", _FLAG):
            self.task["auto_proceed"] = False

    def _section(self, section: str, value: object) -> None:
        if not isinstance(value, dict):
            if value is not None:  # the name of a section with nothing below it
                self.found.error(pointer(section), "must be a map")
            return
        same, used = _SAME[section], _USED.get(section, ())
        for key, setting in cast("dict[str, object]", value).items():
            at = pointer(section, key)
            if key in same:
                if setting is not None and setting != same[key][0]:
                    self.found.lose(at, same[key][1])
            elif section == "agent" and "prompt" in key:
                self.found.lose(at, _PROMPTS)
            elif key not in used:
                self._unknown(key, (*same, *used), at)

    def _unknown(self, key: str, valid: tuple[str, ...], at: str) -> None:
        hint = near_miss(key, valid, f"; there are {', '.join(valid)}")
        self.found.error(at, f"unknown key {key!r}{hint}", sorted(valid), key)

    def _values(self, section: str) -> dict[str, Any]:
        value = self._document.get(section)
        return cast("dict[str, Any]", value) if isinstance(value, dict) else {}

    def _take(self, section: str, values: Mapping[str, Any], key: str, form: Wanted) -> Any:
        """The value of a supported key, None when it is absent; an error when it is invalid."""
        value, (wanted, is_right) = values.get(key), form
        if value is None or is_right(value):
            return value
        self.found.error(pointer(section, key), f"must be {wanted}", wanted, value)
        return None

    def _input(self, name: str, git: Mapping[str, Any], key: str, form: re.Pattern[str]) -> None:
        what = "the name of a branch" if name == "base" else "how names of branches begin"
        fits: Wanted = (what, lambda each: isinstance(each, str) and form.fullmatch(each) is not None)
        value = self._take("git", git, key, fits)
        if value is not None:
            self.inputs[name] = value

    def _deliver(self, git: Mapping[str, Any]) -> None:
        closeout = self._take("git", git, "closeout_mode", ("direct_merge or pull_request", tuple(_MODES).__contains__))
        strategy = self._take("git", git, "merge_strategy", ("merge, squash or rebase", _STRATEGIES.__contains__))
        mode = _MODES.get(closeout, "")
        if strategy and mode != "pull_request":
            self.found.lose(pointer("git", "merge_strategy"), "a merge without a pull request is a commit of its own")
        if git.get("pr_per_milestone") not in (None, mode == "pull_request"):
            self.found.lose(
                pointer("git", "pr_per_milestone"), "each milestone has one with closeout_mode pull_request"
            )
        if mode:
            named = {"base": self.inputs.get("base"), "prefix": self.inputs.get("branch_prefix")}
            named |= {"strategy": strategy} if mode == "pull_request" else {}
            self.tables["delivery"] = {"mode": mode} | {
                name: value for name, value in named.items() if value is not None
            }

    def _retries(self, recovery: Mapping[str, Any]) -> None:
        on = [self._take("recovery", recovery, key, _FLAG) for key in ("enabled", "auto_for_failed_checks")]
        limits = {
            key: self._take("recovery", recovery, key, _NUMBER)
            for key in ("max_attempts_per_task", "max_attempts_per_blocker")
        }
        tries, same_blocker = limits.values()
        if False in on or tries == 0 or same_blocker == 0:
            self.task["max_retries"] = 0
            for key, limit in limits.items():
                if limit:
                    self.found.lose(pointer("recovery", key), "recovery is off, so nothing is tried again")
            return
        if tries is not None:
            self.task["max_retries"] = tries
        if same_blocker is not None:
            self.task["same_blocker"] = same_blocker

    def _read_checks(self, agent: Mapping[str, Any]) -> None:
        def is_words(each: Any) -> bool:
            return isinstance(each, str) and bool(each.strip()) and _words(each) is not None

        checks: Any = self._take("agent", agent, "checks", ("a list of commands", lambda each: isinstance(each, list)))
        for index, text in enumerate(checks or []):
            at = pointer("agent", "checks", index)
            if not is_words(text):
                self.found.error(at, "must be a command", "pytest -q", text)
                continue
            argv = ["sh", "-c", text] if _SHELL.search(text) else _words(text)
            name = "test" if not self.checks else free_name(_name(text), self.checks)
            self.checks[name] = {"argv": argv}
            if name != "test":
                self.found.lose(at, f"it is the check {name!r}, but the gates of {TEMPLATE} run only 'test'")


def _words(text: str) -> list[str] | None:
    """The words of a command; None when a quote is unclosed."""
    try:
        return shlex.split(text)
    except ValueError:
        return None


def _name(text: str) -> str:
    """A check's name, derived from the program."""
    program = re.sub(r"[^A-Za-z0-9_-]", "_", (_words(text) or [""])[0].rsplit("/", 1)[-1]).strip("_-")
    return program if program[:1].isalpha() else f"check_{program}"
