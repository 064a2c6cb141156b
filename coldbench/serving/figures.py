"""What /metrics tells, in Prometheus' format. A registry for each service: tests have many."""

from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
USERS = (1, 2, 4, 8, 16, 32, 64)


class Figures:
    def __init__(self) -> None:
        self.registry = into = CollectorRegistry()
        self._of = cache(self._children)
        ProcessCollector(registry=into)
        PlatformCollector(registry=into)
        self._requests = Counter(
            "coldbench_requests", "Requests answered", ("path", "status"), registry=into
        )
        self._seconds = Histogram(
            "coldbench_request_seconds", "From a request's head to its answer", ("path",),
            buckets=SECONDS, registry=into,
        )  # fmt: skip
        self._users = Histogram(
            "coldbench_batch_users", "Users computed together", buckets=USERS, registry=into
        )
        self._computing = Histogram(
            "coldbench_batch_seconds", "Computing of a batch", buckets=SECONDS, registry=into
        )
        self._model = Gauge(
            "coldbench_model", "1 for the model that serves now", ("name",), registry=into
        )
        self._loads = Counter(
            "coldbench_model_loads", "Models that the folder brought", ("outcome",), registry=into
        )

    def request(self, path: str, status: int, seconds: float) -> None:
        count, spent = self._of(path, status)
        count.inc()
        spent.observe(seconds)

    def _children(self, path: str, status: int) -> tuple[Counter, Histogram]:
        """Found by their labels once: that costs more than to count."""
        return self._requests.labels(path, str(status)), self._seconds.labels(path)

    def batch(self, users: int, seconds: float) -> None:
        self._users.observe(users)
        self._computing.observe(seconds)

    def took(self, model: str) -> None:
        self._model.clear()
        self._model.labels(model).set(1)
        self._loads.labels("taken").inc()

    def refused(self) -> None:
        self._loads.labels("refused").inc()

    def text(self) -> bytes:
        return generate_latest(self.registry)
