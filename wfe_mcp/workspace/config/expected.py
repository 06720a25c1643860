"""What each kind of validation error expected instead, in words."""

EXPECTED = {
    "string_type": "a text in quotes",
    "list_type": 'a list, for example ["a", "b"]',
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "greater_than_equal": "a number that is not negative",
    "too_short": "at least one entry",
}
