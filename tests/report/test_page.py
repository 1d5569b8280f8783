import io
import re
from html.parser import HTMLParser

import pytest
from drawn import same_text
from PIL import Image

from coldframe.report import save_report
from coldframe.report.figures.style import new_figure
from coldframe.report.page import HardImage, Picture, _confused, _facts, _says, _worst, page
from coldframe.results.parts import Comparison

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Checker(HTMLParser):
    """Collects addresses and headings, and checks that every tag is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.without_text: list[str] = []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.addresses += [found[name] for name in ("src", "href") if found.get(name)]
        if tag == "img" and not found.get("alt"):
            self.without_text.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def checked(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    return checker


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4)).save(out, "PNG")
    return out.getvalue()


def test_the_page_stands_by_itself(make_table):
    html = page(make_table())
    found = checked(html)
    assert found.addresses and all(address.startswith("data:image/") for address in found.addresses)
    assert found.without_text == []
    assert "<script src" not in html and "@import" not in html and "url(" not in html


def test_it_opens_with_the_verdict_and_names_the_worst_classes(make_table):
    html = page(make_table())
    assert html.index("Verdict.") < html.index("<table") < html.index("Class by class")
    assert "Lowest accuracy: <strong>" in html
    assert "undecided" in html or "worse" in html
    assert "Chosen on val; test was read once." in html and "LinearProbe(l2=&#39;auto&#39;)" in html


def test_no_line_breaks_within_an_option(make_table, monkeypatch):
    monkeypatch.setattr("coldframe.report.page.verdict", lambda _: "a < b: with --folds 5 or --on-error, well-known")
    text = page(make_table(), figures={})
    whole = '<span class="whole">{}</span>'.format
    assert f"a &lt; b: with {whole('--folds 5')} or {whole('--on-error')}, well-known" in text


def test_names_are_escaped(make_table):
    table = make_table(classes=("<script>alert(1)</script>", "a & b", "roses", "$x$", "tulips"))
    table.notes.append("<img src=x onerror=alert(2)>")
    hard = [HardImage(png(), "<script>alert(3)</script>", "b", 0.98, "<b>.jpg")]
    html = page(table, hardest=hard)
    assert html.count("<script") == 1 and "<img src=x" not in html and "<b>" not in html
    assert "&lt;script&gt;alert(1)" in html and "&lt;script&gt;alert(3)" in html


def test_pictures_are_shown_and_empty_parts_left_out(make_table):
    table = make_table(("linear-probe",), seeds=1)
    bare = page(table)
    left_out = ("The hardest images", "The learned prompts", "Are the differences real", "Published", "what it costs")
    assert not [heading for heading in left_out if heading in bare]
    table.published.append({"method": "pixel-prompt", "top1": 0.9274, "source": "Table 2"})
    full = page(table, hardest=[HardImage(png(), "a", "b", 0.983)], prompts=[Picture(png(), "frame", "30 px")])
    checked(full)
    assert "taken for b, 98%" in full and "frame<small>30 px" in full and "92.7" in full and "Table 2" in full


def test_save_report_writes_everything(make_table, tmp_path):
    path = save_report(make_table(), tmp_path / "run")
    names = {str(p.relative_to(tmp_path / "run")) for p in (tmp_path / "run").rglob("*") if p.is_file()}
    assert path == tmp_path / "run" / "report.html"
    assert {"results.json", "results.csv", "results.md", "report.html"} <= names
    assert {"figures/confusion.png", "figures/confusion.svg"} <= names
    assert len([n for n in names if n.endswith(".png")]) == len([n for n in names if n.endswith(".svg")]) == 6
    assert not [n for n in names if re.search(r"\.part$|/\.", n)]


def test_html_by_suffix(make_table, tmp_path):
    assert make_table().save(tmp_path / "r.html").read_text().startswith("<!doctype html>")


def words(html: str) -> str:
    """Return a page's body without what only a browser reads: styles, scripts, pictures and the versions of packages."""
    body = re.sub(r"<(style|script).*?</\1>", "", html[html.index("<body") :], flags=re.DOTALL)
    body = re.sub(r"data:image/[^\"]+", "PICTURE", body)
    body = re.sub(r'data-value="([\d.]+)"', lambda found: f'data-value="{float(found[1]):.5g}"', body)
    return re.sub(r"coldframe \d[\w.+-]*(, [a-z_]+ \d[\w.+-]*)*", "VERSIONS", re.sub(r"\n\s*\n+", "\n", body))


def test_the_page_says_what_it_said(make_table):
    table = make_table(("zero-shot", "linear-probe", "knn"), n=120)
    table.published.append({"method": "pixel-prompt", "top1": 0.9274, "source": "Table 2"})
    table.notes, table.about.cold = ["one file was left out"], "cold pass: 90 s"
    table.wrong = [HardImage(png(), "daisy", "roses", 0.9, "daisy/1.jpg")]
    names = ("accuracy_against_cost", "per_class", "confusion", "reliability", "robustness_noise", "training_loss")
    html = page(table, hardest=[HardImage(png(), "a", "b", 0.983, "a.jpg")], prompts=[Picture(png(), "frame", "30 px")],
                figures={name: new_figure(1, 1) for name in names})  # fmt: skip
    same_text(__file__, "page", words(html))


def test_the_page_of_one_line_and_of_an_undecided_pair(make_table):
    one = make_table(("knn",), seeds=1, n=40, classes=("a", "b", "c"))
    one.handed = {"folder": "best", "method": "knn", "refit": True, "top1": 0.9, "measured_top1": 0.8, "next": ["coldframe x"]}
    same_text(__file__, "page_of_one", words(page(one, figures={})))
    pair = make_table(("linear-probe", "knn", "bias-tune"), seeds=1, n=900, classes=("a", "b", "c", "d"))
    pair.about.margin = 0.05
    same_text(__file__, "page_of_pair", words(page(pair, figures={})))


@pytest.mark.parametrize(("low", "high", "said"), [
    (0.011, 0.02, "better"), (0.01, 0.02, "undecided"), (-0.009, 0.009, "equal within 1 point"), (-0.03, -0.011, "worse"),
])  # fmt: skip
def test_what_an_interval_says_against_the_recommended_line(low: float, high: float, said: str) -> None:
    key = ("a", "m", "d")
    assert _says(Comparison(key, key, (low + high) / 2, low, high, 100, None, 1, 0.0, 0.0), 0.01) == said


def test_the_three_lowest_classes_of_more_than_three_are_named(make_table):
    table = make_table(("knn",), n=60)
    (main,) = table.details
    main.per_class = [0.5, None, 0.25, 1.0, 0.125]
    names = table.about.classes
    assert _worst(table) == [(names[4], "12.5%"), (names[2], "25.0%"), (names[0], "50.0%")]
    main.per_class = [0.5, None, 0.25, 1.0, None]
    assert _worst(table) == []
    table.about.classes = names[:4]
    assert _worst(table) == _confused(table) == []


def test_facts_are_those_that_are_known(make_table):
    table = make_table(("knn",), seeds=2, n=20)
    for number, row in enumerate(table.rows):
        row["seed"] = 10 - 8 * number
    table.about.cold, table.machine = "cold pass: 9 s", {"device": "cpu", "gpu": None, "torch": "2.0", "note": ""}
    facts = dict(_facts(table))
    assert facts["seeds"] == "2, 10" and facts["cold pass"] == "9 s" and facts["machine"] == "device cpu, torch 2.0"
    assert facts["digest of weights"] == "0f" * 16 and facts["versions"].startswith("coldframe ")
    table.about.splits = ""
    assert "splits" not in dict(_facts(table)) and [row["seed"] for row in table.rows] == [10, 2]
