"""The icon of the server and its prompts: the one of the decision page, as a data address."""

from base64 import b64encode

from mcp_types import Icon

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -3 22 22"><rect x="1" y="5" width="6" height="6" rx="1" '
    'fill="#5b6cf0"/><path d="m15 2 6 6-6 6-6-6Z" fill="none" stroke="#5b6cf0" stroke-width="1.8" '
    'stroke-linejoin="round"/></svg>'
)
"""Kept here too: reading the page's file would cost the start of the server a file. A test keeps both equal."""

ICONS = [
    Icon(src=f"data:image/svg+xml;base64,{b64encode(SVG.encode()).decode()}", mime_type="image/svg+xml", sizes=["any"])
]
