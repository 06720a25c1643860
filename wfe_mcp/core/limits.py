"""The limits on what clients and authors may bring.

One table: the checks, the refusals and docs/reference/limits.md are made from it.

Rules:
1. A refusal names the limit, the value found, and what to do.
2. What is within the limits is read in time that grows with its size. Only a JSON Schema can still take exponential
   time; where ``artifacts/weight.py`` cannot exclude that, the check runs in a child process that ends at its limit.
3. A limit is checked when something comes in. What is stored stays readable, whatever the limits are today.
"""


class Limit:
    """``most``: the highest number allowed, in ``unit``. ``of``: what is counted. ``remedy``: what to do above it.

    A plain class: the server reads this before its first answer, and ``dataclasses`` or ``typing`` take longer to load than
    all the rest of it.
    """

    __slots__ = ("most", "of", "remedy", "unit")

    def __init__(self, most: int, unit: str, of: str, remedy: str) -> None:
        self.most, self.unit, self.of, self.remedy = most, unit, of, remedy

    def with_most(self, most: int) -> "Limit":
        """The same limit with another number."""
        return Limit(most, self.unit, self.of, self.remedy)

    def fault(self, found: int, *, at_least: bool = False) -> str:
        """``has 1,200 phases; at most 1,000 are allowed``. ``at_least``: counting stopped there."""
        more = "at least " if at_least else ""
        return f"has {more}{found:,} {self.unit}; at most {self.most:,} {'is' if self.most == 1 else 'are'} allowed"


_VALUE = "Make it smaller, or put large content in files of the project."
_SPLIT = "Split the template: a phase of kind flow runs another one."

MESSAGE_BYTES = Limit(8_000_000, "bytes", "one message from an MCP client", _VALUE)
MESSAGE_PARTS = Limit(250_000, "parts", "one message from an MCP client: its values, keys not counted", _VALUE)
UNREAD_BYTES = Limit(64_000_000, "unread bytes", "answers that an MCP client does not read", "Read the answers.")
VALUE_BYTES = Limit(1_000_000, "bytes", "an artifact, a template or inputs, as canonical JSON", _VALUE)
TASKS_FILE_BYTES = Limit(
    8_000_000,
    "bytes",
    "a JSON file of another tool that is imported",
    "Remove finished tasks there, or split the file.",
)
VALUE_DEPTH = Limit(
    64, "levels of nesting", "lists and objects inside each other, in an artifact, a template or inputs", _VALUE
)
VALUE_PARTS = Limit(100_000, "parts", "the values in an artifact, a template or inputs", _VALUE)
KEY_CHARACTERS = Limit(500, "characters", "one key of an object", "Use a shorter key.")
INTEGER_BITS = Limit(4_096, "bits", "one whole number", "Write it as text.")
YAML_DEPTH = Limit(
    20, "levels of nesting", "lists and maps inside each other in an imported YAML file", "Make it flatter."
)
PHASES = Limit(1_000, "phases", "a template, with the phases in its loops and in the templates that it runs", _SPLIT)
TEMPLATE_PARTS = Limit(30_000, "parts", "the values in a template, with the templates that it runs", _SPLIT)
LOOP_DEPTH = Limit(16, "levels of loops", "loops inside each other in a template", _SPLIT)
LOCKS = Limit(100, "locks", "the `locks` of all phases of a template", _SPLIT)
EXPRESSIONS = Limit(2_000, "expressions", "the `${…}` of a template", _SPLIT)
EXPRESSION_CHARACTERS = Limit(10_000, "characters", "one expression", "Let a step or a phase compute a part of it.")
SCHEMAS = Limit(
    5_000,
    "schemas",
    "the JSON Schemas of a template, each schema inside another counted",
    "Use the named schemas, or open objects.",
)
REFERENCES = Limit(1_000, "references", "the `$ref` in the JSON Schemas of a template", "Write the schemas out.")
PATTERNS = Limit(
    200_000,
    "characters of patterns",
    "the patterns in the JSON Schemas of a template, with counted repetitions written out",
    "Use shorter patterns, or repetitions without a count.",
)
ERRORS = Limit(200, "errors", "the errors that lint lists", "Fix these and run it again.")
SCHEMA_WEIGHT = Limit(
    50_000,
    "schemas in one place",
    "a JSON Schema with each `$ref` replaced by what it names: the schemas that "
    "meet one part of a value, and the parts that lead to it",
    "Use fewer anyOf, oneOf and allOf inside each other.",
)
CHECK_WORK = Limit(
    100_000,
    "steps",
    "the work to check one value against a JSON Schema, estimated; above it a child process lists the faults",
    SCHEMA_WEIGHT.remedy,
)
VALID_WORK = Limit(
    2_000_000,
    "steps",
    "the same work; above it the child process finds out whether there are any",
    SCHEMA_WEIGHT.remedy,
)
CHECK_SECONDS = Limit(
    1, "seconds of processor time", "that child process (on Windows 2 seconds that pass)", CHECK_WORK.remedy
)
# 160 MiB
CHECK_BYTES = Limit(167_772_160, "bytes of memory", "that child process (not on Windows and macOS)", CHECK_WORK.remedy)
ATTACHMENT_BYTES = Limit(5_000_000, "bytes", "a file attached to an attempt", "Attach a smaller file, or a part of it.")
ATTACHMENTS = Limit(20, "attached files", "the files attached to one attempt or work item", "Attach fewer files.")
ATTACHMENTS_BYTES = Limit(
    50_000_000, "bytes of attached files", "the files attached to one run or work item", "Attach smaller files."
)
PROJECT_FILE_BYTES = Limit(
    20_000_000_000,
    "bytes",
    "a file of the project that git does not ignore: all its bytes are read, as evidence",
    "List it in .gitignore, or move it out of the project.",
)

TABLE: tuple[Limit, ...] = tuple(limit for limit in vars().values() if isinstance(limit, Limit))
"""All limits above, in the order of the reference page."""
