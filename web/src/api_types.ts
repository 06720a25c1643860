// Types of the answers of /api/v1. Written by scripts/generate_web_types.py from docs/reference/openapi.json.

export interface Answer<T> {
  ok: boolean;
  run?: string;
  phase?: string;
  state?: string;
  run_state?: string;
  waiting_on?: string;
  summary?: string;
  next?: NextCall[];
  data?: T | null;
}

export interface AbsenceList {
  away: AbsenceView[];
}

export interface AbsenceView {
  name: string;
  until: string;
  to?: string;
}

export interface ActivityList {
  events: ActivityView[];
  last?: number;
}

export interface ActivityView {
  position: number;
  project: string;
  run: string;
  title: string;
  seq: number;
  at: string;
  type: string;
  actor: string;
  channel: string;
  assurance: string;
  text: string;
  payload: Record<string, unknown>;
  hash: string;
  changes?: Record<string, unknown>[] | null;
  steps?: StepView[];
}

export interface AnswerGiven {
  approved: boolean;
  actor: string;
  channel: string;
  assurance: string;
  at: string;
  comment?: string;
  to?: string;
}

export interface ApprovalView {
  run: string;
  project: string;
  title: string;
  template: string;
  phase: string;
  attempt: number;
  stage: string;
  question: string;
  effect: string;
  assurance: string;
  sha256: string;
  send_back?: string;
  phrase?: string;
  tree?: string;
  inputs?: Input[];
  unusual?: Unusual[];
  not_done?: NotDone[];
  target?: Target | null;
  changes?: Change[];
  prompt?: Prompt | null;
  artifact?: ArtifactShown | null;
  earlier?: ArtifactShown[];
  evidence?: GateEvidence[];
  opinions?: OpinionShown[];
  attempts?: AttemptShown[];
  attachments?: AttachmentShown[];
}

export interface ArtifactList {
  artifacts: HeadView[];
  drafts?: DraftLine[];
  tools?: ToolsLine[];
  attachments?: AttachmentLine[];
  left_out?: number;
}

export interface ArtifactPage {
  artifact: string;
  phase: string;
  revision: number;
  attempt: number;
  iteration: number;
  schema: string;
  sha256: string;
  source: string;
  at: string;
  sealed?: boolean;
  note?: string;
  revisions: HeadView[];
  content: unknown;
  parts: Record<string, unknown>[];
  markdown: string;
  text: string;
  json_schema: Record<string, unknown>;
  drafts?: DraftLine[];
}

export interface ArtifactShown {
  name: string;
  phase: string;
  attempt: number;
  revision: number;
  schema: string;
  sha256: string;
  content: unknown;
  file?: string;
  against?: number;
  changes?: FieldChange[];
  approved?: string;
  written?: string[];
  questions?: string[];
  claimed?: Named[];
}

export interface AskedView {
  id: string;
  run_id: string;
  phase: string;
  attempt: number;
  stage: string;
  sha256: string;
  created_at: string;
  expires_at?: string;
}

export interface AssistantView {
  text: string;
  blocks?: unknown[];
  read?: ReadView[];
  commands?: string[];
  why?: string;
  model?: string;
  tokens?: number;
  cost_usd?: number | null;
}

export interface AttachmentLine {
  artifact: string;
  phase: string;
  attempt: number;
  name: string;
  media_type: string;
  size_bytes: number;
  sha256: string;
  by: string;
  at: string;
  note?: string;
}

export interface AttachmentShown {
  number: number;
  name: string;
  media_type: string;
  size_bytes: number;
  sha256: string;
  by: string;
  note?: string;
}

export interface AttachmentView {
  artifact: string;
  phase: string;
  attempt: number;
  name: string;
  media_type: string;
  size_bytes: number;
  sha256: string;
  by: string;
  at: string;
  note?: string;
  command: string;
  pointer?: string;
  content?: unknown;
  keys?: string[];
  cut?: boolean;
  text?: string;
  bytes?: number;
  hint?: string;
}

export interface AttemptLine {
  phase: string;
  attempt: number;
  iteration: number;
  state: string;
  is_newest: boolean;
  ended?: string;
  reason?: string;
  started_at?: string;
  revision?: number;
  sha256?: string;
  artifact?: string;
  restores?: number;
  recovery?: string;
  forced?: boolean;
  feedback?: string[];
  decisions?: DecisionLine[];
}

export interface AttemptShown {
  number: number;
  state: string;
  reason?: string;
  whole?: string;
}

export interface Backlog {
  items: ItemCard[];
  count: number;
  counts: Record<string, unknown>;
}

export interface BlockerView {
  phase: string;
  reported_by: string;
  class: string;
  fingerprint: string;
  state: string;
  times?: number;
  cause?: string;
  next_step?: string;
  human_required?: boolean;
}

export interface BoardColumn {
  phase: string;
  title: string;
  runs?: RunRow[];
}

export interface BoardView {
  template: string;
  columns: BoardColumn[];
  ended?: RunRow[];
  warnings?: string[];
}

export interface BundleView {
  bundle: string;
  scope?: string;
  sha256: string;
  files?: string[];
  rules?: string[];
}

export interface CallView {
  step: string;
  does: string;
  state: string;
  error?: string;
  input?: unknown;
  output?: unknown;
  took?: string;
}

export interface CallsView {
  artifact: string;
  phase: string;
  attempt: number;
  calls: number;
  pointer?: string;
  content?: CallView[] | null;
  keys?: string[];
  cut?: boolean;
  text?: string;
  bytes?: number;
  hint?: string;
  left_out?: number;
}

export interface Change {
  since: string;
  before?: string;
  after?: string;
  files?: FileDiff[];
  note?: string;
  watched?: Named[];
  commits?: string;
}

export interface CheckLine {
  check: string;
  argv: string[];
  where: string;
}

export interface CheckTrial {
  check: string;
  outcome: string;
  works: boolean;
  message: string;
  seconds: number;
  tests?: number | null;
  tail?: string;
  changed?: string[];
}

export interface CheckView {
  name: string;
  argv: string[];
  configured: boolean;
  cwd?: string;
  kind?: string;
  fault?: string;
  why?: string;
}

export interface CheckpointList {
  checkpoints: CheckpointView[];
  undo?: string;
  redo?: string;
  pruned?: string[] | null;
}

export interface CheckpointView {
  checkpoint: string;
  why: string;
  phase?: string;
  attempt?: number;
  at: string;
  commit?: string;
  skipped?: number;
  note?: string;
  not_kept?: LeftOut[];
  files?: boolean | null;
}

export interface ClaimEvidence {
  ref: string;
  reason: string;
  says: string;
  at: string;
  list?: string;
  commit?: string;
  sha256?: string;
}

export interface ClaimFacts {
  tests: ClaimTest[];
  evidence: ClaimEvidence[];
  job?: string;
}

export interface ClaimTest {
  name: string;
  type: string;
  reads: string;
  check?: string;
  stages?: string[];
  outcome?: string;
  why?: string;
  at?: string;
  commit?: string;
  log?: string;
  is_outdated?: boolean;
}

export interface ClaimView {
  attempt: number;
  iteration: number;
  prompt: string;
  output: OutputView;
  inputs: Record<string, unknown>;
  gates: Record<string, unknown>[];
  inputs_left_out?: string[];
  feedback?: Record<string, unknown>[];
  deadline?: string;
  tools_allowed?: string[];
}

export interface CommitLine {
  commit: string;
  at: string;
  subject: string;
}

export interface ComparisonView {
  runs: [RunSide, RunSide];
  template: FieldChange[];
  inputs: FieldChange[];
  phases: PhaseComparison[];
}

export interface ContextPack {
  artifact?: string;
  run: string;
  title: string;
  template: string;
  inputs: Record<string, unknown>;
  duty: DutyView;
  facts?: Record<string, unknown>;
  warning?: string;
  feedback?: Record<string, unknown>[];
  reports?: PhaseReport[];
  commits?: CommitLine[];
  changes?: FilesChanged;
  blockers?: BlockerView[];
  attachments?: AttachmentLine[];
  left_out?: Record<string, unknown>;
}

export interface CredentialUse {
  to: string;
  at: string;
}

export interface CredentialView {
  name: string;
  kind: string;
  scope: string;
  kept_in: string;
  parts: string[];
  state: string;
  created_at: string;
  rotated_at?: string;
  expires_at?: string;
  given_to?: string[];
  used?: CredentialUse[];
}

export interface CredentialsView {
  credentials: CredentialView[];
  kinds: Record<string, KindPart[]>;
}

export interface DatabaseSetting {
  path: string;
  schema: string;
}

export interface DecisionCommands {
  approve: string;
  reject: string;
  edit: string;
  opinion: string;
}

export interface DecisionData {
  state: "open" | "answered" | "expired" | "closed";
  project: string;
  title: string;
  template: string;
  tainted: boolean;
  gating: boolean;
  asked_at: string;
  asked_by?: string;
  changed?: string[];
  stopped?: string;
  back_to?: string[];
  passkeys?: string[];
  no_passkey?: string;
  buttons?: string[];
  shown?: ApprovalView | null;
  since?: Change | null;
  others?: string;
  approved?: string;
  key_page?: string;
  request: AskedView;
  commands: DecisionCommands;
  newer?: string;
  answer?: AnswerGiven | null;
  editable?: string;
  shown_sha256?: string;
  present?: PersonHere[];
  handed?: HandedOn | null;
}

export interface DecisionLine {
  run?: string;
  decision: string;
  at: string;
  actor: string;
  channel: string;
  assurance: string;
  attempt?: number;
  comment?: string;
  phase?: string;
  reason?: string;
  sha256?: string;
  void?: "" | "rejected" | "failed" | "superseded" | "rolled_back";
  comments?: LineNote[];
}

export interface DecisionPage {
  decision: DecisionData;
  html: string;
}

export interface DeploymentShown {
  environment: string;
  address: string;
  commit: string;
  before: string;
  commits: string[];
  items: string[];
  evidence: string[];
  rollback: string;
  more_commits?: number;
  unknown?: string;
}

export interface DeploymentView {
  environment: string;
  state: string;
  commit: string;
  version: string;
  run: string;
  at: string;
  before?: string;
  approved_by?: string;
  rolled_back_at?: string;
  why?: string;
  log?: string;
}

export interface Deployments {
  environments: EnvironmentView[];
  deployments: DeploymentView[];
  faults?: string[];
}

export interface Detail {
  path: string;
  message: string;
  expected?: unknown;
  got?: unknown;
}

export interface DifferenceView {
  artifact: string;
  phase: string;
  revision: number;
  against: number;
  against_run?: string;
  against_phase?: string;
  difference: FieldChange[];
}

export interface DraftLine {
  artifact: string;
  phase: string;
  attempt: number;
  faults: number;
  size_bytes: number;
  at: string;
}

export interface DraftView {
  artifact: string;
  phase: string;
  attempt: number;
  faults: number;
  size_bytes: number;
  at: string;
  details: unknown[];
  pointer?: string;
  content?: unknown;
  keys?: string[];
  cut?: boolean;
  text?: string;
  bytes?: number;
  hint?: string;
}

export interface DutyView {
  phase: string;
  title: string;
  role?: string;
  role_description?: string;
  state: string;
  attempt: number;
  iteration: number;
  artifact?: string;
  schema?: string;
  gates?: string[];
}

export interface EffectLine {
  mark: "new" | "changed" | "gone" | "same";
  kind: string;
  subject: string;
  detail: string;
  weakens: boolean;
  source: string;
  was?: string | null;
}

export interface EnvironmentView {
  name: string;
  kind: string;
  address?: string;
  host?: string;
  state?: string;
  commit?: string;
  version?: string;
  run?: string;
  health?: string;
  health_at?: string;
  why?: string;
}

export interface ErrorBody {
  code: string;
  message: string;
  hint?: string;
  details?: Fault[];
}

export interface EventList {
  events: EventView[];
}

export interface EventView {
  seq: number;
  at: string;
  type: string;
  actor: string;
  channel: string;
  assurance: string;
  text: string;
  payload: Record<string, unknown>;
  hash: string;
  changes?: Record<string, unknown>[] | null;
  steps?: StepView[];
}

export interface EvidenceFact {
  id: string;
  phase: string;
  attempt: number;
  iteration: number;
  stage: string;
  gate: number;
  kind: string;
  at: string;
  tree?: string;
  head?: string;
  log?: string;
  facts: Record<string, unknown>;
}

export interface EvidenceList {
  evidence: EvidenceFact[];
}

export interface EvidenceView {
  id: string;
  gate: string;
  step?: string;
  log?: string;
  tree?: string;
  head?: string;
  counted_from?: string;
}

export interface Fact {
  name: string;
  value: string;
  found?: string;
  by_hand?: boolean;
}

export interface Falsified {
  id: string;
  title: string;
  status: string;
  why: string;
  at: string;
  actor: string;
  commit?: string;
  follow_ups?: ItemLine[];
  again_at?: string;
}

export interface Fault {
  path: string;
  message: string;
  expected?: unknown;
  got?: unknown;
}

export interface FieldChange {
  path: string;
  old?: unknown;
  new?: unknown;
  moved?: string;
  diff?: string;
}

export interface FileChanged {
  path: string;
  status: string;
  added?: number;
  removed?: number;
}

export interface FileDiff {
  path: string;
  status: "added" | "deleted" | "modified" | "renamed" | "mode";
  kind?: "text" | "binary" | "large" | "submodule" | "unknown";
  old_path?: string;
  added?: number;
  removed?: number;
  old_mode?: string;
  new_mode?: string;
  old_oid?: string;
  new_oid?: string;
  hunks?: Hunk[];
}

export interface FilesChanged {
  files?: FileChanged[];
  added?: number;
  removed?: number;
  note?: string;
}

export interface FilesRestored {
  restored: number;
  paths: string[];
  before: string;
  left?: string[];
}

export interface Finding {
  severity: string;
  title: string;
  place?: string;
  detail?: string;
  recommendation?: string;
}

export interface ForkView {
  run: string;
  event: number;
  hash: string;
}

export interface FormView {
  phase: string;
  title: string;
  kind: string;
  state: string;
  attempt: number;
  how: "submit" | "edit" | "";
  artifact: string;
  schema: Record<string, unknown>;
  command: string;
  why?: string;
  prompt?: string;
  of?: string;
  value?: unknown;
  text?: string;
  faults?: Detail[];
  gates?: Record<string, unknown>[];
  can_force?: boolean;
  can_overrule?: boolean;
  leads_to?: Record<string, unknown>;
  blockers?: string[];
}

export interface FoundView {
  hits: HitView[];
  cursor?: string;
  not_indexed?: number;
}

export interface GateDifference {
  phase: string;
  gate: string;
  what: string;
  weakens: boolean;
  was?: string;
  now?: string;
  key?: string;
  source?: string;
  sha256?: string;
}

export interface GateEvidence {
  gate: string;
  state: "pass" | "fail" | "skipped" | "warning" | "not run" | "awaiting";
  text?: string;
  at?: string;
  details?: Named[];
  level?: string;
  made_by?: string;
}

export interface GateLine {
  gate: string;
  state: string;
  text?: string;
}

export interface GateMark {
  gate: string;
  state: string;
  weakened?: boolean;
}

export interface GrantLine {
  id: string;
  template: string;
  template_sha256: string;
  phase: string;
  when: string;
  uses: number;
  used: number;
  state: string;
  actor: string;
  assurance: string;
  given_at: string;
  expires_at: string;
  ended_at?: string;
  approvals?: GrantUseLine[];
}

export interface GrantList {
  grants: GrantLine[];
}

export interface GrantUseLine {
  number: number;
  run: string;
  phase: string;
  attempt: number;
  at: string;
}

export interface GraphView {
  nodes: NodeView[];
}

export interface HandedOn {
  to: string;
  by: string;
  note?: string;
  text: string;
}

export interface HeadView {
  artifact: string;
  phase: string;
  revision: number;
  attempt: number;
  iteration: number;
  schema: string;
  sha256: string;
  source: string;
  at: string;
  sealed?: boolean;
  note?: string;
}

export interface HitView {
  kind: string;
  run?: string;
  phase?: string;
  attempt?: number;
  revision?: number;
  title?: string;
  run_title?: string;
  at: string;
  link?: string;
  open?: string;
  archived?: boolean;
  text?: string;
  project?: string | null;
  item?: string;
}

export interface Hunk {
  old_start: number;
  new_start: number;
  lines: string[];
}

export interface ImportLine {
  id: string;
  title: string;
  kind?: string;
  status?: string;
  parent?: string;
  why?: string;
  values?: Record<string, unknown>;
}

export interface ImportReport {
  format: string;
  becomes: "template" | "plan" | "settings";
  stored: boolean;
  command: string;
  template?: KeptView | null;
  definition?: Record<string, unknown> | null;
  not_carried?: PathNote[];
  added?: PathNote[];
  text?: string;
  start?: string;
}

export interface InboxView {
  decisions: WaitingDecision[];
  unasked?: UnaskedDecision[];
  tasks?: WaitingTask[];
  opinions?: WaitingOpinion[];
  stopped?: StoppedRun[];
  trust?: WaitingTrust[];
  stuck?: StuckRuns | null;
  stuck_in_s?: number;
}

export interface IncomingView {
  name: string;
  template: string;
  inputs: string[];
  enabled: boolean;
  fault?: string;
}

export interface Input {
  name: string;
  value: unknown;
  is_default?: boolean;
}

export interface InputList {
  inputs: Input[];
}

export interface ItemCard {
  id: string;
  kind: string;
  title: string;
  status: string;
  priority: number;
  parent?: string;
  waits_for?: string[];
  run?: string;
  changed_at?: string;
  in_work?: string;
  stopped?: string;
  project: string;
  version: number;
  moves?: ItemMove[];
  parts?: number;
  done?: number;
  overlaps?: string[];
}

export interface ItemChange {
  at: string;
  actor: string;
  channel: string;
  values: Record<string, unknown>;
  signed?: boolean;
}

export interface ItemFileLine {
  number: number;
  name: string;
  media_type: string;
  size_bytes: number;
  sha256: string;
}

export interface ItemImport {
  format: string;
  file: string;
  dry_run: boolean;
  unchanged: number;
  added: ImportLine[];
  changed: ImportLine[];
  kept: ImportLine[];
  gone: ImportLine[];
  not_carried: PathNote[];
}

export interface ItemLine {
  id: string;
  kind: string;
  title: string;
  status: string;
  priority: number;
  parent?: string;
  waits_for?: string[];
  run?: string;
  changed_at?: string;
  in_work?: string;
  stopped?: string;
}

export interface ItemList {
  items: ItemLine[];
  counts: Record<string, unknown>;
  cursor?: string;
}

export interface ItemMove {
  to: string;
  takes?: string;
  refused?: string;
}

export interface ItemNews {
  project: string;
  item: string;
}

export interface ItemPage {
  id: string;
  kind: string;
  title: string;
  status: string;
  priority: number;
  parent?: string;
  waits_for?: string[];
  run?: string;
  changed_at?: string;
  in_work?: string;
  stopped?: string;
  body?: string;
  needs?: string[];
  scopes?: string[];
  criteria?: string[];
  tags?: string[];
  sequential?: boolean;
  source?: string;
  runs?: string[];
  branch?: string;
  commits?: string[];
  pull_request?: string;
  reason?: string;
  gone_from_base?: string;
  failures?: number;
  files?: ItemFileLine[];
  children?: ItemLine[];
  overlaps?: Overlap[];
  missing?: Record<string, unknown>;
  plan?: PlanScore | null;
  claim?: ClaimFacts | null;
  history?: ItemChange[];
  project: string;
  version: number;
  added_at: string;
  text?: Record<string, unknown>[];
  above?: ItemLine[];
  needed?: ItemLine[];
  needed_by?: ItemLine[];
  parts?: number;
  done?: number;
  run_lines?: ItemRun[];
  moves?: ItemMove[];
  template?: string;
}

export interface ItemRun {
  run: string;
  title: string;
  state: string;
  template: string;
  at: string;
}

export interface ItemView {
  id: string;
  kind: string;
  title: string;
  status: string;
  priority: number;
  parent?: string;
  waits_for?: string[];
  run?: string;
  changed_at?: string;
  in_work?: string;
  stopped?: string;
  body?: string;
  needs?: string[];
  scopes?: string[];
  criteria?: string[];
  tags?: string[];
  sequential?: boolean;
  source?: string;
  runs?: string[];
  branch?: string;
  commits?: string[];
  pull_request?: string;
  reason?: string;
  gone_from_base?: string;
  failures?: number;
  files?: ItemFileLine[];
  children?: ItemLine[];
  overlaps?: Overlap[];
  missing?: Record<string, unknown>;
  plan?: PlanScore | null;
  claim?: ClaimFacts | null;
  history?: ItemChange[];
}

export interface JobRow {
  job: string;
  queue: string;
  kind: string;
  state: string;
  priority: string;
  created_at: string;
  run?: string | null;
  phase?: string | null;
  attempt?: number | null;
  position?: number | null;
  estimate_s?: number | null;
  run_at?: string;
  cancelling?: boolean;
  error?: string;
  does?: string;
  title?: string;
  runner?: string;
}

export interface JobView {
  job: string;
  queue: string;
  kind: string;
  state: string;
  priority: string;
  created_at: string;
  run?: string | null;
  phase?: string | null;
  attempt?: number | null;
  position?: number | null;
  estimate_s?: number | null;
  run_at?: string;
  cancelling?: boolean;
  error?: string;
  does?: string;
  title?: string;
  runner?: string;
  effect: string;
  tries: number;
  max_attempts: number;
  timeout_s?: number | null;
  limit_key?: string;
  holder?: string;
  child_pid?: number | null;
  started_at?: string;
  finished_at?: string;
  waited_s?: number | null;
  ran_s?: number | null;
  cancel_reason?: string;
  payload?: unknown;
  result?: unknown;
}

export interface KeptView {
  template: string;
  version: string;
  sha256: string;
  requires: RequiresView;
  not_yet?: PathNote[];
  warnings?: string[];
  shadowed_by?: string;
}

export interface KindPart {
  name: string;
  secret: boolean;
  required: boolean;
  lines: boolean;
}

export interface Language {
  name: string;
  files: number;
  folders: string[];
  example?: string;
}

export interface LastVerdict {
  phase: string;
  attempt: number;
  gate: string;
  verdict: string;
  message?: string;
  evidence?: string;
  level?: string;
}

export interface Ledger {
  falsified: Falsified[];
  open?: number;
}

export interface LeftOut {
  path: string;
  why: string;
  bytes?: number;
}

export interface LineNote {
  file: string;
  line: number;
  side: string;
  text: string;
}

export interface LineageView {
  attempts: AttemptLine[];
}

export interface LintView {
  problems: Problem[];
  requires?: RequiresView | null;
}

export interface MoveView {
  project: string;
  folder: string;
  lines: string[];
  looks_right: boolean;
  moved?: boolean;
}

export interface Named {
  name: string;
  value: unknown;
}

export interface NewestCheckpoints {
  count: number;
  newest: string[];
}

export interface NewsLine {
  run: string;
  title: string;
  project: string;
  at: string;
  text: string;
  events: number;
}

export interface NewsView {
  since?: string;
  runs?: NewsLine[];
}

export interface NextCall {
  tool: string;
  args: Record<string, unknown>;
  need?: Record<string, string>;
  why?: string;
}

export interface NoPhase {
}

export interface NodeView {
  phase: string;
  name: string;
  kind: string;
  state: string;
  attempt: number;
  needs: string[];
  gates: GateMark[];
  parent?: string;
  item?: string;
  items?: string;
  weakened?: boolean;
  forced?: boolean;
  held?: boolean;
  left?: boolean;
  role?: string;
  reason?: string;
  started_at?: string;
  working_s?: number;
  tokens?: number | null;
  cost_usd?: number | null;
  model?: string | null;
}

export interface NotDone {
  phase: string;
  state: "skipped" | "overruled";
  why: string;
  gate?: string;
  by?: string;
  at?: string;
  times?: number;
  is_new?: boolean;
}

export interface NotificationTest {
  shown: string[];
  failed: string[];
}

export interface NotificationsView {
  ways: string;
  events: string[];
  quiet: string;
  remind: string;
  last_failure?: string;
  faults?: string[];
}

export interface OperationView {
  kind: string;
  target: string;
  state: string;
  before?: string;
  after?: string;
  url?: string;
  at?: string;
  run?: string;
}

export interface OpinionShown {
  reviewer: string;
  model: string;
  state: "pass" | "fail" | "skipped" | "warning" | "not run" | "awaiting";
  summary?: string;
  findings?: Finding[];
  suggestion?: string;
  source?: string;
  is_advice?: boolean;
}

export interface OriginView {
  from: string;
  at: string;
  by: string;
  channel?: string;
  project?: string;
  worktree?: string;
  sha256: string;
  statements?: string[];
  not_carried?: PathNote[];
  more_statements?: number;
  more_not_carried?: number;
}

export interface OutputView {
  artifact: string | null;
  schema: Record<string, unknown>;
}

export interface OutputsView {
  values: Record<string, unknown>;
  left_out?: string[];
  unknown?: string[];
}

export interface Overlap {
  id: string;
  title: string;
  scopes: string[];
  run?: string;
}

export interface Package {
  path: string;
  manifests: string[];
}

export interface PathNote {
  path: string;
  message: string;
}

export interface PeopleHere {
  present: PersonHere[];
  text?: string;
  handed?: string;
  able?: PersonAble[];
}

export interface PersonAble {
  name: string;
  away?: string;
}

export interface PersonHere {
  name: string;
  since: string;
}

export interface PhaseComparison {
  phase: string;
  same: boolean;
  sides: [PhaseSide | NoPhase, PhaseSide | NoPhase];
  artifact?: string;
}

export interface PhaseReport {
  phase: string;
  attempt: number;
  iteration: number;
  artifact: string;
  revision: number;
  schema: string;
  state: string;
  sent_back?: boolean;
  text?: string;
}

export interface PhaseSide {
  state: string;
  attempts: number;
  iteration: number;
  seconds?: Record<string, number>;
  gates?: string[];
  sha256?: string;
  tokens?: number | null;
  cost_usd?: number | null;
}

export interface PhaseStats {
  template: string;
  phase: string;
  runs: number;
  tasks: number;
  attempts: number;
  first_try: Rate;
  in_the_end: Rate;
  forced?: number;
  working: Spread | null;
  waiting: Record<string, Spread>;
  tokens: number;
  cost_usd: number;
}

export interface PhaseToolCall {
  phase: string;
  attempt: number;
  tool: string;
  input: Record<string, unknown> | null;
  ok?: boolean | null;
  ms?: number | null;
  at: string;
  output?: string | null;
  output_bytes?: number | null;
  output_sha256?: string | null;
}

export interface PhaseView {
  phase: string;
  state: string;
  attempt: number;
  items?: string;
  stage?: string;
  repair?: string;
  held?: boolean;
  left?: boolean;
  iteration?: number;
  reason?: string;
  revision?: number;
  sha256?: string;
  artifact?: string;
  holder?: string;
  invalid?: number;
  deadline?: string;
  ended?: string;
  verdicts?: VerdictView[];
  forced?: boolean;
  steps?: StepView[];
  step_calls?: string;
  tools?: ToolsView | null;
  role?: string;
  evidence?: EvidenceView[];
  tool_calls?: ToolCallView[] | null;
}

export interface PlanScore {
  score: number;
  problems?: string[];
}

export interface PlannedPolicyView {
  project: string;
  changes: PolicyChange[];
  weakens: boolean;
  command: string;
  shown?: string;
}

export interface PolicyChange {
  key: string;
  was: string;
  now: string;
  weakens: boolean;
}

export interface PolicyRules {
  templates: string[] | null;
  evidence: string | null;
  on_mismatch: string;
}

export interface PolicyView {
  in_force: PolicyRules;
  written: PolicyRules;
  where: string;
  templates: string[];
  untrusted?: boolean;
}

export interface Problem {
  path: string;
  message: string;
  severity: string;
  expected?: unknown;
  got?: unknown;
}

export interface ProjectContents {
  root: string;
  git: boolean;
  languages: Language[];
  packages: Package[];
  checks: CheckView[];
  folders_left_out?: string[];
  stack?: Stack[];
  facts?: Fact[];
  findings?: ProjectFinding[];
}

export interface ProjectContext {
  project: string;
  name: string;
  root: string;
  git: boolean;
  facts: Record<string, unknown>;
  found: Record<string, unknown>;
  checks: Record<string, unknown>[];
  default_template?: string;
  templates: Record<string, unknown>;
  roles?: Record<string, unknown>;
  runs?: Record<string, unknown>[];
  left_out?: Record<string, unknown>;
}

export interface ProjectFinding {
  kind: string;
  value: string;
  file: string;
  line: number;
  sure?: "declared" | "likely" | "default" | "person";
  note?: string;
  folder?: string;
}

export interface ProjectList {
  projects: ProjectRow[];
}

export interface ProjectRow {
  project: string;
  root: string;
  created_at: string;
  name: string;
  missing?: boolean;
  earlier?: boolean;
  open_runs?: number;
  run_count?: number;
}

export interface ProjectView {
  project: string;
  root: string;
  created_at: string;
  name: string;
  missing?: boolean;
  earlier?: boolean;
  open_runs?: number;
  run_count?: number;
  default_template?: string;
  templates: TemplateLine[];
  checks: CheckLine[];
  roles: RoleLine[];
  runs: RunRow[];
  untrusted?: boolean;
}

export interface PromiseView {
  leads_to?: string;
  steps?: string[];
  says?: string;
  kept?: string[];
  called_again?: string[];
}

export interface Prompt {
  sha256: string;
  file: string;
  text?: string | null;
  editable?: boolean;
  edited?: boolean;
  suggested_by?: string;
  changes?: FieldChange[];
}

export interface ProviderSetting {
  name: string;
  kind: string;
  where: string;
  key_source: string;
  key_set: boolean;
  enabled: boolean;
  trusted: boolean;
  usable: boolean;
  layer: string;
  roles?: string[];
}

export interface QueueRecord {
  queue: string;
  waiting: number;
  running: number;
  average_wait_s?: number | null;
  average_run_s?: number | null;
}

export interface QueueState {
  jobs: JobRow[];
  queues: QueueRecord[];
}

export interface Rate {
  passed: number;
  of: number;
  rate: number | null;
}

export interface ReadView {
  what: string;
  open: string;
  run?: string;
  phase?: string;
  item?: string;
  template?: string;
  page?: string;
}

export interface ReceiverView {
  name: string;
  origin: string;
  events: string[];
  templates: string[];
  projects: string[];
  format: string;
  enabled: boolean;
  waiting: number;
  failed: number;
  fault?: string;
}

export interface Refusal {
  ok: boolean;
  run?: string;
  phase?: string;
  state?: string;
  run_state?: string;
  waiting_on?: string;
  summary?: string;
  next?: NextCall[];
  data?: Record<string, unknown> | null;
  error: ErrorBody;
}

export interface RequiresView {
  checks: string[];
  roles: string[];
  servers: string[];
  context: string[];
  plugins: string[];
  templates: string[];
}

export interface RevisionView {
  artifact: string;
  phase: string;
  revision: number;
  attempt: number;
  iteration: number;
  schema: string;
  sha256: string;
  source: string;
  at: string;
  sealed?: boolean;
  note?: string;
  pointer?: string;
  content?: unknown;
  keys?: string[];
  cut?: boolean;
  text?: string;
  bytes?: number;
  hint?: string;
}

export interface RoleLine {
  role: string;
  provider: string;
  model?: string;
}

export interface RoleSetting {
  role: string;
  provider: string;
  model: string;
  fallback: string[];
  layer: string;
  trusted: boolean;
  fault?: string;
}

export interface RollbackPreview {
  to: number;
  shown: number;
  what: string;
  phases: string[];
  files: boolean;
  command: string;
  paths?: string[];
  more_paths?: number;
  note?: string;
  deleted?: string[];
  unrecorded?: string[];
  ways?: string;
}

export interface RollbackView {
  to: number;
  changed: string[];
  template: string;
  iteration: number;
  phases: PhaseView[];
  more_phases?: number;
  blockers?: string[];
  more_blockers?: number;
  tainted?: boolean;
  gates_weakened?: string[];
  imported?: OriginView | boolean;
  spent?: string;
  last_verdict?: LastVerdict | null;
  auto?: boolean;
  outputs?: OutputsView | null;
  reached?: string;
  recoveries?: BlockerView[];
  operations?: OperationView[];
  undo_left?: string;
  title?: string;
  version?: string;
  worktree?: string;
  started_at?: string;
  updated_at?: string;
  triggered_by?: string;
  external_id?: string;
  project?: string;
  driver?: string;
  roles?: Record<string, unknown>;
  archived?: boolean;
  gates?: GateDifference[] | null;
  forked_from?: ForkView | null;
  usage?: UsageView | null;
  context?: BundleView[];
  checkpoints?: NewestCheckpoints | null;
  stale?: boolean;
  stuck?: boolean;
  warnings?: string[];
  unproved?: string[];
  page?: string;
  waits_for?: string;
  files?: FilesRestored | null;
  effects?: string[];
}

export interface RunList {
  runs: RunRow[];
  decisions?: WaitingDecision[];
  more_decisions?: number;
  warnings?: string[];
  kept?: boolean | null;
  cursor?: string;
  page?: string;
}

export interface RunRow {
  run: string;
  title: string;
  project?: string;
  folder?: string;
  phase?: string;
  phases_done?: number | null;
  phases_skipped?: number;
  phases?: number | null;
  template: string;
  state: string;
  iteration: number;
  tainted: boolean;
  started_at: string;
  updated_at: string;
  completed_at?: string;
  triggered_by?: string;
  external_id?: string;
  archived?: boolean;
  imported?: boolean;
  stale?: boolean;
  stuck?: boolean;
  missing?: boolean;
  waiting_on?: string;
  waits_for?: string;
  reached?: string;
  weakened_gates?: number;
}

export interface RunSide {
  run: string;
  title: string;
  project?: string;
  folder?: string;
  phase?: string;
  phases_done?: number | null;
  phases_skipped?: number;
  phases?: number | null;
  template: string;
  state: string;
  iteration: number;
  tainted: boolean;
  started_at: string;
  updated_at: string;
  completed_at?: string;
  triggered_by?: string;
  external_id?: string;
  archived?: boolean;
  imported?: boolean;
  stale?: boolean;
  stuck?: boolean;
  missing?: boolean;
  waiting_on?: string;
  waits_for?: string;
  reached?: string;
  weakened_gates?: number;
  version: string;
  total_s: number;
  seconds: Record<string, number>;
  tokens?: number | null;
  cost_usd?: number | null;
}

export interface RunView {
  template: string;
  iteration: number;
  phases: PhaseView[];
  more_phases?: number;
  blockers?: string[];
  more_blockers?: number;
  tainted?: boolean;
  gates_weakened?: string[];
  imported?: OriginView | boolean;
  spent?: string;
  last_verdict?: LastVerdict | null;
  auto?: boolean;
  outputs?: OutputsView | null;
  reached?: string;
  recoveries?: BlockerView[];
  operations?: OperationView[];
  undo_left?: string;
  title?: string;
  version?: string;
  worktree?: string;
  started_at?: string;
  updated_at?: string;
  triggered_by?: string;
  external_id?: string;
  project?: string;
  driver?: string;
  roles?: Record<string, unknown>;
  archived?: boolean;
  gates?: GateDifference[] | null;
  forked_from?: ForkView | null;
  usage?: UsageView | null;
  context?: BundleView[];
  checkpoints?: NewestCheckpoints | null;
  stale?: boolean;
  stuck?: boolean;
  warnings?: string[];
  unproved?: string[];
  page?: string;
  waits_for?: string;
}

export interface ScheduleView {
  name: string;
  template: string;
  cron: string;
  timezone: string;
  enabled: boolean;
  next?: string;
  last?: string;
  run?: string;
  fault?: string;
}

export interface SessionView {
  user: string;
  asks_pin: boolean;
  scope: string;
  project?: string;
  token?: string;
  ends_at?: string;
  login?: boolean;
  roles?: Record<string, string>;
}

export interface SettingsView {
  providers: ProviderSetting[];
  roles: RoleSetting[];
  checks: CheckLine[];
  approvals: Record<string, unknown>;
  page: Record<string, unknown>;
  database: DatabaseSetting;
  kinds: string[];
  untrusted?: boolean;
  own_trust?: string;
}

export interface Spread {
  tasks: number;
  total_s: number;
  median_s: number;
  p90_s: number;
}

export interface Stack {
  folder: string;
  language: string;
  manager: string;
  runner?: string;
  command?: string[];
  check?: string;
}

export interface StartedView {
  started: string;
}

export interface StatsList {
  phases: PhaseStats[];
  warnings?: string[];
}

export interface StepView {
  step: string;
  does: string;
  state: string;
  tries?: number;
  error?: string;
  carried_from?: number | null;
  not_before?: string;
  started_at?: string;
  finished_at?: string;
  input?: string;
  output?: string;
  took?: string;
}

export interface StoppedRun {
  run: string;
  phase?: string;
  title: string;
  project: string;
  command: string;
  for_others?: string;
  kind: string;
  template: string;
  state: string;
  question: string;
  blockers: string[];
  since: string;
  updated_at: string;
  commands?: string[];
}

export interface StretchView {
  what: "working" | "human" | "reviewer" | "checks" | "job" | "agent" | "paused";
  since: string;
  until: string;
  attempt: number;
  failed?: boolean;
}

export interface StuckRun {
  run: string;
  title: string;
  project: string;
  updated_at: string;
}

export interface StuckRuns {
  count: number;
  runs: StuckRun[];
  text: string;
  command: string;
}

export interface SubmittedView {
  attempt: number;
  revision: number;
  sha256: string;
  verdicts?: VerdictView[];
  questions?: string[];
}

export interface Target {
  calls: TargetCall[];
  head?: string;
  deployments?: DeploymentShown[];
}

export interface TargetCall {
  step: string;
  action: string;
  params?: unknown;
  condition?: string;
}

export interface TaskView {
  phase: string;
  outcome: string;
  attempts: number;
  stretches: StretchView[];
  seconds: Record<string, number>;
  tokens?: number | null;
  cost_usd?: number | null;
}

export interface TemplateDiff {
  old: string;
  new: string;
  changes: FieldChange[];
}

export interface TemplateLine {
  name: string;
  title: string;
  version: string;
  default?: boolean;
  niche?: boolean;
  state?: string;
  description?: string;
  source?: string;
  inputs: Record<string, unknown>;
}

export interface TemplateList {
  templates: TemplateLine[];
  unreadable?: string[];
}

export interface TemplateSchema {
  json_schema: Record<string, unknown>;
}

export interface TemplateUse {
  template: string;
  state: string;
}

export interface TemplateView {
  template: Record<string, unknown>;
  source: string;
  state?: string;
  versions?: VersionRow[];
}

export interface TextToEdit {
  what: string;
  text: string;
  sha256: string;
}

export interface TimelineView {
  since: string;
  until: string;
  is_over: boolean;
  tasks: TaskView[];
}

export interface ToolCallList {
  calls: PhaseToolCall[];
}

export interface ToolCallView {
  tool: string;
  input: Record<string, unknown> | null;
  ok?: boolean | null;
  ms?: number | null;
  at: string;
  output?: string | null;
  output_bytes?: number | null;
  output_sha256?: string | null;
}

export interface ToolUseChange {
  id: string;
  run: string;
  phase: string;
  attempt: number;
  tool: string;
  ok: boolean | null;
  duration_ms: number | null;
}

export interface ToolsLine {
  artifact: string;
  phase: string;
  attempt: number;
  calls: number;
}

export interface ToolsPart {
  artifact: string;
  phase: string;
  attempt: number;
  calls: number;
  pointer?: string;
  content?: string[] | null;
  keys?: string[];
  cut?: boolean;
  text?: string;
  bytes?: number;
  hint?: string;
  left_out?: number;
}

export interface ToolsView {
  artifact: string;
  calls: number;
  seconds: number;
  names: Record<string, number>;
  failed?: number;
}

export interface TriggersView {
  incoming: IncomingView[];
  schedules: ScheduleView[];
  faults?: string[];
}

export interface TrustLine {
  name: string;
  kind: string;
  sha256: string;
  where: string;
  compared: string;
  weakens_gates: boolean;
  effects: EffectLine[];
  problems?: string[];
}

export interface TrustPage {
  pending: TrustLine[];
  review?: TrustLine | null;
  enabled_again?: string[];
  keys?: Record<string, unknown>[];
  continues?: boolean | null;
  shown_sha256: string;
}

export interface TypesOfTests {
  types: Record<string, unknown>;
}

export interface UnaskedDecision {
  run: string;
  phase: string;
  title: string;
  project: string;
  command: string;
  for_others?: string;
  template: string;
  since: string;
  question: string;
}

export interface UnsignedGrant {
  words: string[];
  expires_at: string;
  shown: string;
  command: string;
}

export interface Unusual {
  weight: "weakened" | "failed" | "warning" | "skipped" | "note";
  text: string;
  why?: string;
}

export interface UsageView {
  calls: number;
  cost_usd: number;
  input_tokens?: number;
  output_tokens?: number;
  cache_read_tokens?: number;
  cache_write_tokens?: number;
  in_flight?: number;
  failed?: number;
  lost?: number;
  unpriced?: number;
  reserved_usd?: number;
  reserved_tokens?: number;
}

export interface ValuesPart {
  artifact: string;
  pointer?: string;
  content?: unknown;
  keys?: string[];
  cut?: boolean;
  text?: string;
  bytes?: number;
  hint?: string;
}

export interface VerdictView {
  gate: string;
  verdict: string;
  message?: string;
  evidence?: string;
  level?: string;
}

export interface VersionList {
  versions: VersionRow[];
}

export interface VersionRow {
  version: string;
  sha256: string;
  source: string;
  kept_at: string;
  parent?: string;
  state?: string;
}

export interface WaitingDecision {
  run: string;
  phase: string;
  title: string;
  project: string;
  command: string;
  for_others?: string;
  request: string;
  attempt: number;
  stage: string;
  template: string;
  asked_at: string;
  question: string;
  expires_at?: string;
  tainted?: boolean;
  unusual?: Unusual[];
  evidence?: GateLine[];
  approved_by?: string[];
  handed?: HandedOn | null;
}

export interface WaitingOpinion {
  run: string;
  phase: string;
  title: string;
  project: string;
  command: string;
  for_others?: string;
  reviewer: string;
  path: string;
}

export interface WaitingTask {
  run: string;
  phase: string;
  title: string;
  project: string;
  command: string;
  for_others?: string;
  about: string;
  template: string;
  since: string;
}

export interface WaitingTrust {
  folder: string;
  path: string;
  names: string[];
  for_others?: string;
  runs?: string[];
}

export interface WebhookDelivery {
  job: string;
  id: string;
  webhook: string;
  event: string;
  subject: string;
  state: string;
  tries: number;
  at: string;
  next_try?: string;
  answer?: number | null;
  error?: string;
}

export interface WebhooksView {
  webhooks: ReceiverView[];
  deliveries: WebhookDelivery[];
  faults?: string[];
}

export interface WeekView {
  finished: number;
  phases: number;
  attempts: number;
  tokens: number;
  cost_usd: number;
  warnings?: string[];
}

export interface WrittenText {
  job: string;
  run: string;
  phase: string;
  attempt: number;
  text: string;
  adds: boolean;
}
