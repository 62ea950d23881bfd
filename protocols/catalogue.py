"""The knowledge in use: the clinic's published version, or the shipped files where there is no database.

Built versions are kept per process under their check sum, so a version can never be another one. Which version is
published is looked up once per request or task (one indexed row), and at every call outside of them.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.conf import settings
from django.core.signals import request_finished, request_started

from protocols.engine import Formulary, Knowledge, KnowledgeError
from protocols.engine.knowledge import build, parsed, read

#: Versions kept in a process: the published one, one or two drafts on trial, those of plans signed before.
_KEPT = 8
_built: OrderedDict[str, Knowledge] = OrderedDict()
_lock = threading.Lock()


class _Memory(threading.local):
    """What this thread knows while it answers one request or runs one task."""

    within = False
    published: tuple[str, int] | None = None  # (check sum, key)
    formulary: tuple[Formulary | None] | None = None


_memory = _Memory()


@cache
def shipped_texts() -> dict[str, str]:
    """The shipped documents as text. Raises KnowledgeError for each that can't be read."""
    return read(settings.KNOWLEDGE_DIR)


@cache
def shipped_data() -> dict[str, Any]:
    """The shipped documents as data: what every version is measured against."""
    return parsed(shipped_texts())


@cache
def shipped() -> Knowledge:
    """The shipped knowledge, without a database. Raises KnowledgeError with every fault of the files."""
    return build(shipped_texts())


def forget() -> None:
    """Look again at what is published: after publishing, and at both ends of a request or task."""
    _memory.published = None
    _memory.formulary = None


def _begin(**_kwargs: Any) -> None:
    _memory.within = True
    forget()


def _end(**_kwargs: Any) -> None:
    _memory.within = False
    forget()


def watch() -> None:
    """Know where a request or a task begins and ends. Called once, when the app is ready."""
    from celery.signals import task_postrun, task_prerun

    request_started.connect(_begin, dispatch_uid="catalogue-begin")
    request_finished.connect(_end, dispatch_uid="catalogue-end")
    task_prerun.connect(_begin, dispatch_uid="catalogue-begin", weak=False)
    task_postrun.connect(_end, dispatch_uid="catalogue-end", weak=False)


def built(documents: Mapping[str, str], sha256: str) -> Knowledge:
    """The knowledge of documents with this check sum. Raises KnowledgeError with every fault."""
    known = shipped()
    if sha256 == known.sha256:
        return known
    with _lock:
        found = _built.get(sha256)
        if found is not None:
            _built.move_to_end(sha256)
            return found
    found = build(documents, like=shipped_data())
    if found.sha256 != sha256:
        raise KnowledgeError([f"knowledge: -: the check sum is {found.sha256[:12]}, not {sha256[:12]}"])
    with _lock:
        _built[sha256] = found
        while len(_built) > _KEPT:
            _built.popitem(last=False)
    return found


def _published() -> tuple[str, int] | None:
    from protocols.models_catalogue import CatalogueVersion

    if _memory.within and _memory.published is not None:
        return _memory.published
    found = (
        CatalogueVersion.objects.filter(status=CatalogueVersion.Status.PUBLISHED)
        .values_list("sha256", "pk")
        .first()
    )
    if _memory.within:
        _memory.published = found
    return found


def _stored(**where: Any) -> Knowledge | None:
    """The knowledge of a stored version; its documents are read only when this process has not built it yet."""
    from protocols.models_catalogue import CatalogueVersion

    versions = CatalogueVersion.objects.filter(**where).order_by("-published_at")
    sha256 = versions.values_list("sha256", flat=True).first()
    if sha256 is None:
        return None
    if sha256 in _built or sha256 == shipped().sha256:
        return built({}, sha256)
    return built(versions.values_list("documents", flat=True)[0], sha256)


def knowledge(version: str | None = None) -> Knowledge:
    """The clinic's published knowledge, or the one of a version by its name, as plans keep it.

    Raises KnowledgeError with every fault of the documents, and for a version that was never published here.
    """
    if version is not None:
        found = _stored(name=version, published_at__isnull=False)
        if found is None and version == shipped().version:
            return shipped()
        if found is None:
            raise KnowledgeError([f"knowledge: {version}: was never published here"])
        return found
    published = _published()
    if published is None:
        return shipped()
    sha256, pk = published
    if sha256 in _built or sha256 == shipped().sha256:
        return built({}, sha256)
    found = _stored(pk=pk)
    return found if found is not None else shipped()


def knowledge_signed(version: str, sha256: str) -> Knowledge:
    """The knowledge that a plan was made with, by its check sum; the published one where it is not kept any more."""
    if sha256 in _built or sha256 == shipped().sha256:
        return built({}, sha256)
    found = _stored(sha256=sha256)
    if found is not None:
        return found
    try:
        return knowledge(version)
    except KnowledgeError:
        return knowledge()


def in_house() -> Formulary | None:
    """What the clinic has, for the engine; None while the engine is not held to it."""
    from protocols.models_catalogue import Formulary as Row
    from protocols.models_catalogue import FormularyProduct

    if _memory.within and _memory.formulary is not None:
        return _memory.formulary[0]
    row = Row.objects.filter(applies=True).first()
    found = None
    if row is not None:
        agents = FormularyProduct.objects.filter(in_house=True).values_list("agent", flat=True)
        found = Formulary(frozenset(agents), frozenset(row.modalities))
    if _memory.within:
        _memory.formulary = (found,)
    return found
