"""The HTML report: what it says of a run's journal, that it reads nothing else, and that texts in it do nothing."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from confirmed_search import SEEDS, SKILLS, make_confirmation, search_events, task_plan
from confirmed_search import SPACE as RATES
from gluetune.api.report import report_page
from gluetune.config import SearchSpace
from gluetune.events import Journal, RequestHandled, TrialRecord, format_params
from gluetune.reporting import summarise, summarise_confirmation
from gluetune.reporting.page import plots
from gluetune.reporting.page.lane_plot import lane_spans, lane_timeline
from gluetune.reporting.page.parallel_plot import parallel_coordinates
from gluetune.reporting.page.render import script_json
from gluetune.reporting.page.tables import Table, lanes_table, sentence, trials_table
from gluetune.reporting.run_files import RunFiles
from gluetune.statistics import ExpectedBest
from large_search import SPACE, TASKS, large_events, write_large_search
from recorded_folders import write_search
from sample_search import BEGIN, ended, evaluated, events, folded, plan, started

MCC = "matthews_correlation"
EVIL = "</script><img src=x onerror=alert(1)>&\"'\u2028"


def trials(task: str = "cola", recorded: Any = None) -> list[TrialRecord]:
    return [trial for trial in folded(events() if recorded is None else recorded).values() if trial.task == task]


def lines(trace: dict[str, Any]) -> list[list[float | None]]:
    """The parts of a trace between its gaps."""
    parts: list[list[float | None]] = [[]]
    for x, y in zip(trace["x"], trace["y"], strict=True):
        parts = [*parts, []] if x is None else [*parts[:-1], [*parts[-1], y]]
    return [part for part in parts if part]


class Page(HTMLParser):
    """What a browser would make of a page: its elements with their attributes, its text, and its scripts."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self._inside: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        (self.scripts if self._inside[-1:] == ["script"] else self.texts).append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def figures(self) -> list[dict[str, Any]]:
        return [json.loads(script) for script in self.scripts if script.startswith('{"data"')]

    def captions(self) -> list[str]:
        return [name for name in re.findall(r"[^\n]+", "\n".join(self.texts)) if name.strip()]


def page(*folders: Any) -> Page:
    return Page(report_page([RunFiles(folder, folder.uri().rpartition("/")[2]) for folder in folders]))


# Plots


def test_learning_curves_hold_every_evaluation_and_mark_pruned_trials() -> None:
    own = trials()
    figure = plots.learning_curves(own, MCC, "MCC", own[0])
    by_name = {trace["name"]: trace for trace in figure["data"]}
    assert lines(by_name[plots.BEST]) == [[0.3, 0.5, 0.4]]
    assert lines(by_name[plots.PRUNED]) == [[0.1]]
    (cross,) = [trace for trace in figure["data"] if trace["mode"] == "markers"]
    assert (cross["x"], cross["y"]) == ([1.0], [0.1])


def test_learning_curves_of_many_trials_are_few_traces() -> None:
    own = trials(recorded=large_events(1000))
    figure = plots.learning_curves(own, MCC, "MCC", own[0])
    assert len(figure["data"]) <= 15
    assert sum(len(lines(trace)) for trace in figure["data"] if "lines" in trace["mode"]) == len(own)


def test_a_score_that_is_no_number_is_a_gap() -> None:
    figure = plots.learning_curves(trials("mnli"), "accuracy", "accuracy", None)
    (trace,) = [trace for trace in figure["data"] if trace["name"] == plots.FAILED]
    assert trace["y"] == [None, None]


def test_the_best_so_far_follows_the_order_in_which_trials_end() -> None:
    figure = plots.best_so_far({"": trials()}, MCC, "MCC")
    assert (figure["data"][0]["x"], figure["data"][0]["y"]) == ([1, 2], [0.5, 0.5])
    other = [*trials()[1:], *trials()[:1]]
    assert plots.best_so_far({"": other}, MCC, "MCC") == figure


def test_expected_performance_shows_the_interval_around_each_point() -> None:
    points = [ExpectedBest(1, 10.0, 0.4, 0.3, 0.5), ExpectedBest(2, 20.0, 0.5, 0.45, 0.55)]
    band, curve = plots.expected_performance({"a<b": points}, MCC, "MCC")["data"]
    assert (curve["x"], curve["y"]) == ([1, 2], [0.4, 0.5])
    assert (band["x"], band["y"]) == ([1, 2, 2, 1], [0.5, 0.55, 0.45, 0.3])
    assert "<" not in curve["name"]


def test_expected_performance_of_a_loss_is_the_loss() -> None:
    band, curve = plots.expected_performance({"": [ExpectedBest(1, None, -0.4, -0.5, -0.3)]}, "log_loss", "loss")[
        "data"
    ]
    assert (curve["y"], band["y"]) == ([0.4], [0.5, 0.3])


def test_parallel_coordinates_have_a_line_for_each_scored_trial() -> None:
    own = trials(recorded=large_events(300))
    scored = [trial for trial in own if trial.best_score is not None]
    figure = parallel_coordinates(own, SPACE, MCC, "MCC", {})
    parts = [line for trace in figure["data"] for line in lines(trace)]
    assert len(parts) == len(scored)
    assert all(len(line) == len(SPACE.fields) + 1 for line in parts)
    assert min(line[-1] for line in parts if line[-1] is not None) == 0.0
    assert parts[-1][-1] == 1.0, "the best trial is drawn last, above the others"
    assert figure["layout"]["xaxis"]["ticktext"] == [*SPACE.fields, "MCC"]


def test_a_field_that_a_trial_does_not_have_is_a_gap_of_its_line() -> None:
    own = trials()
    del own[0].params["batch_size"]
    space = SearchSpace.model_validate({"space": {"learning_rate": [1e-4, 3e-4], "batch_size": [16]}})
    figure = parallel_coordinates(own, space, MCC, "MCC", {})
    assert [None] in [[y for y in trace["y"][1:2]] for trace in figure["data"]]


def test_the_timeline_of_lanes_has_a_bar_for_each_trial_and_shows_idle_gaps() -> None:
    own = [*trials(), *trials("mnli")]
    spans = lane_spans(own)
    assert [(span.lane, span.start - BEGIN, span.end - BEGIN) for span in spans[:2]] == [
        ("lane-0", 1.0, 30.0),
        ("lane-1", 101.0, 120.0),
    ]
    figure = lane_timeline(own, {"cola": "CoLA", "mnli": "MNLI"})
    assert [trace["name"] for trace in figure["data"]] == ["CoLA", "MNLI"]
    assert sum(len(trace["x"]) for trace in figure["data"]) == 4
    (first, _) = lanes_table(own).rows
    assert first == ("lane 1", "lane-0", "2", "38 s", "2 min 51 s", "82%")


# Tables


def test_columns_of_numbers_are_aligned_at_the_right() -> None:
    table = Table("", ("a", "b", "c", "d"), [("x", "1.5", "3 min 02 s", "–"), ("7", "12%", "8 s", "1,234")])
    assert table.numeric == (False, True, True, True)


def test_the_table_of_trials_has_configuration_seed_and_reason() -> None:
    table = trials_table(trials("mnli"), "accuracy", "accuracy")
    row = dict(zip(table.header, table.rows[1], strict=True))
    assert row["status"] == "diverged"
    assert (row["learning_rate"], row["seed"], row["message"]) == ("0.0003", "103", "loss is not a finite number")
    assert "message" not in trials_table(trials(), MCC, "MCC").header


# The page


def test_the_page_shows_winners_with_baseline_and_dev_score(tmp_path: Path) -> None:
    shown = page(write_search(tmp_path, "small", summary="complete", rows={"cola": "a1b2"}))
    assert shown.texts.count("complete") == 1
    for text in ("CoLA", "0.5000", "0.4500", "0.3450", "lr 1e-4 · batch 16", "a1b2"):
        assert text in shown.text, text


def test_the_page_of_a_running_search_is_as_far_as_the_journal(tmp_path: Path) -> None:
    shown = page(write_search(tmp_path, "killed", events()[:5], summary=None))
    assert "interrupted" in shown.texts
    assert "none yet" in shown.text
    assert "2 running" in shown.text
    assert shown.figures()


@pytest.mark.parametrize("recorded", [[], [started(0, "cola")]])
def test_the_page_before_the_first_evaluation_has_no_plots(recorded: Sequence[Any], tmp_path: Path) -> None:
    shown = page(write_search(tmp_path, "new", recorded))
    assert shown.figures() == []
    assert "No trial has been evaluated yet." in shown.text


def test_an_older_summary_says_nothing_of_later_trials(tmp_path: Path) -> None:
    folder = write_search(
        tmp_path, "again", list(large_events(60)), summary="interrupted", tasks=dict.fromkeys(TASKS, 1.0)
    )
    assert "further trial" not in page(folder).text


def test_the_page_of_a_run_without_searched_fields_has_curves_only(tmp_path: Path) -> None:
    shown = page(write_search(tmp_path, "one", space=SearchSpace.model_validate({"space": {}}), summary="complete"))
    assert "Learning curves" in shown.text
    assert "Score by hyperparameter" not in shown.text


def test_the_page_repeats_settings_versions_and_seeds(tmp_path: Path) -> None:
    folder = write_search(tmp_path, "small")
    shown = page(folder)
    assert "compact_bert" in (folder.read("space.yaml") or b"").decode()
    for name in ("job.yaml", "space.yaml"):
        assert " ".join((folder.read(name) or b"").decode().split()) in shown.text
    assert "100, 101, 102, 103" in shown.text


def test_a_sentence_keeps_the_spelling_of_a_task_at_its_start() -> None:
    assert sentence("tickets: the best configuration is better", ["tickets"]).startswith("tickets: ")
    assert sentence("the best configuration is better", ["tickets"]) == "The best configuration is better."


def test_a_confirmation_is_shown_with_its_intervals_and_tests(tmp_path: Path) -> None:
    folder = write_search(tmp_path, "sure", search_events(), space=RATES, tasks=dict.fromkeys(SKILLS, 1.0))
    confirmation = summarise_confirmation(make_confirmation(tmp_path / "confirmation", failed=(0,)))
    assert confirmation is not None
    whole = plan(name="sure", folder=folder.uri(), tasks=tuple(map(task_plan, SKILLS)))
    trials_of_all = folded(search_events()).values()
    summary = summarise(
        whole, trials_of_all, status="complete", session_started=BEGIN, now=BEGIN + 600, confirmation=confirmation
    )
    shown = Page(report_page([RunFiles(folder, "sure")], summary))
    best = confirmation.tasks[0].configurations[0]
    assert best.mean is not None
    assert f"{best.mean:.4f} ± {best.standard_deviation:.4f} ({best.low:.4f} to {best.high:.4f})" in shown.text
    assert all(sentence[1:] in shown.text for sentence in confirmation.sentences)
    assert "against the default" in shown.text
    figure = next(each for each in shown.figures() if each["data"][0]["name"] == "seeds")
    seeds, means = figure["data"]
    assert len(seeds["y"]) == 3 * SEEDS - 1, "one of the seeds has failed"
    assert means["y"][0] == pytest.approx(best.mean)
    assert means["y"][0] + means["error_y"]["array"][0] == pytest.approx(best.high)
    assert means["y"][0] - means["error_y"]["arrayminus"][0] == pytest.approx(best.low)


def test_two_runs_are_shown_side_by_side(tmp_path: Path) -> None:
    first = write_search(tmp_path, "first", algorithm="grid", rows={"cola": "aa", "mnli": "aa"})
    second = write_search(tmp_path, "second", algorithm="random", rows={"cola": "bb", "mnli": "aa"})
    shown = page(first, second)
    assert "search.algorithm grid random" in shown.text
    assert any("CoLA: the runs have other selection rows" in text for text in shown.texts)
    assert [trace["name"] for trace in shown.figures()[0]["data"]] == ["first", "second"]
    assert len(shown.figures()) > 2 * (len(page(first).figures()) - 1)


def test_two_runs_of_the_same_name_are_shown_by_their_folders(tmp_path: Path) -> None:
    folders = [write_search(tmp_path / root, "night") for root in ("a", "b")]
    headings = [text for text in page(*folders).texts if text.endswith("night")]
    assert {folder.uri() for folder in folders} <= set(headings)
    assert "night" not in headings


@pytest.mark.parametrize("score", [math.inf, -math.inf])
def test_a_search_whose_scores_are_infinite_has_a_page(score: float, tmp_path: Path) -> None:
    """A metric of one's own may be so; twelve trials would otherwise have a curve of expected performance."""
    recorded: list[Any] = []
    for number in range(12):
        recorded += [started(number, "cola", 1e-5 * (number + 1)), evaluated(number, 1, score), ended(number)]
    shown = page(write_search(tmp_path, "infinite", recorded, summary="complete"))
    assert "12 trials: 12 finished" in shown.text


def test_requests_to_a_search_are_part_of_what_repeats_it(tmp_path: Path) -> None:
    folder = write_search(tmp_path, "extended")
    assert "Requests to the search" not in page(folder).text
    event = RequestHandled(time=BEGIN, request="1", action="extend", accepted=True, message=EVIL)
    Journal(folder).append_search_event(event)
    shown = page(folder)
    assert "Requests to the search" in shown.text
    assert any(text == EVIL for text in shown.texts)


def test_texts_of_the_user_do_nothing(tmp_path: Path) -> None:
    """Names of tasks, classes and values, messages and data cards can hold anything."""
    space = SearchSpace.model_validate(
        {"name": EVIL, "source": EVIL, "space": {"lr_scheduler_type": ["linear", "cosine"]}}
    )
    evil = [
        each.model_copy(update={"params": {"lr_scheduler_type": EVIL}}) if hasattr(each, "params") else each
        for each in events()
    ]
    evil = [each.model_copy(update={"message": EVIL}) if getattr(each, "message", "") else each for each in evil]
    folder = write_search(tmp_path, "evil", evil, summary="complete", space=space)
    folder.write("report/cola_data_card.md", f"# {EVIL}\n\n[a](javascript:alert(1)) ![b](http://x/y.png)\n".encode())
    found = page(folder)
    tags = [name for name, _ in found.elements]
    assert (tags.count("img"), tags.count("iframe"), tags.count("object")) == (0, 0, 0)
    assert tags.count("script") == len(found.figures()) + 2
    assert not [attributes for _, attributes in found.elements if any(name.startswith("on") for name in attributes)]
    assert not [
        value for _, attributes in found.elements for value in attributes.values() if "javascript:" in str(value)
    ]
    for figure in found.figures():
        shown = json.dumps([trace.get(key) for trace in figure["data"] for key in ("x", "y", "text", "name")])
        assert "<img" not in shown


def test_the_page_reads_nothing_but_itself(tmp_path: Path) -> None:
    found = page(write_search(tmp_path, "small", summary="complete"))
    links = [
        value
        for _, attributes in found.elements
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data")
    ]
    assert links
    assert [link for link in links if not str(link).startswith("#")] == []
    styles = [text for text in found.texts if "{" in text and "--page" in text]
    assert not re.search(r"url\(|@import", " ".join(styles))
    assert not re.search(r"https?://|fetch\(|XMLHttpRequest|import\(", found.scripts[-1])


def test_links_inside_the_page_lead_somewhere(tmp_path: Path) -> None:
    found = page(write_search(tmp_path, "small"))
    identifiers = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    targets = {str(attributes["href"])[1:] for name, attributes in found.elements if name == "a"}
    assert targets <= set(identifiers)


def test_every_plot_has_a_name_and_every_table_a_caption(tmp_path: Path) -> None:
    found = page(write_large_search(tmp_path, "large", 60))
    identifiers = {attributes.get("id") for _, attributes in found.elements}
    drawn = [attributes for name, attributes in found.elements if attributes.get("class") == "plot"]
    assert len(drawn) == len(found.figures())
    assert all(attributes["aria-labelledby"] in identifiers for attributes in drawn)
    tags = [name for name, _ in found.elements]
    assert tags.count("table") == tags.count("caption")
    assert tags.count("h1") == tags.count("main") == tags.count("nav") == 1


def test_the_page_of_a_thousand_trials_is_a_few_megabytes(tmp_path: Path) -> None:
    folder = write_large_search(tmp_path, "large", 1000)
    content = report_page([RunFiles(folder, "large")])
    assert len(content) < 4_000_000
    assert "1,000 trials" in Page(content).text


@pytest.mark.parametrize("value", [math.nan, math.inf, [1.0, -math.inf], {"a": math.nan}])
def test_figures_are_strict_json(value: Any) -> None:
    assert "null" in script_json(value)


def test_json_of_a_script_cannot_end_it() -> None:
    text = script_json({"a": EVIL})
    assert "<" not in text
    assert json.loads(text) == {"a": EVIL}


def test_hover_texts_are_escaped() -> None:
    own = trials()[0]
    own.params = {"loss": "<b>x</b>"}
    assert "<" in format_params(own.params)
    assert "<" not in plots.hover_text(own)
