"""The tables that statements name. Written by scripts/generate_layout.py from tables.py: change that, not this.

The classes of tables.py declare the schema. Every process uses these plain tables instead: SQLModel and the mapper
behind it cost 300 ms and 17 MB a start, and only migrations need them.
"""

# fmt: off
from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from wfe_mcp.core.attempt_states import AttemptStatus, Stage
from wfe_mcp.core.item_states import ItemKind, ItemStatus
from wfe_mcp.core.model import Assurance, Channel, RunStatus
from wfe_mcp.store.columns import NAMING, JsonText, Number, UtcDateTime, Word
from wfe_mcp.store.enums import CallPurpose, CallStatus, Effect, JobStatus, Kind, RequestStatus, StepStatus

METADATA = MetaData(naming_convention=NAMING)

ITEM = Table(
    "item", METADATA,
    Column("project_id", String, ForeignKey("project.id"), primary_key=True), Column("number", Integer, primary_key=True),
    Column("kind", Word(ItemKind), nullable=False), Column("status", Word(ItemStatus), nullable=False),
    Column("priority", Integer, nullable=False), Column("parent", String, nullable=False),
    Column("fingerprint", String, nullable=False), Column("last_seq", Integer, nullable=False),
    Column("added_at", UtcDateTime, nullable=False), Column("changed_at", UtcDateTime, nullable=False),
    Column("content", Text, nullable=False), Index(None, "project_id", "fingerprint"), Index(None, "project_id", "parent"),
    Index(None, "project_id", "status", "priority", "number"),
)

ITEM_FILE = Table(
    "item_file", METADATA,
    Column("project_id", String, ForeignKey("project.id"), primary_key=True), Column("sha256", String, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

ITEM_EVENT = Table(
    "item_event", METADATA,
    Column("project_id", String, ForeignKey("project.id"), primary_key=True), Column("seq", Integer, primary_key=True),
    Column("number", Integer, nullable=False), Column("type", String, nullable=False),
    Column("at", UtcDateTime, nullable=False), Column("actor", String, nullable=False),
    Column("channel", Word(Channel), nullable=False), Column("assurance", Number(Assurance), nullable=False),
    Column("prev_hash", String, nullable=False), Column("hash", String, nullable=False),
    Column("payload", Text, nullable=False), Index(None, "project_id", "number", "seq"),
)

PROCESS = Table(
    "process", METADATA,
    Column("host", String, primary_key=True), Column("pid", Integer, primary_key=True),
    Column("started_at", Float, primary_key=True), Column("kind", String, nullable=False),
    Column("client_pid", Integer, nullable=True), Column("client_started_at", Float, nullable=True),
    Column("project_id", String, nullable=True), Column("port", Integer, nullable=True),
)

JOB = Table(
    "job", METADATA,
    Column("id", String, primary_key=True), Column("kind", String, nullable=False), Column("queue", String, nullable=False),
    Column("limit_key", String, nullable=True), Column("status", Word(JobStatus), nullable=False),
    Column("priority", Integer, nullable=False), Column("run_at", UtcDateTime, nullable=False),
    Column("tries", Integer, nullable=False), Column("max_attempts", Integer, nullable=False),
    Column("effect", Word(Effect), nullable=False), Column("fence", Integer, nullable=False),
    Column("lease_owner", String, nullable=True), Column("lease_until", UtcDateTime, nullable=True),
    Column("cancel_requested", Boolean, nullable=False), Column("cancel_reason", String, nullable=True),
    Column("timeout_s", Float, nullable=True), Column("dedupe_key", String, nullable=True, unique=True),
    Column("run_id", String, ForeignKey("run.id"), nullable=True), Column("phase", String, nullable=True),
    Column("attempt", Integer, nullable=True), Column("child_pid", Integer, nullable=True),
    Column("child_started_at", Float, nullable=True), Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime, nullable=True), Column("finished_at", UtcDateTime, nullable=True),
    Column("payload", JsonText, nullable=False), Column("result", JsonText, nullable=True),
    Column("error", Text, nullable=True), Index(None, "created_at", "id"), Index(None, "queue", "started_at"),
    Index(None, "run_id", "phase", "attempt"), Index(None, "status", "lease_until"),
    Index(None, "status", "priority", "run_at"),
)

PHASE_SUM = Table(
    "phase_sum", METADATA,
    Column("day", String, primary_key=True), Column("project_id", String, ForeignKey("project.id"), primary_key=True),
    Column("template", String, primary_key=True), Column("phase", String, primary_key=True),
    Column("spent", String, primary_key=True), Column("bucket_s", Float, primary_key=True),
    Column("place", Integer, nullable=False), Column("runs", Integer, nullable=False), Column("tasks", Integer, nullable=False),
    Column("attempts", Integer, nullable=False), Column("judged", Integer, nullable=False),
    Column("passed_first", Integer, nullable=False), Column("over", Integer, nullable=False),
    Column("passed", Integer, nullable=False), Column("forced", Integer, nullable=False),
    Column("total_s", Float, nullable=False),
)

USAGE_SUM = Table(
    "usage_sum", METADATA,
    Column("of", String, primary_key=True), Column("day", String, primary_key=True),
    Column("project_id", String, ForeignKey("project.id"), primary_key=True), Column("template", String, primary_key=True),
    Column("phase", String, primary_key=True), Column("role", String, primary_key=True),
    Column("model", String, primary_key=True), Column("calls", Integer, nullable=False),
    Column("failed", Integer, nullable=False), Column("unpriced", Integer, nullable=False),
    Column("requests", Integer, nullable=False), Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False), Column("cache_read_tokens", Integer, nullable=False),
    Column("cache_write_tokens", Integer, nullable=False), Column("cost_usd", Float, nullable=False),
)

MODEL_CALL = Table(
    "model_call", METADATA,
    Column("id", String, primary_key=True), Column("project_id", String, ForeignKey("project.id"), nullable=False),
    Column("run_id", String, ForeignKey("run.id"), nullable=True), Column("phase", String, nullable=True),
    Column("attempt", Integer, nullable=True), Column("job_id", String, nullable=True),
    Column("purpose", Word(CallPurpose), nullable=False), Column("role", String, nullable=False),
    Column("provider", String, nullable=False), Column("model", String, nullable=False),
    Column("status", Word(CallStatus), nullable=False), Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=True), Column("requests", Integer, nullable=False),
    Column("input_tokens", Integer, nullable=False), Column("output_tokens", Integer, nullable=False),
    Column("cache_read_tokens", Integer, nullable=False), Column("cache_write_tokens", Integer, nullable=False),
    Column("cost_usd", Float, nullable=True), Column("reserved_tokens", Integer, nullable=False),
    Column("reserved_usd", Float, nullable=True), Column("counted", Boolean, nullable=True),
    Column("fault", Text, nullable=True), Index(None, "job_id"), Index(None, "project_id", "started_at"),
    Index(None, "project_id", "status", "started_at", sqlite_where=text("counted IS NULL")),
    Index(None, "provider", "started_at"), Index(None, "run_id", "phase", "attempt"), Index(None, "started_at"),
)

TOOL_CALL = Table(
    "tool_call", METADATA,
    Column("id", String, primary_key=True), Column("run_id", String, ForeignKey("run.id"), nullable=False),
    Column("phase", String, nullable=False), Column("attempt", Integer, nullable=False),
    Column("job_id", String, nullable=True), Column("name", String, nullable=False), Column("ok", Boolean, nullable=True),
    Column("started_at", UtcDateTime, nullable=False), Column("duration_ms", Integer, nullable=True),
    Column("output_sha256", String, nullable=True), Column("output_bytes", Integer, nullable=True),
    Column("input", JsonText, nullable=True), Column("output", Text, nullable=True),
    Index(None, "run_id", "phase", "attempt", "started_at"),
)

OPINION = Table(
    "opinion", METADATA,
    Column("id", String, primary_key=True), Column("project_id", String, ForeignKey("project.id"), nullable=False),
    Column("run_id", String, ForeignKey("run.id"), nullable=True), Column("phase", String, nullable=True),
    Column("attempt", Integer, nullable=True), Column("asked_by", String, nullable=False),
    Column("reviewer", String, nullable=False), Column("provider", String, nullable=False),
    Column("model", String, nullable=False), Column("question_sha256", String, nullable=False),
    Column("artifact_sha256", String, nullable=False), Column("verdict", String, nullable=False),
    Column("at", UtcDateTime, nullable=False), Column("value", JsonText, nullable=False),
    Column("answered_by", String, nullable=True), Index(None, "project_id", "reviewer", "question_sha256"),
    Index(None, "run_id", "at"),
)

ATTACHMENT = Table(
    "attachment", METADATA,
    Column("id", String, primary_key=True), Column("run_id", String, ForeignKey("run.id"), nullable=False),
    Column("number", Integer, nullable=False), Column("phase", String, nullable=False),
    Column("attempt", Integer, nullable=False), Column("iteration", Integer, nullable=False),
    Column("name", String, nullable=False), Column("media_type", String, nullable=False),
    Column("size_bytes", Integer, nullable=False), Column("sha256", String, nullable=False),
    Column("note", String, nullable=False), Column("actor", String, nullable=False),
    Column("channel", Word(Channel), nullable=False), Column("at", UtcDateTime, nullable=False),
    Column("content", LargeBinary, nullable=False), UniqueConstraint("run_id", "number"),
    Index(None, "run_id", "phase", "attempt"),
)

PRUNED_RUN = Table(
    "pruned_run", METADATA,
    Column("run_id", String, primary_key=True), Column("project_id", String, ForeignKey("project.id"), nullable=False),
    Column("template", String, nullable=False), Column("title", String, nullable=False),
    Column("events", Integer, nullable=False), Column("last_hash", String, nullable=False),
    Column("created_at", UtcDateTime, nullable=False), Column("ended_at", UtcDateTime, nullable=False),
    Column("at", UtcDateTime, nullable=False), Column("actor", String, nullable=False), Index(None, "project_id"),
)

KEPT_RUN = Table(
    "kept_run", METADATA,
    Column("run_id", String, ForeignKey("run.id"), primary_key=True), Column("at", UtcDateTime, nullable=False),
    Column("actor", String, nullable=False),
)

FIND_RUN = Table(
    "find_run", METADATA,
    Column("run_id", String, primary_key=True), Column("version", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
)

FIND_WAITING = Table(
    "find_waiting", METADATA,
    Column("run_id", String, primary_key=True),
)

FIND_ENTRY = Table(
    "find_entry", METADATA,
    Column("id", Integer, primary_key=True), Column("project_id", String, ForeignKey("project.id"), nullable=False),
    Column("run_id", String, ForeignKey("run.id"), nullable=True), Column("kind", Word(Kind), nullable=False),
    Column("source", String, nullable=False), Column("ref", String, nullable=False), Column("part", Integer, nullable=False),
    Column("title", String, nullable=True), Index(None, "run_id"),
)

PROJECT = Table(
    "project", METADATA,
    Column("id", String, primary_key=True), Column("key", String, nullable=False, unique=True),
    Column("root", String, nullable=False), Column("created_at", UtcDateTime, nullable=False),
    Column("name", String, nullable=True), Column("first_commit", String, nullable=True),
    Column("forgotten_at", UtcDateTime, nullable=True),
)

DOCUMENT = Table(
    "document", METADATA,
    Column("sha256", String, primary_key=True), Column("created_at", UtcDateTime, nullable=False),
    Column("content", Text, nullable=False),
)

TEMPLATE = Table(
    "template", METADATA,
    Column("id", Integer, primary_key=True), Column("project_id", String, ForeignKey("project.id"), nullable=False),
    Column("source", String, nullable=False), Column("name", String, nullable=False), Column("version", String, nullable=False),
    Column("sha256", String, ForeignKey("document.sha256"), nullable=False),
    Column("parent_sha256", String, ForeignKey("document.sha256"), nullable=True), Column("title", String, nullable=False),
    Column("description", String, nullable=False), Column("requires", JsonText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False), UniqueConstraint("project_id", "name", "version"), Index(None, "sha256"),
)

TEMPLATE_MARK = Table(
    "template_mark", METADATA,
    Column("project_id", String, ForeignKey("project.id"), primary_key=True), Column("name", String, primary_key=True),
    Column("mark", String, primary_key=True), Column("at", UtcDateTime, nullable=False),
    Column("actor", String, nullable=False),
)

RUN = Table(
    "run", METADATA,
    Column("id", String, primary_key=True), Column("project_id", String, ForeignKey("project.id"), nullable=False),
    Column("worktree", String, nullable=False), Column("template", String, nullable=False),
    Column("template_version", String, nullable=False), Column("template_sha256", String, nullable=False),
    Column("definition_sha256", String, ForeignKey("document.sha256"), nullable=False),
    Column("spec_sha256", String, ForeignKey("document.sha256"), nullable=False),
    Column("inputs_sha256", String, ForeignKey("document.sha256"), nullable=False),
    Column("frozen_sha256", String, ForeignKey("document.sha256"), nullable=False), Column("title", String, nullable=False),
    Column("driver", String, nullable=True), Column("triggered_by", String, nullable=False),
    Column("external_id", String, nullable=False), Column("status", Word(RunStatus), nullable=False),
    Column("iteration", Integer, nullable=False), Column("auto", Boolean, nullable=False),
    Column("tainted", Boolean, nullable=False), Column("reached", String, nullable=True),
    Column("going_back", Integer, nullable=True), Column("revision", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False), Column("last_hash", String, nullable=False),
    Column("artifact_count", Integer, nullable=False), Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False), Column("ended_at", UtcDateTime, nullable=True),
    Column("archived_at", UtcDateTime, nullable=True), Column("origin_sha256", String, nullable=True),
    Column("counted", Integer, nullable=True), Column("state", Text, nullable=False), Index(None, "created_at", "id"),
    Index(None, "project_id", "created_at", sqlite_where=text("counted IS NULL OR counted <> last_seq")),
    Index(None, "project_id", "created_at", "id"),
    Index(None, "project_id", "ended_at", "id", "archived_at", sqlite_where=text("ended_at IS NOT NULL")),
    Index(None, "project_id", "status", "created_at", "id"),
    Index(None, "project_id", "template", "status", "created_at", "id"), Index(None, "worktree", "status", "created_at", "id"),
)

IDEMPOTENCY = Table(
    "idempotency", METADATA,
    Column("project_id", String, ForeignKey("project.id"), primary_key=True), Column("key", String, primary_key=True),
    Column("args_sha256", String, nullable=False), Column("run_id", String, ForeignKey("run.id"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

ATTEMPT = Table(
    "attempt", METADATA,
    Column("run_id", String, ForeignKey("run.id"), primary_key=True), Column("phase", String, primary_key=True),
    Column("attempt", Integer, primary_key=True), Column("iteration", Integer, nullable=False),
    Column("status", Word(AttemptStatus), nullable=False), Column("stage", Word(Stage), nullable=True),
    Column("holder", String, nullable=True), Column("exclusive", Boolean, nullable=False),
    Column("lease_until", UtcDateTime, nullable=True), Column("deadline", UtcDateTime, nullable=True),
    Column("not_before", UtcDateTime, nullable=True), Column("repair", String, nullable=True),
    Column("state", Text, nullable=False), Index(None, "status", "run_id"),
)

HOLD = Table(
    "hold", METADATA,
    Column("run_id", String, primary_key=True), Column("phase", String, primary_key=True),
    Column("attempt", Integer, primary_key=True), Column("scope", String, primary_key=True),
    Column("name", String, primary_key=True), Column("rank", String, nullable=False), Index(None, "scope", "name", "rank"),
)

EVENT = Table(
    "event", METADATA,
    Column("run_id", String, ForeignKey("run.id"), primary_key=True), Column("seq", Integer, primary_key=True),
    Column("type", String, nullable=False), Column("at", UtcDateTime, nullable=False), Column("actor", String, nullable=False),
    Column("channel", Word(Channel), nullable=False), Column("assurance", Number(Assurance), nullable=False),
    Column("prev_hash", String, nullable=False), Column("hash", String, nullable=False),
    Column("payload", Text, nullable=False),
    Index(None, "type", sqlite_where=text("type NOT IN ('CheckpointTaken', 'GateJudged', 'PhaseCompleted', 'PhaseReady', 'PhaseStarted', 'RevisionSubmitted', 'RunCompleted', 'RunStarted')")),
)

REVISION = Table(
    "revision", METADATA,
    Column("id", Integer, primary_key=True), Column("run_id", String, ForeignKey("run.id"), nullable=False),
    Column("phase", String, nullable=False), Column("revision", Integer, nullable=False),
    Column("attempt", Integer, nullable=False), Column("iteration", Integer, nullable=False),
    Column("name", String, nullable=False), Column("schema_name", String, nullable=False),
    Column("sha256", String, nullable=False), Column("size_bytes", Integer, nullable=False),
    Column("source", String, nullable=False), Column("note", String, nullable=False), Column("at", UtcDateTime, nullable=False),
    Column("sealed_at", UtcDateTime, nullable=True), Column("content", Text, nullable=False),
    UniqueConstraint("run_id", "phase", "revision"), Index(None, "run_id", "name", "id"),
)

REFUSED_SUBMISSION = Table(
    "refused_submission", METADATA,
    Column("id", Integer, primary_key=True), Column("run_id", String, ForeignKey("run.id"), nullable=False),
    Column("phase", String, nullable=False), Column("attempt", Integer, nullable=False),
    Column("size_bytes", Integer, nullable=False), Column("at", UtcDateTime, nullable=False),
    Column("errors", Text, nullable=False), Column("raw", LargeBinary, nullable=False),
    Index(None, "run_id", "phase", "attempt"),
)

EVIDENCE = Table(
    "evidence", METADATA,
    Column("id", String, primary_key=True), Column("run_id", String, ForeignKey("run.id"), nullable=False),
    Column("phase", String, nullable=False), Column("attempt", Integer, nullable=False),
    Column("iteration", Integer, nullable=False), Column("stage", Word(Stage), nullable=False),
    Column("gate", Integer, nullable=False), Column("kind", String, nullable=False), Column("sha256", String, nullable=True),
    Column("tree", String, nullable=True), Column("head", String, nullable=True), Column("log_path", String, nullable=True),
    Column("at", UtcDateTime, nullable=False), Column("data", JsonText, nullable=False), Index(None, "kind", "at"),
    Index(None, "run_id", "phase", "attempt"),
)

REQUEST = Table(
    "request", METADATA,
    Column("id", String, primary_key=True), Column("run_id", String, ForeignKey("run.id"), nullable=False),
    Column("phase", String, nullable=False), Column("attempt", Integer, nullable=False),
    Column("stage", Word(Stage), nullable=False), Column("gate", Integer, nullable=False),
    Column("sha256", String, nullable=False), Column("assurance", Number(Assurance), nullable=False),
    Column("tree", String, nullable=True), Column("status", Word(RequestStatus), nullable=False),
    Column("expires_at", UtcDateTime, nullable=True), Column("created_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime, nullable=True), Column("data", JsonText, nullable=False),
    Index(None, "run_id", "phase", "attempt"), Index(None, "status", "run_id"),
)

DECISION = Table(
    "decision", METADATA,
    Column("request_id", String, ForeignKey("request.id"), primary_key=True), Column("approved", Boolean, nullable=False),
    Column("actor", String, nullable=False), Column("channel", Word(Channel), nullable=False),
    Column("assurance", Number(Assurance), nullable=False), Column("at", UtcDateTime, nullable=False),
    Column("comment", Text, nullable=False), Column("to", String, nullable=True), Column("ancestors", Text, nullable=False),
)

STEP_RUN = Table(
    "step_run", METADATA,
    Column("run_id", String, ForeignKey("run.id"), primary_key=True), Column("phase", String, primary_key=True),
    Column("attempt", Integer, primary_key=True), Column("step", String, primary_key=True),
    Column("position", Integer, nullable=False), Column("does", String, nullable=False),
    Column("status", Word(StepStatus), nullable=False), Column("tries", Integer, nullable=False),
    Column("enqueued", Integer, nullable=False), Column("job_id", String, nullable=True),
    Column("idempotency_key", String, nullable=True), Column("carried", Integer, nullable=True),
    Column("not_before", UtcDateTime, nullable=True), Column("started_at", UtcDateTime, nullable=True),
    Column("finished_at", UtcDateTime, nullable=True), Column("error", Text, nullable=False),
    Column("input", JsonText, nullable=True), Column("output", JsonText, nullable=True),
    Column("served_by", String, nullable=False), Index(None, "run_id", "idempotency_key"),
)

SECRET = Table(
    "secret", METADATA,
    Column("name", String, primary_key=True), Column("updated_at", UtcDateTime, nullable=False),
    Column("value", Text, nullable=False),
)

TRUST = Table(
    "trust", METADATA,
    Column("project_id", String, ForeignKey("project.id"), primary_key=True), Column("path_key", String, primary_key=True),
    Column("sha256", String, primary_key=True), Column("at", UtcDateTime, nullable=False),
    Column("actor", String, nullable=False), Column("channel", Word(Channel), nullable=False),
    Column("assurance", Number(Assurance), nullable=False),
)

SETTING_EVENT = Table(
    "setting_event", METADATA,
    Column("seq", Integer, primary_key=True), Column("type", String, nullable=False), Column("name", String, nullable=False),
    Column("value_sha256", String, nullable=True), Column("at", UtcDateTime, nullable=False),
    Column("actor", String, nullable=False), Column("channel", Word(Channel), nullable=False),
    Column("assurance", Number(Assurance), nullable=False), Column("prev_hash", String, nullable=False),
    Column("hash", String, nullable=False),
)
