"""Safe access to the project's files: paths, atomic writes, mirrors."""
