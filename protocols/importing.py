"""Catalogue files from outside: a zip or single JSON files, read with limits and never trusted. Pure."""

import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, Protocol

from protocols.engine.knowledge import FILES, SCHEMAS

#: What one upload may weigh as sent, one file and all files as read. The shipped catalogue is 0.4 MB.
MOST_SENT = 4_000_000
MOST_FILE = 2_000_000
MOST_ALL = 6_000_000
MOST_ENTRIES = 60
NAMES = frozenset({*FILES, *SCHEMAS})
_DEEPEST = 40


class ImportFaults(Exception):
    """Why files can't be taken: one line each, `file: key: message`."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


class Sent(Protocol):
    """An uploaded file: name, size, bytes."""

    name: str | None
    size: int | None

    def read(self, num_bytes: int | None = None, /) -> bytes: ...


def _entries(archive: zipfile.ZipFile, faults: list[str]) -> Iterable[tuple[str, bytes]]:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MOST_ENTRIES:
        faults.append(f"zip: -: holds {len(infos)} files; a catalogue has at most {MOST_ENTRIES}")
        return
    total = 0
    for info in infos:
        name = PurePosixPath(info.filename).name[:60] or "?"
        if info.flag_bits & 0x1:
            faults.append(f"{name}: -: is encrypted")
            continue
        if info.file_size > MOST_FILE or total + info.file_size > MOST_ALL:
            faults.append(f"{name}: -: is too large: {info.file_size} bytes unpacked")
            return
        try:
            with archive.open(info) as stream:
                # What the archive says of its size is not believed: one byte more than allowed is enough to refuse.
                raw = stream.read(MOST_FILE + 1)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            NotImplementedError,
            RuntimeError,
            OSError,
        ) as error:
            faults.append(f"{name}: -: can't be unpacked: {error}"[:200])
            continue
        total += len(raw)
        if len(raw) > MOST_FILE or total > MOST_ALL:
            faults.append(f"{name}: -: is too large unpacked")
            return
        yield name, raw


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _value in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice in one object")
    return dict(pairs)


def as_json(text: str) -> Any:
    """Data of a JSON text: no NaN, no key twice, not too deep. Raises ValueError with a sentence."""
    try:
        data = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_doubles)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg}, line {error.lineno} column {error.colno}") from error
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from error
    deepest, level = 0, [data]
    while level:
        deepest += 1
        if deepest > _DEEPEST:
            raise ValueError("is nested too deeply")
        level = [
            child
            for one in level
            for child in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        ]
    return data


def read_files(files: Iterable[Sent]) -> Mapping[str, str]:
    """The documents' texts by name from an upload. Raises ImportFaults with one line per fault; nothing is kept then."""
    faults: list[str] = []
    found: dict[str, str] = {}
    sent = list(files)
    if not sent:
        raise ImportFaults(["-: -: choose a zip or JSON files"])
    if sum(one.size or 0 for one in sent) > MOST_SENT:
        raise ImportFaults([f"-: -: is too large: at most {MOST_SENT // 1_000_000} MB can be sent"])
    pairs: list[tuple[str, bytes]] = []
    for one in sent:
        raw = one.read(MOST_SENT + 1)
        name = PurePosixPath(str(one.name or "?")).name
        if raw[:2] == b"PK":
            try:
                with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                    pairs += _entries(archive, faults)
            except (zipfile.BadZipFile, ValueError, OSError) as error:
                faults.append(f"{name[:60]}: -: is a broken zip: {error}"[:200])
        else:
            pairs.append((name, raw))
    for name, raw in pairs:
        stem = name.removesuffix(".json")
        if stem not in NAMES or not name.endswith(".json"):
            faults.append(f"{name[:60]}: -: is no file of the catalogue")
            continue
        if stem in found:
            faults.append(f"{name}: -: was sent twice")
            continue
        try:
            text = raw.decode("utf-8-sig")
            as_json(text)
        except UnicodeDecodeError as error:
            faults.append(f"{name}: -: is not UTF-8 text: byte {error.start}")
            continue
        except ValueError as error:
            faults.append(f"{name}: -: {error}"[:300])
            continue
        if "\x00" in text or "\\u0000" in text:
            faults.append(f"{name}: -: holds a NUL character")
            continue
        found[stem] = text
    if not faults and not found:
        faults.append("-: -: no file of the catalogue was sent")
    if faults:
        raise ImportFaults(faults)
    return found


def as_zip(texts: Mapping[str, str]) -> bytes:
    """The documents as a zip of the same JSON files; equal documents give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (*FILES, *SCHEMAS):
            info = zipfile.ZipInfo(f"{name}.json", (2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, texts[name])
    return out.getvalue()
