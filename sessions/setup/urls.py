"""Pages that set the clinic up; included by sessions.urls."""

from django.urls import path

from sessions.setup.views import first_steps, hours, people, places, stock

urlpatterns = [
    path("setup/", first_steps.first_steps, name="setup"),
    path("setup/people/", people.people, name="setup-people"),
    path("setup/people/new/", people.person_new, name="setup-person-new"),
    path("setup/people/<int:pk>/", people.person, name="setup-person"),
    path("setup/people/<int:pk>/deactivate/", people.person_deactivate, name="setup-person-deactivate"),
    path("setup/people/<int:pk>/reactivate/", people.person_reactivate, name="setup-person-reactivate"),
    path("setup/people/<int:pk>/password/", people.person_password, name="setup-person-password"),
    path("setup/places/", places.places, name="setup-places"),
    path("setup/places/new/", places.place_new, name="setup-place-new"),
    path("setup/places/<int:pk>/", places.place, name="setup-place"),
    path("setup/places/<int:pk>/edit/", places.place_edit, name="setup-place-edit"),
    path("setup/places/<int:pk>/rooms/new/", places.room_new, name="setup-room-new"),
    path("setup/places/<int:pk>/devices/new/", places.device_new, name="setup-device-new"),
    path("setup/rooms/<int:pk>/", places.room, name="setup-room"),
    path("setup/devices/<int:pk>/", places.device, name="setup-device"),
    path("setup/devices/<int:pk>/service/", places.device_service, name="setup-device-service"),
    path("setup/hours/", hours.hours, name="setup-hours"),
    path("setup/hours/<int:pk>/", hours.week, name="setup-week"),
    path("setup/absences/", hours.absences, name="setup-absences"),
    path("setup/absences/new/", hours.absence_new, name="setup-absence-new"),
    path("setup/absences/<int:pk>/", hours.absence, name="setup-absence"),
    path("setup/absences/<int:pk>/remove/", hours.absence_remove, name="setup-absence-remove"),
    path("setup/closures/", hours.closures, name="setup-closures"),
    path("setup/closures/new/", hours.closure_new, name="setup-closure-new"),
    path("setup/closures/<int:pk>/", hours.closure, name="setup-closure"),
    path("setup/closures/<int:pk>/remove/", hours.closure_remove, name="setup-closure-remove"),
    path("products/", stock.products, name="stock-products"),
    path("products/new/", stock.product_new, name="stock-product-new"),
    path("products/<int:pk>/", stock.product, name="stock-product"),
    path("products/<int:pk>/edit/", stock.product_edit, name="stock-product-edit"),
    path("lots/<int:pk>/", stock.lot_edit, name="stock-lot-edit"),
]
