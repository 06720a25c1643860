"""The checks of projects in further languages are found by their files."""

import pytest

from tests.workspace.discovery.test_found_checks import commands, tree
from wfe_mcp.workspace.discovery.found_checks import found_checks

MIX = 'defmodule Shop.MixProject do\n  defp deps do\n    [{:credo, "~> 1.7"}, {:dialyxir, "~> 1.4"}]\n  end\nend\n'
FLUTTER = "name: shop\ndependencies:\n  flutter:\n    sdk: flutter\n"

CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "Elixir": (
        {"mix.exs": "defmodule Shop.MixProject do\nend\n", ".formatter.exs": "[]\n", "apps/a/mix.exs": ""},
        {"test": "mix test", "build": "mix compile", "lint": "mix format --check-formatted"},
    ),
    "Elixir with credo and dialyxir": (
        {"mix.exs": MIX, ".formatter.exs": "[]\n"},
        {"test": "mix test", "build": "mix compile", "lint": "mix credo", "types": "mix dialyzer"},
    ),
    "Deno": ({"deno.json": "{}", "src/cart_test.ts": ""}, {"test": "deno test", "lint": "deno lint"}),
    "Deno with a task that gives permissions": (
        {"deno.json": '{"tasks": {"test": "deno test --allow-read"}}', "cart_test.ts": ""},
        {"test": "deno task test", "lint": "deno lint"},
    ),
    "Deno without tests": ({"deno.jsonc": "{}", "cart.ts": ""}, {"lint": "deno lint"}),
    "Flutter with its hosts": (
        {
            "app/pubspec.yaml": FLUTTER,
            "app/android/app/build.gradle": "",
            "app/android/settings.gradle": "",
            "app/linux/CMakeLists.txt": "",
            "linux/go.mod": "",
        },
        {
            "test": "go test ./... @linux",
            "build": "go build ./... @linux",
            "lint-app": "flutter analyze @app",
            "lint-linux": "go vet ./... @linux",
        },
    ),
    "Flutter": ({"pubspec.yaml": FLUTTER, "test/a_test.dart": ""}, {"test": "flutter test", "lint": "flutter analyze"}),
    "Dart": ({"pubspec.yaml": "name: shop\n", "test/a_test.dart": ""}, {"test": "dart test", "lint": "dart analyze"}),
    "Swift": (
        {"Package.swift": "", "Tests/ShopTests/CartTests.swift": ""},
        {"test": "swift test", "build": "swift build"},
    ),
    "Scala": ({"build.sbt": ""}, {"test": "sbt test", "build": "sbt compile"}),
    "Haskell with Stack": (
        {"stack.yaml": "", "shop.cabal": ""},
        {"test": "stack test", "build": "stack build"},
    ),
    "Haskell with Cabal": ({"shop.cabal": ""}, {"test": "cabal test all", "build": "cabal build all"}),
    "Perl": ({"t/cart.t": "", "lib/Shop.pm": ""}, {"test": "prove -lr t"}),
}


@pytest.mark.parametrize(("files", "expected"), CASES.values(), ids=CASES)
def test_the_checks_of_a_project_are_found_by_its_files(files: dict[str, str], expected: dict[str, str]) -> None:
    assert commands(found_checks(tree(files))) == expected
