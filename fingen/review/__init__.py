"""A set judged by people: their verdicts, the page on which they give them, and the set that comes of it."""
