"""fingen turns financial documents into fine-tuned models, with evidence."""

__version__ = "0.1.0"
