"""A set proved: each row against its passages, its figures, its splits, without a teacher."""
