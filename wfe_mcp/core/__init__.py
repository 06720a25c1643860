"""What may happen in a run, and what follows from it?

    command ──► decide ──► events ──► evolve ──► state        questions: what the engine must evaluate
                  ▲                                │          legal_moves: what may be asked now
                  └────────────────────────────────┘

Pure functions over frozen values; the standard library only. Import the modules: nothing is re-exported, so that
whoever needs only ``errors`` loads only that.
"""
