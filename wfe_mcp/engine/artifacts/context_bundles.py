"""Context bundles: the standards and knowledge that a run gives its workers.

Bundles are built and frozen when the run starts: the text is a stored document that the run names by its sha256.
Later changes of the files do not affect the run (S0-49).
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Code, Refused, nearest_hint
from wfe_mcp.core.model import Attempt
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
from wfe_mcp.workflow.model.phases import BundleRef
from wfe_mcp.workflow.model.template import all_phases
from wfe_mcp.workspace.config.context_bundles import ContextSettings, files_matching
from wfe_mcp.workspace.config.settings import LoadedSettings
from wfe_mcp.workspace.files.mirror import attempt_folder
from wfe_mcp.workspace.files.project_files import read_file

MAX_FILE_BYTES = 200_000
MAX_BUNDLE_BYTES = 1_000_000
MAX_BUNDLE_FILES = 300

Parts = list[dict[str, str]]
"""``[{path, text}]``: the files of a bundle in their order, of rule files the chosen rules."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A built bundle of one scope. ``rules``: the ids of the rules in it."""

    name: str
    scope: str
    parts: Parts
    rules: tuple[str, ...]

    def frozen(self) -> dict[str, Any]:
        """As the run keeps it: ``sha256`` names the document that holds ``parts``."""
        values: dict[str, Any] = {"name": self.name, "sha256": sha256_of(self.parts)}
        values |= {"scope": self.scope} if self.scope else {}
        values |= {"rules": list(self.rules)} if self.rules else {}
        return values | {"files": [part["path"] for part in self.parts]}


@dataclass(frozen=True, slots=True)
class SeenBundle:
    """A configured bundle in one scope as it is now. ``fault``: why no run can use it, empty when one can."""

    name: str
    scope: str
    files: int
    fault: str = ""


def bundles_here(root: Path, configured: Mapping[str, ContextSettings]) -> Iterator[SeenBundle]:
    """Every bundle of configuration in each of its scopes."""
    for name, bundle_settings in sorted(configured.items()):
        for scope in bundle_settings.scope_names or ("",):
            try:
                yield SeenBundle(name, scope, len(_put_together(root, name, scope, bundle_settings).parts))
            except Refused as refused:
                yield SeenBundle(name, scope, 0, refused.text)


def artifact_names(plan: CompiledTemplate, path: PhasePath) -> frozenset[str]:
    """The artifacts of the phase's own template: in ``context`` such a name is never a bundle."""
    own = all_phases(plan.template_of(path).phases)
    return frozenset(phase.output.artifact for phase in own if phase.output)


def bundles_of(root: Path, plan: CompiledTemplate, settings: LoadedSettings, inputs: Mapping[str, Any]) -> list[Bundle]:
    """Every bundle that ``plan`` names, with its files as they are now, each once.

    Refuses one that is missing (unless it is optional), not trusted yet, has no such scope, or cannot be read.
    """
    bundles: dict[tuple[str, str], Bundle] = {}
    for path in plan.phases:
        for ref in _refs(plan, PhasePath(path)):
            bundle_settings = _settings_of(ref, plan, settings)
            if bundle_settings is not None:
                scope = _scope_of(ref, bundle_settings, plan, inputs)
                if (ref.bundle, scope) not in bundles:
                    bundles[ref.bundle, scope] = _put_together(root, ref.bundle, scope, bundle_settings)
    return list(bundles.values())


def handed_bundle(change: RunChange, attempt: Attempt, ref: BundleRef | str) -> str:
    """One bundle of the prompt of ``attempt``: heading, the frozen text as data, and where the rest is."""
    from wfe_mcp.workflow.prompts import render_bundle

    wanted = ref if isinstance(ref, BundleRef) else BundleRef(bundle=ref)
    frozen = _frozen(change, wanted)
    if frozen is None:
        return f"Context: {wanted.bundle}\nThis project has no such bundle, so none is handed over."
    parts: Parts = change.tx.documents.load(frozen["sha256"])
    place = f"{_folder(change, attempt)}/{_file_name(frozen)}"
    return render_bundle(
        _heading(frozen), [(part["path"], part["text"]) for part in parts], place=place, nonce=change.run.id
    )


def cut_bundles(change: RunChange, attempt: Attempt) -> Iterator[tuple[str, str]]:
    """(file name, whole text) of each bundle that is too long for the prompt of ``attempt``."""
    from wfe_mcp.workflow.prompts import MAX_BUNDLE, bundle_text

    for ref in _refs(change.plan, attempt.phase):
        frozen = _frozen(change, ref)
        parts: Parts = change.tx.documents.load(frozen["sha256"]) if frozen else []
        text = bundle_text([(part["path"], part["text"]) for part in parts])
        if frozen and len(text) > MAX_BUNDLE:
            yield _file_name(frozen), text


def _refs(plan: CompiledTemplate, path: PhasePath) -> list[BundleRef]:
    entries = plan.phase(path).context
    if not entries:
        return []
    names = artifact_names(plan, path)
    return [BundleRef(bundle=entry) if isinstance(entry, str) else entry for entry in entries if entry not in names]


def _settings_of(ref: BundleRef, plan: CompiledTemplate, settings: LoadedSettings) -> ContextSettings | None:
    known = settings.settings.context
    if ref.bundle in known:
        return known[ref.bundle]
    if settings.pending is not None and ref.bundle in settings.pending.context:
        raise Refused(
            "needs_trust",
            f"Template {plan.template.name!r} hands over the context bundle {ref.bundle!r}, and "
            "this project's configuration is not trusted yet.",
            "Ask the user to look at .wfe/config.toml and run: wfe-mcp trust",
        )
    if ref.optional:
        return None
    add = f"Ask the user to name its files in .wfe/config.toml ([context.{ref.bundle}]) and to run: wfe-mcp trust"
    raise Refused(
        "invalid_template",
        f"Template {plan.template.name!r} needs the context bundle {ref.bundle!r}, which this project does not have.",
        nearest_hint(ref.bundle, known, then=add),
    )


def _scope_of(
    ref: BundleRef, bundle_settings: ContextSettings, plan: CompiledTemplate, inputs: Mapping[str, Any]
) -> str:
    """The scope that ``ref`` asks for; empty where the bundle has none, or none is asked for."""
    from wfe_mcp.workflow.expressions import ExpressionError

    if not bundle_settings.scope_names:
        return ""
    try:
        scope = _asked_scope(ref, plan, inputs)
    except ExpressionError as exc:
        raise Refused(
            "bad_argument",
            f"The scope of the context bundle {ref.bundle!r} does not follow from the inputs: {exc}.",
            "Give the inputs that it names.",
        ) from exc
    if scope and scope not in bundle_settings.scope_names:
        raise Refused(
            "bad_argument",
            f"The context bundle {ref.bundle!r} has no scope {scope[:80]!r}; it has {', '.join(bundle_settings.scope_names)}.",
            f"Give another input, or ask the user to add the scope to [context.{ref.bundle}] in .wfe/config.toml.",
        )
    return scope


def _asked_scope(ref: BundleRef, plan: CompiledTemplate, inputs: Mapping[str, Any]) -> str:
    return "" if ref.scope is None else str(plan.expressions.evaluate_json(ref.scope, {"inputs": inputs}))


def _frozen(change: RunChange, ref: BundleRef) -> dict[str, Any] | None:
    """What the run froze for ``ref``; None when the project has no such bundle."""
    kept: dict[str, dict[str, Any]] = {
        entry.get("scope", ""): entry for entry in change.frozen.get("context", ()) if entry["name"] == ref.bundle
    }
    # A bundle without scopes is kept without one, whatever was asked for.
    return (kept.get(_asked_scope(ref, change.plan, change.inputs)) or kept.get("")) if kept else None


# -- building -------------------------------------------------------------------------------------------------------


def _put_together(root: Path, name: str, scope: str, bundle_settings: ContextSettings) -> Bundle:
    try:
        return _bundle(root, name, scope, bundle_settings)
    except Refused as refused:
        kept: tuple[Code, ...] = ("path_outside_project", "too_large")
        code: Code = refused.code if refused.code in kept else "unavailable"
        raise Refused(
            code,
            f"The context bundle {name!r} cannot be put together: {refused.message}",
            f"Ask the user to fix the file, or [context.{name}] in .wfe/config.toml.",
            refused.details,
        ) from refused


def _bundle(root: Path, name: str, scope: str, bundle_settings: ContextSettings) -> Bundle:
    texts = _Texts(root)
    parts: Parts = [{"path": path, "text": text} for path, text in texts.read(bundle_settings.globs(scope))]
    rules: dict[str, str] = {}
    from wfe_mcp.workflow.rule_files import rules_of

    for path, text in texts.read(bundle_settings.rules):
        chosen = [rule for rule in rules_of(path, text) if bundle_settings.wants_rule(rule.id, scope)]
        for rule in chosen:
            if rule.id in rules:
                raise Refused("conflict", f"the rule {rule.id!r:.80} is defined in {rules[rule.id]} and in {path}.", "")
            rules[rule.id] = path
        if chosen:
            parts.append({"path": path, "text": "\n".join(rule.text for rule in chosen) + "\n"})
    if not parts:
        raise Refused(
            "unavailable",
            f"nothing in it is for the scope {scope!r}." if scope else "nothing in it holds in every scope.",
            "",
        )
    return Bundle(name, scope, parts, tuple(rules))


class _Texts:
    """The project's files as text, each path and each content once, within the limits of one bundle."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: set[str] = set()
        self._bytes = 0

    def read(self, globs: Iterable[str]) -> Iterator[tuple[str, str]]:
        """(path, text) of each file that a glob matches and that was not read before. Refuses a glob without a file."""
        for glob in globs:
            paths = files_matching(self._root, glob)
            if not paths:
                raise Refused("unavailable", f"no file matches '{glob}'.", "")
            for path in paths:
                if path not in self._seen:
                    self._seen.add(path)
                    yield from self._text(path)

    def _text(self, path: str) -> Iterator[tuple[str, str]]:
        content = read_file(self._root, path, MAX_FILE_BYTES)
        self._bytes += len(content)
        if self._bytes > MAX_BUNDLE_BYTES or len(self._seen) > MAX_BUNDLE_FILES:
            raise Refused(
                "too_large", f"it holds more than {MAX_BUNDLE_BYTES:,} bytes or {MAX_BUNDLE_FILES} files.", ""
            )
        try:
            text = content.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError:
            text = "\x00"
        if "\x00" in text:
            raise Refused("unavailable", f"'{path}' is no UTF-8 text.", "")
        yield path, text


# -- text ------------------------------------------------------------------------------------------------------------


def _heading(frozen: Mapping[str, Any]) -> str:
    scope = f"scope {frozen['scope']}, " if "scope" in frozen else ""
    return f"Context: {frozen['name']} ({scope}sha256 {frozen['sha256']})"


def _folder(change: RunChange, attempt: Attempt) -> str:
    return f"{attempt_folder(change.run.id, attempt.phase, attempt.number)}/context"


def _file_name(frozen: Mapping[str, Any]) -> str:
    return f"{frozen['name']}{'-' + frozen['scope'] if 'scope' in frozen else ''}.md"
