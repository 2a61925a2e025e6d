"""Programs of `python -m ernie_conformance`, one module each with a `main(arguments) -> exit code`."""
