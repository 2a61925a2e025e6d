"""Conformance suite for ERNIE-4.5-VL behind an OpenAI-compatible server: may this deployment be released?"""

__version__ = "0.1.0"
