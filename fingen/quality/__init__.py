"""Pure checks on records and chunks: no files, no network, no state."""
