"""Standing grants: what a person lets the server approve, decided beforehand."""
