"""Model calls through pydantic-ai and the vendors' SDKs.

Rules:
1. Every module here loads pydantic-ai on import (0.5 s of CPU; anthropic 0.9 s, openai 0.4 s more, each only for its own
   kind), so these modules are imported inside functions only.
2. No error of an SDK leaves this package.
"""
