"""Distillation: a teacher and rows in, a smaller model out that answers as the teacher does.

`run` conducts, `teacher` is who is asked, `pruning` takes layers out, `answers` holds what the teacher said, `alignment` finds the
same text in two vocabularies, `losses` is what is learned, `licences` what may be learned from whom.
"""
