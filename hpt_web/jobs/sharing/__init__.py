"""Who may start how many trials now, why the others wait, and what everybody has used."""
