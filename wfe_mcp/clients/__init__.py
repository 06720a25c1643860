"""Connects AI coding clients: which there are, where their files lie, and how the server's entry gets into them and out."""
