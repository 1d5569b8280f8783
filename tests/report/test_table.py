import csv
import json

import pytest
from drawn import same_text

from coldframe.errors import FileError, InputError
from coldframe.report import Table, save_report
from coldframe.results.parts import HardImage, Picture


def test_results_json_holds_the_schema(make_table, tmp_path):
    path = make_table().save(tmp_path / "results.json")
    value = json.loads(path.read_text())
    assert list(value)[:4] == ["coldframe", "command", "machine", "rows"]
    assert len(value["rows"]) == 5 * 3
    assert [row["method"] for row in value["rows"] if "ci95" in row] == [g.method for g in make_table().groups()]
    assert "NaN" not in path.read_text()


def test_one_seed_has_no_row_over_seeds(make_table):
    assert all("ci95" not in row for row in make_table(seeds=1).to_json()["rows"])


def test_what_is_loaded_is_what_was_saved(make_table, tmp_path):
    table = make_table()
    table.notes.append("one file was left out")
    table.save(tmp_path / "results.json")
    assert Table.load(tmp_path).to_json() == table.to_json()
    assert Table.load(tmp_path / "results.json").comparisons == table.comparisons


def test_csv_has_a_line_a_seed(make_table, tmp_path):
    rows = list(csv.DictReader(make_table().save(tmp_path / "r.csv").read_text().splitlines()))
    assert len(rows) == 10 and rows[0]["method"] == "zero-shot" and rows[0]["top5"] == ""
    assert float(rows[2]["trainable_parameters"]) == 2565


def test_markdown_escapes_what_would_break_a_table():
    table = Table([{"method": "a|b", "top1": 0.5}])
    assert "a\\|b" in table.to_markdown()


def test_a_saved_page_is_the_page_of_the_report(make_table, tmp_path):
    """Pictures of prompts and the hardest images stand on both."""
    table = make_table()
    table.hardest = [HardImage(b"hard", "a true name", "a wrong name", 0.9, "file.png")]
    table.prompts = [Picture(b"prompt", "a learned frame")]
    saved = table.save(tmp_path / "saved.html").read_text()
    assert saved == save_report(table, tmp_path / "report").read_text()
    assert "a wrong name" in saved and "a learned frame" in saved


def test_wrong_names_and_files_are_one_sentence(make_table, tmp_path):
    with pytest.raises(InputError, match=r"\.json, \.csv"):
        make_table().save(tmp_path / "report.pdf")
    (tmp_path / "results.json").write_text("[]")
    with pytest.raises(FileError, match="expected a mapping, found a list"):
        Table.load(tmp_path)


def test_print_shows_the_table_and_repr_is_a_line(make_table):
    table = make_table()
    shown = str(table).splitlines()
    assert len(shown) <= 20 and any("linear probe" in line for line in shown)
    assert repr(table) == f"<Table of 5 lines, 10 rows: best {table.best.label!r}>"
    assert repr(Table()) == "<Table of 0 lines, 0 rows: empty>"


def test_html_and_latex_escape_what_would_break_them():
    table = Table([{"method": "a<b & c_d", "top1": 0.5}, {"method": "knn", "top1": 0.5}])
    html = table._repr_html_()
    assert "a&lt;b &amp; c_d" in html and "a<b" not in html and html.count("<tr>") == 3
    latex = table.to_latex()
    assert r"a<b \& c\_d" in latex and latex.startswith(r"\begin{tabular}{l") and latex.count(r"\\") == 3


def test_a_data_frame_has_a_row_a_seed(make_table):
    pytest.importorskip("pandas")
    frame = make_table().to_pandas()
    assert len(frame) == 10 and frame["top1"].between(0, 1).all()


def test_markdown_latex_and_the_notebook_say_what_they_said(make_table):
    table = make_table(("zero-shot", "linear-probe", "knn"), n=120)
    table.notes = ["one file was left out"]
    table.handed = {"folder": "best", "method": "knn", "refit": True, "top1": 0.9, "measured_top1": 0.8, "next": ["x"]}
    same_text(__file__, "table", "\n".join([table.to_markdown(), table.to_latex(), table._repr_html_(), str(table)]) + "\n")
    assert table.to_json()["handed"] == table.handed and "handed" not in make_table(("knn",)).to_json()
    assert repr(Table()) == "<Table of 0 lines, 0 rows: empty>" and Table()._repr_html_().endswith("</table>")
