"""Existing data as records: one module a family, one entry a data set. From a file to rows and records; nothing is written."""
