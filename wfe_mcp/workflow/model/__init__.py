"""The models of the template format ``wfe/1``.

Source: design §5. ``schemas/template.schema.json`` and the reference are generated from these models.
"""
