import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from springtide import cli
from springtide.simulate import page, text
from springtide.simulate.chart import axis
from springtide.simulate.figures import figures
from springtide.simulate.options import Options
from springtide.simulate.replay import replay
from springtide.simulate.report import Report, Side, facts, moved_by
from springtide.simulate.service import Service

from .stage import load, plan, service

SPIKE = str(Path(__file__).with_name("spike.csv"))


def side(given: Service) -> Side:
    return Side(service=given, figures=figures(replay(given, load()), 60.0))


def report(*services: Service) -> Report:
    return Report(sides=tuple(map(side, services)), trace="spike.csv", options=Options())


def test_text_says_figures_and_draws_them() -> None:
    said = text.render(report(service()))
    assert "400 requests of spike.csv" in said
    assert re.search(r"cost, on-demand +\d+\.\d\d +USD", said)
    assert re.search(r"cost, spot +\? +USD", said)
    assert re.search(r"replicas ready +[▁▂▃▄▅▆▇█]+ ≤ \d", said)
    assert "difference" not in said


def test_a_comparison_says_both_and_what_differs() -> None:
    said = text.render(report(service(1, 5), service(1, 2, environment="prod")))
    assert "dev/chat" in said
    assert "prod/chat" in said
    assert re.search(r"replicas, most +5 +2 +-3 \(-60 %\)", said)


def test_a_page_loads_nothing_and_is_well_formed() -> None:
    html = page.render(report(service(), service(0, 3, name="<script>alert(1)</script>")))
    assert "default-src" in html
    assert "<script" not in html
    body = ET.fromstring(html.partition("\n")[2])
    assert len([*body.iter("{http://www.w3.org/2000/svg}svg")]) == 6


def test_a_page_of_one_has_its_figures_as_tiles() -> None:
    assert page.render(report(service())).count('class="tile"') == 7


def test_more_than_gateways_hold_is_told() -> None:
    crowded = service(0, held_requests=3)
    assert any("hold 3 requests at a time" in line for line in facts(side(crowded), Options()))
    assert not any("at a time: some" in line for line in facts(side(service(0)), Options()))


def test_what_moves_a_service_is_said_in_a_sentence() -> None:
    assert moved_by(service(0, 5)) == "Its ScaledObject holds 4 a replica with 0 to 5 replicas."
    assert moved_by(service(autoscaler=None)) == "Nothing moves it: it stays at 1 replica."


@pytest.mark.parametrize(("most", "end"), [(0.0, 1.0), (1.0, 1.0), (9.0, 10.0), (372.0, 400.0), (0.03, 0.03)])
def test_an_axis_ends_at_a_round_number(most: float, end: float) -> None:
    assert axis(most)[0] == pytest.approx(end)


def test_a_sparkline_keeps_peaks_and_shows_little_as_little() -> None:
    assert text.sparkline([0.0, 0.0, 8.0, 0.01, None, None], 3, 8.0) == " █ "
    assert text.sparkline([0.01, 8.0], 2, 8.0) == "▁█"


@pytest.fixture
def plan_file(tmp_path: Path) -> str:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan().to_json()))
    return str(file)


def test_the_command_simulates_a_plan(plan_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["simulate", plan_file, "--trace", SPIKE, "--format", "json", "--tail", "2000"]) == 0
    data = json.loads(capsys.readouterr().out)
    [found] = data["sides"]
    assert found["figures"]["answered"] + found["figures"]["refused"] == 600
    assert found["figures"]["zero_seconds"] > 0


def test_the_command_writes_a_page(plan_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.html"
    arguments = ["--against", plan_file, "--format", "html", "--out", str(out), "--scale", "1/2", "--slots", "2"]
    assert cli.main(["simulate", plan_file, "--trace", SPIKE, *arguments]) == 0
    assert "300 requests of spike.csv at 1/2 × its rate" in out.read_text()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--service", "x"], "no service 'x'"),
        (["--trace", "gone.csv"], "gone.csv cannot be read"),
        (["--out", "nowhere/x.html"], "no such folder"),
        (["--out", "."], "it is a folder"),
    ],
)
def test_a_usage_error_says_what_is_wrong(
    plan_file: str, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["simulate", plan_file, "--trace", SPIKE, *arguments]) == 2
    said = capsys.readouterr()
    assert (said.out, says in said.err) == ("", True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--scale", "0"], "is no rate"),
        (["--scale", "1/0"], "is no rate"),
        (["--slots", "0"], "is no count"),
        (["--load", "-1"], "is no time"),
        (["--token-rate", "x"], "is no rate"),
    ],
)
def test_an_argument_that_means_nothing_is_refused(
    plan_file: str, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["simulate", plan_file, "--trace", SPIKE, *arguments])
    assert says in capsys.readouterr().err


def test_a_file_that_holds_no_plan_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.json").write_text("[]")
    assert cli.main(["simulate", str(tmp_path / "x.json"), "--trace", SPIKE]) == 2
    assert "holds no plan" in capsys.readouterr().err
    assert cli.main(["simulate", str(tmp_path / "gone.json"), "--trace", SPIKE]) == 2


def test_an_environment_is_planned_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["simulate", "dev", "--trace", SPIKE]) == 2
    assert "run this inside a project" in capsys.readouterr().err
    (tmp_path / "Pulumi.yaml").write_text("name: springtide\nruntime: python\nmain: stacks\nstackConfigDir: stacks\n")
    assert cli.main(["simulate", "dev", "--trace", SPIKE]) == 2
    assert "no environment 'dev': the project has none" in capsys.readouterr().err
