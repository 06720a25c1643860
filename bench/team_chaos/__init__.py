"""A team's machines under faults: servers, runners in network namespaces, PostgreSQL, and agents (``bench/chaos.py``)."""
