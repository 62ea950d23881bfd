"""Makes what tests/sessions/test_killed.py books: run as a process on that test's own database."""

import json
import sys
import uuid

import django


def main(forms: int, clients: int) -> None:
    """Migrate, make a clinic and signed plans, and print pages ready to be confirmed and sessions of the front desk."""
    from django.core.management import call_command

    from sessions.views.shared import pack
    from tests import racing
    from tests.benchmarks.world import World, visits_of

    call_command("migrate", verbosity=0)
    world = World()
    plans = world.plans(forms)
    visits = visits_of(plans)
    ready = [
        {
            "address": racing.address(plan),
            "option": pack(world.slots(n, visits[plan.pk]), plan=plan.pk),
            "key": str(uuid.uuid4()),
        }
        for n, plan in enumerate(plans)
    ]
    sessions = [racing.signed_in(world.clinic.marta) for _n in range(clients)]
    print(json.dumps({"forms": ready, "sessions": sessions}))


if __name__ == "__main__":
    django.setup()
    main(int(sys.argv[1]), int(sys.argv[2]))
