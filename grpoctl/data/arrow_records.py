"""Which records does a Parquet or Arrow file hold?

Reads with pyarrow alone; `datasets` would take a second to load.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from grpoctl.data.plain import LEFT_OUT, plain
from grpoctl.data.texts import fault, refuse_other_than_files
from grpoctl.errors import DataError

_ROWS_AT_ONCE = 1024
_FILE_MAGIC = b"ARROW1"
# How a stream ends; without it a file that is cut between two batches would look whole.
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"


def read_parquet(path: Path) -> Iterator[tuple[None, Any]]:
    """Each record; its columns of raw bytes (pictures, say) are left out unread."""
    with _reading(path, "Parquet") as arrow, import_module("pyarrow.parquet").ParquetFile(path) as file:
        schema = file.schema_arrow
        _refuse_doubles(schema.names, path)
        names = [field.name for field in schema if not _is_bytes(field.type, arrow)]
        some = names if len(names) < len(schema.names) else None
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=some):
            yield from _records(batch, arrow)


def read_arrow(path: Path) -> Iterator[tuple[None, Any]]:
    """Each record of an Arrow file, or of an Arrow stream as save_to_disk writes it."""
    with _reading(path, "Arrow") as arrow:
        with path.open("rb") as stream:
            is_file = stream.read(len(_FILE_MAGIC)) == _FILE_MAGIC
            stream.seek(max(0, path.stat().st_size - len(_END_OF_STREAM)))
            if not is_file and stream.read() != _END_OF_STREAM:
                raise _cut_short(path, "Arrow", "it has no end mark")
        with arrow.memory_map(str(path)) as source:
            reader = arrow.ipc.open_file(source) if is_file else arrow.ipc.open_stream(source)
            _refuse_doubles(reader.schema.names, path)
            batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
            for batch in batches:
                for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                    yield from _records(batch.slice(start, _ROWS_AT_ONCE), arrow)


@contextmanager
def _reading(path: Path, kind: str) -> Iterator[Any]:
    """pyarrow, whose complaints about the file are made one of ours."""
    refuse_other_than_files(path)
    if not path.exists():
        raise fault(path, "is not there", "check file_name in dataset_info.json")
    try:
        arrow = import_module("pyarrow")
        import_module("pyarrow.ipc")
    except ImportError:
        fix = "pip install pyarrow, or convert it to JSONL"
        raise fault(path, f"is {kind}, and this Python lacks pyarrow", fix) from None
    try:
        yield arrow
    except DataError:
        raise
    # ArrowInvalid is a ValueError, and a time that Python cannot hold an OverflowError.
    except (arrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise _cut_short(path, kind, str(error)) from None


def _cut_short(path: Path, kind: str, reason: str) -> DataError:
    said = reason.partition("\n")[0][:120].rstrip(". ")
    return fault(path, f"is no whole {kind} file ({said})", "copy it again")


def _records(batch: Any, arrow: Any) -> Iterator[tuple[None, Any]]:
    batch = _in_microseconds(batch, arrow)
    odd = [field.name for field in batch.schema if not _is_plain(field.type, arrow)]
    for record in batch.to_pylist():
        for name in odd:
            record[name] = plain(record[name])
            if record[name] is LEFT_OUT:
                del record[name]
        yield None, record


def _in_microseconds(batch: Any, arrow: Any) -> Any:
    """The batch with times as Python can hold them: nanoseconds would want pandas."""
    for index, field in enumerate(batch.schema):
        if arrow.types.is_timestamp(field.type) and field.type.unit == "ns":
            times = batch.column(index).cast(arrow.timestamp("us", field.type.tz), safe=False)
            batch = batch.set_column(index, field.name, times)
    return batch


def _is_plain(kind: Any, arrow: Any) -> bool:
    """Whether Python makes of it what JSON could hold, so that no value needs to be looked at."""
    types = arrow.types
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_plain(kind.value_type, arrow)
    if types.is_struct(kind):
        return all(_is_plain(field.type, arrow) for field in kind)
    tests = (types.is_string, types.is_large_string, types.is_integer, types.is_floating, types.is_boolean)
    return any(test(kind) for test in (*tests, types.is_null))


def _is_bytes(kind: Any, arrow: Any) -> bool:
    types = arrow.types
    return any(test(kind) for test in (types.is_binary, types.is_large_binary, types.is_fixed_size_binary))


def _refuse_doubles(names: Sequence[str], path: Path) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise fault(path, f"names the column {twice[0]} twice", "rename one of them")
