"""Writes on the catalogue: draft, edit, import, publish, roll back; the formulary; favourites. One transaction each."""

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record
from protocols import catalogue
from protocols.engine import CaseFaults, Knowledge, KnowledgeError, build
from protocols.engine.knowledge import SCHEMAS, digest, parsed
from protocols.engine.records import KEYS
from protocols.library import cases
from protocols.models import TreatmentPlan
from protocols.models_catalogue import (
    CatalogueTrial,
    CatalogueVersion,
    Favourite,
    Formulary,
    FormularyProduct,
)

Status = CatalogueVersion.Status


class CatalogueError(Exception):
    """Why it can't be done; the text says what to do. `faults` are lines of the documents, one each."""

    def __init__(self, message: str, faults: list[str] | None = None) -> None:
        self.faults = faults or []
        super().__init__(message)


def text_of(document: Any) -> str:
    """A document as the shipped files are written."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _reason(reason: str) -> str:
    reason = reason.strip()
    if not 3 <= len(reason) <= 500:
        raise CatalogueError("Write the reason in 3 to 500 characters.")
    return reason


def _named(texts: Mapping[str, str], number: int) -> dict[str, str]:
    """The documents under a name of the clinic's own: what they were shipped as, and the version's number."""
    root = str(json.loads(texts["version"]).get("version", "")).partition("-clinic")[0][:24] or "own"
    return {**texts, "version": text_of({"version": f"{root}-clinic.{number}"})}


def _next_number() -> int:
    # The one row that always exists is locked, so that two new versions never get one number.
    list(
        CatalogueVersion.objects.select_for_update()
        .filter(status=Status.PUBLISHED)
        .values_list("pk", flat=True)
    )
    return (CatalogueVersion.objects.aggregate(last=Max("number"))["last"] or 0) + 1


def _name(texts: Mapping[str, str]) -> str:
    return str(json.loads(texts["version"])["version"])[:40]


@transaction.atomic
def offer_shipped() -> CatalogueVersion | None:
    """The shipped files as version 1, or, when they are new to this clinic, as a draft. Never published silently."""
    texts = catalogue.shipped_texts()
    sha256 = catalogue.shipped().sha256
    if CatalogueVersion.objects.filter(shipped_sha256=sha256).exists():
        return None
    first = not CatalogueVersion.objects.exists()
    published = None if first else CatalogueVersion.objects.filter(status=Status.PUBLISHED).first()
    version = CatalogueVersion.objects.create(
        number=_next_number(), name=catalogue.shipped().version, documents=texts, sha256=sha256,
        shipped_sha256=sha256, based_on=published,
        status=Status.PUBLISHED if first else Status.DRAFT, published_at=timezone.now() if first else None,
        reason=f"Shipped with mesoclinic as {catalogue.shipped().version}",
    )  # fmt: skip
    record(
        type="catalogue.published" if first else "catalogue.offered", target=version, by=None,
        new={"number": version.number, "sha256": sha256},
    )  # fmt: skip
    catalogue.forget()
    return version


@transaction.atomic
def draft(*, by: User, reason: str, of: CatalogueVersion | None = None) -> CatalogueVersion:
    """A new draft with the documents of a version; of the published one when none is named."""
    source = of or CatalogueVersion.objects.get(status=Status.PUBLISHED)
    return _drafted(texts=source.documents, by=by, reason=reason, based_on=source, type="catalogue.drafted")


def _drafted(
    *, texts: Mapping[str, str], by: User, reason: str, based_on: CatalogueVersion | None, type: str
) -> CatalogueVersion:
    reason = _reason(reason)
    number = _next_number()
    documents = _named(texts, number)
    version = CatalogueVersion.objects.create(
        number=number, name=_name(documents), documents=documents, sha256=digest(documents), based_on=based_on,
        author=by, reason=reason,
    )  # fmt: skip
    record(
        type=type, target=version, by=by, reason=reason,
        new={"number": number, "based_on": based_on.number if based_on else None, "sha256": version.sha256},
    )  # fmt: skip
    return version


def _locked(version: CatalogueVersion, revision: int | None = None) -> CatalogueVersion:
    current = CatalogueVersion.objects.select_for_update().get(pk=version.pk)
    if current.status != Status.DRAFT:
        raise CatalogueError("This version is not a draft any more. Begin a new draft to change it.")
    if revision is not None and current.revision != revision:
        raise CatalogueError("This draft was changed in another window. Look at it as it is now, then go on.")
    return current


@transaction.atomic
def edit_record(
    *, version: CatalogueVersion, by: User, revision: int, document: str, code: str, row: Any
) -> CatalogueVersion:
    """Replace one record (or table) of a draft. Faults are kept and shown: only publishing asks for none."""
    current = _locked(version, revision)
    data = json.loads(current.documents[document])
    key = KEYS.get(document)
    if key is None:
        if code not in data:
            raise CatalogueError("This record is not in the draft.")
        before, data[code] = data[code], row
    else:
        place = next((n for n, one in enumerate(data) if one.get(key) == code), None)
        if place is None:
            raise CatalogueError("This record is not in the draft.")
        before, data[place] = data[place], {**row, key: code}
        row = data[place]
    if row == before:
        raise CatalogueError("Nothing was changed.")
    _store(current, {**current.documents, document: text_of(data)})
    record(
        type="catalogue.edited", target=current, by=by, old={f"{document}/{code}": before},
        new={f"{document}/{code}": row},
    )  # fmt: skip
    return current


def _store(version: CatalogueVersion, texts: Mapping[str, str]) -> None:
    version.documents = _named(texts, version.number)
    version.name = _name(version.documents)
    version.sha256 = digest(version.documents)
    version.revision += 1
    version.save()


@transaction.atomic
def copy_cocktail(
    *, version: CatalogueVersion, by: User, revision: int, source: str, code: str, label: str
) -> CatalogueVersion:
    """A new cocktail in a draft that begins as a copy of another, with its entry in the vocabulary."""
    current = _locked(version, revision)
    if not re.fullmatch(r"CK-[A-Z0-9]{2,6}(-[A-Z0-9]{1,4})?", code):
        raise CatalogueError("Enter a code such as CK-REJ-9: capital letters, digits, hyphens.")
    label = label.strip()
    if not 3 <= len(label) <= 80:
        raise CatalogueError("Enter a name of 3 to 80 characters.")
    rows, vocabulary = (json.loads(current.documents[name]) for name in ("cocktails", "vocabulary"))
    found = next((row for row in rows if row["code"] == source), None)
    if found is None:
        raise CatalogueError("The cocktail to copy is not in the draft.")
    if any(row["code"] == code for row in (*rows, *vocabulary["cocktails"])):
        raise CatalogueError(f"{code} is in the catalogue already.")
    rows.append({**found, "code": code, "grade": "K", "source": "The clinic's own"})
    words = {name: found[name] for name in ("indications", "modalities", "areas")}
    vocabulary["cocktails"].append({"code": code, "label": label, **words})
    _store(current, {**current.documents, "cocktails": text_of(rows), "vocabulary": text_of(vocabulary)})
    record(type="catalogue.cocktail-added", target=current, by=by, new={"code": code, "copy_of": source})
    return current


@transaction.atomic
def import_documents(*, texts: Mapping[str, str], by: User, reason: str) -> CatalogueVersion:
    """Documents from outside as a draft; what is not among them is the published version's. All or nothing."""
    published = CatalogueVersion.objects.get(status=Status.PUBLISHED)
    whole = {**published.documents, **texts}
    faults = [
        f"{name}.json: -: says how a case is read and belongs to the program: leave it as it is"
        for name in SCHEMAS
        if name in texts and json.loads(texts[name]) != catalogue.shipped_data()[name]
    ]
    whole |= {name: catalogue.shipped_texts()[name] for name in SCHEMAS}
    faults += faults_of(whole)
    if faults:
        raise CatalogueError("Nothing was imported.", faults)
    if parsed(whole) == parsed(published.documents):
        raise CatalogueError("Nothing was imported: this is what is published.")
    return _drafted(texts=whole, by=by, reason=reason, based_on=published, type="catalogue.imported")


def faults_of(texts: Mapping[str, str]) -> list[str]:
    """Every fault of a version's documents, one line each; none means that it could be published."""
    try:
        build(texts, like=catalogue.shipped_data())
    except KnowledgeError as error:
        return error.faults
    return []


def breaks_on(known: Knowledge) -> list[str]:
    """Cases of the library on which the engine fails with this knowledge: no patient may be the first to find out."""
    found = []
    for case in cases():
        try:
            case.answer(known)
        except CaseFaults as error:
            found.append(f"case {case.title}: {error.faults[0][1]}")
        except Exception as error:
            found.append(f"case {case.title}: the engine fails with this catalogue: {error!r}"[:300])
    return found


@transaction.atomic
def publish(
    *, version: CatalogueVersion, by: User, revision: int, instead_of: int, reason: str, now: datetime
) -> CatalogueVersion:
    """Make a draft the clinic's knowledge. `instead_of` is the number of the published version that was on the page.

    1. Lock the draft, then the published version. 2. Check the documents and the case library. 3. Retire, publish.
    """
    reason = _reason(reason)
    current = _locked(version, revision)
    published = CatalogueVersion.objects.select_for_update().filter(status=Status.PUBLISHED).first()
    if published is None or published.number != instead_of:
        raise CatalogueError(
            "Another version was published meanwhile. Look at the differences again, then publish."
        )
    faults = faults_of(current.documents)
    if not faults:
        faults = breaks_on(build(current.documents, like=catalogue.shipped_data()))
    if faults:
        raise CatalogueError("This draft has faults. Mend them, then publish.", faults)
    if current.sha256 == published.sha256:
        raise CatalogueError("This draft is the same as what is published.")
    if CatalogueVersion.objects.filter(name=current.name, published_at__isnull=False).exists():
        # The program shipped other contents under a name that plans carry already.
        current.documents = _named(current.documents, current.number)
        current.name, current.sha256 = _name(current.documents), digest(current.documents)
    CatalogueVersion.objects.filter(status=Status.PUBLISHED).update(status=Status.RETIRED)
    current.status, current.published_at, current.published_by, current.reason = (
        Status.PUBLISHED,
        now,
        by,
        reason,
    )
    try:
        with transaction.atomic():
            current.save()
    except IntegrityError as error:
        raise CatalogueError("Another version was published at the same moment. Look at it first.") from error
    record(
        type="catalogue.published", target=current, by=by, reason=reason,
        old={"number": published.number, "sha256": published.sha256},
        new={"number": current.number, "sha256": current.sha256},
    )  # fmt: skip
    transaction.on_commit(catalogue.forget)
    return current


@transaction.atomic
def roll_back(
    *, to: CatalogueVersion, by: User, instead_of: int, reason: str, now: datetime
) -> CatalogueVersion:
    """Publish an older version's documents as a new version."""
    if to.status != Status.RETIRED or to.published_at is None:
        raise CatalogueError("Only a version that was published before can come back.")
    again = draft(by=by, reason=reason, of=to)
    return publish(
        version=again, by=by, revision=again.revision, instead_of=instead_of, reason=reason, now=now
    )


@transaction.atomic
def discard(*, version: CatalogueVersion, by: User) -> CatalogueVersion:
    """Put a draft away. It stays readable; it is never used."""
    current = _locked(version)
    current.status = Status.RETIRED
    current.save(update_fields=["status", "saved_at"])
    record(type="catalogue.discarded", target=current, by=by, old={"number": current.number})
    return current


@transaction.atomic
def start_trial(*, version: CatalogueVersion, by: User) -> CatalogueTrial:
    """Try a draft without faults on the case library and every live plan; the work goes on in the background."""
    from protocols.tasks import go_on

    current = _locked(version)
    faults = faults_of(current.documents)
    if faults:
        raise CatalogueError("This draft has faults. Mend them, then try it.", faults)
    running = current.trials.filter(status=CatalogueTrial.Status.RUNNING, sha256=current.sha256).first()
    if running is not None:
        # A second click starts no second one, but nudges a trial whose worker died.
        transaction.on_commit(partial(go_on.delay, running.pk))
        return running
    published = CatalogueVersion.objects.get(status=Status.PUBLISHED)
    trial = CatalogueTrial.objects.create(
        version=current, sha256=current.sha256, against_sha256=published.sha256, started_by=by,
        cases_total=len(cases()),
        plans_total=TreatmentPlan.objects.filter(status__in=TreatmentPlan.LIVE).count(),
    )  # fmt: skip
    record(type="catalogue.tried", target=current, by=by, new={"trial": trial.pk, "sha256": current.sha256})
    transaction.on_commit(partial(go_on.delay, trial.pk))
    return trial


# ---- the formulary -----------------------------------------------------------------------------------------


@transaction.atomic
def set_formulary(*, by: User, applies: bool, modalities: list[str], devices: str) -> Formulary:
    """Whether the engine is held to what is in house, and which modalities are."""
    row, _new = Formulary.objects.select_for_update().get_or_create(pk=1)
    before = {"applies": row.applies, "modalities": row.modalities, "devices": row.devices}
    known = {one["code"] for one in catalogue.knowledge().vocabulary["modalities"]}
    chosen = [code for code in dict.fromkeys(modalities) if code in known]
    if applies and not chosen:
        raise CatalogueError(
            "Name at least one modality that is in house: with none, nothing could be proposed."
        )
    if applies and not FormularyProduct.objects.filter(in_house=True).exists():
        raise CatalogueError(
            "Add the products that are in house first: with none, nothing could be proposed."
        )
    row.applies, row.modalities, row.devices, row.changed_by = applies, chosen, devices.strip()[:300], by
    row.save()
    record(
        type="formulary.changed", target=row, by=by, old=before,
        new={"applies": applies, "modalities": chosen, "devices": row.devices},
    )  # fmt: skip
    transaction.on_commit(catalogue.forget)
    return row


@transaction.atomic
def add_product(
    *, by: User, agent: str, brand: str, manufacturer: str = "", concentration_mg_per_ml: Decimal | None = None,
    pack_ml: Decimal | None = None,
) -> FormularyProduct:  # fmt: skip
    """A product that stands for an agent."""
    if agent not in catalogue.knowledge().agents:
        raise CatalogueError("This agent is not in the catalogue.")
    product = FormularyProduct(
        agent=agent, brand=brand.strip(), manufacturer=manufacturer.strip(), pack_ml=pack_ml,
        concentration_mg_per_ml=concentration_mg_per_ml, added_by=by,
    )  # fmt: skip
    try:
        product.full_clean()
    except ValidationError as error:
        raise CatalogueError(" ".join(error.messages)) from error
    product.save()
    record(
        type="formulary.product-added", target=product, by=by,
        new={"agent": agent, "brand": product.brand, "mg_per_ml": str(concentration_mg_per_ml or ""),
             "pack_ml": str(pack_ml or "")},
    )  # fmt: skip
    transaction.on_commit(catalogue.forget)
    return product


@transaction.atomic
def stock_product(*, product: FormularyProduct, by: User, in_house: bool) -> FormularyProduct:
    """Take a product out of the house, or bring it back. Its row stays."""
    current = FormularyProduct.objects.select_for_update().get(pk=product.pk)
    if current.in_house != in_house:
        current.in_house = in_house
        current.save(update_fields=["in_house", "saved_at"])
        record(
            type="formulary.product-back" if in_house else "formulary.product-out", target=current, by=by,
            new={"agent": current.agent, "brand": current.brand},
        )  # fmt: skip
        transaction.on_commit(catalogue.forget)
    return current


# ---- favourites --------------------------------------------------------------------------------------------


@transaction.atomic
def save_favourite(*, plan: TreatmentPlan, course: int, name: str, note: str, by: User) -> Favourite:
    """Keep a course of a plan, as it was edited, as a named protocol of the clinic. Inside every limit, or not at all."""
    from protocols.favourites import relative

    courses = plan.content.get("courses", [])
    if not 0 <= course < len(courses):
        raise CatalogueError("This course is not in the plan.")
    if plan.content.get("status") != "proposed":
        raise CatalogueError("Only a course that can be given becomes a favourite.")
    concerns = courses[course]["concerns"]
    if len(concerns) != 1:
        raise CatalogueError("A favourite is for one concern: this course treats several.")
    blocks = [f for f in plan.findings if f["level"] == "block"]
    if blocks:
        raise CatalogueError(f"Not kept: {blocks[0]['message']}")
    name, note = name.strip(), note.strip()
    if not 3 <= len(name) <= 80:
        raise CatalogueError("Enter a name of 3 to 80 characters.")
    indication, _slash, area = concerns[0].partition("/")
    favourite = Favourite(
        name=name, indication=indication, area=area, note=note[:200], by=by,
        edits=relative(plan.content, course),
    )  # fmt: skip
    try:
        favourite.validate_constraints()
        with transaction.atomic():
            favourite.save()
    except (ValidationError, IntegrityError) as error:
        raise CatalogueError("A favourite has this name already. Enter another one.") from error
    record(
        type="favourite.saved",
        target=favourite,
        by=by,
        new={"concern": concerns[0], "edits": favourite.edits},
    )
    return favourite


@transaction.atomic
def use_favourite(
    *, plan: TreatmentPlan, favourite: Favourite, by: User, revision: int, today: date
) -> TreatmentPlan:
    """Lay a favourite over a draft plan. It is checked for this patient; a passed limit leaves the plan as it was."""
    from protocols import actions
    from protocols.favourites import tried

    result = tried(plan, favourite, today)
    if not result.possible:
        raise CatalogueError(f"{favourite.name} does not fit this patient: {result.why}")
    # Another choice drops the values typed for the one before, so the favourite's own follow it.
    choice = {"choice": result.changes["choice"]}
    values = {name: rows for name, rows in result.changes.items() if name != "choice"}
    edited = actions.edit_plan(plan=plan, by=by, revision=revision, changes=choice, today=today)
    edited = actions.edit_plan(plan=edited, by=by, revision=edited.revision, changes=values, today=today)
    record(
        type="favourite.used", target=favourite, by=by, patient_id=edited.patient_id, new={"plan": edited.pk}
    )
    return edited


@transaction.atomic
def remove_favourite(*, favourite: Favourite, by: User) -> None:
    """Offer a favourite no more. Plans made with it are not touched."""
    current = Favourite.objects.select_for_update().get(pk=favourite.pk)
    if current.removed_at is None:
        current.removed_at = timezone.now()
        current.save(update_fields=["removed_at"])
        record(type="favourite.removed", target=current, by=by, old={"name": current.name})
