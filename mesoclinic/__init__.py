"""mesoclinic: plan, book, perform and follow up courses of mesotherapy."""

from mesoclinic.celery import app as celery_app

__all__ = ["celery_app"]
