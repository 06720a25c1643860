"""Transfer of whole runs between machines: export, check and import of bundles.

form       one JSON document, a row a line, what a row may hold, sha256 of each section and of the whole
exporting  database and logs ──► lines
checking   lines ──► a run that holds together, or the place where it does not
importing  a checked run ──► the database, in one transaction; its mirrors after that

sessions, role_reports   what other systems recorded
foreign                  and how it becomes the lines of a bundle, which are checked like any
"""
