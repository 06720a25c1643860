"""A software passkey used on the page without a browser, for cases that real authenticators refuse."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url as text

from tests.dashboard.browser import PIN, Answer, Browser
from wfe_mcp.engine.approvals.approvers import Signer as At
from wfe_mcp.engine.approvals.passkeys import Site

PRESENT, VERIFIED, WITH_KEY = 0x01, 0x04, 0x40


def nothing_installed(name: str) -> None:
    """What ``find_spec`` says where the extra is missing."""
    del name


@dataclass
class SoftKey:
    """One key pair. ``flags``: what it claims of the person; ``count``: how often it was used, 0 for ever when None."""

    name: str
    secret: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    flags: int = PRESENT | VERIFIED
    count: int | None = None
    party: str = "localhost"

    def create(self, options: dict[str, Any], origin: str) -> str:
        """What ``navigator.credentials.create`` gives."""
        point = self.secret.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}
        public = bytes(16) + len(self.id).to_bytes(2) + self.id + cbor2.dumps(cose)
        made = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": self._seen(WITH_KEY) + public})
        response = {
            "clientDataJSON": text(self._said("webauthn.create", options, origin)),
            "attestationObject": text(made),
        }
        return json.dumps(self._whole(response))

    def get(self, options: dict[str, Any], origin: str) -> str:
        """What ``navigator.credentials.get`` gives."""
        if self.count is not None:
            self.count += 1
        lines, seen = self._said("webauthn.get", options, origin), self._seen()
        signature = self.secret.sign(seen + hashlib.sha256(lines).digest(), ec.ECDSA(hashes.SHA256()))
        response = {"clientDataJSON": text(lines), "authenticatorData": text(seen), "signature": text(signature)}
        return json.dumps(self._whole(response))

    def _seen(self, more: int = 0) -> bytes:
        party = hashlib.sha256(self.party.encode()).digest()
        return party + bytes([self.flags | more]) + (self.count or 0).to_bytes(4)

    def _said(self, what: str, options: dict[str, Any], origin: str) -> bytes:
        assert base64url_to_bytes(options["challenge"])
        return json.dumps({"type": what, "challenge": options["challenge"], "origin": origin}).encode()

    def _whole(self, response: dict[str, str]) -> dict[str, Any]:
        return {"id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": response}


def at_page(person: "Signer") -> At:
    """The person as the page knows them."""
    return At(Site.here(person.browser.port))


@dataclass
class Signer:
    """A person at the page, with keys in software."""

    browser: Browser
    place: str
    """The path of the project's keys."""

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.browser.port}"

    def ask(self, seen: Answer, form: str, path: str, **typed: str) -> tuple[int, dict[str, Any]]:
        """What the script asks before it turns to the authenticator."""
        sent = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        found = self.browser.post(path, seen.forms[form] | typed, **sent)
        return found.status, json.loads(found.text)

    def pin(self, key: SoftKey, by: SoftKey | None = None, pin: str = PIN) -> Answer:
        """Pin ``key``: the first with the PIN, another one with the signature of ``by``."""
        seen = self.browser.get(self.place)
        add = next(path for path in seen.forms if "/add?" in path)
        status, asked = self.ask(seen, add, add.replace("/add?", "/add/key?"), name=key.name)
        assert status == 200, asked
        made = {"name": key.name, "key": key.create(asked["options"], self.origin), "ceremony": asked["ceremony"]}
        status, asked = self.ask(seen, add, add.replace("/add?", "/add/sign?"), **made)
        assert status == 200, asked
        signed = by.get(asked["options"], self.origin) if by and asked["options"] else ""
        return self.browser.send(seen, add, **made | {"ceremony": asked["ceremony"], "assertion": signed, "pin": pin})

    def remove(self, key: SoftKey, by: SoftKey) -> Answer:
        seen = self.browser.get(self.place)
        form = next(path for path in seen.forms if "/remove?" in path)
        status, asked = self.ask(seen, form, form.replace("/remove?", "/remove/sign?"), id=text(key.id))
        assert status == 200, asked
        sent = {"id": text(key.id), "ceremony": asked["ceremony"], "assertion": by.get(asked["options"], self.origin)}
        return self.browser.send(seen, form, **sent)

    def asked(self, request: str, answer: str = "approve", **typed: str) -> tuple[Answer, dict[str, Any]]:
        """The page of a request, and what the script is asked to have signed."""
        path = f"/decide/{request}"
        seen = self.browser.get(path)
        status, asked = self.ask(seen, f"{path}/{answer}", f"{path}/{answer}/sign", **typed)
        assert status == 200, asked
        return seen, asked

    def decide(self, key: SoftKey, request: str, answer: str = "approve", **typed: str) -> Answer:
        seen, asked = self.asked(request, answer, **typed)
        return self.send(seen, request, asked["ceremony"], key.get(asked["options"], self.origin), answer, **typed)

    def send(
        self, seen: Answer, request: str, ceremony: str, assertion: str, answer: str = "approve", **typed: str
    ) -> Answer:
        return self.browser.send(seen, f"/decide/{request}/{answer}", ceremony=ceremony, assertion=assertion, **typed)
