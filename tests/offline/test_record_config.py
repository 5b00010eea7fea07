"""Configuration arrives as the CLI hands it over; tests/engine asks the CLI itself with the same values."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.offline.config import read_environment, read_project, secret_keys, texts
from springtide.offline.goyaml import ConfigError

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text().filter(lambda key: key != "secure"), inner),
    max_leaves=8,
)


def told(tmp_path: Path, text: str) -> dict[str, str]:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(f"config:\n  {text}\n", encoding="utf-8")
    return texts(read_environment(file), "house", lambda path: f"secret of {path}")


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("text", "text"),
        ('"3"', "3"),
        ("3", "3"),
        ("0", "0"),
        ("0o17", "15"),
        ("0777", "511"),
        ("089", "89"),
        ("0x1F", "31"),
        ("1_000", "1000"),
        ("12345678901234567890123", "1.2345678901234568e+22"),
        ("0.10", "0.1"),
        ("3.0", "3"),
        ("1e-7", "1e-7"),
        ("0.00001", "0.00001"),
        ("0.0", "0"),
        ("1.35", "1.35"),
        ("True", "true"),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("", ""),
        ("null", ""),
        ("2026-11-22", "2026-11-22 00:00:00 +0000 UTC"),
        ("2026-11-22T10:00:00+02:00", "2026-11-22 10:00:00 +0200 +0200"),
        ('"2026-11-22"', "2026-11-22"),
        ("2026-11-22a", "2026-11-22a"),
        ("[a, {x: 1}, 2.50]", '["a",{"x":1},2.5]'),
        ('{b: 1, a: 3.0, on: "<é>"}', '{"a":3,"b":1,"on":"\\u003cé\\u003e"}'),
        ("{}", "{}"),
    ],
)
def test_a_value_becomes_the_text_that_the_cli_makes_of_it(tmp_path: Path, written: str, given: str) -> None:
    assert told(tmp_path, f"key: {written}") == {"house:key": given}


@pytest.mark.parametrize(
    ("key", "full"),
    [
        ("key", "house:key"),
        ("aws:region", "aws:region"),
        ("house:key", "house:key"),
        ("kubernetes:config:a", "kubernetes:a"),
    ],
)
def test_a_bare_key_gets_the_projects_namespace(tmp_path: Path, key: str, full: str) -> None:
    assert told(tmp_path, f'"{key}": v') == {full: "v"}


@given(st.dictionaries(st.from_regex("[a-z]+", fullmatch=True), plain))
def test_lists_and_mappings_arrive_as_json_that_says_the_same(config: dict[str, Any]) -> None:
    given_texts = texts(config, "house", str)
    structured = {key: value for key, value in config.items() if isinstance(value, list | dict)}
    assert {key: json.loads(given_texts[f"house:{key}"]) for key in structured} == structured


def test_an_encrypted_value_is_a_secret_that_nobody_can_read(tmp_path: Path) -> None:
    config = "a: {secure: AAAA}\n  b: {inner: [{secure: BBBB}], plain: 1}\n  c: {secure: a word, but: more}"
    assert told(tmp_path, config) == {
        "house:a": "secret of /a",
        "house:b": '{"inner":["secret of /b/inner/0"],"plain":1}',
        "house:c": '{"but":"more","secure":"a word"}',
    }
    assert secret_keys(read_environment(tmp_path / "Pulumi.dev.yaml"), "house") == ("house:a", "house:b")


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"  {name}: &{name} [{', '.join([f'*{chr(ord(name) - 1)}'] * 10)}]\n" for name in "bcdefgh"
)


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("a: 1\n  a: 2", 3, "'a' already defined at line 2"),
        ("a: 1\n  house:a: 2", 1, "'a' and 'house:a' are the same key"),
        ("a: 1\n  b: .inf", 3, ".inf is no value of a configuration"),
        ("a: 1e400", 2, "1e400 is no value of a configuration"),
        (f"a: {'9' * 5_000}", 2, "is no value of a configuration"),
        ("a: !!float word", 2, "word is no value of a configuration"),
        ("a: !!binary aGVsbG8=", 2, "!!binary is no kind of value"),
        ("a: !!set {x, y}", 2, "!!set is no kind of value"),
        ("a: !mine x", 2, "'!mine'"),
        ("a: 1\n  ? [x, y]\n  : 2", 3, "a list or a mapping is no key"),
        ('a: "\\uD83D"', 2, "half of a surrogate pair"),
        ("a: 1\n\tb: 2", 3, "never with tabs"),
        ("a: 1\n  b: x\0y", 3, "U+0000"),
        ("a: 1\n  b: é\n  c: \udce9", 4, "save the file in UTF-8"),
        (f"a: {'[' * 3_000}{']' * 3_000}", 1, "too deep"),
        (BOMB, 1, "aliases make more than 100000 values"),
        ("a: &a\n    b: *a", 2, "recursive"),
        ("a: [", 3, "mend the YAML there"),
    ],
)
def test_what_the_cli_cannot_read_is_refused_with_its_place(
    tmp_path: Path, text: str, line: int, complaint: str
) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(f"config:\n  {text}\n", encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ConfigError) as refused:
        read_environment(file, "house")
    assert str(refused.value).startswith(f"{file}:{line}: ")
    assert complaint in str(refused.value)


@pytest.mark.parametrize("written", ["[1, 2]", "text", "5", "0", "false"])
def test_a_configuration_is_a_mapping(tmp_path: Path, written: str) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text(f"# first\nconfig: {written}\n")
    with pytest.raises(ConfigError, match=r"Pulumi\.dev\.yaml:2: config is not a mapping"):
        read_environment(tmp_path / "Pulumi.dev.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Pulumi\.dev\.yaml: No such file"):
        read_environment(tmp_path / "Pulumi.dev.yaml")


def test_a_project_says_where_its_program_and_its_environments_lie(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text(
        "{name: house, main: stacks, stackConfigDir: rooms, config: {a: 1, b: {type: string}}}"
    )
    project = read_project(tmp_path)
    assert (project.program, project.environments) == (tmp_path / "stacks", tmp_path / "rooms")
    assert (project.name, project.defaults) == ("house", {"a": 1})


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("name: 5", ":1: name is not a text"),
        ("name: house\nmain: [a]", ":2: main is not a text"),
        ("name: house\nstackConfigDir: {}", ":2: stackConfigDir is not a text"),
        ("name: house\nconfig: a", ":2: config is not a mapping"),
        ("house", ":1: a mapping is expected at the top"),
    ],
)
def test_a_project_of_the_wrong_kinds_is_refused(tmp_path: Path, written: str, complaint: str) -> None:
    (tmp_path / "Pulumi.yaml").write_text(written)
    with pytest.raises(ConfigError, match=f"Pulumi.yaml{complaint}"):
        read_project(tmp_path)


def test_a_project_needs_a_name(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("main: stacks")
    with pytest.raises(ConfigError, match="needs a name"):
        read_project(tmp_path)
