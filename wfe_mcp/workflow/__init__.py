"""The template language ``wfe/1``: model, loading, lint, expressions, prompts."""
