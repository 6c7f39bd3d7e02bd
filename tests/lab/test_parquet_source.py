"""Recorded files are read strictly; what is odd is refused with file and column."""

from pathlib import Path

import pytest

pa = pytest.importorskip("pyarrow", reason="needs the extra `lab`")
pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra `lab`")

from daemon.lab.parquet_source import ParquetSource, SourceError, fixed, parse_instant, read_csv  # noqa: E402


def write(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_columns_come_as_plain_lists(tmp_path: Path) -> None:
    """Texts, dictionary-encoded or not, numbers and instants in Ns."""
    path = write(
        tmp_path / "f.parquet",
        n=pa.array([1, 2]),
        a=pa.array(["x", "y"]),
        b=pa.array(["p", "p"]).dictionary_encode(),
        t=pa.array([1_000_001, 2], pa.timestamp("us", tz="UTC")),
    )
    source = ParquetSource(path, {"n": "int", "a": "text", "b": "text", "t": "instant"})

    assert [{"n": [1, 2], "a": ["x", "y"], "b": ["p", "p"], "t": [1_000_001_000, 2_000]}] == list(
        source.batches()
    )
    assert 2 == source.rows


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    """So is the file."""
    path = write(tmp_path / "f.parquet", n=pa.array([1]))
    with pytest.raises(SourceError, match=r"f\.parquet: column 'seq' is missing"):
        ParquetSource(path, {"n": "int", "seq": "int"})


def test_a_column_of_another_type_is_named(tmp_path: Path) -> None:
    """Nothing is converted on a guess."""
    path = write(tmp_path / "f.parquet", n=pa.array(["1"]))
    with pytest.raises(SourceError, match=r"f\.parquet: column 'n' is string, not int"):
        ParquetSource(path, {"n": "int"})


def test_a_missing_value_is_refused(tmp_path: Path) -> None:
    """Unknown isn't zero."""
    path = write(tmp_path / "f.parquet", n=pa.array([1, None]))
    with pytest.raises(SourceError, match=r"column 'n' has 1 missing"):
        list(ParquetSource(path, {"n": "int"}).batches())


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    """So is one that isn't there."""
    (tmp_path / "f.parquet").write_bytes(b"hello")
    with pytest.raises(SourceError, match=r"f\.parquet: not a parquet file"):
        ParquetSource(tmp_path / "f.parquet", {})
    with pytest.raises(SourceError, match=r"g\.parquet: no such file"):
        ParquetSource(tmp_path / "g.parquet", {})


def test_floats_become_the_decimal_that_they_were() -> None:
    """0.57 is 5700, though int(0.57 * 10000) is 5699."""
    assert 5700 == fixed(0.57, 4, Path("f"), "price")
    with pytest.raises(SourceError, match="column 'price'"):
        fixed(0.57001, 4, Path("f"), "price")
    with pytest.raises(SourceError, match="column 'price'"):
        fixed(float("nan"), 4, Path("f"), "price")


def test_instants_keep_their_microseconds() -> None:
    """And need a zone."""
    assert 1_778_478_300_000_001_000 == parse_instant("2026-05-11T05:45:00.000001Z", Path("f"), "close_time")
    with pytest.raises(SourceError, match="no time zone"):
        parse_instant("2026-05-11T05:45:00", Path("f"), "close_time")


def test_csv_columns_are_checked(tmp_path: Path) -> None:
    """A CSV file without the column is refused before its rows."""
    (tmp_path / "f.csv").write_text("a,b\n1,2\n")

    assert [{"a": "1", "b": "2"}] == list(read_csv(tmp_path / "f.csv", ("a",)))
    with pytest.raises(SourceError, match=r"f\.csv: column 'c' is missing"):
        list(read_csv(tmp_path / "f.csv", ("c",)))
