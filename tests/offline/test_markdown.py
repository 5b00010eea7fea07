import re
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from springtide.offline import markdown
from springtide.offline.diff import compare
from springtide.offline.markdown import code, marker, plain
from springtide.offline.mermaid import label
from springtide.offline.plan import Plan
from springtide.offline.report import Base, Report
from springtide.spec import Severity

from .sample_plan import Sample, sample
from .sample_reports import TROUBLE, compared, finding, hostile, report


def test_the_comment_is_found_again_by_project_and_environment() -> None:
    assert markdown.render(report()).startswith("<!-- springtide plan springtide/dev -->\n")


def test_a_name_cannot_end_the_marker() -> None:
    plan = sample().plan(environment={"name": "x --> <b>", "project": "p\n-->"})
    line = marker(Report.of(plan))
    assert line.count("-->") == 1
    assert line.count("\n") == 0


def test_summary_comes_before_details() -> None:
    said = markdown.render(compared())
    assert said.index("dev can be deployed") < said.index("1 replaced") < said.index("<details>")
    assert "A running job is hit: run a of job gpt: train is replaced" in said


def test_cost_is_told_with_what_the_change_adds() -> None:
    base, plan = (
        sample(machine_types=("g6.xlarge",), nodes=(0, 1)).plan(),
        sample(machine_types=("g6.xlarge",), nodes=(0, 3)).plan(),
    )
    (row,) = [
        line for line in markdown.render(report(plan, base)).splitlines() if line.startswith("| GPU pools, on-demand")
    ]
    floor, now, ceiling = (cell.strip() for cell in row.split("|")[2:5])
    assert (floor, "(" in now) == ("0.00", False)
    assert re.fullmatch(r"[\d.]+ \(\+1\.61\)", ceiling)


def test_an_unchanged_figure_has_no_delta() -> None:
    assert "(+" not in markdown.render(report(sample().plan(), sample().plan()))


def test_a_new_environment_is_not_listed_change_by_change() -> None:
    said = markdown.render(Report.of(sample().plan(), Base(ref="main", comparison=compare(None, sample().plan()))))
    assert "There is no such environment there." in said
    assert "<summary>Changes" not in said


def test_a_base_that_cannot_be_planned_is_said_and_the_rest_stays() -> None:
    said = markdown.render(Report.of(sample().plan(), Base(ref="main", note="its own plan fails")))
    assert "Not compared with main: its own plan fails" in said
    assert "| Idle floor |" in said


def test_a_plan_that_registers_nothing_has_no_figures() -> None:
    plan = Plan(environment={"name": "dev"}, made_with={}, resources=(), outputs={}, findings=(finding(),))
    assert "| Idle floor |" not in markdown.render(report(plan))


def test_a_failure_stands_open_and_a_warning_is_folded() -> None:
    said = markdown.render(report(findings=TROUBLE))
    assert said.index("**Stops the plan (1)**") < said.index("<details>")
    assert "<details><summary>Warnings (1)</summary>" in said


def many(count: int, **members: object) -> Report:
    found = tuple(
        finding(f"spec/rule-{index % 7}", path=f"/pools/p{index}/max_nodes", **members) for index in range(count)
    )
    return report(findings=found)


def test_a_thousand_resources_and_warnings_fit_and_what_is_left_out_is_counted() -> None:
    large = Sample()
    for index in range(1000):
        large.storage(f"bucket-{index:04}")
    said = markdown.render(
        report(large.plan(findings=many(400, severity=Severity.WARNING).plan.findings), sample().plan())
    )
    assert len(said) <= markdown.BUDGET
    assert re.search(r"… and \d+ more: see the plan itself\.", said)
    assert "1000 created" in said


def test_every_failure_is_named_however_many_there_are() -> None:
    said = markdown.render(many(500, message="m" * 300))
    assert len(said) <= markdown.BUDGET
    assert all(f"`pools.p{index}.max_nodes`" in said for index in range(500))


def test_so_many_failures_that_none_has_a_line_are_counted_by_rule() -> None:
    said = markdown.render(many(7000))
    assert len(said) <= markdown.BUDGET
    assert "**Stops the plan (7000)**" in said
    assert re.search(r"- 1000 × `spec/rule-3`, the first at `pools\.p\d+\.max_nodes`", said)


def test_less_important_sections_give_way_first() -> None:
    said = markdown.render(compared(), limit=2600)
    assert len(said) <= 2600
    assert "<summary>Changes" in said
    assert "<summary>About this plan" not in said


def tokens(said: str) -> Iterator[Token]:
    """What a Markdown parser makes of a comment, inline parts included."""
    for token in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(said):
        yield from [token, *(token.children or [])]


def test_no_name_becomes_markup_or_a_link() -> None:
    found = [*tokens(markdown.render(hostile()))]
    html = {token.content.strip() for token in found if token.type in ("html_inline", "html_block")}
    ours = re.compile(r"<!-- springtide plan springtide/dev -->|<details><summary>[\w ()]+</summary>|</details>|<br>")
    assert [text for text in html if not ours.fullmatch(text)] == []
    assert {token.type for token in found} & {"link_open", "image", "s_open", "em_open"} == set()


def test_nobody_is_mentioned_and_nothing_referred_to() -> None:
    visible = [token.content for token in tokens(markdown.render(hostile())) if token.type == "text"]
    assert [text for text in visible if re.search(r"@\w|#\d|://\w|www\.\w", text)] == []


def test_folded_parts_are_closed() -> None:
    said = markdown.render(hostile())
    assert said.count("<details>") == said.count("</details>") > 3


def test_a_table_row_keeps_its_columns_whatever_a_name_holds() -> None:
    rows = [line for line in markdown.render(hostile()).splitlines() if line.startswith("| ") and "script" in line]
    assert rows
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}


@given(st.text(max_size=40))
def test_a_code_span_ends_where_it_should(text: str) -> None:
    span = code(text)
    fence = re.match(r"`+", span)
    assert fence is not None
    inner = span[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in re.findall(r"`+", inner)
    assert "\n" not in span


@given(st.text(max_size=40))
def test_plain_text_holds_no_html(text: str) -> None:
    assert "<" not in plain(text)


@given(st.text(max_size=40))
def test_a_label_of_the_picture_is_one_quoted_word_list(text: str) -> None:
    assert re.fullmatch(r'"[\w .,:/×-]*"', label(text))


def test_the_picture_has_a_node_for_everything() -> None:
    said = markdown.render(report())
    picture = said.partition("```mermaid\n")[2].partition("```")[0]
    assert '(["job gpt"])' in picture
    assert "w0 -- checkpoints --> s0" in picture
    assert "s0 -- model --> w1" in picture
