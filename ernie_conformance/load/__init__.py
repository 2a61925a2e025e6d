"""Load beyond one machine: Locust sends our exchanges, our rows judge what comes back."""
