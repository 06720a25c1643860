"""Values as views show them: the form of a view, differences, Markdown."""
