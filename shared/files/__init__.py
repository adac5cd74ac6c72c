"""Files outside the database: stored and sealed (`storage`), known by a row each (`rows`), pictures without what a
camera notes beside them (`pictures`). A service that keeps files has a table `stored_file`, `FileSettings`, and the
timer that removes what nobody keeps. What a file is by its content is asked in `types`.
"""
