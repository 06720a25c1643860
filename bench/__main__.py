"""Prints every figure of design §12 with its budget.

python -m bench            all figures, about two minutes
python -m bench --quick    fewer repetitions, 10,000 artifacts at most
python -m bench startup calls open-runs hooks hops find long-work loops phases memory tokens fleet jobs models fuzz checkpoints rooms git trees large scans bounds dashboard first-change   some of it
python -m bench trees --large   repositories of up to 50,000 files as well, which it makes itself
python -m bench scans --large   what grows with the number of runs, at 1,000,000: ten minutes, 5 GB in the temporary folder
python -m bench scans-on-postgresql   the same on PostgreSQL, taken over by move-to
python -m bench exchanged-rows kills fuzz   what an attack or an accident may leave behind: many minutes, or --quick
python -m bench first-change FOLDER…   a new user's way to the first approved change in projects of others
python -m bench job-engines   jobs on PostgreSQL, delivered and polled, under kill -9 and crashes of the server: two minutes
python -m bench team   200 agents and 20 people on one server, on SQLite and on PostgreSQL: five minutes
python -m bench team --workers 2   the same with so many processes at one address; chaos, too
python -m bench chaos      a team whose servers, runners, network and database fail all the time: 20 minutes, --runs N or --quick; root
python -m bench upgrade COMMIT   a team that works while its server is upgraded from that commit to this one: two minutes
python -m bench size       what an installation takes on disk: an environment of its own, with all that it needs
python -m bench page-load   what an open page costs while agents work
python -m bench decisions  what a decision costs beside an earlier commit, which runs beside this one: minutes
python -m bench attacks …  the table of attacks, played against the installed wheel (bench/attacks.py)
python -m bench mutants …  which small changes of the program its tests find: hours, or --quick (bench/mutants.py)
"""

from __future__ import annotations

import compileall
import os
import platform
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench import (
    attacks,
    bounds,
    call_costs,
    calls,
    chaos,
    checkpoints,
    dashboard,
    decisions,
    delivery,
    exchanged_rows,
    find,
    first_change,
    first_changes,
    fleet,
    fuzz,
    git_processes,
    hooks,
    hops,
    job_engines,
    jobs,
    kills,
    large_repository,
    long_work,
    loops,
    memory,
    models,
    mutants,
    open_runs,
    page_load,
    rooms,
    scans,
    scans_on_postgresql,
    size,
    startup,
    team,
    tokens,
    trees,
    upgrade,
)
from bench.figures import Figure, print_figures
from bench.scene import Scene, scene

if TYPE_CHECKING:
    from collections.abc import Callable

NAMED = (
    "scans",
    "scans-on-postgresql",
    "decisions",
    "size",
    "page-load",
    "exchanged-rows",
    "kills",
    "fuzz-lines",
    "fuzz-api",
    "job-engines",
    "team",
    "chaos",
)
"""What runs only when it is named: each takes many minutes."""


def main(argv: list[str]) -> int:
    """Exit code 0 for figures: people judge them, because the machine may be busy. 2: no measurement has that name."""
    if argv[:1] in (["attacks"], ["mutants"]):
        return {"attacks": attacks.main, "mutants": mutants.main}[argv[0]](argv[1:])
    if argv[:1] == ["first-change"] and argv[1:] and all(map(os.path.isdir, argv[1:])):
        return first_changes.main(argv[1:])
    if argv[:1] == ["upgrade"] and argv[1:]:
        return upgrade.main(argv[1:])
    if not {"-h", "--help"}.isdisjoint(argv):
        print(__doc__)
        return 0
    workers, argv = _number(argv, "--workers", 1)
    chaotic, argv = _number(argv, "--runs", 40 if "--quick" in argv else 1_000)
    quick, large = "--quick" in argv, "--large" in argv
    wanted = [word for word in argv if word not in {"--quick", "--large"}]
    scanned = 10_000 if quick else 100_000
    runs, count, many = (5, 30, 10_000) if quick else (15, 200, 100_000)
    parts: dict[str, tuple[str, Callable[[Scene], list[Figure]]]] = {
        "startup": ("Start-up", partial(startup.measure, runs=runs)),
        "calls": ("Calls, small database", partial(calls.measure, calls=count, artifacts=1_000)),
        "calls-counted": ("Calls, counted", partial(call_costs.measure, times=3 if quick else 7)),
        "calls-many": ("Calls, large database", partial(calls.measure, calls=count, artifacts=many)),
        "open-runs": (
            "Calls beside open runs",
            partial(open_runs.measure, calls=10 if quick else 30, few=100, many=2_000 if quick else 10_000),
        ),
        "first-change": ("From nothing to the first gated change", first_change.measure),
        "hooks": ("Hooks of clients", partial(hooks.measure, runs=max(runs, 15))),
        "hops": ("From a tool to the store", hops.measure),
        "find": ("Find", partial(find.measure, artifacts=many, times=20 if quick else 100)),
        "long-work": ("A writer beside long work", partial(long_work.measure, runs=50 if quick else 400)),
        "loops": ("Loops", partial(loops.measure, items=300 if quick else 1_000)),
        "phases": ("A run of many phases", partial(loops.measure_phases, count=400, calls=20 if quick else 100)),
        "memory": ("Memory", memory.measure),
        "tokens": ("Tokens (o200k)", tokens.measure),
        "fleet": ("Eight servers on one database", partial(fleet.measure, each=50 if quick else 200)),
        "jobs": ("Jobs", partial(jobs.measure, times=5 if quick else 20)),
        "job-engines": (
            "How jobs get to workers on PostgreSQL",
            partial(job_engines.measure, singles=20 if quick else 60, idle_s=4 if quick else 10),
        ),
        "team": ("A team on one server", partial(team.measure, each=1 if quick else 3, workers=workers)),
        "chaos": (
            "A team whose machines fail",
            partial(chaos.measure, runs=chaotic, workers=workers),
        ),
        "models": ("Models that the server drives", partial(models.measure, times=3 if quick else 10)),
        "checkpoints": ("Checkpoints of the files", partial(checkpoints.measure, times=3 if quick else 9)),
        "rooms": ("Where a check runs", partial(rooms.measure, times=3 if quick else 9)),
        "git": ("Git processes", git_processes.measure),
        "delivery": ("Branch, commit and push", partial(delivery.measure, times=3 if quick else 7)),
        "trees": (
            "What grows with the repository",
            partial(trees.measure, sizes=trees.SMALL + trees.LARGE * large, times=3 if quick else 9),
        ),
        "large": ("A repository of 50,000 files", partial(large_repository.measure, times=3 if quick else 9)),
        "scans": (
            "What grows with the number of runs",
            partial(scans.measure, many=1_000_000 if large else scanned),
        ),
        "scans-on-postgresql": (
            "What grows with the number of runs, on PostgreSQL",
            partial(scans_on_postgresql.measure, many=1_000_000 if large else scanned),
        ),
        "bounds": ("Input at and above the limits", bounds.measure),
        "dashboard": ("The dashboard", dashboard.measure),
        "page-load": ("An open page while agents work", partial(page_load.measure, seconds=4 if quick else 10)),
        "fuzz": ("Hostile calls", partial(fuzz.measure, calls=200 if quick else 5_000)),
        "fuzz-lines": ("Damaged lines to a server", partial(fuzz.measure_lines, lines=100 if quick else 1_000)),
        "fuzz-api": ("Hostile requests to the HTTP API", partial(fuzz.measure_api, each=2 if quick else 20)),
        "decisions": ("Decisions", partial(decisions.measure, times=5 if quick else 15)),
        "size": ("An installation", size.measure),
        "exchanged-rows": (
            "Rows exchanged while a person looks and signs",
            partial(exchanged_rows.measure, exchanges=100 if quick else 1_000),
        ),
        "kills": ("kill -9 in the middle of commands", partial(kills.measure, kills=50 if quick else 500)),
    }
    if unknown := set(wanted) - set(parts) - {name.partition("-")[0] for name in parts}:
        print(*sorted(unknown), "- no measurement is called so.", __doc__, file=sys.stderr)
        return 2
    print(
        f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    # Like an installed tool; a checkout without bytecode takes twice as long to start.
    compileall.compile_dir(Path(__file__).resolve().parent.parent / "wfe_mcp", quiet=1)
    kept = True
    for name, (title, measure) in parts.items():
        if name in wanted or name.split("-")[0] in wanted or (not wanted and name not in NAMED):
            with scene() as place:
                _first_run(place)
                kept &= print_figures(title, measure(place))
    print("\nevery budget is kept" if kept else "\nsome budgets are missed")
    return 0


def _number(argv: list[str], name: str, otherwise: int) -> tuple[int, list[str]]:
    """The number behind an option, and the words without both."""
    if name not in argv:
        return otherwise, argv
    at = argv.index(name)
    return int(argv[at + 1]), [*argv[:at], *argv[at + 2 :]]


def _first_run(place: Scene) -> None:
    with place.server() as server:
        server.hello()
        run = server.call("start_run", template="bench")["structuredContent"]["run"]
        server.call("start_phase", run=run)
        server.call("submit_artifact", run=run, phase="work", artifact={"front": {}, "body": "word " * 800})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
