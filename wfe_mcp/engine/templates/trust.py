"""Trust: the user's consent to bytes that name programs, addresses or policies.

Like direnv: trust is in bytes (sha256), given by a person, lost with the first changed byte (design §7). Pending are
the project's configuration, the keys that may sign, and templates from the repository, an import or an agent.

Trust in a file is trust in its bytes trusted last. Bytes trusted before stay trusted only where they are no looser
(``effects.py``), and only a configuration's: putting an older file back gives an agent nothing.
"""

import json
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

from wfe_mcp.core.errors import Detail, Refused, nearest_hint
from wfe_mcp.core.evidence_levels import Level, level_named, strictest
from wfe_mcp.core.model import By
from wfe_mcp.core.units import plural
from wfe_mcp.engine.kernel.engine import Engine, own_key
from wfe_mcp.engine.kernel.strict_keys import keep_strict
from wfe_mcp.engine.phases.waiting import continue_waiting
from wfe_mcp.engine.templates import catalogue
from wfe_mcp.engine.templates.config_drift import note_own_configuration
from wfe_mcp.engine.templates.pending import OWN, PendingTrust
from wfe_mcp.engine.templates.trust_listing import is_older, keep_trusted, still_trusted, trusted_text
from wfe_mcp.store import Tx
from wfe_mcp.workspace.config.gate_keys import FileLayer, KeptStrict, strengthening
from wfe_mcp.workspace.config.settings import LoadedSettings, settings_alone

_POLICY, _EVIDENCE = "policy:", "policy-evidence:"
"""Followed by the project's id."""


def pending_trust(engine: Engine, names: Iterable[str] = (), *, again: bool = False) -> list[PendingTrust]:
    """What is not trusted as it is now: configuration first, then the keys that may sign, then templates by name.

    ``names``: kept versions (``NAME@VERSION``) to look at too; they are pending only when named.
    ``again``: also configuration that counts because it was trusted before, where looser bytes were trusted last.
    """
    # The models of keys and signatures: 10 ms and 2 MB that a server does not need to start a run.
    from wfe_mcp.engine.approvals.approvers import APPROVERS, pending_approvers, trust_key as trusted_approvers

    pending: list[PendingTrust] = []
    settings = engine.settings()
    if settings.untrusted and settings.project_file is not None and settings.project_sha256 is not None:
        key = str(settings.project_file)
        pending.append(PendingTrust("config", "configuration", key, settings.project_sha256, key))
    if settings.unsigned or settings.unsigned_reviewers:
        pending.append(own_pending(engine))
    if again:
        here = [configuration for configuration in _configurations(engine, settings) if configuration not in pending]
        pending[:0] = [trust for trust in here if is_older(engine, trust)]
    approvers = pending_approvers(engine)
    if approvers is not None:
        where = str(engine.root / APPROVERS)
        pending.append(PendingTrust("approvers", "approvers", trusted_approvers(), approvers.sha256, where))
    templates = {offer.name: offer for offer in catalogue.offers(engine)}
    versions = dict.fromkeys((*catalogue.unused_versions(engine), *(name for name in names if "@" in name)))
    templates |= {name: catalogue.template_definition(engine, name) for name in versions}
    with engine.store.read() as tx:
        for name, offer in templates.items():
            if offer.state and name not in names:
                continue
            if not offer.is_installed and not catalogue.is_trusted(tx, engine, offer):
                pending.append(
                    PendingTrust(name, "template", catalogue.trust_key_of(offer), offer.sha256, offer.source)
                )
    return pending


def own_pending(engine: Engine) -> PendingTrust:
    """The user's own configuration as it is now, whether or not it needs trust."""
    settings = engine.settings()
    assert settings.user_file is not None, "every load names it"
    file = settings.user_file
    return PendingTrust(OWN, "own configuration", own_key(file), settings.user_sha256, str(file))


def in_force(engine: Engine) -> list[PendingTrust]:
    """What counts as it is now: the project's configuration, the user's own, and templates that are not shipped."""
    waiting = pending_trust(engine)
    trusts = [
        configuration for configuration in _configurations(engine, engine.settings()) if configuration not in waiting
    ]
    keys = {trust.key for trust in waiting}
    trusts += [
        PendingTrust(offer.name, "template", catalogue.trust_key_of(offer), offer.sha256, offer.source)
        for offer in catalogue.offers(engine)
        if not (offer.is_installed or catalogue.trust_key_of(offer) in keys)
    ]
    return trusts


def _configurations(engine: Engine, settings: LoadedSettings) -> list[PendingTrust]:
    """The configuration files that are there: the project's, the user's own."""
    pending: list[PendingTrust] = []
    if settings.project_file is not None and settings.project_sha256 is not None:
        key = str(settings.project_file)
        pending.append(PendingTrust("config", "configuration", key, settings.project_sha256, key))
    own = own_pending(engine)
    return [*pending, own] if Path(own.where).is_file() else pending


def give_trust(
    engine: Engine,
    by: By,
    names: list[str],
    shown: list[PendingTrust] | None = None,
    *,
    own: bool | None = None,
    seen: str = "",
) -> list[PendingTrust]:
    """Trust everything pending, or what is named. Work that waited for it continues. Refuses agents, unknown names.

    ``shown``: what the person has looked at; anything that changed since is refused as ``stale_revision``.
    ``own``: whether that includes the user's own configuration; None: where everything or it is named. Naming it where
    it needs no trust records the review.
    ``seen``: the sha256 of the listing that the person saw; their signature covers it.
    """
    if not by.is_human:
        raise Refused("needs_human", "Only a person trusts.", "Ask the user to run: wfe-mcp trust")
    waiting = pending_trust(engine, names, again=True)
    refuse_unknown(names, waiting)
    trusts = [trust for trust in waiting if not names or trust.name in names]
    changed = [trust.name for trust in trusts if shown is not None and trust not in shown]
    if changed:
        raise Refused(
            "stale_revision",
            f"{', '.join(changed)} changed during your review.",
            "Nothing is trusted yet. Look once more: wfe-mcp trust",
        )
    refuse_faulty(engine, trusts)
    is_own = own is True or (own is None and (not names or OWN in names))
    kept = [
        *trusts,
        *([own_pending(engine)] if is_own and all(trust.kind != "own configuration" for trust in trusts) else []),
    ]
    texts = [(trust, text) for trust in kept if (text := trusted_text(engine, trust))]
    still = {trust.key: still_trusted(engine, trust, dict(texts).get(trust, "")) for trust in kept}
    with engine.store.tx() as tx:
        tx.settings_log.seen = seen
        for trust in trusts:
            if trust.kind != "own configuration":
                tx.trust.give(
                    engine.project_id, trust.key, trust.sha256, by, engine.clock(), still=still.get(trust.key, ())
                )
        for trust, text in texts:
            keep_trusted(engine, tx, trust, text, by)
        for trust in kept:
            _keep_strict(engine, tx, trust, dict(texts).get(trust, ""), by)
        if is_own:
            note_own_configuration(engine, tx, by, still.get(own_pending(engine).key, ()))
    if any(trust.kind == "configuration" for trust in trusts):
        _keep_policy(engine, by)
    if is_own or any(trust.kind == "configuration" for trust in trusts):
        # It outlives the files. While one of them is not trusted, what is kept only rises.
        _keep(engine, by, _EVIDENCE, least_evidence(engine, engine.settings()))
    continue_waiting(engine)
    return trusts


def refuse_faulty(engine: Engine, given: Iterable[PendingTrust]) -> None:
    """Refuse templates with errors that their author can fix: no run could start from them. Names what is left to trust."""
    from wfe_mcp.workflow.lint import lint

    faulty: dict[str, tuple[Detail, ...]] = {}
    for trust in given:
        if trust.kind == "template":
            definition = catalogue.template_definition(engine, trust.name).definition
            faulty[trust.name] = lint(catalogue.whole_definition(engine, definition).definition).faults
    faulty = {name: faults for name, faults in faulty.items() if faults}
    if not faulty:
        return
    name, faults = next(iter(faulty.items()))
    rest = " ".join(trust.name for trust in given if trust.name not in faulty)
    raise Refused(
        "invalid_template",
        f"Template {name} has {plural(len(faults), 'error')}; {faults[0].path}: {faults[0].message}.",
        f"See all: wfe-mcp templates lint {name}" + (f" ; to trust the rest: wfe-mcp trust {rest}" if rest else ""),
        faults,
    )


def refuse_unknown(names: Iterable[str], waiting: Iterable[PendingTrust]) -> None:
    """Refuse a name that nothing has of what waits for trust."""
    waiting = list(waiting)
    known, listed = {OWN, *(trust.name for trust in waiting)}, ", ".join(sorted(trust.name for trust in waiting))
    for name in names:
        if name not in known:
            there = f"Waiting for it: {listed}." if listed else "See what is there: wfe-mcp templates list"
            raise Refused("bad_argument", f"Nothing called {name!r} needs trust.", nearest_hint(name, known, there))


def trusted_policy(engine: Engine, tx: Tx | None = None) -> list[str] | None:
    """What ``policy.templates`` of the project allowed when a person trusted its configuration last; None: everything.

    ``tx``: where the caller is in one.
    """
    with engine.store.read() if tx is None else nullcontext(tx) as reading:
        kept = reading.secrets.get(f"{_POLICY}{engine.project_id}")
    return None if kept is None else json.loads(kept)


def least_evidence(engine: Engine, settings: LoadedSettings, tx: Tx | None = None) -> Level | None:
    """The least level of evidence that ``policy.evidence`` asks of checks; None: any will do. ``tx``: where the caller is in one.

    What is not trusted yet can only ask for more: editing or removing a file does not undo what it asked for when a
    person trusted it last.
    """
    asked: list[Level | None] = [values.policy.evidence for values in (settings.settings, settings.pending) if values]
    if settings.untrusted or settings.project_file is None or not settings.user_is_trusted:
        with engine.store.read() if tx is None else nullcontext(tx) as reading:
            asked.append(level_named(reading.secrets.get(f"{_EVIDENCE}{engine.project_id}")))
    return strictest(*asked)


def _keep_strict(engine: Engine, tx: Tx, trust: PendingTrust, text: str, by: By) -> None:
    """What strengthens a gate in a configuration outlives its file: an agent can edit that."""
    layers: dict[str, FileLayer] = {"configuration": "project", "own configuration": "user"}
    if trust.kind in layers:
        settings = settings_alone(text.encode(), trust.where)[0].model_dump(
            mode="json", exclude_none=True, exclude_unset=True
        )
        strict = KeptStrict(layers[trust.kind], trust.sha256, strengthening(settings, signed=True))
        keep_strict(tx, engine.project_id, strict, by, engine.clock())


def _keep_policy(engine: Engine, by: By) -> None:
    """It outlives the file: an agent can edit that, and it would count no more."""
    allowed = engine.settings().settings.policy.templates
    _keep(engine, by, _POLICY, None if allowed is None else json.dumps(allowed))


def _keep(engine: Engine, by: By, what: str, value: str | None) -> None:
    name = f"{what}{engine.project_id}"
    with engine.store.tx() as tx:
        if tx.secrets.get(name) != value:
            tx.secrets.set(name, value, by, engine.clock())
