from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.simulate.mistake import UsageError
from springtide.simulate.options import Options
from springtide.simulate.trace import of_rows, read_trace, scaled

SPIKE = Path(__file__).with_name("spike.csv")


def written(folder: Path, text: str) -> Path:
    file = folder / "trace.csv"
    file.write_text(text)
    return file


def test_a_trace_of_tokens_takes_time_by_rates(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:15:46.6805900,1000,50\n2023-11-16 18:15:48.1805909,0,0\n",
    )
    trace = read_trace(file, Options(prompt_rate=500.0, token_rate=10.0))
    assert [*trace.arrivals] == pytest.approx([0.0, 1.5])
    assert [*trace.services] == [7.0, 0.0]


def test_a_trace_may_say_seconds(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, "service_seconds,arrival_seconds\n3,10.5\n2,10\n"), Options())
    assert ([*trace.arrivals], [*trace.services]) == ([0.0, 0.5], [2.0, 3.0])


def test_other_names_of_the_same_columns_are_known(tmp_path: Path) -> None:
    text = "Timestamp,Model,Request tokens,Response tokens\n5,GPT-4,2000,25\n45,GPT-4,0,50\n"
    trace = read_trace(written(tmp_path, text), Options())
    assert ([*trace.arrivals], [*trace.services]) == ([0.0, 40.0], [2.0, 2.0])


def test_times_with_a_zone_are_known(tmp_path: Path) -> None:
    text = (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,1,1\n2024-05-10T02:00:01+02:00,1,1\n"
    )
    assert read_trace(written(tmp_path, text), Options()).seconds == pytest.approx(0.99007)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "columns (none): a trace has TIMESTAMP, ContextTokens and GeneratedTokens, or arrival_seconds"),
        ("TIMESTAMP,ContextTokens\n", "columns TIMESTAMP, ContextTokens: a trace has"),
        ("arrival_seconds,service_seconds\n", "has no requests"),
        ("arrival_seconds,service_seconds\n1,2\n3,x\n", "line 3: '3,x' is no request"),
        ("arrival_seconds,service_seconds\n1,2\n3\n", "line 3: '3' is no request"),
        ("arrival_seconds,service_seconds\n1,-2\n", "line 2: times must be finite"),
        ("arrival_seconds,service_seconds\nnan,2\n", "line 2: times must be finite"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,1\n", "line 2: 'yesterday,1,1' is no request"),
    ],
)
def test_what_is_no_trace_is_told_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError) as mistake:
        read_trace(written(tmp_path, text), Options())
    assert says in str(mistake.value)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_trace(tmp_path / "gone.csv", Options())
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is no CSV file"):
        read_trace(tmp_path / "bytes.csv", Options())


def test_the_trace_of_the_repository_is_read() -> None:
    trace = read_trace(SPIKE, Options())
    assert (len(trace), round(trace.seconds)) == (600, 2400)


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 10)), min_size=1, max_size=80), st.fractions("1/9", 5))
def test_scaling_keeps_the_shape_and_multiplies_the_count(rows: list[tuple[float, float]], scale: Fraction) -> None:
    trace = of_rows(rows)
    wanted = len(trace) * scale.numerator // scale.denominator
    if wanted == 0:
        with pytest.raises(UsageError, match="leaves none"):
            scaled(trace, scale)
        return
    found = scaled(trace, scale)
    assert len(found) == wanted
    assert found.seconds <= trace.seconds + 1e-9
    assert [*found.arrivals] == sorted(found.arrivals)
