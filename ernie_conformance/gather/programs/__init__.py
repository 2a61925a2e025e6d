"""The tutorial's client programs, as a reader of it would write them: run as programs of their own, never imported."""
