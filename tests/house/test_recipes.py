"""What contributors read is true: recipes, stages, the map of packages, and the lists that no generator writes."""

import re
import tomllib
from pathlib import Path

import pytest

from scripts import check
from wfe_mcp.cli.app import main
from wfe_mcp.clients.table import CLIENTS
from wfe_mcp.importers.other_tools import TOOLS

RECIPES = "docs/contributing/recipes.md"
ARCHITECTURE = "docs/explanation/architecture.md"
GUIDES = ("AGENTS.md", "CONTRIBUTING.md", RECIPES, ARCHITECTURE)
PLACES = (".ci", ".github", "bench", "docs", "schemas", "scripts", "templates", "tests", "web", "wfe_mcp")
PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(map(re.escape, PLACES))})/[\w./*-]*[\w/*]")
YOURS = re.compile(r"[A-Z]{2,}")
"""A part of a path that a contributor chooses: gates/KIND.py."""
SYMBOL = re.compile(r"`(\w+)`(?:,? (?:and )?`(\w+)`)*\s+in\s+`([\w/]+\.(?:py|tsx?))`")
RECIPE = re.compile(r"^## (.*?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
QUESTIONS = {
    "rollback of a run; of its files": ("engine/history/", "workspace/git/"),
    "may be approved": ("core/",),
    "a kind of gate": ("workflow/model/", "gates/"),
    "AI coding client": ("clients/",),
    "a column of a run": ("store/schema/",),
    "a page of the application": ("web/src/", "dashboard/"),
    "a command; a tool": ("cli/", "server/tools/"),
}
"""What a newcomer asked → where the answer is. Two steps: the map, and the file that it names."""


def named(text: str) -> set[str]:
    """The paths of the repository in a text; YOURS is any name."""
    return {YOURS.sub("*", found.rstrip(".")) for found in PATH.findall(text)}


def is_there(root: Path, path: str) -> bool:
    return any(root.glob(path.rstrip("/")))


def missing_symbols(root: Path, text: str) -> list[str]:
    """Names that a text says are in a file, and are not."""
    return [
        f"{name} in {found[3]}"
        for found in SYMBOL.finditer(text)
        for name in re.findall(r"`(\w+)`", found[0])
        if not re.search(rf"\b{name}\b", (root / found[3]).read_text(encoding="utf-8"))
    ]


def rows(text: str) -> dict[str, str]:
    """First cell → second cell of every row of the tables in a text."""
    return dict(re.findall(r"^\| (.*?) \| (.*?) \|", text, re.MULTILINE))


@pytest.mark.parametrize("guide", GUIDES)
def test_every_path_and_name_that_a_guide_for_contributors_has_exists(root: Path, guide: str) -> None:
    text = (root / guide).read_text(encoding="utf-8")
    paths = named(text)

    assert len(paths) > 5
    assert [path for path in sorted(paths) if not is_there(root, path)] == []
    assert missing_symbols(root, text) == []


def test_a_path_or_a_name_that_has_gone_is_found(root: Path) -> None:
    text = "Copy `wfe_mcp/gates/gone.py`; `judge` and `sentence` in `wfe_mcp/gates/report.py`; `wfe_mcp/gates/KIND.py`."

    assert [path for path in sorted(named(text)) if not is_there(root, path)] == ["wfe_mcp/gates/gone.py"]
    assert missing_symbols(root, text) == ["sentence in wfe_mcp/gates/report.py"]


def test_each_recipe_has_its_steps_a_test_to_copy_and_what_goes_red(root: Path) -> None:
    recipes = dict(RECIPE.findall((root / RECIPES).read_text(encoding="utf-8")))

    kinds = "gate kind, column of a run, argument of a tool, page, client, command, provider, importer"
    assert [title.partition(" ")[2] for title in recipes] == kinds.split(", ")
    for title, text in recipes.items():
        assert re.search(r"^1\. .*^2\. ", text, re.MULTILINE | re.DOTALL), title
        assert "Generated: " in text, title
        assert "tests/" in text, title
        assert "Red" in text or "fails at import" in text, title


def test_the_map_names_every_package_at_two_levels(root: Path) -> None:
    folders = [path.parent for path in (*root.glob("wfe_mcp/*/__init__.py"), *root.glob("wfe_mcp/*/*/__init__.py"))]
    text = (root / ARCHITECTURE).read_text(encoding="utf-8")
    provides = rows(text)

    names = [f"`{folder.relative_to(root).as_posix()}/`" for folder in folders]
    assert len(names) > 40
    assert [name for name in names if len(provides.get(name, "")) < 10] == [], "Next: python scripts/generate.py"


@pytest.mark.parametrize(("asks", "answers"), QUESTIONS.items())
def test_what_a_newcomer_asks_is_two_steps_away(root: Path, asks: str, answers: tuple[str, ...]) -> None:
    found = [
        cell for question, cell in rows((root / ARCHITECTURE).read_text(encoding="utf-8")).items() if asks in question
    ]

    assert len(found) == 1
    assert [part for part in answers if part not in found[0]] == []
    assert named(found[0])


def test_every_stage_of_the_checks_is_described(root: Path, tmp_path: Path) -> None:
    described = rows((root / "CONTRIBUTING.md").read_text(encoding="utf-8"))

    assert [stage for stage in check.stages(tmp_path) if stage not in described] == []


def test_agents_get_one_page_with_the_commands_of_the_readme(root: Path) -> None:
    page = (root / "AGENTS.md").read_text(encoding="utf-8")

    assert len(page.splitlines()) <= 75
    assert check.readme_commands()[1] in page
    assert [client.title for client in CLIENTS if client.title in page] == []
    assert len((root / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_what_contributors_read_is_in_the_source_archive_and_not_in_the_wheel(root: Path) -> None:
    build = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]

    assert {"AGENTS.md", "CONTRIBUTING.md", "docs"} <= set(build["sdist"]["include"])
    assert build["wheel"]["only-include"] == ["wfe_mcp", "templates", "schemas"]


def test_every_client_is_listed_where_users_look(root: Path) -> None:
    texts = {name: (root / name).read_text(encoding="utf-8") for name in ("README.md", "docs/index.md")}
    page = (root / "docs/how-to/connect-a-client.md").read_text(encoding="utf-8")

    titles = [client.title.removesuffix(" CLI") for client in CLIENTS]
    assert [(name, title) for name, text in texts.items() for title in titles if title not in text] == []
    assert [client.name for client in CLIENTS if not re.search(rf"\b{client.name}\b", page)] == []


@pytest.mark.parametrize("command", [("import",), ("templates", "import")])
def test_every_tool_whose_work_is_imported_is_on_its_page_and_in_the_help(
    root: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    page = (root / "docs/how-to/come-from-another-tool.md").read_text(encoding="utf-8")
    main([*command, "--help"])
    shown = "".join(capsys.readouterr().out.lower().split())

    spelled = {name: (name, tool.title.lower().replace(" ", "")) for name, tool in TOOLS.items()}
    assert [name for name in TOOLS if f"`{name}`" not in page] == []
    assert [name for name, words in spelled.items() if not any(word in shown for word in words)] == []


def test_every_page_is_on_the_list_of_pages(root: Path) -> None:
    index = (root / "docs/index.md").read_text(encoding="utf-8")
    listed = [
        path
        for folder in ("tutorial", "how-to", "explanation", "reference", "contributing")
        for path in sorted((root / "docs" / folder).rglob("*.md"))
        if "recorded" not in path.parts
    ]

    assert [path.name for path in listed if path.relative_to(root / "docs").as_posix() not in index] == []
