"""Setting the clinic up in the browser: people, places, hours, products; what is missing on the first day."""
