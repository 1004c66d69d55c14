"""Where power, temperature and clocks come from; one module per kind of sensor."""
