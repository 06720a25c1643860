"""A throwaway project to try templates without touching the user's files or settings.

A playground is a real git repository with its own checks, database and settings, all of it trusted. Servers in it are
real; ``approve`` and ``reject`` act in place of the person (``throwaway.py``).

Approvals in a throwaway database, where no user is involved.

Rules:
1. Only a new database is marked, when it is created; the mark is in its settings log.
2. ``stand_in`` acts for a person in a marked database and refuses everywhere else. Its decisions are recorded with
   channel ``demo``. The rule about the client's own terminal does not apply (design §7).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, By, Channel, RunId
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import Engine, utc_now
from wfe_mcp.testing.stdio_client import MODERN, Era, StdioClient
from wfe_mcp.workspace.config.checks import CheckSettings
from wfe_mcp.workspace.system.location import project_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from wfe_mcp.core.findings import Discrepancy
    from wfe_mcp.store.records.runs import LoadedRun
    from wfe_mcp.testing.client import Agent


_KEPT = (
    "PATH",
    "HOME",
    "USERPROFILE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "PATHEXT",
    "COMSPEC",
    "APPDATA",
    "LOCALAPPDATA",
    # a test run that measures coverage measures its servers too
    "COVERAGE_PROCESS_CONFIG",
    "COVERAGE_PROCESS_START",
)

_DATABASE = "wfe.db"
_IGNORED = "__pycache__/\n.pytest_cache/\n"
_IDENTITY = "[user]\n\tname = Playground\n\temail = playground@example.com\n"


class Playground:
    """A throwaway project. Use it in a ``with`` block, or close it.

    ``files``: path → text, committed first. ``checks``: name → command as a list of words, or a whole check.
    ``templates``: folders with a template.json. ``environment``: variables for servers besides PATH and the like.
    """

    def __init__(
        self,
        folder: Path,
        *,
        files: Mapping[str, str] | None = None,
        checks: Mapping[str, Sequence[str] | CheckSettings] | None = None,
        templates: Iterable[Path] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        from wfe_mcp.workspace.config.config_file import write_config

        self._be_at(folder, environment)
        make_database(self.folder / _DATABASE)
        self.root.mkdir()
        self.write({".gitignore": _IGNORED, **(files or {})})
        self.git("init", "-q", "--template=")
        with (self.root / ".git" / "config").open("a", encoding="utf-8") as config:  # git config starts two processes
            config.write(_IDENTITY)
        self.git("add", ".")
        self.git("commit", "-q", "-m", "As it begins")
        write_config(self.root, {name: _check(check) for name, check in (checks or {}).items()})
        for template in templates:
            shutil.copytree(template, self.root / ".wfe" / "templates" / template.name)
        self.engine: Engine = self._open_engine()
        self.trust()

    @classmethod
    def reopen(cls, folder: Path, *, environment: Mapping[str, str] | None = None) -> Self:
        """The playground that was made in ``folder`` and closed, as it was left."""
        playground = cls.__new__(cls)
        playground._be_at(folder, environment)
        playground.engine = playground._open_engine()
        return playground

    def _be_at(self, folder: Path, environment: Mapping[str, str] | None) -> None:
        self.folder = folder.resolve()
        self.root = self.folder / "project"
        self.environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        own = {"XDG_CONFIG_HOME": str(self.folder / "config"), "XDG_DATA_HOME": str(self.folder / "data")}
        self.environment |= own | dict(environment or {})
        self.environment["WFE_DATABASE_URL"] = f"sqlite:///{(self.folder / _DATABASE).as_posix()}"
        self._is_closed = False

    def _open_engine(self) -> Engine:
        return create_engine(project_at(self.root), environment=self.environment)

    # -- agents and servers ------------------------------------------------------------------------------------------

    def agent(self, era: Era = MODERN) -> AbstractContextManager[Agent]:
        """An agent connected to a server in this process."""
        from wfe_mcp.testing.client import connect

        return connect(self.engine, era)

    def server(self, era: Era = MODERN, **options: Any) -> StdioClient:
        """A server in its own process, and its client. ``options`` are those of ``StdioClient``."""
        argv = [sys.executable, "-m", "wfe_mcp", "serve", "--project", str(self.root)]
        return StdioClient(argv, cwd=self.root, env=self.environment, era=era, **options)

    # -- actions of a person -----------------------------------------------------------------------------------------

    def trust(self) -> None:
        """Trust the configuration and the templates as they are now."""
        from wfe_mcp.engine.templates.trust import give_trust

        give_trust(self.engine, stand_in(self.engine), [])

    def approve(self, run: str, phase: str, comment: str = "") -> LoadedRun:
        """Approve the open revision of ``phase``."""
        from wfe_mcp.engine.approvals import decide as approvals

        return approvals.decide(self.engine, stand_in(self.engine), run, phase, comment=comment)

    def reject(self, run: str, phase: str, feedback: str, to: str | None = None) -> LoadedRun:
        """Reject with feedback for the agent; ``to`` names an earlier phase to go back to."""
        from wfe_mcp.engine.approvals import decide as approvals

        return approvals.reject(self.engine, stand_in(self.engine), run, phase, feedback, to=to)

    # -- inspection --------------------------------------------------------------------------------------------------

    def problems(self, run: str) -> list[Discrepancy]:
        """Every difference between the run, or the settings, and its log; empty when all is intact. Also after ``close``."""
        try:
            with self.engine.store.read() as tx:
                return [*tx.verification.problems(RunId(run)), *tx.settings_log.problems()]
        finally:
            if self._is_closed:  # the engine has opened the database again
                self.engine.close()

    def write(self, files: Mapping[str, str]) -> None:
        """Write files of the project."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")

    def git(self, *arguments: str) -> str:
        """The output of git in the project. Refuses ``unavailable`` without git, or when git fails."""
        own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=self.root,
                env=self.environment | own,
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=30,
                check=False,
            )
        except FileNotFoundError:
            raise Refused("unavailable", "This needs git, and there is none.", "Install git and try again.") from None
        if done.returncode:
            raise Refused(
                "unavailable",
                f"git {arguments[0]} failed: {done.stderr.strip()[-500:]}",
                "Fix what git names and try again.",
            )
        return done.stdout

    def close(self) -> None:
        """Close the database. The folder stays."""
        self._is_closed = True
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check(given: Sequence[str] | CheckSettings) -> CheckSettings:
    return given if isinstance(given, CheckSettings) else CheckSettings(argv=list(given))


_MARK = "demo"


def make_database(path: Path) -> str:
    """A new, marked database at ``path``; its URL. Refuses ``conflict`` when the file exists."""
    from wfe_mcp.store import Store

    if path.exists():
        raise Refused("conflict", f"There is a file {path} already.", "Name one that does not exist.")
    url = f"sqlite:///{path.as_posix()}"
    store = Store.open(url, clock=utc_now)
    try:
        with store.tx() as tx:
            tx.secrets.set(_MARK, "made to be thrown away", _demo(Assurance.AGENT), utc_now())
    finally:
        store.close()
    return url


def stand_in(engine: Engine) -> By:
    """An actor that may decide like a person. Refuses ``needs_human`` outside a database from ``make_database``."""
    with engine.store.read() as tx:
        first = next(iter(tx.settings_log.events()), None)
    # A mark that is not the very first setting was added later, to fake an approval.
    if first is None or first.name != _MARK:
        raise Refused(
            "needs_human",
            "This database was not made to be thrown away: only a person decides here.",
            "Decide at a terminal of your own: wfe-mcp approve RUN PHASE",
        )
    return _demo(Assurance.HUMAN)


def _demo(assurance: Assurance) -> By:
    return By("demo", Channel.DEMO, assurance)
