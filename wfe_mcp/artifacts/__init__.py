"""What may a phase hand in, and what exactly is wrong with what it did hand in?

    registry   the shipped schemas by name (plan@1 …), and whether an inline one is usable
    validate   a value against a schema: every fault at once, in plain words
    parse      bytes, text and folders into checked values
    render     values back into the files people read and edit
    paths      which file names a bundle may carry

Importing this package loads neither Pydantic nor the JSON Schema engine; the modules load them where they are used.
"""
