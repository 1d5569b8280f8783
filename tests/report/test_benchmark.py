from __future__ import annotations

import csv
import io
from pathlib import Path

from benchmark_rows import row, seven
from drawn import same_text

from coldframe.files import read_json


def test_the_table() -> None:
    head, *lines = seven().cells()
    assert len({len(line) for line in (head, *lines)}) == 1 and "measured" not in head
    vit = dict(zip(head, lines[-1], strict=True))
    assert vit["top-1"] == "79.7°" and vit["with gradients"] == "3,584 (16)" and vit["latency, ms"] == "615"
    resnet = dict(zip(head, lines[2], strict=True))
    assert (resnet["with gradients"], resnet["memory, MiB"], resnet["parameters"]) == ("1,354", "0.24", "11.7 M")


def test_what_a_reader_must_know_is_said() -> None:
    found = seven()
    text = str(found)
    assert "Nothing here is both faster and more accurate than MobileNetV3-Small, ResNet18, DenseNet121" in text
    assert "Accuracy against latency: r = 0." in text and "n = 7" in text
    assert "run with random weights" in text and "ViT-S/8: top-1 is that of a probe." in text
    assert "batch 16, because batch 64 might not fit; predicted for 64 with gradients on: 14,337 MiB" in text
    assert "Other work" not in text
    found.rows[0] |= {"interference": "busy", "switches_per_second": 140.0, "batch": 4}
    found.rows[1] |= {"gmacs": None, "uncounted": "_native_multi_head_attention"}
    text = str(found)
    assert "Other work ran on this machine while VGG11 was timed: up to 140 involuntary context switches a second" in text
    assert "VGG11: timed at batch 4" in text and "no GMACs, because _native_multi_head_attention" in text
    assert found.cells()[2][-1] == "-"
    assert "not measured" not in text
    found.settings["images"] = "photographs"
    assert "ViT-B/32 and ViT-S/8: top-1 was not measured" in str(found)


def test_figures_show_measured_accuracy_unless_more_models_have_a_published_one() -> None:
    found = seven()
    assert found.accuracy == "top1"
    found.rows[0]["measured_top1"] = 0.5
    assert found.accuracy == "top1" and "measured" in found.cells()[0] and found.cells()[2][2] == "-"
    for each in found.rows:
        each["measured_top1"] = 0.5
    assert found.accuracy == "measured_top1"
    for each in found.rows[1:]:
        each["measured_top1"] = each["top1"] = None
    assert found.accuracy == "measured_top1"
    found.rows[0] |= {"measured_top1": None, "top1": None}
    assert found.accuracy == "top1"


def test_a_disturbed_run_on_one_thread_is_drawn_by_processor_time() -> None:
    found = seven()
    assert not found.quiet and found.drawn() is found.rows
    found.rows[2] |= {"interference": "busy", "latency_ms": 5000.0, "latency_p90_ms": 9000.0, "latency_processor_ms": 53.0}
    assert found.quiet and found.drawn()[2]["latency_ms"] == 53.0 == found.drawn()[2]["latency_p90_ms"]
    assert "ResNet18" in found.says()[0] and "Figures, the front and both r use the processor's time" in str(found)
    assert "processor time (ms per image, batch 8, one thread)" in found.figures()["time"].axes[0].get_xlabel()
    resnet = dict(zip(found.cells()[0], found.cells()[3], strict=True))
    assert (resnet["latency, ms"], resnet["processor"], resnet["gradients on"]) == ("5,000", "53", "58")
    found.machine["threads"] = 2
    assert not found.quiet and "ResNet18" not in found.says()[0]


def test_files(tmp_path: Path) -> None:
    found = seven()
    page = found.save(tmp_path)
    kept = read_json(tmp_path / "results.json")
    assert len(kept["rows"]) == 7 and kept["correlations"]["accuracy_against_latency"]["n"] == 7
    assert kept["pareto"][0] == "zoo:MobileNetV3-Small" and kept["machine"]["threads"] == 1
    lines = list(csv.DictReader(io.StringIO((tmp_path / "results.csv").read_text())))
    assert [line["label"] for line in lines] == [each["label"] for each in found.rows]
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    stems = ("accuracy_against_latency", "latency_against_parameters", "memory", "time")
    assert names == [f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")]
    html = page.read_text()
    assert html.count("<img ") == 4 == html.count('src="data:image/svg+xml') and html.count("<script") == 1
    assert "ViT-S/8" in html and "coldframe benchmark" in html
    assert (tmp_path / "results.md").read_text().count("\n| ") == 9


def test_names_are_escaped() -> None:
    found = seven()
    found.rows.append(row("<script>", 10, 0.5, 1e6))
    assert found.page({}).count("<script>") == 1


def test_it_is_said_as_it_was() -> None:
    found = seven()
    found.rows[1]["measured_top1"] = 0.5
    found.rows.append(row("tiny", 0.5, None, 12_000, 0.05, gmacs=0.012, weights="trained", passes=5, interference="busy"))
    found.rows[0] |= {"latency_p90_ms": 9999.0, "interference": "busy", "switches_per_second": None, "batch": 4}
    found.settings |= {"images": "photographs", "compiled": True, "channels_last": True}
    same_text(__file__, "benchmark", str(found) + "\n\n" + found.to_markdown())
    found.machine |= {"threads": 2, "gpu": "A card"}
    for each in found.rows:
        each |= {"weights": "trained", "measured_top1": 0.5, "interference": "busy", "switches_per_second": 3.0}
    same_text(__file__, "benchmark_measured", str(found))


def test_nothing_measured_and_one_model() -> None:
    found = seven()
    found.rows = found.rows[:1]
    assert not [line for line in found.says() if line.startswith("Nothing here")] and found.to_json()["pareto"] == ["zoo:VGG11"]
    found.rows = []
    assert found.accuracy == "top1" and "20 passes" in found.headline and found.to_csv() == "\n"


def test_numbers_lose_their_digits_where_they_stop_to_matter() -> None:
    found = seven()
    found.rows = [row("a", 9.95, 0.5, 1e6, gmacs=0.095), row("b", 9.94, 0.5, 1e6, gmacs=0.0949), row("c", 9.96, 0.5, 1e6)]
    head, *lines = found.cells()
    told = [dict(zip(head, line, strict=True)) for line in lines]
    assert [line["latency, ms"] for line in told] == ["10", "9.9", "10"]
    assert [line["GMACs"] for line in told] == ["0.10", "0.095", "1.50"]
    found.rows[0]["batch"], found.rows[1]["batch"] = 7, 8
    assert [note for note in found.notes() if "timed at batch" in note] == ["a: timed at batch 7, because more might not fit."]
    found.rows[0]["gradients_memory_batch"] = 63
    assert found.cells()[1][head.index("with gradients")] == "1,000 (63)"
    assert found.cells()[2][head.index("with gradients")] == "1,000"
