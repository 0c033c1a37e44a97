"""Literals and statements of SQL dumps, read back as what was written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baton.foreign.sql_inserts import BadRow, Row, read

KNOWN = {"t": ("a", "b")}


def rows(dump: str) -> list[list[object]]:
    return [list(row.values.values()) for row in read(dump, KNOWN) if isinstance(row, Row)]


def problems(dump: str) -> list[BadRow]:
    return [row for row in read(dump, KNOWN) if isinstance(row, BadRow)]


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("NULL", None),
        ("null", None),
        ("7", 7),
        ("-7", -7),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("TRUE", 1),
        ("'it''s'", "it's"),
        (r"'it\'s'", "it's"),
        (r"'a\nb\t\\\0\Z\r\b'", "a\nb\t\\\0\x1a\r\b"),
        (r"'5\% \_ \q'", r"5\% \_ q"),
        ('"say ""so"" \'now\'"', "say \"so\" 'now'"),
        ("'a' 'b'", "ab"),
        ("_utf8mb4'été'", "été"),
        ("0x616263", "abc"),
        ("x'616263'", "abc"),
        ("now()", None),
        ("CONCAT('a', UPPER('b'))", None),
        ("'a -- b # c /* d */;),('", "a -- b # c /* d */;),("),
        ("'two\nlines'", "two\nlines"),
    ],
)
def test_literals(literal, value):
    assert rows(f"INSERT INTO t VALUES ({literal}, 1);") == [[value, 1]]


@pytest.mark.parametrize(
    "dump",
    [
        "INSERT INTO `t` VALUES (1,'x'),(2,'y');",
        "INSERT INTO t (`a`, b) VALUES (1,'x'), (2,'y')",
        "insert into `shop`.`t` values (1,'x');INSERT INTO t VALUES(2,'y');",
        "REPLACE t VALUE (1,'x'),(2,'y') ON DUPLICATE KEY UPDATE a = 1;",
        "INSERT IGNORE INTO T (A,B)\nVALUES\n(1,'x') -- one\n,/* two */(2,'y')\n;",
        "LOCK TABLES `t` WRITE;\n/*!40000 no */;\nINSERT INTO t VALUES (1,'x'),(2,'y');\nUNLOCK TABLES;",
        "INSERT INTO other VALUES (9,'it''s; INSERT INTO t');\nINSERT INTO `t` VALUES (1,'x'),(2,'y');",
    ],
)
def test_statements(dump):
    assert rows(dump) == [[1, "x"], [2, "y"]]


def test_columns_come_from_the_list_or_the_table_or_what_is_known():
    dump = """
CREATE TABLE `t` (
  `b` varchar(10) COLLATE utf8mb4_bin DEFAULT 'a,b' COMMENT 'it''s (b)',
  `a` enum('x','y') NOT NULL,
  c decimal(10,2),
  PRIMARY KEY (`a`,`b`),
  KEY `index_c` (`c`)
) ENGINE=InnoDB;
INSERT INTO t VALUES ('one','x',1.5);
INSERT INTO t (a) VALUES ('y');
"""
    assert [dict(row.values) for row in read(dump, KNOWN)] == [{"b": "one", "a": "x", "c": 1.5}, {"a": "y"}]


def test_a_bad_row_is_named_with_its_line_and_the_rest_goes_on():
    dump = """INSERT INTO t VALUES (1,2),
(3),
(4,,5),
(6,(7),8),
(9,10);
INSERT INTO t SELECT 1;
INSERT INTO t VALUES (11,12);"""

    assert rows(dump) == [[1, 2], [9, 10], [11, 12]]
    assert [(bad.line, bad.reason) for bad in problems(dump)] == [
        (2, "it has 1 values for 2 columns"),
        (3, "',' where a value should stand"),
        (4, "'(' where a value should stand"),
        (6, "'SELECT' where VALUES should stand: only rows of literals are read"),
    ]


@pytest.mark.parametrize(
    "dump", ["INSERT INTO t VALUES (1,'open", "INSERT INTO t VALUES (1", "INSERT INTO t VALUES"]
)
def test_a_dump_that_breaks_off_is_a_problem(dump):
    (bad,) = problems(dump)
    assert bad.line == 1


@pytest.mark.parametrize("piece", ["a''\\'", '"', "/*", "`a", "('"])
def test_a_large_dump_that_breaks_off_is_read_in_one_go(piece):
    found = list(read("INSERT INTO t VALUES (1,2),('" + piece * 200_000, KNOWN))

    assert isinstance(found[0], Row)


_VALUES = st.none() | st.integers(-(10**18), 10**18) | st.text(st.characters(codec="utf-8"))


def written(value: object) -> str:
    """As mysqldump writes it."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    escapes = {"\\": "\\\\", "'": "\\'", '"': '\\"', "\0": "\\0", "\n": "\\n", "\r": "\\r", "\x1a": "\\Z"}
    return "'" + "".join(escapes.get(character, character) for character in str(value)) + "'"


@settings(deadline=None)
@given(st.lists(st.tuples(_VALUES, _VALUES), min_size=1, max_size=5))
def test_what_was_written_is_read_back(wanted):
    tuples = ",".join(f"({','.join(map(written, row))})" for row in wanted)

    assert rows(f"INSERT INTO `t` VALUES {tuples};") == [list(row) for row in wanted]


@settings(deadline=None)
@given(st.lists(st.tuples(_VALUES, _VALUES), min_size=1, max_size=5))
def test_quotes_that_are_doubled_are_read_back_too(wanted):
    def doubled(value):
        return (
            written(value)
            if not isinstance(value, str)
            else "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
        )

    tuples = ",\n".join(f"({', '.join(map(doubled, row))})" for row in wanted)

    assert rows(f"INSERT INTO t (a, b) VALUES {tuples};") == [list(row) for row in wanted]


_PIECES = st.sampled_from(
    [
        "INSERT INTO t VALUES ",
        "(1,2)",
        ",",
        ";",
        "'",
        '"',
        "`",
        "(",
        ")",
        "\\",
        "--",
        "/*",
        "*/",
        "0x",
        "CREATE TABLE t ",
        "\n",
    ]
)


@settings(deadline=None)
@given(st.lists(_PIECES | st.text(max_size=5), max_size=30))
def test_whatever_the_text_it_ends_and_its_rows_have_all_columns(pieces):
    for row in read("".join(pieces), KNOWN):
        assert isinstance(row, Row | BadRow)
        assert row.line >= 1
