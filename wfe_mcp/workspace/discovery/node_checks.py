"""Commands of JavaScript and TypeScript projects: scripts of package.json and known tools, by the project's manager."""

import re

from wfe_mcp.workspace.discovery.project_listing import Folder, table

_LOCKS = (
    ("bun", ("bun.lock", "bun.lockb")),
    ("pnpm", ("pnpm-lock.yaml",)),
    ("yarn", ("yarn.lock",)),
    ("npm", ("package-lock.json", "npm-shrinkwrap.json")),
)
_TOOL = {"npm": ("npx", "--no-install"), "yarn": ("yarn", "run"), "pnpm": ("pnpm", "exec"), "bun": ("bun", "run")}
_CHANGES_FILES = re.compile(r"--(fix|write|apply)\b")
_TEST_FILES = tuple(f"*.{word}.{end}" for word in ("test", "spec") for end in ("js", "mjs", "cjs", "ts", "mts"))


def script(folder: Folder, *names: str) -> list[str] | None:
    """The command of the first script that package.json has, unless it is a placeholder or changes files."""
    scripts = table(folder.json("package.json"), "scripts")
    for name in names:
        text = scripts.get(name)
        # "no test specified" is what `npm init` writes.
        if isinstance(text, str) and "no test specified" not in text and not _CHANGES_FILES.search(text):
            manager = manager_of(folder)
            return [manager, "test"] if name == "test" and manager != "bun" else [manager, "run", name]
    return None


def manager_of(folder: Folder) -> str:
    """npm, yarn, pnpm or bun: as package.json says, else by the nearest lock file."""
    for place in folder.upwards():
        declared = place.json("package.json").get("packageManager")
        named = declared.partition("@")[0] if isinstance(declared, str) else ""
        if named in _TOOL:
            return named
        locked_by = next((manager for manager, locks in _LOCKS if place.has(*locks)), None)
        if locked_by:
            return locked_by
    return "npm"


def node_tool(folder: Folder, tool: str, *arguments: str) -> list[str]:
    """A tool that the project has installed, without downloading anything."""
    return [*_TOOL[manager_of(folder)], tool, *arguments]


def depends_on(folder: Folder, *packages: str) -> bool:
    """Whether package.json, or the one of a folder above, names one of ``packages``."""
    read = (place.json("package.json") for place in folder.upwards()) if folder.has("package.json") else ()
    listed = (table(package, kind) for package in read for kind in ("dependencies", "devDependencies"))
    return any(name in known for known in listed for name in packages)


def has_test_files(folder: Folder) -> bool:
    """Whether there are files that ``node --test`` and ``bun test`` run."""
    named = folder.has(*_TEST_FILES) or any(folder.has_below(name, *_TEST_FILES) for name in ("src", "lib", "tests"))
    return named or folder.has_below("test", "*.js", "*.mjs", "*.cjs") or folder.has_below("__tests__", "*.js", "*.ts")


def is_workspace(folder: Folder) -> bool:
    """Whether its package.json is one of several packages below it."""
    return "workspaces" in folder.json("package.json") or folder.has("pnpm-workspace.yaml")
