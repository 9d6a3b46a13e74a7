"""What is asked of a teacher, and how a valid answer becomes an Alpaca row. One module a family of tasks."""
