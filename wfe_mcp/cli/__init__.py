"""The command line: one module per command or noun; each calls the engine or the views and shows the answer."""
