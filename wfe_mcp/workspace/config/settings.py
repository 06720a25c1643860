"""The effective settings, and the layer that each comes from.

    environment  >  project (.wfe/config.toml, once trusted)  >  user  >  default

Rules:
1. Tables merge key by key, everything else replaces; each dotted key has one origin.
2. Project configuration applies only when ``trusted`` accepts the sha256 of exactly the bytes in use.
3. A fault is reported and never prevents a start: the faulty key is left out, the others apply.
4. A project cannot choose where a key is sent, nor the program that makes sandboxes: its proxy, authorities, ``base_url``
   for a provider with a key, and ``[sandbox]`` are ignored.
5. What strengthens a gate counts from any bytes, and holds until a person trusts bytes without it (``gate_keys.py``).
6. Restrictions on an agent can only be tightened (``precedence.py``): the environment cannot loosen them.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import THERE, Detail, Refused, nearest, nearest_hint, pointer
from wfe_mcp.core.json_pointer import keys_at
from wfe_mcp.workspace.config import gate_keys
from wfe_mcp.workspace.config.documents import EXPECTED, Document, leaves, merge, put, remove, shown_key, without_nul
from wfe_mcp.workspace.config.edits import value_at
from wfe_mcp.workspace.config.layers import CONFIG_FILE, FROM_ENVIRONMENT
from wfe_mcp.workspace.config.precedence import leave_at_home, narrow
from wfe_mcp.workspace.config.settings_tables import Settings
from wfe_mcp.workspace.config.toml_text import read_toml
from wfe_mcp.workspace.files.project_files import read_if_there
from wfe_mcp.workspace.system.location import user_config_file

NO_FILE = "0" * 64
"""Takes the place of the sha256 of a file that does not exist."""

LayerName = Literal["environment", "project", "user", "default"]


@dataclass(frozen=True, slots=True)
class SettingSource:
    """The layer a value came from, and its place: a file or a variable."""

    layer: LayerName
    where: str = ""


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The effective settings, their origins, and what is ignored."""

    settings: Settings
    origins: Mapping[str, SettingSource]
    untrusted: Sequence[Path]
    """Files that need trust."""
    problems: Sequence[Detail]
    pending: Settings | None = None
    """The settings if they were trusted, else None; so a gate can report that a check is only untrusted."""
    project_file: Path | None = None
    """The file that was read, and with ``project_sha256`` its bytes."""
    project_sha256: str | None = None
    user_file: Path | None = None
    """Like ``project_file``, of the user's configuration; so are the next two."""
    user_sha256: str = NO_FILE
    user_is_trusted: bool = True
    unsigned: tuple[str, ...] = ()
    """Keys there that weaken a gate and do not count, because the user has not trusted these bytes."""
    strengthened: tuple[gate_keys.StrengthenedKey, ...] = ()
    """Keys that strengthen a gate and count although their bytes are not trusted now."""
    unsigned_reviewers: tuple[str, ...] = ()
    """Its tables of roles and providers then; they work, and fill no reviewer of a gate."""

    def sha256_of(self, layer: LayerName) -> str:
        """The sha256 of the file of a layer; empty for one without a file."""
        return {"project": self.project_sha256 or "", "user": self.user_sha256}.get(layer, "")

    def faults_in(self, table: str) -> tuple[str, ...]:
        """Why parts of ``table`` do not count."""
        return tuple(problem.message for problem in self.problems if problem.path.startswith(f"/{table}/"))

    def refuse_unknown(self, table: str, name: str, known: Collection[str], noun: str) -> None:
        """Refuse ``bad_argument`` where ``name`` is not ``known``: why it does not count where ``table`` has it."""
        if name in known:
            return
        place = f"/{table}/{name}/"
        fault = next((problem.message for problem in self.problems if f"{problem.path}/".startswith(place)), "")
        if fault:
            raise Refused("bad_argument", f"{fault}.", "Correct it in the configuration, then: wfe-mcp trust")
        hint = nearest_hint(name, known, f"Add [{table}.NAME] to a configuration, then: wfe-mcp trust")
        raise Refused("bad_argument", f"There is no {noun} {name!r}.", hint)

    def values(self) -> dict[str, object]:
        """Every value by its dotted key, in order; the keys are those of ``origins``."""
        return dict(sorted(leaves(_plain(self.settings))))


def load_settings(
    project_root: Path,
    trusted: Callable[[Path, str], bool],
    env: Mapping[str, str],
    user_file: Path | None = None,
    own_trusted: Callable[[Path, str], bool] | None = None,
    kept: Sequence[gate_keys.KeptStrict] = (),
    project_file: bytes | None = None,
) -> LoadedSettings:
    """Read all layers. ``user_file``: the platform's own when None.

    ``own_trusted``: as ``trusted``, for the user's configuration; None: it counts as it is. ``kept``: what strengthens a
    gate in the bytes that a person trusted last. ``project_file``: the bytes to read in place of those below ``project_root``.
    """
    unread: list[Detail] = []
    user_path = user_config_file() if user_file is None else user_file
    own = _read(user_path.parent, user_path.name, unread)
    user_sha256 = NO_FILE if own is None else sha256_hex(own)
    is_signed = own_trusted is None or own_trusted(user_path, user_sha256)
    project_path = Path(os.path.realpath(f"{project_root}{os.sep}{CONFIG_FILE}"))
    content = _read(project_root, CONFIG_FILE, unread) if project_file is None else project_file
    sha256 = None if content is None else sha256_hex(content)
    is_trusted = sha256 is None or trusted(project_path, sha256)
    values = {name: env[name] for name in FROM_ENVIRONMENT if name in env}
    # repr: 1 and true are equal, and different settings
    asked = (own, content, is_signed, is_trusted, repr((values, kept)), tuple(unread))
    known, settings = _LAST.get((user_path, project_path), (None, None))
    if settings is None or known != asked:
        user, project = _File(user_path, own, user_sha256), _File(project_path, content, sha256)
        settings = _load(user, project, values, kept, unread, is_signed=is_signed, is_trusted=is_trusted)
        _LAST[user_path, project_path] = asked, settings
    return settings


_LAST: dict[tuple[Path, Path], tuple[object, LoadedSettings]] = {}
"""What was read last per pair of files, and from what: a call asks several times."""


class _File(NamedTuple):
    path: Path
    content: bytes | None
    sha256: str | None


def _load(
    user_file: _File,
    project_file: _File,
    env: Mapping[str, str],
    kept: Sequence[gate_keys.KeptStrict],
    unread: Sequence[Detail],
    *,
    is_signed: bool,
    is_trusted: bool,
) -> LoadedSettings:
    problems = [*unread]
    (user_path, own, user_sha256), (project_path, content, sha256) = user_file, project_file
    user = _layer("user", str(user_path), own, problems)
    project = _layer("project", str(project_path), content, problems)
    unsigned = () if is_signed else _without_weakening(user.values, project.values)
    above = _from_environment(env, problems)
    strict: list[_Strict] = []
    if not is_trusted:
        strict.append(("project", str(project_path), gate_keys.strengthening(project.values, signed=False)))
    here: dict[gate_keys.FileLayer, tuple[str, str | None]] = {
        "user": (str(user_path), user_sha256),
        "project": (str(project_path), sha256),
    }
    strict.extend((keys.layer, here[keys.layer][0], keys.values) for keys in kept if keys.sha256 != here[keys.layer][1])
    stronger: list[gate_keys.StrengthenedKey] = []
    settings, origins = _merge_layers([user, *([project] if is_trusted else []), above], problems, strict, stronger)
    return LoadedSettings(
        settings=settings,
        origins=origins,
        untrusted=[] if is_trusted else [project_path],
        problems=problems,
        pending=None if is_trusted else _merge_layers([user, project, above], [])[0],
        project_file=None if sha256 is None else project_path,
        project_sha256=sha256,
        user_file=user_path,
        user_sha256=user_sha256 or NO_FILE,
        user_is_trusted=is_signed,
        unsigned=unsigned,
        strengthened=tuple(stronger),
        unsigned_reviewers=() if is_signed else tuple(gate_keys.model_tables(user.values)),
    )


def _without_weakening(values: Document, project: Document) -> tuple[str, ...]:
    """Remove what weakens a gate, also one of ``project``, from ``values``; the dotted keys removed."""
    paths = [*gate_keys.weakening_keys(values), *gate_keys.keys_beside(values, project)]
    remove(values, paths)
    return tuple(".".join(map(shown_key, path)) for path in paths)


def settings_alone(content: bytes, where: str) -> tuple[Settings, Document, list[Detail]]:
    """What the bytes of one file say: the settings, the tables that count only with another layer, and the faults."""
    problems: list[Detail] = []
    values = _layer("project", where, content, problems).values
    rest: Document = {}
    while True:
        try:
            settings = Settings.model_validate(values)
            return settings, rest, [*problems, *_faults(_alone(settings))]
        except ValidationError as exc:
            paths = [error["loc"][:-1] for error in exc.errors(include_url=False, include_input=False)]
            for path in paths:
                if table := value_at(values, list(map(str, path))):
                    rest[".".join(map(str, path))] = table
            remove(values, paths)


def refuse_faults(what: str, name: str, table: Mapping[str, Any]) -> None:
    """Refuse ``bad_argument`` for a table ``[what.name]`` that cannot be written; a missing key may be set in another layer."""
    faults: list[Detail] = []
    values: Document = {}
    merge(values, {what: {name: table}})
    _valid(values, "", faults)
    if faults:
        raise Refused("bad_argument", f"{faults[0].message}.", "Correct it, and try again.", tuple(faults[1:]))


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer's valid values. ``where``: per dotted key, or one place for all under ``""``."""

    name: LayerName
    where: Mapping[str, str]
    values: Document


_Strict = tuple[gate_keys.FileLayer, str, Document]
"""The layer, its file, and what strengthens a gate."""

_LISTS = {"http.allow", "env.allow", "policy.templates"}
_BOOLEANS = {"1": True, "true": True, "on": True, "yes": True, "0": False, "false": False, "off": False, "no": False}


def _from_environment(env: Mapping[str, str], problems: list[Detail]) -> _Layer:
    """The variables above; lists are separated by commas. Other WFE_ variables are not settings."""
    where: dict[str, str] = {}
    values: Document = {}
    for variable, key in FROM_ENVIRONMENT.items():
        text = env.get(variable)
        if not text:
            continue
        value: object = text
        if key in _LISTS:
            value = [word.strip() for word in text.split(",") if word.strip()]
        elif key in {"auto", "ui.auto"}:
            value = _BOOLEANS.get(text.lower(), text)
        where[key] = variable
        document: Document = {}
        put(document, key.split("."), value)
        merge(values, _valid(document, f"{variable}: ", problems))
    return _Layer("environment", where, values)


def _layer(name: LayerName, where: str, content: bytes | None, problems: list[Detail]) -> _Layer:
    try:
        values: Document = read_toml(content) if content else {}
    except UnicodeDecodeError:
        problems.append(Detail("", f"{where} is no UTF-8 text, so none of it counts"))
        values = {}
    except ValueError as exc:
        problems.append(Detail("", f"{where} is no valid TOML, so none of it counts: {exc}"))
        values = {}
    return _Layer(name, {"": where}, without_nul(_valid(values, f"{where}: ", problems), where, problems))


def _read(root: Path, relative: str, problems: list[Detail]) -> bytes | None:
    if not root.is_dir():
        return None
    try:
        return read_if_there(root, relative)
    except Refused as exc:
        problems.append(Detail("", f"{exc.message} It does not count. {exc.hint}"))
        return None


def _merge_layers(
    layers: list[_Layer],
    problems: list[Detail],
    strict: Sequence[_Strict] = (),
    strengthened: list[gate_keys.StrengthenedKey] | None = None,
) -> tuple[Settings, dict[str, SettingSource]]:
    """The merged layers, lowest first, then ``strict``. A table without a required key is left out, with a problem."""
    leave_at_home([(layer.name, layer.values) for layer in layers], problems)
    values: Document = {}
    origins: dict[str, SettingSource] = {}
    for layer in layers:
        merge(values, layer.values)
        for key, _ in leaves(layer.values):
            origins[key] = SettingSource(layer.name, layer.where.get(key) or layer.where.get("", ""))
    narrow([(layer.name, layer.values) for layer in layers], values)
    for name, where, more in strict:
        for stronger in gate_keys.strengthen(values, name, where, more):
            origins[".".join(map(shown_key, stronger.path))] = SettingSource(name, where)
            assert strengthened is not None
            strengthened.append(stronger)
    settings = _complete(values, problems)
    known = dict(leaves(_plain(settings)))
    return settings, {key: origins.get(key, SettingSource("default")) for key in sorted(known)}


def _complete(values: Document, problems: list[Detail]) -> Settings:
    while True:
        try:
            return _without_faulty_tables(Settings.model_validate(values), values, problems)
        except ValidationError as exc:
            # Every layer is valid by itself, so the only possible fault is a missing required key of a table.
            paths = [[*map(str, error["loc"])] for error in exc.errors(include_url=False, include_input=False)]
            known = {problem.path for problem in problems}
            for path in paths:
                if (at := pointer(*path)) not in known:
                    what = f"[{'.'.join(path[:-1])}] has no '{path[-1]}', so it does not count"
                    problems.append(Detail(at, what, expected=path[-1]))
            remove(values, [path[:-1] for path in paths])


def _without_faulty_tables(settings: Settings, values: Document, problems: list[Detail]) -> Settings:
    """Remove tables with a fault. A table may come from several layers, so only the merged one can be checked."""
    allow = settings.http.allow
    checks = {name: check for name, check in settings.checks.items() if not check.fault()}
    looked_at = [
        *_alone(settings),
        *(("mcp_servers", name, server.fault(allow)) for name, server in settings.mcp_servers.items()),
        *(("providers", name, provider.fault(name, allow)) for name, provider in settings.providers.items()),
        *(("webhooks", name, hook.fault(allow)) for name, hook in settings.webhooks.items()),
        *(("environments", name, environment.fault(checks)) for name, environment in settings.environments.items()),
    ]
    problems += _faults(looked_at)
    remove(values, [(table, name) for table, name, fault in looked_at if fault])
    return Settings.model_validate(values)


def _alone(settings: Settings) -> list[tuple[str, str, str]]:
    """Tables whose faults no other table or layer can cause: table, name, and the fault or ""."""
    return [
        *(("checks", name, check.fault()) for name, check in settings.checks.items()),
        *(("context", name, bundle.fault()) for name, bundle in settings.context.items()),
    ]


def _faults(looked_at: Iterable[tuple[str, str, str]]) -> Iterator[Detail]:
    for table, name, fault in looked_at:
        if fault:
            yield Detail(pointer(table, name), f"[{table}.{name}] does not count: {fault}")


def _valid(values: Document, where: str, problems: list[Detail]) -> Document:
    """``values`` without its faulty keys, each a problem that begins with ``where``. A missing key may come from another layer."""
    try:
        Settings.model_validate(values)
    except ValidationError as exc:
        faults = [error for error in exc.errors(include_url=False) if error["type"] != "missing"]
        problems += [_problem(where, error, values) for error in faults]
        remove(values, [error["loc"] for error in faults])
    return values


def _problem(where: str, error: ErrorDetails, values: Document) -> Detail:
    path = [*error["loc"]]
    if path[-1] == "[key]" and error["type"] != "extra_forbidden":  # a name that none can have
        path.pop()
    shown = ".".join(str(part) for part in path)
    context = error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        valid = _keys_at(path[:-1])
        near = nearest(str(path[-1]), valid)
        there = THERE if near and near[0] in keys_at(values, path[:-1]) else ""
        hint = f" Did you mean '{near[0]}'?{there}" if near else ""
        return Detail(pointer(*path), f"{where}unknown key '{shown}'.{hint}", expected=valid)
    constraint = context.get("error") or context.get("expected") or error["msg"]
    words = EXPECTED.get(error["type"])
    expected = str(constraint) if words is None else words.format_map(context)
    # A wrong value for a provider's key or address may itself be a key.
    got = None if path[0] == "providers" else _short(error["input"])
    return Detail(pointer(*path), f"{where}'{shown}' does not count: {expected}", expected, got)


def _keys_at(path: list[str | int]) -> list[str]:
    """The keys that the table at ``path`` may hold."""
    kind: Any = Settings
    for part in path:
        kind = get_args(kind)[1] if get_origin(kind) is dict else kind.model_fields[str(part)].annotation
        kind = get_args(kind)[0] if type(None) in get_args(kind) else kind
    return sorted(kind.model_fields)


def _short(value: object) -> object:
    text = repr(value)
    return value if len(text) <= 200 else f"{text[:197]}..."


def _plain(settings: Settings) -> Document:
    return settings.model_dump(mode="json", exclude_none=True)
