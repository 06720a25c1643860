"""Work items as views, and the answers of the tool ``work`` and of the commands about them."""
