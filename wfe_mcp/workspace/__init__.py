"""The project folder: its files, its git repository, its configuration and the processes of this machine."""
