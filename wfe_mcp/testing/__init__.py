"""How does one test a template, an agent or the engine itself? Nothing is imported here: each module when it is used."""
