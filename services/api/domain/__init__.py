"""Pure rules of the API: signatures, wire forms, checks and renderings. No I/O, no clock."""
