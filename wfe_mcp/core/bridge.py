"""What a bridge on a developer's machine and its server agree on, and what both ways of its requests say of a proxy."""

PROTOCOL = "1"
"""The version."""

LARGER_REQUESTS = (
    "Ask the user to let the proxy take larger requests, such as by client_max_body_size 0 of nginx; then call again."
)
"""The next step where a proxy answered 413: to send it again as it is helps nothing."""
