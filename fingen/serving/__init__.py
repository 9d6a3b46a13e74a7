"""Models that answer on this machine: which they are (`models`, `teachers`), OpenAI's protocol (`protocol`), and the page (`page`)."""
