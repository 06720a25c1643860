"""The committed browser application is that of its sources; an installation needs no node."""

import gzip
import json
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from scripts import generate_web_types
from scripts.build_web import BUILT, STATIC, WEB, stale

DRAWN = {
    "openapi": "3.1.0",
    "paths": {
        "/runs": {"get": {"responses": {"200": {"schema": {"$ref": "#/components/schemas/Answer_RunList_"}}}}},
        "/ask": {"post": {"requestBody": {"schema": {"$ref": "#/components/schemas/Question"}}, "responses": {}}},
    },
    "components": {
        "schemas": {
            "Answer_RunList_": {
                "properties": {
                    "ok": {"type": "boolean"},
                    "data": {"anyOf": [{"$ref": "#/components/schemas/RunList"}, {"type": "null"}]},
                },
                "required": ["ok"],
            },
            "Question": {"properties": {"text": {"type": "string"}}},
            "RunList": {
                "properties": {
                    "runs": {"type": "array", "items": {"$ref": "#/components/schemas/RunRow"}},
                    "pair": {"type": "array", "prefixItems": [{"type": "integer"}, {"enum": ["a", "b"]}]},
                    "seconds": {"type": "object", "additionalProperties": {"type": "number"}},
                },
                "required": ["runs"],
            },
            "RunRow": {
                "properties": {
                    "payload": {"type": "object", "additionalProperties": True},
                    "sides": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"const": 1}]}},
                    "value": {},
                },
                "required": ["payload"],
            },
        }
    },
}
TYPES = """\
// Types of the answers of /api/v1. Written by scripts/generate_web_types.py from docs/reference/openapi.json.

export interface Answer<T> {
  ok: boolean;
  data?: T | null;
}

export interface RunList {
  runs: RunRow[];
  pair?: [number, "a" | "b"];
  seconds?: Record<string, number>;
}

export interface RunRow {
  payload: Record<string, unknown>;
  sides?: (string | 1)[];
  value?: unknown;
}
"""

MOST_BYTES = 700_000


def test_the_committed_application_is_built_from_the_sources_beside_it() -> None:
    assert stale(BUILT) == ""


def test_the_application_is_one_file_that_loads_nothing_from_elsewhere() -> None:
    page = (BUILT / "index.html").read_text(encoding="utf-8")
    before, _, after = page.partition("<script>")
    assert re.findall(r'(?:src|href)="([^"]*)"', before + after.rpartition("</script>")[2]) == ["/icon.svg", "/"]
    assert page.count("</script>") == 1
    assert "@import" not in page


def test_the_application_is_small() -> None:
    assert len(gzip.compress((BUILT / "index.html").read_bytes(), 9, mtime=0)) < MOST_BYTES


def test_every_package_of_the_application_has_an_exact_version_and_no_address() -> None:
    wanted = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    for name, version in (wanted["dependencies"] | wanted["devDependencies"]).items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))
    assert not [name for name, each in lock["packages"].items() if "resolved" in each]
    assert all("integrity" in each for name, each in lock["packages"].items() if name)


def test_the_types_of_answers_are_those_of_the_api_document() -> None:
    assert generate_web_types.main(["--check"]) == 0
    assert generate_web_types.types(DRAWN) == TYPES


def test_stale_types_are_named_by_the_check_and_written_by_the_generator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / generate_web_types.TYPES
    for name in (generate_web_types.SOURCE, generate_web_types.TYPES):
        (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / generate_web_types.SOURCE).write_text(json.dumps(DRAWN), encoding="utf-8")

    assert generate_web_types.main(["--check"], tmp_path) == 1
    assert generate_web_types.TYPES in capsys.readouterr().err
    assert not file.exists()
    assert generate_web_types.main([], tmp_path) == 0
    assert file.read_text(encoding="utf-8") == TYPES
    assert generate_web_types.main(["--check"], tmp_path) == 0
    assert generate_web_types.main(["--chek"], tmp_path) == 2


def test_the_modules_of_the_application_import_each_other_without_a_circle() -> None:
    modules = {file.stem: file.read_text(encoding="utf-8") for file in (WEB / "src").glob("*.ts*")}
    imports = {name: set(re.findall(r'(?:from |import |import\()"\./(\w+)"', text)) for name, text in modules.items()}

    assert "app" in imports["main"]
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as circle:
        pytest.fail(" -> ".join(circle.args[1]))


def test_every_class_of_the_style_sheets_and_every_icon_is_used() -> None:
    written = {path: path.read_text("utf-8") for path in (*WEB.glob("src/*.ts*"), *STATIC.parent.glob("*.py"))}
    used = {word for text in written.values() for word in re.findall(r"[\w-]+", text)}
    sheets = re.sub(
        r"/\*.*?\*/", "", "".join(path.read_text("utf-8") for path in (*WEB.glob("src/*.css"), *STATIC.glob("*.css")))
    )
    classes = set(re.findall(r"\.([a-z][\w-]*)", re.sub(r"{[^{}]*}", " ", sheets)))
    composed = {
        name for name in classes if name.startswith(("react-flow", "s-", "syn-"))
    }  # of the library; of a state, of a colour
    assert not classes - composed - used
    icons = WEB / "src" / "icons.tsx"
    quoted = {word for path, text in written.items() if path != icons for word in re.findall(r'"(\w+)"', text)}
    assert not set(re.findall(r"^  (\w+): ", written[icons], re.MULTILINE)) - quoted


def test_what_a_module_of_the_application_exports_is_imported() -> None:
    written = {path: path.read_text("utf-8") for path in WEB.glob("src/**/*.ts*") if path.name != "api_types.ts"}
    unused = {
        f"{path.name}: {name}"
        for path, text in written.items()
        if path.name != "jsx-runtime.ts"  # the compiler imports it
        for name in re.findall(r"^export (?:async )?(?:function|const|class|type) (\w+)", text, re.MULTILINE)
        if not any(re.search(rf"\b{name}\b", other) for at, other in written.items() if at != path)
    }
    assert not unused
