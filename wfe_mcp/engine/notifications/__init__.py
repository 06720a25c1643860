"""Notifications of people: the desktop, a program of theirs, and the services of Apprise."""
