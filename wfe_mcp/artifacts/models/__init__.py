"""What do the shipped artifacts look like? One module per noun; ``registry`` loads them by name."""
