"""What may happen next: the envelope of every answer, the calls that are legal, and what blocks a run."""
