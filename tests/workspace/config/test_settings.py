"""Every value has one layer it came from; a fault is reported and nothing else is lost."""

import time
from hashlib import sha256
from pathlib import Path

import pytest

from wfe_mcp.core.errors import Detail
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.config.layers import seconds
from wfe_mcp.workspace.config.settings import LoadedSettings, load_settings
from wfe_mcp.workspace.config.settings_tables import FrozenServer


def load(
    root: Path,
    project: str | None = None,
    user: str | None = None,
    env: dict[str, str] | None = None,
    *,
    trust: bool = True,
) -> LoadedSettings:
    user_file = root.parent / "user" / "config.toml"
    if user is not None:
        user_file.parent.mkdir(exist_ok=True)
        user_file.write_text(user)
    if project is not None:
        (root / ".wfe").mkdir(exist_ok=True)
        (root / ".wfe/config.toml").write_text(project)
    return load_settings(root, lambda _path, _sha: trust, env or {}, user_file)


def problem(loaded: LoadedSettings) -> Detail:
    assert len(loaded.problems) == 1, loaded.problems
    return loaded.problems[0]


@pytest.mark.requirement("S0-56")
def test_environment_beats_project_beats_user_beats_default(root: Path) -> None:
    def auto_of(*names: str) -> tuple[object, str]:
        loaded = load(
            root,
            "auto = false" if "project" in names else "",
            "auto = false" if "user" in names else "",
            {"WFE_AUTO": "off"} if "environment" in names else {},
        )
        return loaded.values()["auto"], loaded.origins["auto"].layer

    assert auto_of() == (True, "default")
    layers = ["user", "project", "environment"]
    for number, layer in enumerate(layers, 1):
        assert auto_of(*layers[:number]) == (False, layer)


@pytest.mark.requirement("B-08")
def test_each_value_names_the_file_or_variable_it_came_from(root: Path) -> None:
    loaded = load(root, "[runs]\nstale_after = '1d'", "auto = false", {"WFE_HTTP_ALLOW": "http://a, http://b"})
    where = {key: origin.where for key, origin in loaded.origins.items() if origin.layer != "default"}
    assert where == {
        "auto": str(root.parent / "user/config.toml"),
        "runs.stale_after": str(root / ".wfe/config.toml"),
        "http.allow": "WFE_HTTP_ALLOW",
    }
    assert loaded.settings.http.allow == ["http://a", "http://b"]
    assert loaded.values().keys() == loaded.origins.keys()


def test_tables_merge_key_by_key_and_lists_replace(root: Path) -> None:
    loaded = load(
        root,
        "[checks.test]\ntimeout = '1m'\nwrites = ['b']\n[checks.lint]\nargv = ['lint']",
        "[checks.test]\nargv = ['pytest']\nwrites = ['a']",
    )
    test = loaded.settings.checks["test"]
    assert (test.argv, test.timeout, test.writes) == (["pytest"], "1m", ["b"])
    assert loaded.origins["checks.test.argv"].layer == "user"
    assert loaded.origins["checks.test.timeout"].layer == "project"
    assert set(loaded.settings.checks) == {"test", "lint"}
    assert not loaded.problems


def test_project_configuration_counts_only_once_its_very_bytes_are_trusted(root: Path) -> None:
    text = "[checks.test]\nargv = ['true']"
    (root / ".wfe").mkdir()
    (root / ".wfe/config.toml").write_text(text)
    asked: list[tuple[Path, str]] = []

    def trusted(path: Path, digest: str) -> bool:
        asked.append((path, digest))
        return digest == sha256(text.encode()).hexdigest()

    user_file = root / "none.toml"
    loaded = load_settings(root, trusted, {}, user_file)
    assert asked == [(root / ".wfe/config.toml", sha256(text.encode()).hexdigest())]
    assert loaded.settings.checks["test"].argv == ["true"]
    assert (loaded.untrusted, loaded.pending) == ([], None)
    (root / ".wfe/config.toml").write_text(text + "\n")
    loaded = load_settings(root, trusted, {}, user_file)
    assert not loaded.settings.checks
    assert loaded.untrusted == [root / ".wfe/config.toml"]
    assert loaded.pending is not None
    assert loaded.pending.checks["test"].argv == ["true"]
    assert loaded.project_sha256 == asked[-1][1]


def test_without_any_file_the_defaults_hold(root: Path) -> None:
    loaded = load_settings(root, lambda _path, _sha: False, {})
    assert (loaded.untrusted, loaded.problems, loaded.project_file) == ([], [], None)
    assert {origin.layer for origin in loaded.origins.values()} == {"default"}
    assert loaded.settings.artifacts.on_mismatch == "block"


def test_an_unknown_key_offers_the_nearest_and_the_rest_counts(root: Path) -> None:
    loaded = load(root, "auto = false\n[checks.test]\nargv = ['x']\ntimout = '5m'")
    found = problem(loaded)
    assert found.path == "/checks/test/timout"
    assert "Did you mean 'timeout'?" in found.message
    assert str(root / ".wfe/config.toml") in found.message
    assert loaded.settings.checks["test"].argv == ["x"]
    assert loaded.settings.auto is False
    beside = problem(load(root, "[checks.test]\nargv = ['x']\ntimout = '5m'\ntimeout = '9m'"))
    assert beside.message.endswith("Did you mean 'timeout'? It is there already.")


@pytest.mark.parametrize(
    ("text", "path", "answer"),
    [
        ("zzz = 1", "/zzz", "unknown key 'zzz'"),
        ("[templates.t.phases.p]\nmax_retry = 1", "/templates/t/phases/p/max_retry", "Did you mean 'max_retries'?"),
        ("auto = 'yes'", "/auto", "true or false"),
        ("checks = 1", "/checks", "a table"),
        ("[checks]\ntest = 1", "/checks/test", "a table"),
        ("[artifacts]\non_mismatch = 'ignore'", "/artifacts/on_mismatch", "'warn' or 'block'"),
        ("[runs]\nstale_after = 'soon'", "/runs/stale_after", '"7d"'),
        ("[runs]\nstale_after = '0s'", "/runs/stale_after", "above zero"),
        ("[checks.'a b']\nargv = ['x']", "/checks/a b", "a name is"),
        ("[templates.t.phases.p]\nmax_retries = -1", "/templates/t/phases/p/max_retries", "at least 0"),
        ("[policy]\npeople = 0", "/policy/people", "at least 1"),
        ("[policy]\npeople = 9", "/policy/people", "at most 5"),
        ("[claims.gold_sets.a]\npath = 'a'\nvalue = 'v'\nkey = ''", "/claims/gold_sets/a/key", "not empty"),
        ("[delivery]\nremote = '-x'", "/delivery/remote", "a text of the form ^"),
        (f"[delivery]\nremote = '{'x' * 101}'", "/delivery/remote", "at most 100 characters"),
        ("[env]\nallow = ['A=secret']", "/env/allow/0", "never its value"),
        ("[checks.test]\nargv = ['x']\ncwd = '../up'", "/checks/test/cwd", "'..' leaves"),
        ("[roles.r]\nmodel = 'm'", "/roles/r/provider", "[roles.r] has no 'provider'"),
    ],
)
def test_a_faulty_value_is_a_problem_in_plain_words(root: Path, text: str, path: str, answer: str) -> None:
    found = problem(load(root, text))
    assert found.path == path
    assert answer in found.message
    assert "should" not in found.message


@pytest.mark.parametrize("argv", ["'pytest -q'", "[]", "['a', 1]", '["a\\u0000"]'])
def test_a_check_without_a_usable_command_does_not_count(root: Path, argv: str) -> None:
    loaded = load(root, f"[checks.test]\nargv = {argv}\n[checks.lint]\nargv = ['lint']")
    assert set(loaded.settings.checks) == {"lint"}
    assert loaded.problems[0].path.startswith("/checks/test/argv")


@pytest.mark.parametrize("trust", [True, False])
@pytest.mark.parametrize(
    "value", ["{ b = 2020-01-01 }", "{ dict = { b = 1 }, b = 2020-01-01 }", "[{ b = [2020-01-01] }]"]
)
def test_an_input_that_is_no_json_deep_in_a_table_does_not_count_and_the_rest_does(
    root: Path, value: str, trust: bool
) -> None:
    schedule = f"template = 'quick_fix'\ncron = '0 7 * * *'\ninputs = {{ a = {value}, goal = 'x' }}"
    loaded = load(root, f"auto = false\n[schedule.nightly]\n{schedule}", trust=trust)

    assert problem(loaded).path.startswith("/schedule/nightly/inputs/a")
    settings = loaded.settings if trust else loaded.pending
    assert settings is not None and not settings.auto
    assert settings.schedule["nightly"].inputs == {"goal": "x"}


def test_an_unknown_key_of_a_table_that_need_not_be_there_is_a_problem(root: Path) -> None:
    loaded = load(root, user="[server.login]\nissuer = 'https://id.example'\nclient_id = 'wfe'\nscopes = 'openid'")

    assert problem(loaded).message.endswith("unknown key 'server.login.scopes'. Did you mean 'scope'?")
    assert loaded.settings.server.login is not None


def test_a_secret_is_sent_to_no_issuer_whose_name_others_may_resolve(root: Path) -> None:
    loaded = load(root, user="[server.login]\nissuer = 'http://id.localhost:9'\nclient_id = 'wfe'")

    assert "http://localhost" in problem(loaded).message
    assert loaded.settings.server.login is None


def test_thousands_of_tables_that_lack_a_key_are_read_in_linear_time(root: Path) -> None:
    began = time.process_time()
    loaded = load(root, "\n".join(f"[roles.r{number}]\nmodel = 'm'" for number in range(8_000)))
    assert time.process_time() - began < 20
    assert len(loaded.problems) == 8_000 and not loaded.settings.roles


def test_a_name_that_looks_as_in_a_message_takes_nothing_else_away(root: Path) -> None:
    loaded = load(root, '[checks."[key]"]\nargv = ["a"]\n[checks.unit]\nargv = ["b"]\n[templates."[key]"]\nfoo = 1')

    assert [found.path for found in loaded.problems] == ["/checks/[key]", "/templates/[key]/foo"]
    assert list(loaded.settings.checks) == ["unit"]


def test_an_environment_whose_check_does_not_count_does_not_count_either(root: Path) -> None:
    prod = "[environments.prod]\nkind = 'production'\ndeploy = 'ship'\nhealth = 'ship'"
    loaded = load(root, f"[checks.ship]\nargv = ['a']\nnetwork = true\n{prod}")

    assert [found.path for found in loaded.problems] == ["/checks/ship", "/environments/prod"]
    assert not loaded.settings.environments


def test_a_long_faulty_value_is_shown_shortened(root: Path) -> None:
    assert len(str(problem(load(root, f"auto = '{'x' * 500}'")).got)) == 200


@pytest.mark.parametrize("content", [b"auto = ", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_a_problem_and_the_rest_counts(root: Path, content: bytes) -> None:
    (root / ".wfe").mkdir()
    (root / ".wfe/config.toml").write_bytes(content)
    loaded = load(root, user="auto = false")
    assert "none of it counts" in problem(loaded).message
    assert loaded.settings.auto is False


def test_a_byte_order_mark_before_a_configuration_counts_for_nothing(root: Path) -> None:
    loaded = load(root, "\ufeffauto = false\r\n", user="\ufeff[checks.test]\r\nargv = ['make']\r\n")
    assert (loaded.problems, loaded.settings.auto, [*loaded.settings.checks]) == ([], False, ["test"])


def test_a_configuration_that_is_a_link_does_not_count(root: Path, tmp_path: Path) -> None:
    (tmp_path / "evil.toml").write_text("auto = false")
    (root / ".wfe").mkdir()
    (root / ".wfe/config.toml").symlink_to(tmp_path / "evil.toml")
    loaded = load(root)
    assert "link" in problem(loaded).message
    assert loaded.settings.auto is True


def test_a_faulty_variable_is_named(root: Path) -> None:
    assert "WFE_AUTO" in problem(load(root, env={"WFE_AUTO": "perhaps"})).message
    assert load(root, env={"WFE_ARTIFACTS_ON_MISMATCH": "warn"}).settings.artifacts.on_mismatch == "block"


def test_names_with_dots_are_quoted_in_keys(root: Path) -> None:
    loaded = load(root, "[templates.'my.flow'.phases.plan]\ntimeout = '1h'")
    assert loaded.values()['templates."my.flow".phases.plan.timeout'] == "1h"


def test_a_frozen_check_is_plain_json_and_complete(root: Path) -> None:
    loaded = load(root, "[checks.test]\nargv = ['a', 'b']\nenv = ['CI']\ncwd = 'web'\njunit = 'web/j.xml'")
    frozen = loaded.settings.checks["test"].frozen("test")
    assert frozen.timeout_s == 600
    assert FrozenCheck.model_validate_json(frozen.model_dump_json()) == frozen


@pytest.mark.parametrize(("text", "value"), [("500ms", 0.5), ("30s", 30), ("5m", 300), ("1.5h", 5400), ("7d", 604800)])
def test_durations_are_a_number_and_a_unit(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5 m", "0s", "5w", "1e3s", "36501d", "999999999d"])
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("table", "answer"),
    [
        ("args = ['x']", "exactly one of 'command' and 'url'"),
        ("command = 'x'\nurl = 'https://example.org/mcp'", "exactly one of 'command' and 'url'"),
        ("url = 'http://127.0.0.1:9/mcp'", "plain http to http://127.0.0.1:9 is not allowed"),
        ("url = 'ftp://example.org'", "is no address"),
    ],
)
def test_a_server_that_cannot_be_used_does_not_count_and_the_rest_does(root: Path, table: str, answer: str) -> None:
    loaded = load(root, f"[mcp_servers.bad]\n{table}\n[mcp_servers.good]\ncommand = 'g'")
    assert problem(loaded).path == "/mcp_servers/bad"
    assert answer in problem(loaded).message
    assert list(loaded.settings.mcp_servers) == ["good"]


def test_a_server_may_come_from_two_layers_and_run_on_an_allowed_origin(root: Path) -> None:
    project = "[mcp_servers.a]\nenv = ['TOKEN']\n[mcp_servers.b]\nurl = 'http://LOCALHOST:9/mcp'\n"
    loaded = load(root, project + "[http]\nallow = ['http://localhost:9']", "[mcp_servers.a]\ncommand = 'a'")
    assert loaded.problems == []
    servers = loaded.settings.mcp_servers
    assert servers["a"].frozen("a") == FrozenServer(name="a", command="a", env=["TOKEN"])
    assert servers["b"].frozen("b").url == "http://LOCALHOST:9/mcp"


def test_what_has_not_changed_is_read_once_and_whatever_has_is_seen(root: Path) -> None:
    text = "auto = false\n[checks.test]\nargv = ['true']"
    first = load(root, project=text)

    assert load(root) is first
    assert first.settings.checks
    assert not first.settings.auto
    assert load(root, project=text.replace("'true'", "'false'")).settings.checks["test"].argv == ["false"]
    assert not load(root, project=text, trust=False).settings.checks
    assert load(root, env={"WFE_AUTO": "1"}).settings.auto
    assert load(root, user="[checks.own]\nargv = ['true']").settings.checks.keys() == {"own", "test"}
