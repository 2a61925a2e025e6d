"""What binds the suite to pytest: options, test items, the evidence fixture, and the hooks that report."""
