"""Where does a person decide in a browser? The only web in the package.

guard ──► app ──► pages ──► html         one process for all projects of a database, on this machine only
  └─ every path, before anything else looks at the request
"""
