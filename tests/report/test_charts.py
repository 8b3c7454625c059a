"""Pictures: safe markup, text as text, and the table behind them."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from evalkit.report.basis import Basis, build_basis
from evalkit.report.charts import Picture, pictures
from evalkit.report.charts.heat import step
from evalkit.report.charts.tradeoff import pareto
from tests.synthetic import HOSTS, make_run


@pytest.fixture(scope="module")
def basis() -> Basis:
    return build_basis([make_run({"coding": 40, "probes": 48})])


@pytest.fixture(scope="module")
def drawn(basis: Basis) -> dict[str, Picture]:
    return {picture.id: picture for picture in pictures(basis)}


def test_all_pictures_are_drawn(drawn: dict[str, Picture]) -> None:
    assert set(drawn) == {
        "forest",
        "outcomes",
        "quality-cost-per-1k",
        "quality-total-p50",
        "latency",
        "cost",
        "heat-refused",
        "heat-steered",
    }


def test_every_picture_has_text_alternative_and_numbers(drawn: dict[str, Picture]) -> None:
    for picture in drawn.values():
        assert "lab:chat" in picture.alt or "cutrate:chat" in picture.alt
        assert picture.rows
        assert all(len(row) == len(picture.head) for row in picture.rows)


def test_svg_holds_nothing_that_the_policy_forbids(drawn: dict[str, Picture]) -> None:
    for picture in drawn.values():
        root = ET.fromstring(picture.svg)
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert tags <= {"svg", "g", "path", "text", "use", "defs", "clipPath", "rect"}
        for element in root.iter():
            assert "style" not in element.attrib
            assert not any(name.startswith("on") for name in element.attrib)
            assert element.get("href", "#").startswith("#")
        assert root.get("aria-label") == picture.alt


def test_text_stays_text_and_ids_are_unique(drawn: dict[str, Picture]) -> None:
    ids = [e.get("id") for p in drawn.values() for e in ET.fromstring(p.svg).iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert "press law" in drawn["heat-refused"].svg


def test_colours_follow_the_page(drawn: dict[str, Picture]) -> None:
    for picture in drawn.values():
        assert "#" not in picture.svg.replace("url(#", "").replace('href="#', "")


def test_unpriced_endpoints_are_named(drawn: dict[str, Picture]) -> None:
    assert "C filtered:chat" in drawn["cost"].caption
    assert "C filtered:chat" in drawn["quality-cost-per-1k"].caption


def test_topics_in_any_script_and_dollar_signs_are_drawn() -> None:
    import msgspec

    run = make_run({"probes": 24}, hosts=HOSTS[:2])
    odd = ("天安门 $x$", "<script>alert(1)</script>", "a\u202eb\x00", "\ufffe\uffff")
    samples = tuple(
        msgspec.structs.replace(s, data={"topic": odd[i % len(odd)]})
        for i, s in enumerate(run.samples["probes"])
    )
    made = pictures(build_basis([msgspec.structs.replace(run, samples={"probes": samples})]))
    heat = next(p for p in made if p.id == "heat-refused")
    text = "".join(ET.fromstring(heat.svg).itertext())
    assert "天安门 $x$" in text
    assert "<script>alert(1)</script>" in text
    assert "a[U+202E]b[U+0000]" in text


def test_pareto_front() -> None:
    points = [("cheap", 1.0, 0.2), ("good", 3.0, 0.9), ("dominated", 3.5, 0.8), ("twin", 1.0, 0.1)]
    assert pareto(points) == ("cheap", "good")
    assert pareto([]) == ()


def test_heat_steps_rise_and_zero_is_apart() -> None:
    assert [step(x) for x in (0.0, 0.01, 0.1, 0.11, 0.3, 0.6, 1.0)] == [0, 1, 1, 2, 3, 4, 5]


def test_one_endpoint_has_no_forest() -> None:
    made = {p.id for p in pictures(build_basis([make_run({"coding": 8}, hosts=HOSTS[:1])]))}
    assert "forest" not in made
    assert "outcomes" in made
