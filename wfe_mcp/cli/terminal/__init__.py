"""What commands share: invocation, prompts, rendering, signals."""
