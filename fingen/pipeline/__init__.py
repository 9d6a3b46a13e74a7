"""Where the rooms meet: documents -> tasks -> teachers -> quality -> sets. One module a stage."""
