"""Keys and signatures as text."""

import os
from pathlib import Path

import pytest

from wfe_mcp.workspace.system.ed25519 import base64url, decode_unpadded, key_in, new_key, public_half, signature_holds


def test_a_signature_holds_for_its_key_and_its_bytes_alone() -> None:
    key, other = new_key(), new_key()
    signature = base64url(key.sign(b"merge it"))

    assert signature_holds(public_half(key), signature, b"merge it")
    assert not signature_holds(public_half(key), signature, b"merge it!")
    assert not signature_holds(public_half(other), signature, b"merge it")


@pytest.mark.parametrize("text", ["", "none", "=" * 43, "not a key, and not base64url either: §"])
def test_what_is_no_key_or_no_signature_proves_nothing(text: str) -> None:
    key = new_key()
    signature = base64url(key.sign(b"merge it"))

    assert not signature_holds(text, signature, b"merge it")
    assert not signature_holds(public_half(key), text, b"merge it")


def test_characters_that_a_decoder_would_skip_are_refused() -> None:
    text = public_half(new_key())

    assert len(decode_unpadded(text)) == 32
    with pytest.raises(ValueError, match="no base64url"):
        decode_unpadded(f"{text[:20]}\n!{text[20:]}")


def test_a_key_is_made_once_in_a_file_that_only_its_user_reads(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "server.key"

    made = public_half(key_in(file))

    assert public_half(key_in(file)) == made
    assert os.name != "posix" or file.stat().st_mode & 0o077 == 0
    file.write_text("damaged")
    with pytest.raises(ValueError, match="hex"):
        key_in(file)
