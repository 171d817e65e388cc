"""Values of any schema are read as fastavro reads them, whatever decoder is in use."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.serde.decoder import AVAILABLE
from tests.schema.evolving import evolved
from tests.schema.generated import read_by, schemas, write


@st.composite
def written(draw: st.DrawFn) -> tuple[Any, bytes]:
    schema, values = draw(schemas())
    return schema, write(schema, draw(values))


@settings(max_examples=50)
@given(written())
def test_a_written_value_is_read_as_fastavro_reads_it(value: tuple[Any, bytes]) -> None:
    schema, body = value
    for decoder in AVAILABLE:
        assert read_by(decoder, body, schema) == read_by("fastavro", body, schema)


@settings(max_examples=50)
@given(written(), st.data())
def test_a_changed_value_is_refused_or_read_as_fastavro_reads_it(value: tuple[Any, bytes], data: st.DataObject) -> None:
    schema, body = value
    at = data.draw(st.integers(0, len(body)))
    changed = body[:at] + data.draw(st.binary(max_size=3)) + body[at + data.draw(st.integers(0, 3)) :]
    for decoder in AVAILABLE:
        if decoder != "fastavro":  # ours first, for its limits: fastavro alone takes a changed count of nulls for good
            read = read_by(decoder, changed, schema)
            assert read == "refused" or read == read_by("fastavro", changed, schema)


@settings(max_examples=50)
@given(written(), st.data())
def test_readers_of_another_version_read_what_fastavro_lets_them_read(
    value: tuple[Any, bytes], data: st.DataObject
) -> None:
    writer, body = value
    reader = data.draw(evolved(writer))
    for decoder in AVAILABLE:
        assert read_by(decoder, body, writer, reader) == read_by("fastavro", body, writer, reader)
