"""Typed artifacts: schemas, validation, parsing and rendering.

    registry   the shipped schemas by name (plan@1 …), and whether an inline one is usable
    validate   a value against a schema: every fault at once, with readable messages
    parse      bytes, text and folders into checked values
    content    what people read of an artifact: its parts, in the order of its schema, and as a Markdown document

Importing this package loads neither Pydantic nor the JSON Schema engine; the modules load them where they are used.
"""
