"""Views of templates, of making them and of importing them."""
