"""Mutation testing: how many small changes of the program its tests find.

    python -m bench mutants [PACKAGE …] [--quick] [--sample N] [--seed S] [--list]

Rules:
1. A mutant is one change of one place: a comparison, a condition, a number, a call or a ``raise`` that is left out, an answer.
2. The tests run in a copy of the files that git knows, so the working tree stays as it is.
3. A mutant is found when a test of its package fails, or takes three times as long as without it. Tests that name its module
   run first, and the first failure ends the run.
4. The sample is drawn with a seed: the same seed and the same files give the same mutants.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Place = ast.expr | ast.stmt
    Text = Callable[[Place], str]

ROOT = Path(__file__).resolve().parent.parent
TESTS: dict[str, tuple[str, ...]] = {
    "core": ("tests/core",),
    "engine/kernel": (
        "tests/engine/test_flow.py",
        "tests/engine/phases/test_submit.py",
        "tests/engine/phases/test_locks.py",
        "tests/engine/phases/test_tree_leases.py",
        "tests/engine/history/test_rollback.py",
        "tests/security/test_statements.py",
    ),
    "engine/approvals": (
        "tests/engine/approvals",
        "tests/security/test_passkeys.py",
        "tests/security/test_passkeys_of_before.py",
        "tests/security/test_forged_decisions.py",
        "tests/security/test_statements.py",
        "tests/dashboard/test_approvers.py",
        "tests/dashboard/test_on_demand.py",
        "tests/dashboard/test_passkey_decisions.py",
        "tests/dashboard/test_passkey_sites.py",
        "tests/dashboard/test_verify_approvals.py",
        "tests/server/test_decision_page.py",
        "tests/cli/commands/test_approvers.py",
        "tests/cli/commands/test_pin_reset.py",
        "tests/cli/commands/test_signed_decisions.py",
        "tests/delivery/attestations",
    ),
    "engine/delivery": (
        "tests/engine/delivery",
        "tests/engine/evaluation/test_files_from_base.py",
        "tests/engine/evaluation/test_files_of_other_runs.py",
        "tests/views/runs/test_delivery_changed.py",
        "tests/cli/test_reverted_item.py",
        "tests/cli/commands/test_doctor_forge.py",
        "tests/cli/commands/test_git.py",
    ),
    "engine/grants": (
        "tests/engine/grants",
        "tests/security/test_grants.py",
        "tests/cli/commands/test_grant.py",
        "tests/dashboard/api/test_grants.py",
    ),
    "engine/access": (
        "tests/engine/access",
        "tests/engine/approvals/test_several_people.py",
        "tests/engine/people",
        "tests/dashboard/api/test_access.py",
        "tests/dashboard/api/test_session.py",
        "tests/server/http/test_tokens.py",
        "tests/server/http/test_idle_tokens.py",
        "tests/server/http/test_limits.py",
        "tests/server/http/test_runners.py",
        "tests/server/http/test_signs_of_life.py",
        "tests/server/people/test_access.py",
        "tests/server/people/test_agents.py",
        "tests/server/people/test_login.py",
        "tests/server/people/test_lost_roles.py",
        "tests/server/people/test_other_projects.py",
        "tests/server/bridge/test_login.py",
    ),
    "engine/integrity": (
        "tests/engine/integrity",
        "tests/security",
        "tests/delivery/attestations",
        "tests/dashboard/test_verify_approvals.py",
        "tests/cli/commands/test_verify_branch.py",
        "tests/engine/approvals/test_keys.py",
    ),
    "engine/evaluation": ("tests/engine/evaluation", "tests/engine/test_flow.py", "tests/engine/phases/test_submit.py"),
}
"""The packages that are mutated, with the tests that must find it."""

_QUICK, _NIGHTLY = 10, 200
_SLACK_S, _TIMES_SLOWER = 20.0, 3.0
_COMPARED: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed place. ``begin`` and ``end``: the bytes of ``before`` in the file."""

    file: str
    line: int
    begin: int
    end: int
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {_short(self.before)}  →  {_short(self.after)}"


def mutants_in(file: str, source: str) -> list[Mutant]:
    """Every mutant of a file, in the order of its lines."""
    raw = source.encode()
    starts = [0]
    for line in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def place(node: Place) -> tuple[int, int]:
        last = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        return starts[node.lineno - 1] + node.col_offset, last

    def text(node: Place) -> str:
        begin, end = place(node)
        return raw[begin:end].decode()

    made = [
        Mutant(file, node.lineno, *place(node), text(node), after) for node, after in _changes(ast.parse(raw), text)
    ]
    return sorted(made, key=lambda one: (one.begin, one.end, one.after))


def mutated(source: str, mutant: Mutant) -> str:
    """The source with the one change."""
    raw = source.encode()
    return (raw[: mutant.begin] + mutant.after.encode() + raw[mutant.end :]).decode()


def _changes(tree: ast.AST, text: Text) -> Iterator[tuple[Place, str]]:
    for node in ast.iter_child_nodes(tree):
        if _is_for_reading(node):
            continue
        yield from _changes_of(node, text)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for statement in node.body:  # neither decorators nor annotations
                yield from _changes(ast.Module([statement], []), text)
        else:
            yield from _changes(node, text)


def _is_for_reading(node: ast.AST) -> bool:
    """True for what only readers and type checkers use: imports, annotations, texts."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.Assert | ast.AnnAssign) and getattr(node, "value", None) is None:
        return True
    return isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _changes_of(node: ast.AST, text: Text) -> Iterator[tuple[Place, str]]:
    if isinstance(node, ast.expr):
        after = _other_value(node, text)
        if after:
            yield node, after
    elif (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)) or isinstance(node, ast.Raise):
        yield node, "pass"
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        yield node, "return None"
    test = node.test if isinstance(node, ast.If | ast.While | ast.IfExp) else None
    if isinstance(test, ast.Name | ast.Attribute | ast.Call):
        yield test, f"(not {text(test)})"


def _other_value(node: ast.expr, text: Text) -> str:
    """Another expression in place of ``node``; empty where no rule changes it."""
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return f"({text(left)} {_COMPARED[type(op)]} {text(right)})"
        case ast.BoolOp(op=op, values=values):
            other = " or " if isinstance(op, ast.And) else " and "
            return f"({other.join(f'({text(value)})' for value in values)})"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return f"({text(operand)})"
        case ast.Constant(value=bool(value)):
            return str(not value)
        case ast.Constant(value=int(value)):
            return str(value + 1)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return f"({text(left)} - {text(right)})"
        case _:
            return ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 70 else f"{line[:67]}…"


# in a copy


class Copy:
    """The files that git knows, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        compileall.compile_dir(folder / "wfe_mcp", quiet=1)

    def run(self, tests: Sequence[str], limit_s: float | None = None) -> bool | None:
        """True when the tests pass, False when one fails; None when they took longer than ``limit_s``."""
        # No bytecode: a mutant of the same second and size would be taken for the one before.
        env = os.environ | {"PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        argv = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider"]
        # Tests on PostgreSQL are slow, and alone show what is locked there.
        argv += ["-m", "not slow or postgres", *tests]
        with subprocess.Popen(
            argv, cwd=self.root, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            try:
                return process.wait(limit_s) == 0
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)  # with the processes that the tests started
                return None

    def is_found(self, mutant: Mutant, tests: Sequence[str], limit_s: float) -> bool:
        """True when the tests find ``mutant``."""
        file = self.root / mutant.file
        source = file.read_text("utf-8")
        for bytecode in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
            bytecode.unlink()
        file.write_text(mutated(source, mutant), "utf-8")
        try:
            return self.run(tests, limit_s) is not True
        finally:
            file.write_text(source, "utf-8")


def files_testing(package: str, module: str) -> list[str]:
    """The test files of ``package``; those that are named after ``module`` or import it first."""
    files = [
        path
        for name in TESTS[package]
        for path in (sorted((ROOT / name).rglob("test_*.py")) if (ROOT / name).is_dir() else [ROOT / name])
    ]
    dotted, stem = module.removesuffix(".py").replace("/", "."), Path(module).stem

    def distance(path: Path) -> int:
        text = path.read_text("utf-8")
        return 0 if path.stem == f"test_{stem}" else 1 if dotted in text or f"import {stem}" in text else 2

    return [path.relative_to(ROOT).as_posix() for path in sorted(files, key=distance)]


def drawn(package: str, count: int, seed: int) -> list[Mutant]:
    """``count`` mutants of a package, by the order of their places; all of them for 0."""
    every = [
        mutant
        for path in sorted((ROOT / "wfe_mcp" / package).rglob("*.py"))
        for mutant in mutants_in(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    ]
    if not 0 < count < len(every):
        return every
    chosen = random.Random(f"{seed} {package}").sample(range(len(every)), count)
    return [every[index] for index in sorted(chosen)]


def main(argv: Sequence[str]) -> int:
    """Exit code 1 when the tests fail without any mutant; survivors are for people to judge."""
    parser = argparse.ArgumentParser(prog="python -m bench mutants", description="Mutate packages and run their tests.")
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"of {', '.join(TESTS)}; all without one")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK} mutants of each package")
    parser.add_argument("--sample", type=int, metavar="N", help=f"so many of each package, 0: all; else {_NIGHTLY}")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="draws another sample")
    parser.add_argument("--list", action="store_true", help="print the mutants, and run no test")
    given = parser.parse_args(argv)
    if unknown := set(given.packages) - TESTS.keys():
        parser.error(f"no such package: {', '.join(sorted(unknown))}; there are {', '.join(TESTS)}")
    count = given.sample if given.sample is not None else _QUICK if given.quick else _NIGHTLY
    chosen = {package: drawn(package, count, given.seed) for package in given.packages or TESTS}
    if given.list:
        for mutants in chosen.values():
            print(*mutants, sep="\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="wfe-mutants-") as folder:
        copy = Copy(Path(folder))
        return max(_scored(copy, package, mutants) for package, mutants in chosen.items())


def _scored(copy: Copy, package: str, mutants: Sequence[Mutant]) -> int:
    began = time.monotonic()
    if not copy.run(files_testing(package, "")):
        print(f"{package}: its tests fail as it is", file=sys.stderr)
        return 1
    limit_s = (time.monotonic() - began) * _TIMES_SLOWER + _SLACK_S
    found = 0
    for number, mutant in enumerate(mutants, 1):
        is_found = copy.is_found(mutant, files_testing(package, mutant.file), limit_s)
        found += is_found
        if not is_found:
            print(f"survives  {mutant}", flush=True)
        elif sys.stderr.isatty():
            print(f"{number} of {len(mutants)}", end="\r", file=sys.stderr, flush=True)
    print(
        f"{package}: {found} of {len(mutants)} found, {found / max(len(mutants), 1):.0%}, in {time.monotonic() - began:.0f} s"
    )
    return 0
