"""Judges of a model's prose: text summaries, captions and short answers, and the rules that turn grades into a decision."""

from ernie_conformance.graders.grade import Finding, Grade

__all__ = ["Finding", "Grade"]
