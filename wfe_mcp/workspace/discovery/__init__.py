"""What a project is, by its files: languages, frameworks, services, tasks, and the checks that can be proposed."""
