"""The medical director's pages in Chromium: axe on each, at a desk's and a tablet's width, and the way to publishing."""

import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import ViewportSize, expect

from protocols import actions_catalogue as actions
from protocols import trials
from protocols.models import TreatmentPlan
from protocols.models_catalogue import CatalogueVersion
from tests.browser.conftest import Person
from tests.clinic import PASSWORD, Clinic
from tests.protocols.helpers import asked, give_reasons, propose

pytestmark = pytest.mark.django_db(transaction=True)
#: Pictures are kept where this names a folder.
PICTURES = os.environ.get("MESOCLINIC_PICTURES", "")


TABLET: ViewportSize = {"width": 820, "height": 1180}
CHECKED_ON_A_TABLET = {"list", "rule", "formulary", "edit-fault", "edit-tables", "version-tried"}


def seen(person: Person, name: str) -> None:
    """Axe, and a picture when asked for."""
    person.settled()
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        width = person.page.viewport_size["width"] if person.page.viewport_size else 0
        person.page.screenshot(path=f"{PICTURES}/{name}-{width}.png", full_page=True, caret="initial")
    person.accessible()
    wide = person.page.viewport_size
    if wide is not None and wide["width"] > TABLET["width"]:
        # On a tablet nothing is cut off; what differs most is checked whole.
        person.page.set_viewport_size(TABLET)
        assert person.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
        if name in CHECKED_ON_A_TABLET:
            person.accessible()
        person.page.set_viewport_size(wide)
    assert not [fault for fault in person.faults if "Content Security" in fault], name


@pytest.fixture
def clinic() -> Clinic:
    clinic = Clinic(today=date.today())
    asked(clinic.lea)
    clinic.lea.refresh_from_db()
    return clinic


def signed_plan(clinic: Clinic, client: Any) -> TreatmentPlan:
    client.force_login(clinic.amari)
    plan = propose(client, clinic.lea)
    give_reasons(client, plan)
    plan.refresh_from_db()
    client.post(f"/plans/{plan.pk}/sign/", {"revision": plan.revision, "password": PASSWORD})
    return plan


def test_the_director_drafts_tries_and_publishes(clinic: Clinic, person: Any, client: Any) -> None:
    signed_plan(clinic, client)
    plan = propose(client, clinic.patient("Ana", "Neu"))
    actions.save_favourite(
        plan=plan, course=0, name="Gentle start", note="For a first course", by=clinic.amari
    )
    actions.add_product(by=clinic.amari, agent="tranexamic-acid", brand="Tranexa 50", manufacturer="Salus",
                        concentration_mg_per_ml="50", pack_ml="5")  # fmt: skip
    actions.set_formulary(by=clinic.amari, applies=True, modalities=["syringe"], devices="Dermapen A")
    amari: Person = person(1440, 1000).sign_in("amari")
    for path, name in (
        ("/catalogue/", "list"), ("/catalogue/?kind=rules", "rules"), ("/catalogue/?kind=tables", "tables"),
        ("/catalogue/?q=zzzz", "empty"), ("/catalogue/agents/tranexamic-acid/", "agent"),
        ("/catalogue/cocktails/CK-PIG-1/", "cocktail"), ("/catalogue/rules/R18/", "rule"),
        ("/catalogue/protocols/pigment/", "protocol"), ("/catalogue/scales/mmasi/", "scale"),
        ("/catalogue/formulary/", "formulary"), ("/catalogue/favourites/", "favourites"),
        ("/catalogue/import/", "import"), ("/catalogue/versions/", "versions"),
    ):  # fmt: skip
        amari.go(path)
        seen(amari, name)
    amari.page.fill("#reason", "Less tranexamic acid in a session")
    amari.button("Begin a draft").click()
    expect(amari.page.get_by_role("heading", name="Draft 2")).to_be_visible()
    draft = CatalogueVersion.objects.get(status="draft")
    amari.go(f"/catalogue/versions/{draft.pk}/agents/tranexamic-acid/")
    amari.page.fill('[name="f.max_mg_per_session"]', "20")
    amari.page.fill('[name="f.source"]', "")
    amari.button("Save in draft").click()
    expect(amari.page.locator(".note--block")).to_be_visible()
    seen(amari, "edit-fault")
    amari.page.fill('[name="f.source"]', "Our own audit")
    amari.button("Save in draft").click()
    expect(amari.page.locator(".was").first).to_be_visible()
    seen(amari, "edit-agent")
    for kind, code in (("cocktails", "CK-PIG-1"), ("rules", "R18"), ("protocols", "pigment"), ("scales", "mmasi"),
                       ("tables", "dc"), ("areas", "face")):  # fmt: skip
        amari.go(f"/catalogue/versions/{draft.pk}/{kind}/{code}/")
        seen(amari, f"edit-{kind}")
    amari.go(f"/catalogue/versions/{draft.pk}/records/?kind=agents")
    seen(amari, "draft")
    amari.go(f"/catalogue/versions/{draft.pk}/")
    seen(amari, "version-faults")
    draft.refresh_from_db()
    for code in ("CK-PIG-1", "CK-PIG-2", "CK-PIG-N"):
        from tests.protocols.test_catalogue import edit, record

        row = record(draft, "cocktails", code)
        parts = [
            p | ({"mg_per_ml": "1"} if p["agent"] == "tranexamic-acid" else {}) for p in row["components"]
        ]
        if parts != row["components"]:
            draft = edit(draft, clinic.amari, "cocktails", code, components=parts)
    faults = actions.faults_of(draft.documents)
    assert not faults, faults
    trial = actions.start_trial(version=draft, by=clinic.amari)
    amari.go(f"/catalogue/versions/{draft.pk}/")
    seen(amari, "trial-running")
    while trials.run_batch(trial.pk):
        pass
    # The page asks again by itself and shows the result.
    expect(amari.page.get_by_text("would come out differently")).to_be_visible()
    amari.go(f"/catalogue/versions/{draft.pk}/")
    seen(amari, "version-tried")
    amari.page.get_by_role("button", name="Publish version 2").click()
    expect(amari.page.get_by_role("heading", name="Version 2")).to_be_visible()
    seen(amari, "version-published")
    amari.go(f"/catalogue/versions/{CatalogueVersion.objects.get(number=1).pk}/")
    seen(amari, "version-retired")
    amari.go(f"/plans/{plan.pk}/")
    expect(
        amari.page.get_by_role("button", name="Use favourite")
        .or_(amari.page.get_by_text("Does not fit"))
        .first
    ).to_be_visible()
    seen(amari, "plan-favourites")
    amari.page.get_by_text("Keep this course as a favourite").click()
    amari.page.fill("#fav-name", "Gentle start")
    amari.page.get_by_role("button", name="Keep", exact=True).click()
    expect(amari.page.locator("#favourites .note--block")).to_be_visible()
    seen(amari, "plan-favourites-fault")
