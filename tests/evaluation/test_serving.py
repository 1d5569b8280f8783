from dataclasses import replace

import numpy as np
import pytest
from fakes import TinyBackbone, split, tiny_clip

from coldframe import DeepPrompt, FineTune, LinearProbe, NearestNeighbours, measures
from coldframe.errors import InputError
from coldframe.evaluation import serving as room
from coldframe.evaluation.serving import Serving, _cost, serving
from coldframe.measures.timing import Latency


@pytest.fixture(scope="module")
def methods():
    backbone, train = tiny_clip(), split(12)
    made = {
        "probe": LinearProbe(backbone),
        "few": DeepPrompt(backbone, tokens=1, layer=1, epochs=1),
        "many": DeepPrompt(backbone, tokens=6, layer=1, epochs=1),
        "all": FineTune(backbone, layers="all", epochs=1),
    }
    for method in made.values():
        method.fit(train, val=train)
    return made


def told(monkeypatch, **passes):
    """Let the clock say these milliseconds of each round; '' is the backbone."""

    def said(calls, make_input, *, batch, min_seconds):
        found = {}
        for name in calls:
            each = tuple(passes["alone" if not name else name.removeprefix("of ")])
            middle = float(np.median(each))
            found[name] = Latency(middle, min(each), max(each), len(each), batch, middle, passes=each, processor=middle)
        return found

    monkeypatch.setattr(room.measures, "latencies", said)


def test_each_adds_to_one_time_of_the_backbone(monkeypatch, methods):
    rounds = [10.0, 20.0, 30.0]  # what disturbs a round disturbs all of it
    told(monkeypatch, alone=rounds, probe=[0.1, 0.2, 0.1], few=[11.0, 21.0, 31.0], many=[12.5, 22.5, 90.0], all=rounds)
    found = serving(methods)
    assert {name: cost.total for name, cost in found.items()} == pytest.approx(
        {"probe": 20.1, "few": 21.0, "many": 22.5, "all": 20.0}
    )
    assert found["probe"].processor == pytest.approx(20.1) and found["many"].processor == pytest.approx(22.5)
    assert found["few"].fields() == {"latency_ms": 21.0, "latency_processor_ms": 21.0}


def test_no_method_appears_faster_than_the_network_it_contains(monkeypatch, methods):
    told(monkeypatch, alone=[10.0] * 3, probe=[0.1] * 3, few=[9.0] * 3, many=[8.0] * 3, all=[9.5] * 3)
    found = serving(methods)
    assert all(cost.total >= cost.backbone == 10.0 for cost in found.values())
    assert found["many"].total == 10.0 and found["many"].processor == 10.0


def test_interference_is_told(monkeypatch, methods):
    told(monkeypatch, alone=[10.0, 10.0, 30.0], probe=[0.1] * 3, few=[11.0] * 3, many=[12.0] * 3, all=[10.0] * 3)
    assert "times as long" in serving(methods)["probe"].interference


def test_it_is_measured_for_real(methods):
    found = serving(methods, seconds=0.02)
    assert len({cost.backbone for cost in found.values()}) == 1
    assert all(cost.total >= cost.backbone > 0 for cost in found.values())


def test_rounds_are_kept_in_their_order():
    found = measures.latencies({"a": abs, "b": abs}, lambda batch: -1, batch=2, repeats=7)
    assert all(len(one.passes) == 7 and one.median == pytest.approx(np.median(one.passes)) for one in found.values())


def test_methods_of_several_backbones_are_refused(methods):
    with pytest.raises(InputError, match="several backbones"):
        serving({"a": methods["probe"], "b": NearestNeighbours(TinyBackbone(width=12))})
    with pytest.raises(InputError, match="found none"):
        serving({})


def test_what_a_method_adds_is_its_head_or_the_median_of_what_its_passes_take_more() -> None:
    alone = Latency(10.0, 9.0, 11.0, 3, 1, 10.0, processor=8.0, passes=(9.0, 10.0, 11.0))
    head = Latency(0.25, 0.2, 0.3, 3, 1, 0.25, processor=0.125, passes=(0.2, 0.25, 0.3))
    whole = Latency(13.0, 12.0, 13.0, 3, 1, 13.0, processor=7.0, passes=(11.0, 14.0, 12.0))
    found = [_cost(alone, head, True), _cost(alone, whole, False), _cost(whole, alone, False)]
    assert [(one.backbone, one.added, one.total) for one in found] == [(10, 0.25, 10.25), (10, 2, 12), (13, 0, 13)]
    assert [one.processor for one in found] == [8.125, 8.0, 8.0]
    assert _cost(alone, replace(head, processor=None), True).processor is None
    assert _cost(replace(alone, processor=None), head, True).processor is None
    assert Serving(1.23456, 1.0, 2.34567).fields() == {"latency_ms": 2.2346, "latency_processor_ms": 2.3457}
    assert Serving(1.0, 1.0).fields()["latency_processor_ms"] is None
    with pytest.raises(InputError, match="at least one method to time"):
        serving({})
