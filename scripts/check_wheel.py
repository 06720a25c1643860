"""Builds the wheel, installs it outside the checkout and starts it with an empty home.

    python scripts/check_wheel.py

An editable install proves nothing here: it finds templates/ and schemas/ beside the package, a wheel must contain them.
The sample package of docs/examples is installed beside it, and its template must be found.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from pins import ROOT, uv

CARRIED = ("templates", "schemas")
BUILT = ("dashboard/static/app/index.html", "dashboard/static/app/BUILD.json")
"""What is built before the wheel is, below the package."""
SAMPLE = "docs/examples/acme-wfe"


def main() -> int:
    # resolve: a temporary folder may be a link (macOS), and installed paths are compared with it
    with tempfile.TemporaryDirectory(prefix="wfe-wheel-") as folder:
        work = Path(folder).resolve()
        subprocess.run([uv(), "build", "--quiet", "--wheel", "--out-dir", str(work), str(ROOT)], check=True)
        wheel = next(work.glob("*.whl"))
        missing = files_missing_in(wheel)
        if missing:
            print(f"{wheel.name} lacks {len(missing)} files of the checkout:", *missing, sep="\n  ")
            print("Next: see [tool.hatch.build.targets.wheel] in pyproject.toml.")
            return 1
        bin_folder = installed(wheel, work / "venv", ROOT / SAMPLE)
        home = work / "home"
        home.mkdir()
        commands = [
            [str(bin_folder / "wfe-mcp"), "--version"],
            [str(bin_folder / "wfe-mcp"), "templates", "list"],
            [str(bin_folder / "wfe-mcp"), "templates", "show", "acme_ticket"],
            [str(bin_folder / "python"), "-m", "wfe_mcp", "--help"],
        ]
        failed = [command for command in commands if not answers(command, work, home)]
        return 1 if failed else 0


def files_missing_in(wheel: Path) -> list[str]:
    """Files under templates/ and schemas/ in git, and built ones, that the wheel lacks inside the package."""
    listed = subprocess.run(
        ["git", "ls-files", "--", *CARRIED], cwd=ROOT, check=True, capture_output=True, encoding="utf-8"
    )
    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    return [name for name in (*listed.stdout.splitlines(), *BUILT) if f"wfe_mcp/{name}" not in carried]


def installed(wheel: Path, venv: Path, sample: Path) -> Path:
    """The folder of commands of a new environment with the wheel, its pinned dependencies, and ``sample``."""
    subprocess.run([uv(), "venv", "--quiet", "--python", sys.executable, str(venv)], check=True)
    # runs in the checkout, where uv reads the pins
    subprocess.run(
        [uv(), "pip", "install", "--quiet", "--python", str(venv), str(wheel), str(sample)], check=True, cwd=ROOT
    )
    return venv / ("Scripts" if os.name == "nt" else "bin")


def answers(command: list[str], work: Path, home: Path) -> bool:
    """Whether the installed command exits with 0 and prints something, without access to the checkout."""
    system = {name: os.environ[name] for name in ("SYSTEMROOT", "COMSPEC", "PATHEXT") if name in os.environ}
    environment = {**system, "PATH": os.defpath, "HOME": str(home), "USERPROFILE": str(home), "LANG": "C.UTF-8"}
    shown = " ".join([Path(command[0]).name, *command[1:]])
    finished = subprocess.run(
        command, cwd=work, env=environment, check=False, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL
    )
    if finished.returncode == 0 and finished.stdout.strip():
        print(f"  {shown}: {finished.stdout.strip().splitlines()[0]}")
        return True
    print(f"  {shown}: exit {finished.returncode}, expected 0 and an answer\n{finished.stdout}{finished.stderr}")
    return False


if __name__ == "__main__":
    sys.exit(main())
