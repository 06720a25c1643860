"""Typed artifacts: schemas, validation, parsing and rendering.

    registry   the shipped schemas by name (plan@1 …), and whether an inline one is usable
    validate   a value against a schema: every fault at once, with readable messages
    parse      bytes, text and folders into checked values
    render     values back into files that users read and edit
    paths      which file names a bundle may carry

Importing this package loads neither Pydantic nor the JSON Schema engine; the modules load them where they are used.
"""
