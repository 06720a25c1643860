"""Deployments: what the steps ``deploy`` and ``health`` do in an environment, and the history of it."""
