"""The storage of provider keys, and their protection from other readers."""

import base64
import logging
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import keyring
import pytest
from keyring.backends import fail

from tests.engine.scene import HUMAN, Scene, refused
from wfe_mcp.engine.models import secrets
from wfe_mcp.workspace.system.location import data_dir
from wfe_mcp.workspace.system.redaction import HidingFormatter, HidingStream, hide, raw_without_hidden, without_hidden

KEY = "sk-canary-0123456789"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def on_disk(scene: Scene) -> bytes:
    """Every byte of the database and what is beside it, and of the data folder."""
    folders = (scene.root.parent, data_dir())
    return b"".join(file.read_bytes() for folder in folders for file in folder.rglob("*") if file.is_file())


def test_a_variable_is_read_at_each_call_and_nothing_is_kept(scene: Scene) -> None:
    assert not secrets.is_there(scene.engine, "openai", "env:OPENAI_API_KEY")
    scene.engine.environment["OPENAI_API_KEY"] = f" {KEY}\n"
    assert secrets.key_of(scene.engine, "openai", "env:OPENAI_API_KEY") == KEY
    scene.engine.environment["OPENAI_API_KEY"] = "  "
    no = refused(secrets.key_of, scene.engine, "openai", "env:OPENAI_API_KEY")
    assert (no.code, "OPENAI_API_KEY is not set" in no.message) == ("unavailable", True)


@pytest.mark.requirement("S1-20", "S1-23")
def test_a_stored_key_is_encrypted_with_a_key_file_that_only_the_user_reads(scene: Scene) -> None:
    secrets.keep_key(scene.engine, HUMAN, "openai", KEY, "stored")
    assert secrets.key_of(scene.process(), "openai", "stored") == KEY
    assert KEY.encode() not in on_disk(scene)
    file = data_dir() / secrets.KEY_FILE
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secrets.keep_key(scene.engine, HUMAN, "gemini", KEY, "stored")
    assert secrets.key_of(scene.engine, "openai", "stored") == KEY, "one key file for all"


def test_each_key_that_is_kept_or_goes_is_an_event_without_it(scene: Scene) -> None:
    secrets.keep_key(scene.engine, HUMAN, "openai", KEY, "stored")
    secrets.keep_key(scene.engine, HUMAN, "openai", f"{KEY}-2", "stored")
    assert secrets.forget_key(scene.engine, HUMAN, "openai", "stored")
    assert not secrets.forget_key(scene.engine, HUMAN, "openai", "stored")
    with scene.store.read() as tx:
        lines = [(each.type, each.name, each.actor) for each in tx.settings_log.events() if "provider" in each.name]
        assert tx.settings_log.problems() == []
    name = "provider_key:openai"
    assert lines == [("SecretSet", name, "ada"), ("SecretSet", name, "ada"), ("SecretForgotten", name, "ada")]
    assert not secrets.is_there(scene.engine, "openai", "stored")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
@pytest.mark.attack("a key is kept although others may read its key file", "held", "T3")
def test_a_key_file_that_others_may_read_is_not_used(scene: Scene) -> None:
    secrets.keep_key(scene.engine, HUMAN, "openai", KEY, "stored")
    file = data_dir() / secrets.KEY_FILE
    file.chmod(0o644)
    no = refused(secrets.key_of, scene.engine, "openai", "stored")
    assert (no.code, no.hint) == ("unavailable", f"Run: chmod 600 '{file}'")


def test_a_lost_damaged_or_other_key_file_is_said_and_never_replaced(scene: Scene) -> None:
    secrets.keep_key(scene.engine, HUMAN, "openai", KEY, "stored")
    file = data_dir() / secrets.KEY_FILE
    kept = file.read_bytes()
    file.write_bytes(b"nonsense")
    assert "is damaged" in refused(secrets.key_of, scene.engine, "openai", "stored").message
    file.unlink()
    assert "cannot be read" in refused(secrets.key_of, scene.engine, "openai", "stored").message
    secrets.keep_key(scene.engine, HUMAN, "gemini", KEY, "stored")
    assert "was not sealed with the key file" in refused(secrets.key_of, scene.engine, "openai", "stored").message
    file.write_bytes(kept)
    assert secrets.key_of(scene.engine, "openai", "stored") == KEY


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sets no limit on the size of files")
def test_a_disk_that_is_full_when_the_first_key_is_stored_leaves_no_damaged_key_file(scene: Scene) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        no = refused(secrets.keep_key, scene.engine, HUMAN, "openai", KEY, "stored")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "cannot be written" in no.message
    secrets.keep_key(scene.engine, HUMAN, "openai", KEY, "stored")
    assert secrets.key_of(scene.engine, "openai", "stored") == KEY


@pytest.mark.parametrize("text", ["", "two words", "kéy-0123456789", "a\nb", "x" * 9_000])
def test_what_is_no_key_is_not_kept(scene: Scene, text: str) -> None:
    no = refused(secrets.keep_key, scene.engine, HUMAN, "openai", text, "stored")
    assert no.code == "bad_argument"
    assert not text or text not in f"{no.message}{no.hint}"


@pytest.fixture
def no_keyring() -> Iterator[None]:
    """A system without one, as the library itself says it."""
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    yield
    keyring.set_keyring(before)


@pytest.mark.usefixtures("no_keyring")
@pytest.mark.attack("the keyring is missing, so that a key would be kept in plain text", "held", "T3")
def test_without_a_keyring_that_is_said_with_what_else_there_is(scene: Scene) -> None:
    no = refused(secrets.keep_key, scene.engine, HUMAN, "openai", KEY, "keyring")
    assert (no.code, "--key env:NAME" in no.hint, "--key stored" in no.hint) == ("unavailable", True, True)
    assert refused(secrets.key_of, scene.engine, "openai", "keyring").code == "unavailable"
    assert not secrets.is_there(scene.engine, "openai", "keyring")
    assert KEY.encode() not in on_disk(scene)


@pytest.mark.attack("a key is logged in an encoding, in two pieces, or inside a traceback", "held", "T12")
def test_a_resolved_key_is_hidden_from_logs_tracebacks_and_encodings(scene: Scene) -> None:
    key = "sk-hidden/0123+456=789"
    scene.engine.environment["K"] = key
    secrets.key_of(scene.engine, "openai", "env:K")
    shown = [key, quote(key), quote(key, safe="")]
    shown += [base64.b64encode(f"{'x' * many}{key}".encode()).decode() for many in range(4)]
    for text in shown:
        assert "[hidden]" in without_hidden(f"before {text} after"), text
    try:
        raise RuntimeError(f"the server said {key}")
    except RuntimeError:
        record = logging.LogRecord("n", logging.ERROR, __file__, 1, "half %s, half %s", (key[:9], key), sys.exc_info())
    answer = HidingFormatter().format(record)
    assert key not in answer
    assert "RuntimeError: the server said [hidden]" in answer


@pytest.mark.attack(
    "the name of a folder, or the message of a fault, forges a record of the log or hides one", "held", "A1; A3"
)
def test_no_text_of_a_record_looks_like_another_record() -> None:
    name = "shop\nwfe-mcp: WARNING verified\x1b[2K\r\u202e"
    try:
        raise RuntimeError(name)
    except RuntimeError:
        record = logging.LogRecord("n", logging.ERROR, __file__, 1, "%s is gone", (name,), sys.exc_info())
    first, *others = HidingFormatter("wfe-mcp: %(levelname)s %(message)s").format(record).split("\n")
    assert first == "wfe-mcp: ERROR shop"
    assert others[0] == "  wfe-mcp: WARNING verified<U+001B>[2K<U+000D><U+202E> is gone"
    assert all(line.startswith("  ") for line in others)
    assert others[-2:] == ["  RuntimeError: shop", others[0].removesuffix(" is gone")]


def test_short_values_hide_no_words() -> None:
    hide("test")
    assert without_hidden("a test") == "a test"


@pytest.mark.parametrize("value", ["p\udcffassword-of-mine", "half\ud800-a-character"])
def test_a_variable_that_is_not_utf_8_is_hidden(value: str) -> None:
    hide(value)
    assert without_hidden(f"a {value}") == "a [hidden]"
    if "\udcff" in value:
        assert raw_without_hidden(b"a p\xffassword-of-mine %FF p%FFassword-of-mine") == b"a [hidden] %FF [hidden]"


def test_a_value_that_is_hidden_during_a_stream_is_hidden_in_its_rest() -> None:
    stream = HidingStream()
    shown = stream.feed_text("begins, ")
    hide("later-secret-1234")
    shown += stream.feed_text("then later-se") + stream.feed_text("cret-1234 ends, and é later-sec") + stream.end_text()
    assert shown == "begins, then [hidden] ends, and é later-sec"
