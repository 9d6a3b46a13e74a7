"""A set checked: each row against its passages, its figures, its splits, without a teacher."""
