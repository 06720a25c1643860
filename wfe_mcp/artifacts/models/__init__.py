"""The models of the shipped artifacts, one module each; ``registry`` loads them by name."""
