"""The catalogue that the clinic owns: versions, drafts, trials, publishing, import, the formulary, favourites."""

import io
import json
import zipfile
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mesoclinic.audit.models import AuditEvent
from patients import vocabulary
from protocols import actions_catalogue as actions
from protocols import catalogue, labels, library, queries, sentences, trials
from protocols.comparing import differences
from protocols.engine import Formulary as House
from protocols.engine import KnowledgeError, build, parse, propose
from protocols.engine.knowledge import parsed
from protocols.engine.records import KEYS
from protocols.forms_catalogue import RecordForm
from protocols.importing import ImportFaults, as_zip, read_files
from protocols.library import cases
from protocols.models import TreatmentPlan
from protocols.models_catalogue import CatalogueTrial, CatalogueVersion, Favourite, FormularyProduct
from tests.clinic import Clinic
from tests.protocols.helpers import asked, give_reasons, sign
from tests.protocols.helpers import propose as propose_plan

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}
WHY = "Our own experience of two years"


@pytest.fixture
def clinic() -> Clinic:
    return Clinic(today=date.today())


@pytest.fixture
def as_(client: Client, clinic: Clinic) -> Callable[[str], Client]:
    def signed_in(name: str) -> Client:
        client.force_login(clinic.users[name])
        return client

    return signed_in


@pytest.fixture
def draft(clinic: Clinic) -> CatalogueVersion:
    return actions.draft(by=clinic.amari, reason=WHY)


def published() -> CatalogueVersion:
    return CatalogueVersion.objects.get(status="published")


def record(version: CatalogueVersion, document: str, code: str) -> dict[str, Any]:
    key = KEYS[document]
    return next(row for row in parsed(version.documents)[document] if row[key] == code)


def edit(version: CatalogueVersion, by: Any, document: str, code: str, **values: Any) -> CatalogueVersion:
    row = record(version, document, code) | values
    return actions.edit_record(
        version=version, by=by, revision=version.revision, document=document, code=code, row=row
    )


def publish(version: CatalogueVersion, by: Any, **values: Any) -> CatalogueVersion:
    known = {
        "instead_of": published().number,
        "reason": WHY,
        "now": timezone.now(),
        "revision": version.revision,
    }
    return actions.publish(version=version, by=by, **(known | values))


@pytest.fixture
def weaker(clinic: Clinic, draft: CatalogueVersion) -> CatalogueVersion:
    """A draft in which tranexamic acid may be given at 10 mg at most, and its cocktails are made to fit."""
    for row in parsed(draft.documents)["cocktails"]:
        if any(part["agent"] == "tranexamic-acid" for part in row["components"]):
            parts = [
                p | ({"mg_per_ml": "1"} if p["agent"] == "tranexamic-acid" else {}) for p in row["components"]
            ]
            draft = edit(draft, clinic.amari, "cocktails", row["code"], components=parts)
    return edit(draft, clinic.amari, "agents", "tranexamic-acid", max_mg_per_session="10")


# ---- storage -----------------------------------------------------------------------------------------------


def test_the_shipped_files_are_version_one_byte_for_byte() -> None:
    one = published()
    assert (one.number, one.sha256) == (1, catalogue.shipped().sha256)
    assert one.documents == catalogue.shipped_texts()
    assert catalogue.knowledge() is catalogue.shipped()


def test_shipped_files_that_are_new_become_a_draft_once_and_are_never_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = {**catalogue.shipped_texts(), "version": '{"version": "2099.1"}'}
    later = build(texts)
    monkeypatch.setattr(catalogue, "shipped_texts", lambda: texts)
    monkeypatch.setattr(catalogue, "shipped", lambda: later)
    offered = actions.offer_shipped()
    assert offered is not None
    assert (offered.status, offered.name, offered.author) == ("draft", "2099.1", None)
    assert actions.offer_shipped() is None
    assert published().number == 1


def test_a_published_version_is_frozen_by_the_database(clinic: Clinic, weaker: CatalogueVersion) -> None:
    publish(weaker, clinic.amari)
    for old in CatalogueVersion.objects.filter(published_at__isnull=False):
        for change in ({"reason": "other"}, {"documents": {}}, {"status": "draft", "published_at": None}):
            with pytest.raises(IntegrityError), transaction.atomic():
                CatalogueVersion.objects.filter(pk=old.pk).update(**change)
        with pytest.raises(IntegrityError), transaction.atomic():
            CatalogueVersion.objects.filter(pk=old.pk).delete()


def test_exactly_one_version_is_published(draft: CatalogueVersion) -> None:
    with pytest.raises(IntegrityError, match="one_published_catalogue"), transaction.atomic():
        CatalogueVersion.objects.filter(pk=draft.pk).update(status="published", published_at=timezone.now())


def test_publishing_is_seen_by_the_next_request_and_old_plans_keep_their_version(
    clinic: Clinic, weaker: CatalogueVersion, as_: Callable[[str], Client]
) -> None:
    asked(clinic.lea)
    clinic.lea.refresh_from_db()
    physician = as_("amari")
    before = propose_plan(physician, clinic.lea)
    give_reasons(physician, before)
    assert sign(physician, before).status_code == 302
    publish(weaker, clinic.amari)
    assert catalogue.knowledge().agents["tranexamic-acid"]["max_mg_per_session"] == "10"
    assert catalogue.knowledge(
        "2026.11" if catalogue.shipped().version == "2026.11" else catalogue.shipped().version
    )
    before.refresh_from_db()
    assert physician.get(f"/plans/{before.pk}/").status_code == 200
    again = queries.rechecked_as_signed(before).proposal.to_dict()
    assert again["courses"] == before.content["courses"]
    assert again["knowledge"]["sha256"] == before.knowledge_sha256
    clinic.lea.refresh_from_db()
    after = propose_plan(physician, clinic.patient("Ana", "Neu"))
    assert after.knowledge_version == f"{catalogue.shipped().version}-clinic.2"
    assert after.content["courses"] != before.content["courses"]


def test_a_draft_plan_whose_doses_changed_under_it_is_not_signed_unseen(
    clinic: Clinic, weaker: CatalogueVersion, as_: Callable[[str], Client]
) -> None:
    asked(clinic.lea)
    clinic.lea.refresh_from_db()
    physician = as_("amari")
    plan = propose_plan(physician, clinic.lea)
    give_reasons(physician, plan)
    publish(weaker, clinic.amari)
    answer = sign(physician, plan)
    assert answer.status_code == 409
    assert "Propose again" in answer.content.decode()
    plan.refresh_from_db()
    assert plan.status == "draft"


def test_a_version_nobody_published_is_not_known() -> None:
    with pytest.raises(KnowledgeError, match="never published"):
        catalogue.knowledge("1999.1")


def test_within_a_request_the_published_version_is_looked_up_once() -> None:
    catalogue._begin()
    try:
        with CaptureQueriesContext(connection) as queries_made:
            for _ in range(5):
                catalogue.knowledge()
        assert len(queries_made) == 1
    finally:
        catalogue._end()


def test_a_version_that_lacks_what_the_program_reads_keeps_the_programs_value() -> None:
    texts = dict(catalogue.shipped_texts())
    tables = json.loads(texts["tables"])
    del tables["visit_max_ml"]
    texts["tables"] = json.dumps(tables)
    found = build(texts, like=catalogue.shipped_data())
    assert found.tables["visit_max_ml"] == catalogue.shipped().tables["visit_max_ml"]


# ---- validation --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "change", "line"),
    [
        ("agents", lambda rows: rows[0].update(max_mg_per_session="lots"), "agents.json: ha-ncl: max_mg_per_session"),
        ("agents", lambda rows: rows[0].pop("min_days"), None),
        ("agents", lambda rows: rows[0].update(min_days="7"), "agents.json: ha-ncl: min_days: is text"),
        ("agents", lambda rows: rows[0].update(min_days=-1), "agents.json: ha-ncl: min_days: -1 is below 0"),
        ("agents", lambda rows: rows[0].update(colour="blue"), "agents.json: ha-ncl: colour: is no known field"),
        ("cocktails", lambda rows: rows[0].update(grade="Z"), "cocktails.json: CK-REJ-1: grade 'Z'"),
        ("cocktails", lambda rows: rows[0]["components"][0].update(agent="x"), "cocktails.json: CK-REJ-1: unknown agent x"),
        ("rules", lambda rows: rows[1]["clauses"][0]["when"].update(moon="full"), "clauses[0].when.moon: is no word"),
        ("rules", lambda rows: rows[1]["clauses"][0].update(when={"condition": ["flu"]}), "flu: not among"),
        ("rules", lambda rows: rows[1]["clauses"][0].update(effects=[{"do": "explode"}]), "'explode' is not one of"),
        ("rules", lambda rows: rows[1].update(source=""), "rules.json: R01: has no source"),
        ("tables", lambda rows: rows.update(sessions_range=4), "tables.json: sessions_range: is a whole number"),
        ("vocabulary", lambda rows: rows["conditions"].pop(), "vocabulary.json: conditions:"),
    ],
)  # fmt: skip
def test_every_fault_is_one_line_with_file_and_key(document: str, change: Any, line: str | None) -> None:
    texts = dict(catalogue.shipped_texts())
    data = json.loads(texts[document])
    change(data)
    texts[document] = json.dumps(data)
    faults = actions.faults_of(texts)
    if line is None:
        assert faults == []  # filled in from the shipped record
    else:
        assert any(line in fault for fault in faults), faults
        assert all("\n" not in fault for fault in faults)


def test_every_shipped_record_goes_through_its_form_unchanged() -> None:
    data, known = catalogue.shipped_data(), catalogue.shipped()
    for document in (*KEYS, "tables"):
        key = KEYS.get(document)
        rows = data[document] if key is None else {row[key]: row for row in data[document]}
        for code, row in rows.items():
            empty = RecordForm(None, document=document, code=code, row=row, known=known)
            sent = QueryDict(mutable=True)
            for name, field in empty.fields.items():
                value = field.initial
                if isinstance(value, list):
                    sent.setlist(name, value)
                elif value is not None and value is not False:
                    sent[name] = "on" if value is True else str(value)
            form = RecordForm(sent, document=document, code=code, row=row, known=known)
            assert form.is_valid(), (document, code, form.errors)
            assert form.record() == row, (document, code)


def test_every_rule_reads_as_a_sentence() -> None:
    known = catalogue.shipped()
    for row in known.rules.values():
        for clause in sentences.clauses(row, known):
            assert clause["when"] and clause["then"]
            assert "{" not in clause["when"] + clause["then"], (row["id"], clause)
    assert sentences.condition({"all": [{"condition": ["diabetes"], "uncontrolled": True},
                                        {"not": {"age": {"below": 18}}}]}, known) == (
        "Diabetes, not controlled, and not (age below 18)")  # fmt: skip


# ---- drafting and publishing -------------------------------------------------------------------------------


def test_editing_a_draft_changes_one_value_and_is_recorded(clinic: Clinic, draft: CatalogueVersion) -> None:
    before = published()
    edited = edit(draft, clinic.amari, "agents", "ha-ncl", min_days=10)
    found = differences(parsed(before.documents), parsed(edited.documents))
    assert [(d.document, d.code, d.path, d.old, d.new) for d in found] == [
        ("agents", "ha-ncl", "min_days", "7", "10")
    ]
    event = AuditEvent.objects.filter(type="catalogue.edited").latest("pk")
    assert event.actor_name == clinic.amari.full_name
    assert event.new["agents/ha-ncl"]["min_days"] == 10


def test_a_draft_changed_in_another_window_is_not_overwritten(
    clinic: Clinic, draft: CatalogueVersion
) -> None:
    edit(draft, clinic.amari, "agents", "ha-ncl", min_days=10)
    with pytest.raises(actions.CatalogueError, match="another window"):
        edit(draft, clinic.amari, "agents", "ha-ncl", min_days=12)


def test_a_draft_with_faults_is_kept_but_not_published(clinic: Clinic, draft: CatalogueVersion) -> None:
    bad = edit(draft, clinic.amari, "agents", "ha-ncl", source="")
    with pytest.raises(actions.CatalogueError) as refused:
        publish(bad, clinic.amari)
    assert refused.value.faults == ["agents.json: ha-ncl: has no source"]
    assert published().number == 1


def test_a_draft_that_breaks_the_engine_is_not_published(
    clinic: Clinic, weaker: CatalogueVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "propose", lambda *a: 1 / 0)
    with pytest.raises(actions.CatalogueError) as refused:
        publish(weaker, clinic.amari)
    assert "the engine fails" in refused.value.faults[0]


def test_publishing_over_a_version_nobody_looked_at_is_refused(
    clinic: Clinic, weaker: CatalogueVersion
) -> None:
    other = edit(actions.draft(by=clinic.amari, reason=WHY), clinic.amari, "agents", "ha-ncl", min_days=8)
    publish(other, clinic.amari)
    with pytest.raises(actions.CatalogueError, match="published meanwhile"):
        publish(weaker, clinic.amari, instead_of=1)


def test_rolling_back_publishes_the_old_contents_as_a_new_version(
    clinic: Clinic, weaker: CatalogueVersion
) -> None:
    first = published()
    publish(weaker, clinic.amari)
    again = actions.roll_back(
        to=CatalogueVersion.objects.get(pk=first.pk), by=clinic.amari, instead_of=weaker.number, reason=WHY,
        now=timezone.now(),
    )  # fmt: skip
    assert (again.number, again.status, again.published_by) == (3, "published", clinic.amari)
    assert differences(parsed(first.documents), parsed(again.documents)) == []
    assert catalogue.knowledge().agents["tranexamic-acid"]["max_mg_per_session"] != "10"
    assert [v.status for v in CatalogueVersion.objects.order_by("number")] == [
        "retired",
        "retired",
        "published",
    ]


def test_a_cocktail_is_copied_with_its_vocabulary(clinic: Clinic, draft: CatalogueVersion) -> None:
    made = actions.copy_cocktail(
        version=draft, by=clinic.amari, revision=1, source="CK-REJ-1", code="CK-REJ-9", label="Our own"
    )
    assert actions.faults_of(made.documents) == []
    for code in ("CK-REJ-9", "lower case"):
        with pytest.raises(actions.CatalogueError):
            actions.copy_cocktail(
                version=made, by=clinic.amari, revision=2, source="CK-REJ-1", code=code, label="Again"
            )


def test_people_read_the_words_of_the_published_version(clinic: Clinic, draft: CatalogueVersion) -> None:
    """A name that the medical director gives is the name on every page, of the clinic's own records too."""
    made = actions.copy_cocktail(
        version=draft, by=clinic.amari, revision=1, source="CK-REJ-1", code="CK-REJ-9", label="Our own"
    )
    assert labels.label("cocktails", "CK-REJ-9") == "CK-REJ-9"
    publish(made, clinic.amari)
    assert labels.label("cocktails", "CK-REJ-9") == "Our own"
    assert vocabulary.label("cocktails", "CK-REJ-9") == "Our own"


# ---- trying ------------------------------------------------------------------------------------------------


def signed(clinic: Clinic, physician: Client) -> TreatmentPlan:
    asked(clinic.lea)
    clinic.lea.refresh_from_db()
    plan = propose_plan(physician, clinic.lea)
    give_reasons(physician, plan)
    assert sign(physician, plan).status_code == 302
    plan.refresh_from_db()
    return plan


def run(trial: CatalogueTrial) -> CatalogueTrial:
    while trials.run_batch(trial.pk):
        pass
    trial.refresh_from_db()
    return trial


def test_trying_a_draft_lists_what_would_change_for_whom_and_changes_nothing(
    clinic: Clinic, weaker: CatalogueVersion, as_: Callable[[str], Client]
) -> None:
    physician = as_("amari")
    plan = signed(clinic, physician)
    kept = plan.content
    clinic.signed_plan(clinic.patient("Iris", "Ohne"))  # a plan without the facts to try it with
    trial = run(actions.start_trial(version=weaker, by=clinic.amari))
    assert trial.status == "done"
    assert (trial.cases_done, trial.plans_done) == (len(cases()), 2)
    change = trial.changes.get(plan=plan)
    assert any(row["what"].startswith("dose, ") and "Tranexamic" in row["what"] for row in change.changes)
    against = [
        (change.case, row["new"])
        for change in trial.changes.exclude(case="")
        for row in change.changes
        if row["what"] == "against the reference"
    ]
    assert against, list(trial.changes.values_list("case", "changes"))
    plan.refresh_from_db()
    assert plan.content == kept
    page = physician.get(f"/catalogue/versions/{weaker.pk}/").content.decode()
    assert "Brandt" in page
    manager = as_("ortiz").get(f"/catalogue/versions/{weaker.pk}/").content.decode()
    assert "Brandt" not in manager


def test_a_batch_that_runs_twice_or_after_a_change_of_the_draft_does_no_harm(
    clinic: Clinic, weaker: CatalogueVersion
) -> None:
    trial = run(actions.start_trial(version=weaker, by=clinic.amari))
    count = trial.changes.count()
    assert not trials.run_batch(trial.pk)
    assert trial.changes.count() == count
    other = actions.start_trial(version=weaker, by=clinic.amari)
    edit(CatalogueVersion.objects.get(pk=weaker.pk), clinic.amari, "agents", "ha-ncl", min_days=9)
    assert run(other).status == "failed"


# ---- import and export -------------------------------------------------------------------------------------


def upload(name: str, raw: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, raw)


def changed_agents() -> bytes:
    rows = json.loads(catalogue.shipped_texts()["agents"])
    rows[0]["min_days"] = 11
    return actions.text_of(rows).encode()


def test_what_is_exported_is_the_shipped_files_and_comes_back_as_it_was(as_: Callable[[str], Client]) -> None:
    raw = as_("roca").get(f"/catalogue/versions/{published().pk}/export/").content
    assert read_files([upload("c.zip", raw)]) == catalogue.shipped_texts()
    assert raw == as_zip(catalogue.shipped_texts())


def test_an_import_becomes_a_draft(as_: Callable[[str], Client]) -> None:
    answer = as_("ortiz").post(
        "/catalogue/import/", {"documents": upload("agents.json", changed_agents()), "reason": WHY}
    )
    assert answer.status_code == 302
    made = CatalogueVersion.objects.get(status="draft")
    assert record(made, "agents", "ha-ncl")["min_days"] == 11
    assert published().number == 1


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("agents.json", b"[" + b" " * 50_000_000 + b"]")
    return out.getvalue()


def many() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(200):
            archive.writestr(f"{number}.json", b"[]")
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "raw", "line"),
    [
        ("agents.json", b"[" * 100_000, "nested too deeply"),
        ("agents.json", b'[{"code": NaN}]', "is not JSON"),
        ("agents.json", b'[{"code": 1, "code": 2}]', "stands twice"),
        ("agents.json", b"\xff\xfe", "not UTF-8"),
        ("agents.json", b'["\\u0000"]', "NUL"),
        ("agents.json", b"{}", "agents.json"),
        ("../../etc/passwd", b"root", "no file of the catalogue"),
        ("c.zip", b"PK\x03\x04broken", "broken zip"),
        ("c.zip", bomb(), "too large"),
        ("c.zip", many(), "holds 200 files"),
        ("agents.json", b" " * 5_000_000, "at most 4 MB"),
    ],
)  # fmt: skip
def test_bad_files_are_refused_with_a_line_each_and_nothing_is_kept(
    as_: Callable[[str], Client], name: str, raw: bytes, line: str
) -> None:
    answer = as_("amari").post("/catalogue/import/", {"documents": upload(name, raw), "reason": WHY})
    assert answer.status_code == 422
    assert line in answer.content.decode()
    assert not CatalogueVersion.objects.filter(status="draft").exists()


def test_the_form_of_a_case_is_not_taken_from_outside(clinic: Clinic) -> None:
    with pytest.raises(actions.CatalogueError) as refused:
        actions.import_documents(texts={"case.schema": "{}"}, by=clinic.amari, reason=WHY)
    assert "belongs to the program" in refused.value.faults[0]


def test_no_file_at_all_is_said() -> None:
    with pytest.raises(ImportFaults, match="choose a zip"):
        read_files([])


# ---- the formulary -----------------------------------------------------------------------------------------


def test_the_engine_proposes_only_what_is_in_house_and_says_what_it_would_have_proposed() -> None:
    known = catalogue.shipped()
    case = parse(next(case.data for case in cases() if case.title.startswith("01")), known.schema)
    free = propose(case, known, case.today).to_dict()
    first = free["courses"][0]["sessions"][0]["parts"][0]
    agents = frozenset(known.agents) - {c["agent"] for c in first["components"]}
    held = propose(case, known, case.today, House(agents, frozenset({"syringe", "microneedling"}))).to_dict()
    for course in held["courses"]:
        for session in course["sessions"]:
            for part in session["parts"]:
                assert part["modality"] != "needle-free"
                assert {c["agent"] for c in part["components"]} <= agents | {"saline"}
    refused = [row for row in held["not_chosen"] if "formulary" in row["reason"]]
    assert any(first["cocktail"] in row["candidate"] for row in refused)
    everything = House(frozenset(known.agents), frozenset({"syringe", "microneedling", "needle-free"}))
    assert propose(case, known, case.today, everything).to_dict() == free
    nothing = propose(case, known, case.today, House(frozenset(), frozenset())).to_dict()
    assert nothing["status"] == "declined"
    assert "formulary" in nothing["declined"][0]["message"]


def test_the_formulary_holds_the_pages_and_is_kept_with_the_plan(
    clinic: Clinic, as_: Callable[[str], Client]
) -> None:
    physician = as_("amari")
    asked(clinic.lea)
    clinic.lea.refresh_from_db()
    answer = physician.post(
        "/catalogue/formulary/change/", {"act": "house", "applies": "on", "modalities": ["syringe"]}
    )
    assert answer.status_code == 422  # no product yet: nothing could be proposed
    physician.post("/catalogue/formulary/change/", {"act": "product", "agent": "niacinamide", "brand": "Nia 4",
                                             "concentration_mg_per_ml": "40", "pack_ml": "5"})  # fmt: skip
    assert FormularyProduct.objects.get().brand == "Nia 4"
    physician.post(
        "/catalogue/formulary/change/", {"act": "house", "applies": "on", "modalities": ["microneedling"]}
    )
    plan = propose_plan(physician, clinic.lea)
    parts = [p for c in plan.content["courses"] for s in c["sessions"] for p in s["parts"]]
    assert parts and {c["agent"] for p in parts for c in p["components"]} <= {"niacinamide", "saline"}
    assert plan.content["formulary"]["agents"] == ["niacinamide"]
    assert any("formulary" in row["reason"] for row in plan.content["not_chosen"])
    assert "formulary" in physician.get(f"/plans/{plan.pk}/").content.decode()
    again = physician.post("/catalogue/formulary/change/", {"act": "product", "agent": "niacinamide", "brand": "Nia 4",
                                                     "concentration_mg_per_ml": "40", "pack_ml": "5"})  # fmt: skip
    assert again.status_code == 422
    assert "already" in again.content.decode()


def test_a_product_is_taken_out_and_comes_back(clinic: Clinic, as_: Callable[[str], Client]) -> None:
    product = actions.add_product(by=clinic.amari, agent="niacinamide", brand="Nia 4")
    as_("ortiz").post(f"/catalogue/formulary/{product.pk}/", {"in_house": "0"})
    product.refresh_from_db()
    assert not product.in_house
    as_("ortiz").post(f"/catalogue/formulary/{product.pk}/", {"in_house": "1"})
    product.refresh_from_db()
    assert product.in_house
    assert as_("roca").post(f"/catalogue/formulary/{product.pk}/", {"in_house": "0"}).status_code == 403


# ---- favourites --------------------------------------------------------------------------------------------


def edited(clinic: Clinic, physician: Client, volume: str = "2.5") -> TreatmentPlan:
    asked(clinic.lea)
    clinic.lea.refresh_from_db()
    plan = propose_plan(physician, clinic.lea)
    physician.post(f"/plans/{plan.pk}/edit/", {"revision": plan.revision, "values.0.0.0.volume_ml": volume})
    plan.refresh_from_db()
    return plan


def test_an_edited_course_is_kept_and_laid_over_another_patients_plan(
    clinic: Clinic, as_: Callable[[str], Client]
) -> None:
    physician = as_("amari")
    plan = edited(clinic, physician)
    answer = physician.post(
        f"/plans/{plan.pk}/favourites/save/", {"course": "0", "name": "Gentle start"}, **HTMX
    )
    assert answer.status_code == 200
    kept = Favourite.objects.get()
    assert kept.edits["values"] == {"0": {"volume_ml": "2.5"}}
    ana = clinic.patient("Ana", "Neu")
    other = propose_plan(physician, ana)
    page = physician.get(f"/plans/{other.pk}/favourites/", **HTMX).content.decode()
    assert "Use favourite" in page and "Gentle start" in page
    assert f'hx-get="/plans/{other.pk}/favourites/"' in physician.get(f"/plans/{other.pk}/").content.decode()
    used = physician.post(
        f"/plans/{other.pk}/favourites/use/", {"favourite": kept.pk, "revision": other.revision}
    )
    assert used.status_code == 302
    other.refresh_from_db()
    assert other.content["courses"][0]["sessions"][0]["parts"][0]["volume_ml"] == "2.5"
    assert AuditEvent.objects.filter(type="favourite.used").exists()
    double = physician.post(
        f"/plans/{other.pk}/favourites/save/", {"course": "0", "name": "Gentle start"}, **HTMX
    )
    assert double.status_code == 422


def test_a_favourite_above_a_limit_is_neither_kept_nor_used(
    clinic: Clinic, as_: Callable[[str], Client]
) -> None:
    physician = as_("amari")
    plan = edited(clinic, physician, "9.5")
    answer = physician.post(f"/plans/{plan.pk}/favourites/save/", {"course": "0", "name": "Too much"}, **HTMX)
    assert answer.status_code == 422
    assert "is above" in answer.content.decode()
    physician.post(f"/plans/{plan.pk}/edit/", {"revision": plan.revision, "values.0.0.0.volume_ml": "2.5"})
    plan.refresh_from_db()
    kept = actions.save_favourite(plan=plan, course=0, name="Mine", note="", by=clinic.amari)
    kept.edits["values"] = {"0": {"volume_ml": "9.5"}}
    kept.save()
    before = plan.content
    page = physician.get(f"/plans/{plan.pk}/favourites/", **HTMX).content.decode()
    assert "Does not fit" in page and "is above" in page
    used = physician.post(
        f"/plans/{plan.pk}/favourites/use/", {"favourite": kept.pk, "revision": plan.revision}
    )
    assert used.status_code == 409
    plan.refresh_from_db()
    assert plan.content == before


def test_a_removed_favourite_is_offered_no_more(clinic: Clinic, as_: Callable[[str], Client]) -> None:
    physician = as_("amari")
    plan = edited(clinic, physician)
    kept = actions.save_favourite(plan=plan, course=0, name="Mine", note="", by=clinic.amari)
    physician.post(f"/catalogue/favourites/{kept.pk}/remove/")
    assert "Mine" not in physician.get("/catalogue/favourites/").content.decode().replace("Offer", "")[:0]
    assert physician.get(f"/plans/{plan.pk}/favourites/", **HTMX).content.decode().count("Use favourite") == 0


# ---- pages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["cocktails", "agents", "protocols", "rules", "scales", "areas", "tables", "events"]
)
def test_every_record_has_a_page_and_a_form(
    clinic: Clinic, draft: CatalogueVersion, as_: Callable[[str], Client], kind: str
) -> None:
    from protocols import queries_catalogue

    physician = as_("amari")
    assert physician.get(f"/catalogue/?kind={kind}&q=zzzz").status_code == 200
    codes = [row["code"] for row in queries_catalogue.listing(kind, catalogue.shipped_data(), "")]
    assert codes
    for code in codes[:: max(1, len(codes) // 4)]:
        assert physician.get(f"/catalogue/{kind}/{code}/").status_code == 200, code
        assert physician.get(f"/catalogue/versions/{draft.pk}/{kind}/{code}/").status_code == 200, code
    assert physician.get(f"/catalogue/{kind}/nothing/").status_code == 404
    assert as_("marta").get(f"/catalogue/{kind}/{codes[0]}/").status_code == 403


def test_a_record_is_edited_on_its_page_with_faults_beside_it(
    draft: CatalogueVersion, as_: Callable[[str], Client]
) -> None:
    physician = as_("amari")
    url = f"/catalogue/versions/{draft.pk}/agents/ha-ncl/"
    form = RecordForm(None, document="agents", code="ha-ncl", row=record(draft, "agents", "ha-ncl"),
                      known=catalogue.shipped())  # fmt: skip
    sent = {name: field.initial for name, field in form.fields.items() if field.initial not in (None, False)}
    sent = {name: "on" if value is True else value for name, value in sent.items()}
    bad = physician.post(url, sent | {"revision": 1, "f.max_mg_per_session": "lots"})
    assert bad.status_code == 422
    assert "Enter a number such as 2.5" in bad.content.decode()
    good = physician.post(url, sent | {"revision": 1, "f.max_mg_per_session": "55"})
    assert good.status_code == 302
    page = physician.get(url).content.decode()
    assert ">60<" in page and "55" in page
    draft.refresh_from_db()
    assert record(draft, "agents", "ha-ncl")["max_mg_per_session"] == "55"


def test_a_wrong_word_in_a_rules_condition_stands_at_its_field(
    draft: CatalogueVersion, as_: Callable[[str], Client]
) -> None:
    row = record(draft, "rules", "R01")
    row["clauses"][0]["when"] = {"condition": ["flu"]}
    answer = as_("amari").post(
        f"/catalogue/versions/{draft.pk}/rules/R01/",
        {"revision": 1, "f.title": row["title"], "f.asks": "[]", "f.clauses": json.dumps(row["clauses"]),
         "f.examples.fires": json.dumps(row["examples"]["fires"]),
         "f.examples.near_miss": json.dumps(row["examples"]["near_miss"]), "f.source": row["source"], "f.grade": row["grade"]},
    )  # fmt: skip
    assert answer.status_code == 422
    assert "flu: not among the vocabulary" in answer.content.decode()


def test_the_way_from_draft_to_published_on_the_pages(
    clinic: Clinic, as_: Callable[[str], Client], django_capture_on_commit_callbacks: Any
) -> None:
    manager = as_("ortiz")
    assert manager.post("/catalogue/versions/", {"reason": ""}).status_code == 422
    made = manager.post("/catalogue/versions/", {"reason": WHY})
    version = CatalogueVersion.objects.get(status="draft")
    assert made["Location"].endswith(f"/{version.pk}/")
    version = edit(version, clinic.ortiz, "agents", "ha-ncl", min_days=9)
    assert manager.post(f"/catalogue/versions/{version.pk}/publish/", {"reason": WHY}).status_code == 403
    assert manager.post(f"/catalogue/versions/{version.pk}/try/").status_code == 302
    assert manager.get(f"/catalogue/versions/{version.pk}/trial/").status_code == 200
    physician = as_("amari")
    sent = {"reason": WHY, "revision": version.revision, "instead_of": "1"}
    assert (
        physician.post(f"/catalogue/versions/{version.pk}/publish/", sent | {"reason": "x"}).status_code
        == 409
    )
    assert physician.post(f"/catalogue/versions/{version.pk}/publish/", sent).status_code == 302
    assert published().pk == version.pk
    back = physician.post(
        f"/catalogue/versions/{CatalogueVersion.objects.get(number=1).pk}/publish/",
        {"reason": WHY, "instead_of": published().number},
    )
    assert back.status_code == 302
    assert published().number == 3
    again = actions.draft(by=clinic.amari, reason=WHY)
    assert physician.post(f"/catalogue/versions/{again.pk}/discard/").status_code == 302
    assert physician.post(f"/catalogue/versions/{again.pk}/discard/").status_code == 409


@pytest.mark.parametrize("url", ["/catalogue/versions/", "/catalogue/formulary/", "/catalogue/favourites/"])
def test_a_list_costs_the_same_however_long_it_is(
    clinic: Clinic, as_: Callable[[str], Client], url: str
) -> None:
    physician = as_("amari")

    def fill(start: int) -> None:
        for number in range(start, start + 4):
            actions.draft(by=clinic.amari, reason=f"{WHY} {number}")
            actions.add_product(by=clinic.amari, agent="niacinamide", brand=f"Nia {number}")
            Favourite.objects.create(name=f"Mine {number}", indication="pigment", area="face", by=clinic.amari,
                                     edits={"choice": ["syringe", "CK-PIG-1"], "sessions": 4, "windows": {},
                                            "values": {}})  # fmt: skip

    def cost() -> int:
        with CaptureQueriesContext(connection) as made:
            assert physician.get(url).status_code == 200
        return len(made)

    fill(0)
    cost()
    before = cost()
    fill(10)
    assert cost() == before
    assert physician.get(f"{url}?q=zzzz&page=99").status_code == 200


def test_the_command_asks_the_clinics_version_only_when_told(
    clinic: Clinic, weaker: CatalogueVersion, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    publish(weaker, clinic.amari)
    case = tmp_path / "case.json"
    case.write_text(json.dumps(cases()[0].data))
    call_command("propose", str(case))
    assert json.loads(capsys.readouterr().out)["knowledge"]["sha256"] == catalogue.shipped().sha256
    call_command("propose", str(case), "--clinic")
    assert json.loads(capsys.readouterr().out)["knowledge"]["sha256"] == published().sha256
