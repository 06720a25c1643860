"""Where do the templates of Acme lie?"""

from pathlib import Path

__all__ = ["TICKET"]

TICKET = Path(__file__).parent / "ticket"
