"""Delivery of a run: operations that are intended, called and observed, and the steps that make them."""
