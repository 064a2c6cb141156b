"""Requests made up from the interface's own description: answered as it says, never by a 500.

`make nightly` tries COLDBENCH_API_EXAMPLES of each route, `make test` a few.
"""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

schemathesis = pytest.importorskip("schemathesis")
from schemathesis.checks import CHECKS, load_all_checks  # noqa: E402

from coldbench.serving.schema import BODY  # noqa: E402

load_all_checks()
MANY = int(os.environ.get("COLDBENCH_API_EXAMPLES", "12"))
SET = settings(
    max_examples=MANY, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
ROUTES = [
    ("/recommend", "POST"), ("/score", "POST"), ("/explain", "POST"),
    ("/items", "GET"), ("/healthz", "GET"), ("/metrics", "GET"),
]  # fmt: skip
APART = {"positive_data_acceptance"}  # an item of its making is unknown here: a 422


@pytest.mark.parametrize(
    ("path", "verb", "mode"),
    [(*route, "positive") for route in ROUTES] + [(*route, "negative") for route in ROUTES[:4]],
)  # the others take nothing that could be wrong
def test_whatever_is_sent_is_answered_as_the_interface_says(
    site: Any, path: str, verb: str, mode: str
) -> None:
    described = schemathesis.openapi.from_url(f"{site.url}/openapi.json")
    route = described[path][verb]
    checks = [check for check in CHECKS.get_all() if check.__name__ not in APART]
    kind = schemathesis.GenerationMode(mode)

    @SET
    @given(case=route.as_strategy(generation_mode=kind))
    def answered(case: Any) -> None:
        answer = case.call(timeout=20)
        assert answer.status_code < 500
        too_large = len(answer.request.body or b"") > BODY
        assert (answer.status_code == 413) == too_large
        if not too_large:  # which the interface lists, and no generator expects
            case.validate_response(answer, checks=checks)

    answered()


def test_any_ratings_on_the_scale_are_answered_with_the_best_of_the_rest(site: Any) -> None:
    ids = site.service.served.recommender.catalogue.ids

    @SET
    @given(
        ratings=st.dictionaries(st.sampled_from(ids), st.floats(1, 5), max_size=len(ids)),
        n=st.integers(1, 100),
    )
    def right(ratings: dict[str, float], n: int) -> None:
        answer = site.post("/recommend", {"ratings": ratings, "n": n, "explain": True})
        assert answer.status_code == 200, answer.text
        items = answer.json()["items"]
        assert len(items) == min(n, len(ids) - len(ratings))
        assert not ratings.keys() & {row["item"] for row in items}
        scores = [row["score"] for row in items]
        assert scores == sorted(scores, reverse=True) and all(0 <= s <= 1 for s in scores)

    right()


def test_every_route_is_fuzzed(site: Any) -> None:
    paths = site.get("/openapi.json").json()["paths"]
    assert {(path, verb.upper()) for path, verbs in paths.items() for verb in verbs} == {*ROUTES}
