"""Metrics under FastDeploy's names, in a registry of their own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0)
_TOKENS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000)
_PREFIX = "fastdeploy:"


class Metrics:
    """Counters move as tokens are made; the gauges are set by the engine and come back to zero."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.running = self._gauge("num_requests_running", "Number of requests that generate")
        self.waiting = self._gauge("num_requests_waiting", "Number of requests that wait for a slot")
        self.cache = self._gauge("gpu_cache_usage_perc", "Share of slots in use")
        self.prompt_tokens = self._counter("prompt_tokens", "Prompt tokens processed")
        self.generation_tokens = self._counter("generation_tokens", "Tokens generated")
        self.success = self._counter("request_success", "Requests that came to their end")
        self.first_token = self._histogram("time_to_first_token_seconds", "Arrival to first token", _SECONDS)
        self.per_token = self._histogram("time_per_output_token_seconds", "Time between tokens", _SECONDS)
        self.latency = self._histogram("e2e_request_latency_seconds", "Arrival to last token", _SECONDS)
        self.inference = self._histogram("request_inference_time_seconds", "Time in a slot", _SECONDS)
        self.queue = self._histogram("request_queue_time_seconds", "Time in the queue", _SECONDS)
        self.prefill = self._histogram("request_prefill_time_seconds", "Slot to first token", _SECONDS)
        self.decode = self._histogram("request_decode_time_seconds", "First token to last", _SECONDS)
        self.prompt_size = self._histogram("request_prompt_tokens", "Prompt tokens of a request", _TOKENS)
        self.answer_size = self._histogram("request_generation_tokens", "Generated tokens of a request", _TOKENS)
        self.asked_size = self._histogram("request_params_max_tokens", "max_tokens of a request", _TOKENS)

    def text(self) -> bytes:
        """The exposition, Prometheus text format."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, help_text: str) -> Gauge:
        return Gauge(_PREFIX + name, help_text, registry=self._registry)

    def _counter(self, name: str, help_text: str) -> Counter:
        return Counter(_PREFIX + name, help_text, registry=self._registry)

    def _histogram(self, name: str, help_text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(_PREFIX + name, help_text, buckets=buckets, registry=self._registry)
