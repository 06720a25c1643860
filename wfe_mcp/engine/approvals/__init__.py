"""Decisions of people: approval requests, PIN, passkeys, approvers, signed proofs."""
