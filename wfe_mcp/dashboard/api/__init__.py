"""The HTTP API, ``/api/v1``: what the tools and the command line answer, for programs that speak HTTP."""
