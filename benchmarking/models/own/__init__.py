"""Models of the user's own: readers of their files, objects in Python, and their recipes."""
