"""The declared tables, their columns, and the migrations that create them."""
