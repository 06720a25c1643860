"""The state machine of a run: commands, events, state.

    command ──► decide ──► events ──► evolve ──► state        questions: what the engine must evaluate
                  ▲                                │          legal_moves: the commands that are possible now
                  └────────────────────────────────┘

Pure functions over frozen values; the standard library only. Import the modules: nothing is re-exported, so that
a caller that needs only ``errors`` loads only that.
"""
