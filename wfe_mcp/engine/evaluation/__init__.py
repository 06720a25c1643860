"""Gates and reviews: reactions inside a change, gate jobs, opinions."""
