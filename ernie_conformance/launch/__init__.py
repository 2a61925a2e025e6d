"""Start a deployment as an operator would, see it become ready or fail, and leave nothing behind."""
