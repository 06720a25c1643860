"""Workflow templates in the format wfe/1: loading, lint, expressions, prompts and importers."""
