"""Published experiments repeated: their tables as they were published, and the road from their rows to a table of our own."""
