"""What is answered over HTTP is what the recommender says, to each client its own."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from coldbench.recommend.recommender import Recommender


@pytest.fixture(scope="module")
def rec(toy_model: Path) -> Recommender:
    return Recommender.load(toy_model)


def users(rec: Recommender, count: int) -> list[dict[str, float]]:
    rng = random.Random(0)
    ids = rec.catalogue.ids
    return [
        {item: rng.randint(1, 5) for item in rng.sample(ids, rng.randint(0, 9))}
        for _ in range(count)
    ]


def test_the_best_items_are_the_recommenders_with_their_titles(site: Any, rec: Recommender) -> None:
    for ratings in users(rec, 5):
        answer = site.post("/recommend", {"ratings": ratings, "n": 4}).json()
        expected = [row._asdict() for row in rec.recommend(ratings, 4)]
        assert answer == {"model": site.service.served.name, "items": expected}


def test_scores_are_the_recommenders_in_the_order_asked(site: Any, rec: Recommender) -> None:
    (ratings,), items = users(rec, 1), list(rec.catalogue.ids[::-3])
    rows = site.post("/score", {"ratings": ratings, "items": items}).json()["items"]
    assert [row["item"] for row in rows] == items
    assert [row["score"] for row in rows] == pytest.approx(rec.score(ratings, items), abs=1e-6)


def test_an_explanation_adds_up_to_the_score_and_names_who_adds_what(
    site: Any, rec: Recommender
) -> None:
    a, b, c = rec.catalogue.ids[:3]
    late_first = [[a, 5, 300], [b, 1, 100]]
    for ratings in ({a: 5, b: 1}, late_first):
        (row,) = site.post("/explain", {"ratings": ratings, "items": [c]}).json()["items"]
        why = row["why"]
        total = why["base"] + sum(part["adds"] for part in why["contributions"])
        assert why["unit"] == "label" and 0.05 < total < 0.95  # there squashing changes nothing
        assert total == pytest.approx(row["score"], abs=1e-5)
        contributions = {part["item"]: part["adds"] for part in why["contributions"]}
        alone = {item: rec.explain({a: 5, b: 1}, [c]).contributions[0, 0, at] for at, item in
                 enumerate((a, b))}  # fmt: skip
        assert contributions == pytest.approx({item: float(adds) for item, adds in alone.items()})


def test_many_at_once_get_what_each_gets_alone(site: Any, rec: Recommender) -> None:
    asked = users(rec, 96)
    with ThreadPoolExecutor(24) as clients:
        answers = list(
            clients.map(lambda ratings: site.post("/recommend", {"ratings": ratings}), asked)
        )
    for ratings, answer in zip(asked, answers, strict=True):
        scores = {row["item"]: row["score"] for row in answer.json()["items"]}
        alone = rec.recommend(ratings)
        assert scores.keys() == {row.item for row in alone}
        assert scores == pytest.approx({row.item: row.score for row in alone}, abs=1e-6)
    sizes = site.service.figures.registry.get_sample_value
    assert sizes("coldbench_batch_users_sum") > sizes("coldbench_batch_users_count")


def test_nothing_of_a_user_is_kept(site: Any, rec: Recommender) -> None:
    nobody = site.post("/recommend", {"ratings": {}}).json()
    for ratings in users(rec, 5):
        site.post("/recommend", {"ratings": ratings})
    assert site.post("/recommend", {"ratings": {}}).json() == nobody


def test_items_are_found_by_words_of_their_title_or_by_id(site: Any, rec: Recommender) -> None:
    item, title = rec.catalogue.ids[7], rec.catalogue.titles[7]
    words = " ".join(reversed(title.upper().split()))
    assert {"item": item, "title": title} in site.get(
        "/items", params={"q": words, "limit": 100}
    ).json()["items"]
    assert site.get("/items", params={"q": item}).json()["items"][0]["item"] == item
    assert site.get("/items", params={"q": "no such words"}).json()["items"] == []
    assert len(site.get("/items?limit=3").json()["items"]) == 3


def test_health_says_what_serves(site: Any) -> None:
    health = site.get("/healthz").json()
    assert health == {
        "status": "ok", "model": site.service.served.name, "method": "fold-in",
        "dataset": "synthetic", "items": 40, "scale": [1.0, 5.0], "explains": True, "problem": "",
    }  # fmt: skip


def test_metrics_count_requests_by_path_and_status(site: Any) -> None:
    def count() -> float:
        lines = site.get("/metrics").text.splitlines()
        name = 'coldbench_requests_total{path="/score",status="422"} '
        return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))

    before = count()
    site.post("/score", {"ratings": {}, "items": []})
    assert count() == before + 1


def test_a_method_that_cannot_explain_recommends_without_reasons(
    serving: Callable[..., Any], export: Callable[..., Path], tmp_path: Path
) -> None:
    with serving(export(tmp_path / "plain", "item-bias")) as site:
        answer = site.post("/recommend", {"ratings": {}, "n": 1, "explain": True}).json()
        item = answer["items"][0]["item"]
        assert "why" not in answer["items"][0] and not site.get("/healthz").json()["explains"]
        refused = site.post("/explain", {"ratings": {}, "items": [item]})
        assert refused.status_code == 422 and "no exact explanation" in refused.json()["error"]
