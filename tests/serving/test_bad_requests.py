"""Whatever is asked, the answer is right or one clear line with a 4xx; never a 500."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BAD = {  # what is sent to /recommend -> the status, and words of the line
    '{"ratings": {"no such item": 5}}': (422, "no item 'no such item'"),
    '{"ratings": {"ITEM": 6}}': (422, "off the scale, 1 to 5"),
    '{"ratings": {"ITEM": -1e308}}': (422, "off the scale"),
    '{"ratings": {"ITEM": 1e999}}': (422, "finite"),
    '{"ratings": {"ITEM": ' + "9" * 400 + "}}": (422, "number"),
    '{"ratings": {"ITEM": ' + "9" * 5000 + "}}": (400, "no JSON"),
    '{"ratings": {"ITEM": NaN}}': (422, "NaN is no number"),
    '{"ratings": {"ITEM": true}}': (422, "ratings.ITEM"),
    '{"ratings": {"ITEM": "5"}}': (422, "ratings.ITEM"),
    '{"ratings": {"ITEM": null}}': (422, "ratings.ITEM"),
    '{"ratings": {"ITEM": [5]}}': (422, "ratings.ITEM"),
    '{"ratings": {"ITEM": 5, "ITEM": 1}}': (422, "twice"),
    '{"ratings": [["ITEM", 5], ["ITEM", 1]]}': (422, "twice"),
    '{"ratings": [["ITEM"]]}': (422, "ratings.0"),
    '{"ratings": [["ITEM", 5, 0, 0]]}': (422, "ratings.0"),
    '{"ratings": [5]}': (422, "ratings.0"),
    '{"ratings": 5}': (422, "ratings"),
    '{"ratings": null}': (422, "ratings"),
    '{"ratings": {"": 5}}': (422, "ratings"),
    '{"ratings": {"\\ud800": 5}}': (422, "ratings"),
    '{"ratings": {"\\u0000\\u001b[31m": 5}}': (422, r"\x00\x1b[31m"),
    '{"ratings": {}, "n": 0}': (422, "n: "),
    '{"ratings": {}, "n": 101}': (422, "n: "),
    '{"ratings": {}, "n": 2.5}': (422, "n: "),
    '{"ratings": {}, "explain": 1}': (422, "explain: "),
    '{"ratings": {}, "users": 1}': (422, "users: "),
    "{}": (422, "ratings: "),
    "[]": (422, "no JSON object"),
    "5": (422, "no JSON object"),
    "null": (422, "no JSON object"),
    "": (400, "no JSON"),
    "{": (400, "no JSON"),
    '{"ratings": {}} x': (400, "no JSON"),
    "[" * 100_000: (422, "nested too deeply"),
}


def refused(answer: Any, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    line = answer.json()["error"]
    assert words in line and len(line) < 400 and len(line.splitlines()) == 1, line


@pytest.mark.parametrize("body", BAD, ids=lambda body: body[:40])
def test_a_bad_body_is_refused_in_one_line(site: Any, body: str) -> None:
    item = site.service.served.recommender.catalogue.ids[0]
    status, words = BAD[body]
    answer = site.post("/recommend", body.replace("ITEM", item))
    refused(answer, status, words.replace("ITEM", item))


def test_bytes_that_are_no_text_are_no_json(site: Any) -> None:
    refused(site.post("/recommend", b'{"ratings": {"\xff": 5}}'), 400, "no JSON")


@pytest.mark.parametrize("path", ["/score", "/explain"])
def test_items_that_are_unknown_none_or_too_many_are_refused(site: Any, path: str) -> None:
    item = site.service.served.recommender.catalogue.ids[0]
    for items, words in (
        (["?"], "no item '?'"), ([], "items: "), ([5], "items.0"), (item, "items: "),
        ([item] * 1001, "1000"), (None, "items: "),
    ):  # fmt: skip
        refused(site.post(path, {"ratings": {}, "items": items}), 422, words)


def test_ten_thousand_ratings_are_too_many(site: Any) -> None:
    ratings = {str(number): 5 for number in range(10_000)}
    refused(site.post("/recommend", {"ratings": ratings}), 422, "1000")
    rows = [[str(number), 5] for number in range(10_000)]
    refused(site.post("/recommend", {"ratings": rows}), 422, "1000")


def test_what_is_not_called_json_is_refused(site: Any) -> None:
    for headers in ({}, {"content-type": "text/plain"}):
        refused(site.post("/recommend", '{"ratings": {}}', headers=headers), 415, "content-type")
    answer = site.post("/score", "{", headers={"content-type": "application/json; charset=utf-8"})
    refused(answer, 400, "no JSON")


def test_another_path_or_verb_is_told_where_to_look(site: Any) -> None:
    refused(site.get("/nowhere"), 404, "/docs")
    refused(site.get("/recommend"), 405, "/docs")
    refused(site.get("/items?limit=0"), 422, "limit")
    refused(site.get("/items?limit=x"), 422, "limit")
    refused(site.get("/items?q=" + "x" * 201), 422, "q: ")


HEAD = b"POST /recommend HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


def test_a_huge_body_is_refused_before_it_is_read(site: Any) -> None:
    answer = site.raw(HEAD + b"content-length: 1000000000000\r\n\r\n{")
    assert b"413" in answer.splitlines()[0] and b"262,144 bytes" in answer
    refused(site.post("/recommend", b" " * 300_000), 413, "262,144 bytes")
    refused(site.post("/recommend", iter([b" " * 100_000] * 3)), 413, "262,144 bytes")


def test_a_body_that_does_not_come_is_not_waited_for(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coldbench.serving.guard.PATIENCE", 0.05)
    answer = site.raw(HEAD + b"content-length: 20\r\n\r\n{")
    assert b"408" in answer.splitlines()[0]


def test_an_answer_that_does_not_come_is_a_503_and_a_full_line_a_429(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coldbench.serving.computed.PATIENCE", 0.0)
    refused(site.post("/recommend", {"ratings": {}}), 503, "try again")
    monkeypatch.setattr(site.service.batcher, "length", 0)
    refused(site.post("/recommend", {"ratings": {}}), 429, "try again")


def test_a_key_is_asked_for_where_there_is_one(
    serving: Callable[..., Any], toy_model: Path
) -> None:
    body: dict[str, Any] = {"ratings": {}}
    with serving(toy_model, "sesame ✓") as site:
        for headers in (
            {}, {"authorization": "Bearer"}, {"authorization": "Bearer sesame"},
            {"authorization": "Basic sesame ✓".encode()}, {"authorization": b"Bearer \xff"},
        ):  # fmt: skip
            answer = site.post("/recommend", json.dumps(body), headers=headers)
            refused(answer, 401, "Authorization: Bearer KEY")
            assert site.get("/items", headers=headers).status_code == 401
            assert site.get("/metrics", headers=headers).status_code == 401
        right = {"authorization": "Bearer sesame ✓".encode(), "content-type": "application/json"}
        assert site.post("/recommend", json.dumps(body), headers=right).status_code == 200
        for path in ("/", "/docs", "/healthz", "/openapi.json"):
            assert site.get(path).status_code == 200
