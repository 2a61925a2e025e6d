"""Judging: rows say what must hold, tests ask evidence whether it did, verdicts say so. Nothing here sends."""
